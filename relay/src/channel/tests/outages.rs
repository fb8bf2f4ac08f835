//! Outages: what viewers are sent while no source delivers.

use super::*;

#[tokio::test(start_paused = true)]
async fn a_loop_is_shown_where_there_is_nothing_else_and_tried_anew_less_and_less_often() {
    let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", &[Play::Loop(125)])]);
    let mut viewer = house.join();
    let mut opened = Vec::new();
    for _ in 0..6 {
        watch(&mut viewer, 300 * SECOND).await;
        opened.push(house.script.opened().len());
    }
    // It is noticed within 8 s.
    assert!(opened[0] >= 3 && opened[0] <= 7, "{opened:?}");
    assert!(opened.windows(2).skip(1).all(|pair| pair[1] - pair[0] <= 1), "{opened:?}");
    let report = house.channels.report("one").unwrap();
    assert!(report.is_live && report.faults.iter().sum::<u64>() >= 6, "{:?}", report.faults);
}

#[tokio::test(start_paused = true)]
async fn connections_are_kept_alive_in_an_outage_and_that_is_no_activity() {
    let house = gone();
    let mut viewer = house.join();
    assert!(watch(&mut viewer, 20 * SECOND).await > 50_000);
    let before = house.channels.report("one").unwrap();
    assert_eq!((before.is_live, before.bitrate), (false, 0));
    let kept = watch(&mut viewer, 10 * SECOND).await;
    assert!(kept > 0 && kept < 100_000, "{kept} bytes");
    let after = house.channels.report("one").unwrap();
    assert!(after.output.keep_alives > before.output.keep_alives + 30, "four a second");
    assert_eq!((after.bitrate, after.last_activity), (0, before.last_activity));
}

#[tokio::test(start_paused = true)]
async fn a_slate_is_shown_as_long_as_somebody_sees_it_whatever_the_programme() {
    let plays = &[Play::For(12 * SECOND, Error::Ended), Play::Fail(SECOND / 10, Error::Refused)];
    let text = "[[channels]]\nid = \"one\"\nsources = [\"http://h/a\"]\nprogram = 7\nslate = true\n";
    let house = House::new(&config(text), &[("/a", plays)]);
    let mut viewer = house.join();
    watch(&mut viewer, 14 * SECOND).await;
    // Each pass of it takes 9.6 s.
    for pass in 0..4 {
        let shown = watch(&mut viewer, 9 * SECOND).await;
        assert!(shown > 100_000, "pass {pass}: {shown} bytes");
    }
    let report = house.channels.report("one").unwrap();
    assert_eq!((report.is_live, report.output.keep_alives), (false, 6), "four a second, before it");
    // It is not wanted any more, and then again by nobody.
    house.configure(&config(&text.replace("slate = true", "slate = false")));
    assert!(watch(&mut viewer, 4 * SECOND).await < 50_000);
    drop(viewer);
    house.configure(&config(text));
    let before = house.channels.report("one").unwrap().output.entries;
    sleep(8 * SECOND).await;
    assert_eq!(house.channels.report("one").unwrap().output.entries, before);
}

#[tokio::test(start_paused = true)]
async fn who_watches_by_hls_has_no_connection_to_keep_alive() {
    let house = gone();
    let session = house.session(Player::Strict);
    sleep(30 * SECOND).await;
    let report = house.channels.report("one").unwrap();
    assert_eq!(
        (report.readers.of(ReaderKind::Hls), report.is_live, report.output.keep_alives),
        (1, false, 0)
    );
    assert!(report.output.entries > 10, "there was something to see");
    drop(session);
}

//! Another configuration while channels are open.

use forebay_core::failover::Steer;

use super::*;

#[tokio::test(start_paused = true)]
async fn new_settings_keep_the_viewers() {
    let plays: &[(&str, &[Play])] = &[("/a", &[endless()]), ("/b", &[endless()])];
    let house = House::new(&one(r#"["http://h/a"]"#), plays);
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    assert_eq!(house.channels.configure(one(r#"["http://h/a"]"#).snapshot()), Changes::default());
    // What is set differently and does not change what is asked for holds from the next opening on.
    let sources = "[{ url = \"http://h/a\", max_bitrate = \"5 Mbit/s\" }]\nslate_urls = [\"*/limit\"]";
    assert_eq!(house.channels.configure(one(sources).snapshot()).changed, 1);
    // The source on hand is still listed: nothing is opened.
    assert_eq!(house.channels.configure(one(r#"["http://h/b", "http://h/a"]"#).snapshot()).changed, 1);
    watch(&mut viewer, 2 * SECOND).await;
    assert_eq!(house.script.opened(), ["/a"]);
    // It is not: the next is.
    house.channels.configure(one(r#"["http://h/b"]"#).snapshot());
    assert!(watch(&mut viewer, 3 * SECOND).await > 0);
    assert_eq!(house.script.opened(), ["/a", "/b"]);
    // The channel is gone: so is the stream.
    assert_eq!(house.channels.configure(config("").snapshot()).removed, 1);
    watch(&mut viewer, SECOND).await;
    assert_eq!(viewer.next().await.unwrap(), None);
    assert_eq!((house.script.open_now(), house.phase()), (0, None));
}

/// Two sources with pictures, `/a` and `/b`.
fn house(sources: &str) -> House {
    House::new(&one(sources), &[("/a", &[endless()]), ("/b", &[endless()]), ("/c", &[endless()])])
}

/// The source on hand: its place and its address.
fn on_hand(house: &House) -> (usize, String) {
    let report = house.channels.report("one").unwrap();
    let place = report.place(report.source).unwrap();
    (place, report.sources[place].url.clone())
}

#[tokio::test(start_paused = true)]
async fn the_source_on_air_plays_on_wherever_it_stands() {
    let house = house(r#"["http://h/a", "http://h/b"]"#);
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    for (sources, place) in [
        (r#"["http://h/b", "http://h/a"]"#, 1),
        (r#"["http://h/c", "http://h/b", "http://h/a"]"#, 2),
        (r#"["http://h/a", "http://h/a"]"#, 0),
    ] {
        house.channels.configure(one(sources).snapshot());
        watch(&mut viewer, 2 * SECOND).await;
        assert_eq!(on_hand(&house), (place, "http://h/a".to_owned()), "{sources}");
    }
    assert_eq!(house.script.opened(), ["/a"]);
    assert_eq!(house.channels.report("one").unwrap().switches_total, 0);
}

#[tokio::test(start_paused = true)]
async fn the_source_that_was_left_has_no_place_once_it_is_gone() {
    let house = house(r#"["http://h/a", "http://h/b"]"#);
    let mut events = house.channels.events().subscribe();
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    let a = house.channels.find("one").unwrap().sources[0].id;
    house.channels.configure(one(r#"["http://h/b", "http://h/c"]"#).snapshot());
    watch(&mut viewer, 3 * SECOND).await;
    let b = house.channels.find("one").unwrap().sources[0].id;
    let report = house.channels.report("one").unwrap();
    let [switch] = &report.switches[..] else { panic!("{report:?}") };
    assert_eq!((switch.from, switch.to, switch.reason), (a, b, "removed"));
    assert_eq!((report.place(switch.from), report.place(switch.to)), (None, Some(0)));
    let switched =
        |event: &Event| matches!(event, Event::StreamSwitched { from, to, .. } if (*from, *to) == (a, b));
    while !switched(&events.next().await.unwrap()) {}
}

#[tokio::test(start_paused = true)]
async fn an_override_is_about_the_same_source_after_a_reload() {
    let house = house(r#"["http://h/a", "http://h/b"]"#);
    let channel = house.channels.find("one").unwrap();
    let b = channel.sources[1].id;
    // Of a channel that is closed.
    house.channels.steer(&channel, Steer::Pin(b)).await.unwrap();
    house.channels.configure(one(r#"["http://h/c", "http://h/a", "http://h/b"]"#).snapshot());
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    assert_eq!(on_hand(&house), (2, "http://h/b".to_owned()));
    // Of one that is open.
    house.channels.configure(one(r#"["http://h/b", "http://h/a"]"#).snapshot());
    watch(&mut viewer, 2 * SECOND).await;
    let pinned = |house: &House| -> Vec<bool> {
        let report = house.channels.report("one").unwrap();
        report.sources.iter().map(|source| source.standing.unwrap().is_pinned).collect()
    };
    assert_eq!(pinned(&house), [true, false]);
    // It is gone: the channel changes to what is left, and forgets the override.
    house.channels.configure(one(r#"["http://h/a"]"#).snapshot());
    watch(&mut viewer, 3 * SECOND).await;
    house.channels.configure(one(r#"["http://h/a", "http://h/b"]"#).snapshot());
    watch(&mut viewer, 3 * SECOND).await;
    assert_eq!((on_hand(&house), pinned(&house)), ((0, "http://h/a".to_owned()), vec![false, false]));
    assert_eq!(house.script.opened(), ["/b", "/a"]);
}

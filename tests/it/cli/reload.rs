//! The configuration, read again while viewers watch.

use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn touches_only_viewers_of_what_has_changed() {
    let (old, new) = (Clip::get(Kind::H264Aac), Clip::get(Kind::H264AacB));
    let origin = Origin::start().await;
    origin.serve("/keep.ts", clip()).serve("/old.ts", clip()).serve("/new.ts", Behaviour::ts(new.clone()));
    origin.serve("/gone.ts", clip());
    let one = |id, path| channel(id, &[origin.url(path)], "");
    let before = one("keep", "/keep.ts") + &one("change", "/old.ts") + &one("gone", "/gone.ts");
    let mut program = Setup::new(&before).start().await;
    let mut kept = Viewer::get(program.address(), "/stream/keep").await;
    let mut changed = Viewer::get(program.address(), "/stream/change").await;
    let mut gone = watch(&program, "/stream/gone").await;
    let mut bytes = changed.read_for(SECOND).await;

    program.set_config(&(one("change", "/new.ts") + &one("added", "/keep.ts") + &one("keep", "/keep.ts")));
    program.signal(Signal::HUP);
    program.wait_log("configuration reloaded").await;
    end(&mut gone).await;
    assert_eq!(gone.ended(), Some(&Ended::Cleanly));
    origin.wait_connections("/gone.ts", 0, SECOND).await;
    origin.wait_connections("/old.ts", 0, SECOND).await;
    let (rest, keep) = tokio::join!(changed.read_for(4 * SECOND), kept.read_for(4 * SECOND));
    bytes.extend(rest);
    assert_eq!((kept.ended(), changed.ended()), (None, None));
    Checker::check(&keep).assert_clean();
    assert_eq!((origin.opened("/keep.ts"), origin.opened("/new.ts")), (1, 1));
    let report = Checker::check(&bytes);
    report.assert_within(&Limits { dts_gap: 2 * SECOND, ..Limits::default() });
    assert_eq!(report.pmt_versions, [0], "the same set of streams is the same map");
    let (old, new, got) = (old.pes(), new.pes(), demux(&bytes));
    let found = runs(&[&old[&0x100], &new[&0x300]], &got[&0x100]).unwrap();
    assert_eq!(
        found.iter().map(|run| run.source).collect::<Vec<_>>(),
        [0, 1],
        "one, then the other: {found:?}"
    );
    assert_eq!(client::get(program.address(), "/stream/gone").await.status, 404);
    watch(&program, "/stream/added").await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_bad_file_changes_nothing_and_says_why() {
    let mut program = Setup::new(TEST_CARD).start().await;
    let mut viewer = watch(&program, "/stream/card").await;
    program.set_config("[[channels]]\nid = \"other\"\nsource = [\"testcard://\"]\n");
    program.signal(Signal::HUP);
    program.wait_log("not reloaded").await;
    let log = program.log();
    assert!(log.contains("channels.toml:5:1: unknown key \"source\""), "{log}");
    assert!(log.contains("did you mean \"sources\"?"), "{log}");
    assert!(!viewer.read_for(SECOND).await.is_empty());
    assert_eq!(viewer.ended(), None);
    let playlist = client::get(program.address(), "/playlist.m3u").await.text();
    assert!(playlist.contains("/stream/card.ts") && !playlist.contains("other"), "{playlist}");
}

#[tokio::test(flavor = "multi_thread")]
async fn needs_no_signal() {
    let mut program = Setup::new(TEST_CARD).start().await;
    program.set_config(&(TEST_CARD.to_owned() + &channel("added", &["testcard://".into()], "")));
    program.wait_log("configuration reloaded").await;
    watch(&program, "/stream/added").await;
}

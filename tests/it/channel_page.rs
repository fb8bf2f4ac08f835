//! The page of one channel, in a real browser: it plays, is switched, and shows what happens.

mod players {
    use std::time::Duration;

    use forebay_testkit::clip::{Clip, Kind};
    use forebay_testkit::origin::{Behaviour, Origin};
    use forebay_testkit::player::{Screen, Step, visit_on};

    use crate::admin::players::{SETS_UP, assert_is_good};
    use crate::relay::{Relay, channel};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_channel_plays_on_its_page_while_its_sources_are_switched_until_the_viewer_is_ended() {
        let origin = Origin::start().await;
        for (path, kind) in [("/one", Kind::H264Aac), ("/two", Kind::H264AacB)] {
            origin.serve(path, Behaviour::ts(Clip::get(kind)).burst(Duration::from_secs(2)));
        }
        let sources = [origin.url("/one"), origin.url("/two")];
        let relay = Relay::start(&channel("one", &sources, "name = 'Channel <One>'\nnumber = 7"));
        let page = relay.url("/admin/channel?id=one");
        let steps = [
            Step::Goes(&page),
            Step::Sees("Nobody watches this channel now."),
            Step::Sees("Nothing has happened since the server was started."),
            Step::Sees("No guide has anything for this channel today."),
            Step::Judges,
            Step::Clicks("Play here"),
            Step::Plays,
            Step::Sees("1 by HLS"),
            Step::Sees("H.264, AAC"),
            Step::Judges,
            Step::Clicks("Pin source 2"),
            Step::Sees("Switched from source 1 to source 2, because somebody pinned the other one"),
            // The picture goes on.
            Step::Plays,
            Step::Clicks("Disable source 1"),
            Step::Sees("source 1 is disabled"),
            Step::Sees("Pinned"),
            Step::Judges,
            // The player rests as well, and comes back by itself.
            Step::Rests,
            Step::Plays,
            Step::Clicks("Stop"),
            Step::Sees("Play here"),
            Step::Clicks("End ann"),
            Step::Sees("is ended, and refused for a minute"),
            Step::Sees("Nobody watches this channel now."),
            Step::Judges,
            // What has happened is told to whoever comes later, too.
            Step::Goes(&page),
            Step::Sees("Opened"),
            Step::Sees("because somebody pinned the other one"),
        ];
        let screen = Screen { is_phone: true, is_dark: true, ..Screen::default() };
        let visited = visit_on(&screen, &relay.setup_url(), &[&SETS_UP[..], &steps].concat()).await;
        assert_is_good(&relay, &visited);
        assert_eq!(visited.title, "Channel <One> – Forebay");
        let status = relay.status("one").await;
        assert_eq!(
            (&status["sources"][1]["pinned"], &status["sources"][0]["disabled"]),
            (&true.into(), &true.into())
        );
    }
}

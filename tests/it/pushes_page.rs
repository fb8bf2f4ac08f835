//! The page of pushes, in a real browser: one is stopped and started.

mod players {
    use forebay_testkit::client::get;
    use forebay_testkit::clip::{Clip, Kind};
    use forebay_testkit::origin::{Behaviour, Origin};
    use forebay_testkit::player::{Screen, Step, visit, visit_on};
    use forebay_testkit::rtmp::{AtPublish, Manner, RtmpServer};

    use crate::admin::players::{SETS_UP, assert_is_good};
    use crate::relay::{Relay, channel};

    #[tokio::test(flavor = "multi_thread")]
    async fn a_push_is_stopped_and_started_and_its_key_is_never_shown() {
        let origin = Origin::start().await;
        origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
        let server = RtmpServer::start(Manner::default()).await;
        let push = format!(
            "[[pushes]]\nid = 'youtube'\nchannel = 'one'\nurl = '{}'\nkey = 'hunter2'\nenabled = false\n",
            server.url()
        );
        let relay = Relay::start(&(channel("one", &[origin.url("/a.ts")], "") + &push));
        let pushes = relay.url("/admin/pushes");
        let steps = [
            Step::Goes(&pushes),
            Step::Sees("0 of 1 push on air"),
            Step::Sees("Stopped"),
            Step::Judges,
            Step::Clicks("Start youtube"),
            Step::Sees("youtube starts."),
            Step::Sees("1 of 1 push on air"),
            Step::Judges,
            Step::Rests,
            Step::Clicks("Stop youtube"),
            Step::Sees("The service sees the stream end."),
            Step::Judges,
            Step::Clicks("Stop it"),
            Step::Sees("youtube is stopped."),
            Step::Sees("0 of 1 push on air"),
        ];
        let screen = Screen { is_phone: true, is_dark: true, ..Screen::default() };
        let steps = [&SETS_UP[..], &steps].concat();
        let visited = visit_on(&screen, &relay.setup_url(), &steps).await;
        assert_is_good(&relay, &visited);
        assert!(!visited.text.contains("hunter2"), "{visited:#?}");
        assert_eq!(server.published().len(), 1, "it was published once");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_key_that_the_server_refuses_is_not_shown_either() {
        let origin = Origin::start().await;
        origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
        let refuses = AtPublish::Refuses("NetStream.Publish.Denied");
        let server = RtmpServer::start(Manner { at_publish: refuses, ..Manner::default() }).await;
        let push = format!(
            "[[pushes]]\nid = 'youtube'\nchannel = 'one'\nurl = '{}'\nkey = 'hunter2'\n",
            server.url()
        );
        let relay = Relay::start(&(channel("one", &[origin.url("/a.ts")], "") + &push));
        let pushes = relay.url("/admin/pushes");
        let steps =
            [Step::Goes(&pushes), Step::Sees("NetStream.Publish.Denied"), Step::Sees("0 of 1"), Step::Judges];
        let visited = visit(&relay.setup_url(), &[&SETS_UP[..], &steps].concat()).await;
        assert_is_good(&relay, &visited);
        assert!(!visited.text.contains("hunter2"), "{visited:#?}");
        let answer = get(relay.address(), "/api/pushes").await.text();
        assert!(answer.contains("NetStream.Publish.Denied") && !answer.contains("hunter2"), "{answer}");
        assert_eq!(server.published().len(), 0, "it was refused");
    }
}

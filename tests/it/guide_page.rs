//! The page of the guide, in a real browser: what is on, and which guide tells of a channel.

mod players {
    use forebay_testkit::client::Request;
    use forebay_testkit::origin::{Behaviour, Origin};
    use forebay_testkit::player::{Screen, Step, visit_on};
    use jiff::{Timestamp, ToSpan};
    use serde_json::json;

    use crate::admin::players::{SETS_UP_PLAYLIST, assert_is_good};
    use crate::relay::{Relay, channel};
    use crate::tokens::ask;

    /// A programme that begins and ends so many minutes from now.
    fn programme(channel: &str, (from, to): (i64, i64), title: &str) -> String {
        let at = |minutes: i64| (Timestamp::now() + minutes.minutes()).strftime("%Y%m%d%H%M%S +0000");
        let (start, stop) = (at(from), at(to));
        format!(
            "<programme start=\"{start}\" stop=\"{stop}\" channel=\"{channel}\">\
             <title>{title}</title></programme>"
        )
    }

    fn guide() -> String {
        let programmes = [
            programme("sport.tv", (-30, 60), "Football"),
            programme("sport.tv", (60, 120), "Cycling"),
            programme("news.two", (-5, 600), "Talk of the day"),
        ];
        format!(
            "<tv><channel id=\"news.two\"><display-name>News Two</display-name></channel>{}</tv>",
            programmes.concat()
        )
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_channel_without_a_guide_is_given_one_and_that_is_taken_back() {
        let origin = Origin::start().await;
        origin.serve("/guide", Behaviour::body("text/xml", guide()));
        let one = channel("one", &["testcard://".into()], "name = 'Sport'\ntvg_id = 'sport.tv'");
        let guides = format!("[[guides]]\nid = 'Town'\nurl = '{}'\n", origin.url("/guide"));
        let relay = Relay::start(&format!("{one}{guides}"));
        let made = ask(&relay, "POST", "/api/playlists", Some(json!({ "name": "Mine" }))).await;
        assert_eq!(made.status, 201, "{}", made.text());
        let list = "#EXTM3U\n#EXTINF:-1,Newz Two\nhttp://h.example/two.ts\n";
        let path = format!("/api/playlists/{}/list", made.json()["id"]);
        let taken = Request::new("PUT", relay.address(), &path).body("audio/x-mpegurl", list).send().await;
        assert_eq!(taken.expect("the relay answers").status, 200);

        let (page, match_page) = (relay.url("/admin/guide"), relay.url("/admin/guide?view=match"));
        let steps = [
            Step::Goes(&page),
            Step::Sees("Football"),
            Step::Sees("Cycling"),
            Step::Judges,
            Step::Rests,
            Step::Fills("Search the guide", "cycl"),
            Step::Sees("No channel matches."),
            Step::Sees("Cycling"),
            Step::Judges,
            Step::Goes(&match_page),
            Step::Clicks("Newz Two"),
            Step::Sees("Town, 75 % alike"),
            Step::Judges,
            Step::Clicks("Use News Two of Town"),
            Step::Sees("On now: Talk of the day"),
            Step::Judges,
            Step::Goes(&page),
            Step::Sees("Talk of the day"),
            Step::Goes(&match_page),
            Step::Sees("Each channel has something in the guide."),
        ];
        let screen = Screen { is_phone: true, is_dark: true, ..Screen::default() };
        let visited = visit_on(&screen, &relay.setup_url(), &[&SETS_UP_PLAYLIST[..], &steps].concat()).await;
        assert_is_good(&relay, &visited);
        let channel = ask(&relay, "GET", "/api/lineup/channels/1", None).await.json();
        assert_eq!((&channel["tvg_id"], &channel["edited"]), (&json!("news.two"), &json!(["tvg_id"])));
    }
}

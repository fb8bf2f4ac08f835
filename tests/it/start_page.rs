//! The first steps on an empty server, in a real browser: from a provider's address to a picture.

mod players {
    use std::time::{Duration, Instant};

    use forebay_testkit::client::{Request, get_json};
    use forebay_testkit::clip::{Clip, Kind};
    use forebay_testkit::origin::{Behaviour, Origin};
    use forebay_testkit::player::{Screen, Step, visit, visit_on};
    use serde_json::json;

    use crate::admin::players::{SETS_UP, assert_is_good};
    use crate::relay::Relay;

    /// What setting up and the first picture may take, in a browser that does not hesitate.
    const FIRST_PICTURE: Duration = Duration::from_secs(90);

    const EMPTY: &str = "allow_private_sources = true\n";

    /// Two groups of a channel each, and the guide of one of them.
    async fn provider() -> Origin {
        let origin = Origin::start().await;
        origin.serve("/clip", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(2)));
        let (guide, clip) = (origin.url("/guide"), origin.url("/clip"));
        let list = format!(
            "#EXTM3U url-tvg=\"{guide}\"\n\
             #EXTINF:-1 tvg-id=\"shop.tv\" group-title=\"Shopping\",Shop\n{clip}?shop\n\
             #EXTINF:-1 tvg-id=\"news.tv\" group-title=\"News\",News\n{clip}?news\n"
        );
        origin.serve("/list", Behaviour::body("audio/x-mpegurl", list.clone()));
        origin.serve("/lineup.m3u", Behaviour::body("audio/x-mpegurl", list));
        origin
            .serve("/page", Behaviour::body("text/html", "<!DOCTYPE html><html><body>Sign in</body></html>"));
        let now = jiff::Timestamp::now();
        let time = |minutes: i64| {
            let time = now + jiff::SignedDuration::from_mins(minutes);
            time.strftime("%Y%m%d%H%M%S +0000").to_string()
        };
        let guide = format!(
            "<tv><channel id=\"news.tv\"/><programme channel=\"news.tv\" start=\"{}\" stop=\"{}\">\
             <title>Talk</title></programme></tv>",
            time(-30),
            time(60)
        );
        origin.serve("/guide", Behaviour::body("text/xml", guide));
        origin
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_keyboard_alone_leads_from_an_empty_folder_to_a_picture() {
        let (origin, relay) = (provider().await, Relay::start(EMPTY));
        let list = origin.url("/list");
        let steps = [
            Step::Judges,
            // Behind the heading, which has the focus.
            Step::Presses("Tab"),
            Step::Types(&list),
            Step::Presses("Enter"),
            Step::Sees("2 channels"),
            Step::Judges,
            // The link to the next step has the focus.
            Step::Presses("Enter"),
            Step::Sees("2 of 2 groups with 2 channels"),
            Step::Judges,
            // The search, all, none, and the first group.
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Presses("Space"),
            Step::Sees("1 of 2 groups with 1 channel"),
            // The other group, to skip, and to keep these.
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Presses("Enter"),
            Step::Sees("Kept 1 channel of 2"),
            Step::Sees("1 channel of yours, 1 programme"),
            Step::Judges,
            Step::Rests,
            // To read the guides, what has none, another guide, and onward.
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Types("https://guide.example/uk.xml"),
            Step::Sees("[[guides]]"),
            Step::Judges,
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Presses("Enter"),
            Step::Sees("These addresses open by themselves"),
            Step::Judges,
            Step::Follows("Watch in this browser"),
            Step::Follows("News"),
            Step::Plays,
        ];
        let began = Instant::now();
        let visited = visit(&relay.setup_url(), &[&SETS_UP[..], &steps].concat()).await;
        let took = began.elapsed();
        assert_is_good(&relay, &visited);
        println!("from the page that sets up to a picture: {took:.0?}");
        assert!(took < FIRST_PICTURE, "{took:?}");
        let (_, channels) = get_json(relay.address(), "/api/channels").await;
        assert_eq!((&channels["total"], &channels["channels"][0]["name"]), (&1.into(), &"News".into()));
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn whatever_address_is_pasted_is_known_or_said_to_be_wrong() {
        let origin = provider().await;
        // The panel of another Forebay.
        let panel = Relay::start("[[channels]]\nid = 'one'\nname = 'One'\nsources = ['testcard://']\n");
        let user = json!({ "name": "joe", "password": "correct horse" });
        let made = Request::new("POST", panel.address(), "/api/users").json(&user).send().await;
        assert_eq!(made.expect("the panel answers").status, 201);
        let account = panel.url("/get.php?username=joe&password=correct%20horse&type=m3u_plus");
        let relay = Relay::start(EMPTY);
        let (page, tuner, groups) =
            (origin.url("/page"), origin.url("/"), relay.url("/admin/start?step=groups"));
        let steps = [
            Step::Fills("Address", "not an address"),
            Step::Clicks("Add it"),
            Step::Sees("This is not an address"),
            Step::Judges,
            Step::Fills("Address", &page),
            Step::Clicks("Add it"),
            Step::Sees("Nothing was added"),
            Step::Judges,
            Step::Fills("Address", &account),
            Step::Clicks("Add it"),
            Step::Sees("1 channel"),
            Step::Sees("Account active"),
            Step::Judges,
            Step::Clicks("Add another one"),
            Step::Fills("Address", &tuner),
            Step::Sees("User name"),
            Step::Selects("What it is", "An HDHomeRun tuner"),
            Step::Judges,
            Step::Clicks("Add it"),
            Step::Sees("2 channels"),
            Step::Follows("Choose groups"),
            Step::Sees("2 of 2 groups"),
            Step::Follows("Skip"),
            Step::Sees("Another guide"),
            Step::Follows("Go on"),
            Step::Clicks("Plex"),
            Step::Sees("Settings, Live TV & DVR"),
            Step::Judges,
            Step::Follows("Done"),
            Step::Sees("Nobody is watching"),
            // The steps can be taken again.
            Step::Goes(&groups),
            Step::Sees("2 of 2 groups"),
            Step::Judges,
        ];
        let screen = Screen { is_phone: true, is_dark: true, ..Screen::default() };
        let visited = visit_on(&screen, &relay.setup_url(), &[&SETS_UP[..], &steps].concat()).await;
        assert_is_good(&relay, &visited);
        let (_, list) = get_json(relay.address(), "/api/playlists").await;
        let playlists = list["playlists"].as_array().expect("a list");
        let kinds: Vec<_> = playlists.iter().map(|playlist| &playlist["kind"]).collect();
        // The page of the first try is gone.
        assert_eq!(kinds, [&json!("xtream"), &json!(null)], "{list}");
        assert!(playlists[1]["url"].as_str().is_some_and(|url| url.ends_with("/lineup.m3u")), "{list}");
    }
}

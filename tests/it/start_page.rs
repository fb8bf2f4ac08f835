//! The first steps on a new server, in a real browser: from a provider's address to a picture.

mod players {
    use std::time::{Duration, Instant};

    use forebay_testkit::client::{Request, get_json};
    use forebay_testkit::clip::{Clip, Kind};
    use forebay_testkit::origin::{Behaviour, Origin};
    use forebay_testkit::player::{Screen, Step, visit, visit_on};
    use serde_json::{Value, json};

    use crate::admin::players::{SETS_UP, SETS_UP_PLAYLIST, assert_is_good};
    use crate::relay::Relay;

    /// What setting up and the first picture may take, in a browser that does not hesitate.
    const FIRST_PICTURE: Duration = Duration::from_secs(90);

    const EMPTY: &str = "allow_private_sources = true\n";

    /// The configuration that the Debian package installs.
    const SHIPPED: &str = include_str!("../../packaging/debian/channels.toml");

    /// How long the slow list takes.
    const SLOW: Duration = Duration::from_secs(8);

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
            Step::Sees("1 channel of yours, 1 in all, 1 programme"),
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
            Step::Fills("Address", "192.168.1.20"),
            Step::Sees("A tuner is in your own network"),
            Step::Fills("Address", "panel.example:8080"),
            Step::Sees("User name"),
            Step::Fills("Address", "http://proxy.example/tuner/discover.json"),
            Step::Sees("A tuner is in your own network"),
            Step::Fills("Address", &account),
            Step::Clicks("Add it"),
            Step::Sees("1 channel"),
            Step::Sees("Account active"),
            Step::Judges,
            Step::Clicks("Add another one"),
            // The field has the focus.
            Step::Types(&account),
            Step::Clicks("Add it"),
            Step::Sees("has this address already"),
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

    #[tokio::test(flavor = "multi_thread")]
    async fn channels_that_come_with_forebay_are_no_reason_to_leave_the_first_steps_out() {
        let (_, channels) = SHIPPED.split_once("[[channels]]").expect("it has a channel");
        let relay = Relay::start(&format!("[[channels]]{channels}"));
        let channels = relay.url("/admin/channels");
        let steps = [
            Step::Sees("Step 1 of 4"),
            Step::Goes(&channels),
            Step::Sees("Test card"),
            Step::Judges,
            Step::Follows("Add your provider"),
            Step::Sees("Step 1 of 4"),
        ];
        let visited = visit(&relay.setup_url(), &[&SETS_UP[..], &steps].concat()).await;
        assert_is_good(&relay, &visited);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_slow_list_is_waited_for_or_cancelled_and_the_step_can_be_left_meanwhile() {
        let origin = Origin::start().await;
        let entry =
            |at: u32| format!("#EXTINF:-1 group-title=\"News\",News {at}\nhttp://h.example/{at}.ts\n");
        let list = format!("#EXTM3U\n{}", (1..=1000).map(entry).collect::<String>());
        let pace = u32::try_from(list.len() as u64 / SLOW.as_secs()).expect("it is short");
        origin.serve("/slow", Behaviour::body("audio/x-mpegurl", list).slowly(pace));
        let relay = Relay::start(EMPTY);
        let slow = origin.url("/slow");
        let steps = [
            Step::Fills("Address", &slow),
            Step::Clicks("Add it"),
            Step::Sees("Reading 127.0.0.1"),
            Step::Judges,
            Step::Clicks("Cancel"),
            // What was typed is still there, and the field has the focus.
            Step::Awaits("Restore a backup"),
            Step::Presses("Enter"),
            Step::Sees("Reading 127.0.0.1"),
            Step::Follows("Groups"),
            Step::Sees("Choose groups"),
            Step::Sees("Reading 127.0.0.1"),
            Step::Follows("Provider"),
            Step::Sees("Add your provider"),
            Step::Sees("Reading 127.0.0.1"),
            Step::Sees("1,000 channels"),
            Step::Sees("Choose groups"),
            Step::Judges,
        ];
        let visited = visit(&relay.setup_url(), &[&SETS_UP[..], &steps].concat()).await;
        assert_is_good(&relay, &visited);
        let (_, list) = get_json(relay.address(), "/api/playlists").await;
        let playlists = list["playlists"].as_array().expect("a list");
        assert_eq!(playlists.len(), 1, "the first one was cancelled: {list}");
        let path = format!("/api/playlists/{}", playlists[0]["id"]);
        let asked = visited.requests.iter().filter(|request| request.ends_with(&path)).count();
        // It is asked for every 700 ms, and once more where the page begins.
        assert!((2..=20).contains(&asked), "{asked}: {visited:#?}");
    }

    /// A playlist of a channel in each of these groups, with these rules.
    async fn playlist(relay: &Relay, name: &str, groups: &[&str], rules: &Value) {
        let ask = async |request: Request, status| {
            let answer = request.send().await.expect("the relay answers");
            assert_eq!(answer.status, status, "{}", answer.text());
            answer.json()
        };
        let address = relay.address();
        let made =
            ask(Request::new("POST", address, "/api/playlists").json(&json!({ "name": name })), 201).await;
        let path = format!("/api/playlists/{}", made["id"]);
        let entry = |group| format!("#EXTINF:-1 group-title=\"{group}\",One\nhttp://h.example/{group}.ts\n");
        let list = format!("#EXTM3U\n{}", groups.iter().map(entry).collect::<String>());
        let file = Request::new("PUT", address, &format!("{path}/list"));
        ask(file.body("audio/x-mpegurl", list.as_str()), 200).await;
        ask(Request::new("PUT", address, &format!("{path}/rules")).json(&json!({ "rules": rules })), 200)
            .await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_groups_of_each_playlist_are_kept_and_other_rules_stay_in_their_places() {
        let relay = Relay::start(EMPTY);
        let rule = |action: &str, group: &str| json!({ "field": "group", "is": group, "action": action });
        let rename = json!({ "matches": "^UK: ", "action": "rename", "to": "" });
        let other = json!({ "field": "name", "contains": "One", "action": "include" });
        playlist(&relay, "C", &["Kids"], &json!([other])).await;
        let rules =
            json!([rule("exclude", "Télé"), rule("exclude", "Gone"), rename, rule("exclude", "Shopping")]);
        playlist(&relay, "A", &["News", "Shopping", "TELE"], &rules).await;
        playlist(&relay, "B", &["News", "Sport"], &json!([])).await;
        let groups = relay.url("/admin/start?step=groups");
        let steps = [
            Step::Goes(&groups),
            Step::Sees("2 of 2 groups"),
            Step::Fills("Search the groups", "news"),
            Step::Clicks("None found"),
            Step::Sees("1 of 2 groups"),
            // Ticks are kept while another playlist is looked at.
            Step::Selects("Playlist", "A"),
            Step::Sees("1 of 3 groups"),
            Step::Selects("Playlist", "B"),
            Step::Sees("1 of 2 groups"),
            Step::Clicks("Keep these groups"),
            Step::Sees("Kept 1 channel of 2 of B"),
            Step::Sees("1 of 3 groups"),
            Step::Fills("Search the groups", "shop"),
            Step::Clicks("All found"),
            Step::Sees("2 of 3 groups"),
            Step::Clicks("Keep these groups"),
            Step::Sees("Kept 2 channels of 3 of A"),
            Step::Sees("takes channels by other rules"),
            Step::Judges,
            Step::Follows("Skip"),
            Step::Sees("Another guide"),
        ];
        let visited = visit(&relay.setup_url(), &[&SETS_UP_PLAYLIST[..], &steps].concat()).await;
        assert_is_good(&relay, &visited);
        let expected = [
            json!([other]),
            json!([rule("exclude", "Télé"), rule("exclude", "Gone"), rename]),
            json!([rule("exclude", "News")]),
        ];
        for (at, expected) in expected.iter().enumerate() {
            let (_, list) = get_json(relay.address(), &format!("/api/playlists/{}/rules", at + 1)).await;
            let rules = list["rules"].as_array().expect("a list").iter().map(set);
            assert_eq!(&rules.collect::<Value>(), expected, "{list}");
        }
    }

    /// What is set of a rule.
    fn set(rule: &Value) -> Value {
        let fields = rule.as_object().expect("a rule").iter().filter(|(_, value)| !value.is_null());
        fields.map(|(name, value)| (name.clone(), value.clone())).collect::<serde_json::Map<_, _>>().into()
    }
}

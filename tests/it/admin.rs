//! The web interface: what is served, and how its pages do in a real browser.

use std::collections::BTreeSet;

use forebay_testkit::client::{Answer, Request};
use serde_json::{Value, json};

use crate::relay::{Relay, channel};

/// What the first page may cost, compressed, in bytes: half a second over a poor mobile network.
const MAX_FIRST_LOAD: usize = 130_000;

/// The admin of these tests.
pub(crate) const NAME: &str = "ann";
pub(crate) const PASSWORD: &str = "correct horse";

fn relay() -> Relay {
    let sources = ["testcard://".into(), "testcard://".into()];
    Relay::start(&channel("one", &sources, "name = 'Channel <One>'\nnumber = 7"))
}

async fn get(relay: &Relay, path: &str) -> Answer {
    Request::get(relay.address(), path).send().await.expect("the relay answers")
}

#[tokio::test]
async fn each_page_is_the_same_file_and_finds_what_it_consists_of() {
    let relay = relay();
    let first = get(&relay, "/admin/").await;
    assert_eq!((first.status, first.header("Content-Type")), (200, Some("text/html; charset=utf-8")));
    assert_eq!(first.header("Cache-Control"), Some("no-cache"), "it names the files of this version");
    let policy = first.header("Content-Security-Policy").expect("a page has a policy");
    assert!(policy.contains("default-src 'none'") && policy.contains("script-src 'self'"), "{policy}");
    assert!(!policy.contains("unsafe") && !policy.contains('*') && !policy.contains("data:"), "{policy}");
    let text = first.text();
    let inline = ["<script>", "<style", " style=", " onclick="].iter().find(|part| text.contains(**part));
    assert_eq!(inline, None, "the policy forbids it: {text}");
    for page in ["channels", "users", "no-such-page"] {
        assert_eq!(get(&relay, &format!("/admin/{page}")).await.body, first.body, "{page}");
    }
    let files = text.split('"').filter_map(|part| part.strip_prefix("./assets/"));
    for file in files {
        let answer = get(&relay, &format!("/admin/assets/{file}")).await;
        assert_eq!(answer.status, 200, "{file}");
        assert_eq!(answer.header("Cache-Control"), Some("public, max-age=31536000, immutable"), "{file}");
    }
    assert_eq!(get(&relay, "/admin/assets/none.js").await.status, 404);
    // Relative, since a proxy may serve it below a path.
    let bare = get(&relay, "/admin").await;
    assert_eq!((bare.status, bare.header("Location")), (308, Some("admin/")));
}

/// An admin, and a browser in which the admin is signed in.
async fn signed_in(relay: &Relay) -> Cookie {
    let (address, token) = (relay.address(), relay.setup_url());
    let (_, token) = token.split_once('#').expect("the token is behind it");
    let body = json!({ "token": token, "name": NAME, "password": PASSWORD });
    let request = Request::new("POST", address, "/api/setup").header("Origin", &relay.url(""));
    let answer = request.json(&body).send().await.expect("the relay answers");
    assert_eq!(answer.status, 201, "{answer:?}");
    let field = answer.header("Set-Cookie").expect("whoever sets up is signed in");
    Cookie(field.split(';').next().expect("there is one at least").to_owned())
}

struct Cookie(String);

/// What is on now, as a stream of messages.
mod events {
    use std::time::{Duration, Instant};

    use forebay_testkit::client::{Ended, Viewer};

    use super::*;

    /// The messages among these bytes.
    fn messages(bytes: &[u8]) -> Vec<Value> {
        let text = String::from_utf8_lossy(bytes);
        let whole = text.rsplit_once("\n\n").map_or("", |(whole, _)| whole);
        let data = whole.lines().filter_map(|line| line.strip_prefix("data: "));
        data.map(|data| serde_json::from_str(data).expect("a message is JSON")).collect()
    }

    async fn open(relay: &Relay, Cookie(cookie): &Cookie) -> Viewer {
        let request = Request::get(relay.address(), "/api/events").header("Cookie", cookie);
        let reader = request.open().await.expect("the relay answers");
        assert_eq!((reader.status(), reader.header("Content-Type")), (200, Some("text/event-stream")));
        assert_eq!(
            (reader.header("Cache-Control"), reader.header("X-Accel-Buffering")),
            (Some("no-store"), Some("no"))
        );
        reader
    }

    #[tokio::test]
    async fn come_each_second_and_say_what_happens() {
        let relay = relay();
        let cookie = signed_in(&relay).await;
        let mut reader = open(&relay, &cookie).await;
        let begun = Instant::now();
        let mut bytes = reader.read_for(Duration::from_millis(500)).await;
        assert_eq!(messages(&bytes).len(), 1, "the first one is there at once: {:?}", messages(&bytes));
        let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
        viewer.read_until(1).await;
        let ends = |now: &Value| now["status"]["server"]["viewers"] == 1;
        while !messages(&bytes).last().is_some_and(ends) {
            assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", messages(&bytes));
            bytes.extend(reader.read_for(Duration::from_millis(200)).await);
        }
        let (all, seconds) = (messages(&bytes), begun.elapsed().as_secs());
        assert!(all.len() as u64 <= seconds + 2, "{} messages in {seconds} s", all.len());
        let last = all.last().expect("there is one at least");
        assert_eq!(last["status"]["streams"][0]["id"], "one", "{last}");
        assert_eq!(last["listeners"], json!({ "now": 1, "refused_total": 0 }), "{last}");
        let opened = &last["events"][0];
        assert_eq!((&opened["kind"], &opened["channel"]), (&"stream_opened".into(), &"one".into()), "{last}");
    }

    #[tokio::test]
    async fn are_for_those_who_run_the_server() {
        let relay = relay();
        let request = Request::get(relay.address(), "/api/events").header("Sec-Fetch-Site", "same-origin");
        let refused = request.send().await.expect("the relay answers");
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (403, &"forbidden".into()));
    }

    #[tokio::test]
    async fn have_so_many_listeners_and_end_with_the_server() {
        let relay = relay();
        let cookie = signed_in(&relay).await;
        let mut readers = Vec::new();
        for _ in 0..64 {
            readers.push(open(&relay, &cookie).await);
        }
        let request = Request::get(relay.address(), "/api/events").header("Cookie", &cookie.0);
        let refused = request.send().await.expect("the relay answers");
        assert_eq!((refused.status, &refused.json()["error"]["code"]), (503, &"too_many_listeners".into()));
        let mut last = readers.pop().expect("there are some");
        drop(readers);
        let reads = tokio::spawn(async move {
            last.read_to_end().await;
            last.ended().cloned()
        });
        let begun = Instant::now();
        assert!(relay.stop().await);
        assert_eq!(reads.await.expect("nothing panics"), Some(Ended::Cleanly), "an end like any other");
        assert!(begun.elapsed() < Duration::from_millis(900), "it waits for no tick: {:?}", begun.elapsed());
    }
}

/// A real browser on the pages.
pub(crate) mod players {
    use std::time::Duration;

    use forebay_testkit::client::Viewer;
    use forebay_testkit::clip::{Clip, Kind};
    use forebay_testkit::origin::{Behaviour, Origin};
    use forebay_testkit::player::{Screen, Step, Visited, visit, visit_on};
    use tokio_util::task::AbortOnDropHandle;

    use super::*;

    /// The ways in which a page is looked at: the colours do not depend on the width.
    fn screens() -> [Screen; 2] {
        [(false, false), (true, true)].map(|(is_phone, is_dark)| Screen {
            is_phone,
            is_dark,
            ..Screen::default()
        })
    }

    /// Somebody who watches the channel until this is dropped.
    async fn watching(relay: &Relay) -> AbortOnDropHandle<Vec<u8>> {
        let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
        viewer.read_until(1).await;
        AbortOnDropHandle::new(tokio::spawn(async move { viewer.read_to_end().await }))
    }

    /// What whoever has the console does on the page that makes the first admin, where there is a
    /// playlist.
    pub(crate) const SETS_UP_PLAYLIST: [Step<'_>; 4] = [
        Step::Fills("Name", NAME),
        Step::Fills("Password", PASSWORD),
        Step::Clicks("Set up"),
        Step::Sees("Nobody is watching"),
    ];

    /// The same where there is none: the first steps follow.
    pub(crate) const SETS_UP: [Step<'_>; 4] = [
        Step::Fills("Name", NAME),
        Step::Fills("Password", PASSWORD),
        Step::Clicks("Set up"),
        Step::Sees("Add your provider"),
    ];

    /// What somebody does who is asked to sign in.
    pub(crate) const SIGNS_IN: [Step<'_>; 4] = [
        Step::Sees("Sign in"),
        Step::Fills("Name", NAME),
        Step::Fills("Password", PASSWORD),
        Step::Clicks("Sign in"),
    ];

    fn signing_in<'a>(steps: &[Step<'a>]) -> Vec<Step<'a>> {
        [&SIGNS_IN, steps].concat()
    }

    /// The pages were allowed all that they did, asked nobody else, and can be used by everybody.
    pub(crate) fn assert_is_good(relay: &Relay, visited: &Visited) {
        assert_eq!((&visited.said, &visited.failed), (&vec![], &vec![]), "{visited:#?}");
        let own = relay.url("/");
        // What a player makes itself is no request to anybody.
        let is_own = |request: &str| request.starts_with(&own) || request.starts_with("blob:");
        let foreign = visited.requests.iter().find(|request| !is_own(request));
        assert_eq!(foreign, None, "{visited:#?}");
        assert_eq!(visited.faults, Vec::<String>::new(), "{visited:#?}");
        assert!(visited.controls.iter().all(|name| !name.is_empty()), "{:?}", visited.controls);
    }

    #[tokio::test]
    async fn everybody_can_use_each_page_on_each_screen() {
        let relay = relay();
        let (_cookie, _viewer) = tokio::join!(signed_in(&relay), watching(&relay));
        let pages = [
            ("channels", "1 channel"),
            ("channel?id=one", "Play here"),
            ("guide", "Nothing in the guide"),
            ("guide?view=match", "1 of 1 channels"),
            ("guide?view=guides", "There is no guide yet"),
            ("settings", "stall_timeout"),
            ("logs", "Nothing has been logged yet."),
            ("backups", "There is no backup yet"),
            ("playlists", "No playlist yet"),
            ("downloads", "Nothing is kept"),
            ("relays", "No relay yet"),
            ("pushes", "No push yet"),
            ("jobs", "No job yet"),
            ("start", "Add your provider"),
            ("start?step=groups", "No playlist yet"),
            ("start?step=guide", "There is no guide yet"),
            ("start?step=player", "These addresses open by themselves"),
            ("users", "you"),
            ("tokens", "No token is good now"),
            ("keys", "No program has a key"),
            ("audit", "the setup"),
            ("no-such-page", "No such page"),
        ];
        let pages = pages.map(|(page, sees)| (relay.url(&format!("/admin/{page}")), sees));
        for screen in screens() {
            let mut steps = vec![Step::Sees("Sign in"), Step::Judges];
            steps.extend(&SIGNS_IN);
            steps.extend([
                Step::Sees("1 viewer"),
                Step::Clicks("Channel <One>"),
                Step::Sees("On air"),
                Step::Judges,
            ]);
            for (url, sees) in &pages {
                steps.extend([Step::Goes(url), Step::Sees(sees), Step::Judges]);
            }
            let visited = visit_on(&screen, &relay.url("/admin/"), &steps).await;
            assert_is_good(&relay, &visited);
            assert_eq!(visited.brightness < 128, screen.is_dark, "{visited:#?}");
        }
    }

    #[tokio::test]
    async fn whoever_has_the_console_sets_up_and_adds_a_relay_that_plays() {
        let origin = Origin::start().await;
        origin.serve("/clip", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(2)));
        let relay = Relay::start("allow_private_sources = true\n");
        let (setup, source) = (relay.setup_url(), origin.url("/clip"));
        let relays = relay.url("/admin/relays");
        let steps = [
            Step::Goes(&relays),
            Step::Clicks("Add a relay"),
            Step::Fills("Name", "Sport TV É"),
            Step::Fills("Source 1", "nonsense"),
            Step::Clicks("Save"),
            // What is wrong stands where it is wrong, and the field has the focus.
            Step::Sees("Not an address"),
            Step::Judges,
            Step::Fills("Source 1", &source),
            Step::Clicks("Save"),
            Step::Sees("can be watched now"),
            Step::Judges,
            Step::Follows("Watch Sport TV É"),
            Step::Plays,
        ];
        let steps = [&SETS_UP[..], &steps].concat();
        let visited = visit(&setup, &steps).await;
        assert_eq!(visited.url, relay.url("/watch/sport-tv-e"));
        assert_eq!(visited.faults, Vec::<String>::new(), "{visited:#?}");
        let refused = format!("422 {}", relay.url("/api/relays"));
        assert_eq!(visited.failed, [refused], "{visited:#?}");
    }

    #[tokio::test]
    async fn a_user_is_added_and_a_key_is_made_and_the_log_knows_it() {
        let relay = relay();
        let _cookie = signed_in(&relay).await;
        let [keys, audit] = ["keys", "audit"].map(|page| relay.url(&format!("/admin/{page}")));
        let steps = signing_in(&[
            Step::Clicks("Add a user"),
            Step::Fills("Name", "ben"),
            Step::Fills("Password", "short"),
            Step::Clicks("Save"),
            Step::Sees("8 characters"),
            Step::Fills("Password", "long enough"),
            Step::Clicks("Save"),
            Step::Sees("ben is a user now."),
            Step::Judges,
            Step::Goes(&keys),
            Step::Clicks("Make a key"),
            Step::Fills("Name", "script"),
            Step::Clicks("Make it"),
            Step::Sees("fbk_"),
            Step::Judges,
            Step::Clicks("I have it"),
            Step::Sees("never used"),
            Step::Goes(&audit),
            Step::Sees("created the user ben"),
            Step::Clicks("Sign out"),
            Step::Sees("Password"),
        ]);
        let visited = visit(&relay.url("/admin/users"), &steps).await;
        assert_eq!(visited.faults, Vec::<String>::new(), "{visited:#?}");
        assert!(visited.url.starts_with(&relay.url("/admin/signin")), "{visited:#?}");
    }

    #[tokio::test]
    async fn the_keyboard_alone_does_everything() {
        let relay = relay();
        let (_cookie, _viewer) = tokio::join!(signed_in(&relay), watching(&relay));
        let channels = relay.url("/admin/channels");
        let steps = [
            Step::Sees("Password"),
            // The heading has the focus: the first control is the name.
            Step::Presses("Tab"),
            Step::Types(NAME),
            Step::Presses("Tab"),
            Step::Types(PASSWORD),
            Step::Presses("Enter"),
            Step::Sees("Channel <One>"),
            // Here too, and the first one is the stream.
            Step::Presses("Tab"),
            Step::Presses("Enter"),
            Step::Sees("On air"),
            Step::Goes(&channels),
            Step::Sees("1 channel"),
            Step::Fills("Search the channels", "ONE"),
            Step::Sees("1 channel found"),
            Step::Presses("ArrowDown"),
            Step::Presses("Enter"),
            Step::Sees("Play here"),
            // Behind the heading: all channels, the page that watches, and the player.
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Presses("Tab"),
            Step::Presses("Enter"),
            Step::Plays,
        ];
        let visited = visit(&relay.url("/admin/"), &steps).await;
        assert_eq!(visited.url, relay.url("/admin/channel?id=one"));
    }

    #[tokio::test]
    async fn a_proxy_may_serve_it_below_a_path() {
        let relay = relay();
        let _viewer = watching(&relay).await;
        let screen = Screen { below: "/tv".into(), ..Screen::default() };
        let setup = relay.setup_url().replace("/setup", "/tv/admin/setup");
        let steps = [
            Step::Fills("Name", NAME),
            Step::Fills("Password", PASSWORD),
            Step::Clicks("Set up"),
            Step::Sees("Add your provider"),
            Step::Follows("Now"),
            Step::Sees("1 viewer"),
            Step::Follows("Users"),
            Step::Sees("Add a user"),
            Step::Follows("Channels"),
            Step::Follows("Channel <One>"),
            Step::Clicks("Play here"),
            Step::Plays,
            Step::Follows("Watch Channel <One>"),
            Step::Sees("In another player"),
        ];
        let visited = visit_on(&screen, &setup, &steps).await;
        assert_eq!(visited.url, relay.url("/tv/watch/one"));
        assert_eq!(visited.failed, Vec::<String>::new(), "{visited:#?}");
    }

    #[tokio::test]
    async fn the_first_page_comes_quickly() {
        let relay = relay();
        let _cookie = signed_in(&relay).await;
        let steps = signing_in(&[Step::Sees("Nobody is watching")]);
        let visited = visit(&relay.url("/admin/"), &steps).await;
        let root = relay.url("");
        let paths = visited.requests.iter().filter_map(|request| request.strip_prefix(&root));
        let files: BTreeSet<&str> = paths.filter(|path| path.starts_with("/admin/")).collect();
        let mut sum = 0;
        for file in &files {
            let request = Request::get(relay.address(), file).header("Accept-Encoding", "gzip");
            sum += request.send().await.expect("the relay answers").body.len();
        }
        assert!(files.len() > 3 && sum < MAX_FIRST_LOAD, "{sum} bytes in {files:#?}");
        println!("signing in and the first page: {sum} bytes in {} files", files.len());
    }
}

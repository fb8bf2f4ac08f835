//! From an empty folder to a viewer who may not watch any more, as whoever installs it goes.

mod players {
    use std::time::Duration;

    use forebay_testkit::client::get_json;
    use forebay_testkit::clip::{Clip, Kind};
    use forebay_testkit::origin::{Behaviour, Origin};
    use forebay_testkit::player::{Player, Step, visit};
    use tokio::time::{Instant, sleep};

    use crate::admin::players::SETS_UP;
    use crate::admin::{NAME, PASSWORD};
    use crate::relay::Relay;

    /// Longer than anything here takes.
    const PATIENCE: Duration = Duration::from_secs(30);

    /// Waits until the document at `path` is as it has to be.
    async fn wait_for(relay: &Relay, path: &str, is_so: impl Fn(&serde_json::Value) -> bool) {
        let until = Instant::now() + PATIENCE;
        loop {
            let (_, document) = get_json(relay.address(), path).await;
            if is_so(&document) {
                return;
            }
            assert!(Instant::now() < until, "{path}: {document}");
            sleep(Duration::from_millis(10)).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_empty_folder_becomes_a_channel_that_a_user_watches_until_it_is_over() {
        let origin = Origin::start().await;
        // Groups of 0.4 s: VLC shows what it holds before it sees the end, and it holds as
        // much as it was sent at first, which begins with a group.
        origin.serve("/clip", Behaviour::ts(Clip::get(Kind::ShortGop)).burst(Duration::from_secs(2)));
        let relay = Relay::start("allow_private_sources = true\n");
        let (source, relays, users) =
            (origin.url("/clip"), relay.url("/admin/relays"), relay.url("/admin/users"));
        let steps = [
            Step::Goes(&relays),
            Step::Clicks("Add a relay"),
            Step::Fills("Name", "Sport"),
            Step::Fills("Source 1", &source),
            Step::Clicks("Save"),
            Step::Sees("can be watched now"),
            Step::Follows("Watch Sport"),
            Step::Plays,
            Step::Goes(&users),
            Step::Clicks("Add a user"),
            Step::Fills("Name", "ben"),
            Step::Fills("Password", "long enough"),
            Step::Clicks("Save"),
            Step::Sees("ben is a user now."),
            Step::Clicks("Addresses of ben"),
            Step::Sees("These addresses open by themselves"),
            Step::Judges,
            Step::Clicks("Kodi"),
            Step::Sees("PVR IPTV Simple Client"),
        ];
        let steps = [&SETS_UP[..], &steps].concat();
        let visited = visit(&relay.setup_url(), &steps).await;
        assert_eq!(visited.faults, Vec::<String>::new(), "{visited:#?}");
        let own = relay.url("/");
        assert!(visited.requests.iter().all(|request| request.starts_with(&own)), "{visited:#?}");
        let address = visited.text.lines().find(|line| line.starts_with(&format!("{own}t/")));
        let address = address.expect("the address can be copied").trim();

        let mut vlc = Player::Vlc.start(address);
        let is_vlc = |viewer: &serde_json::Value| {
            viewer["user"] == "ben" && viewer["agent"].as_str().is_some_and(|agent| agent.contains("VLC"))
        };
        let has_vlc = |list: &serde_json::Value| {
            list["viewers"].as_array().is_some_and(|viewers| viewers.iter().any(is_vlc))
        };
        wait_for(&relay, "/api/viewers", has_vlc).await;
        // It has a picture.
        sleep(Duration::from_secs(2)).await;
        let steps = [
            Step::Sees("Sign in"),
            Step::Fills("Name", NAME),
            Step::Fills("Password", PASSWORD),
            Step::Clicks("Sign in"),
            Step::Clicks("Disable ben"),
            Step::Sees("ben is disabled."),
        ];
        let (_, (connection, end)) = tokio::join!(visit(&users, &steps), async {
            wait_for(&relay, "/api/users", |list| list["users"][1]["disabled"] == true).await;
            let began = Instant::now();
            wait_for(&relay, "/api/viewers", |list| !has_vlc(list)).await;
            let connection = began.elapsed();
            let end = vlc.end(PATIENCE).await.map(|_| began.elapsed());
            (connection, end.expect("VLC ends"))
        });
        println!("the connection ended {connection:.0?} after it was disabled, VLC {end:.0?}");
        assert!(connection < Duration::from_secs(1), "{connection:?}");
        // What it was sent before, it drops: the clock went back.
        assert!(end < Duration::from_secs(2), "{end:?}");
    }
}

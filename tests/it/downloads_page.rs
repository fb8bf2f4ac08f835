//! The page of downloads in a browser: an address is looked at, and a form of it is kept.

use forebay_testkit::player::{Screen, Step, visit_on};

use crate::admin::players::SETS_UP;
use crate::page_channels::relay;
use crate::page_files::{Hostile, MIB};

mod players {
    use forebay_testkit::platform::Platform;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_page_is_looked_at_and_kept_with_a_pause() {
        // Slow enough for the pause to come in time.
        let hostile = Hostile::start_at_speed(9 * MIB, 1 << 20).await;
        let relay = relay(&hostile.platform, "");
        let downloads = relay.url("/admin/downloads");
        let page = Platform::page("file");
        let steps = [
            Step::Goes(&downloads),
            Step::Sees("Nothing is kept"),
            Step::Fills("Address of the page", "https://example.com/"),
            Step::Clicks("Look at it"),
            Step::Sees("This is not an address of YouTube"),
            Step::Fills("Address of the page", &page),
            Step::Clicks("Look at it"),
            Step::Sees("360p"),
            Step::Judges,
            Step::Clicks("Download 360p"),
            Step::Clicks("Pause A title"),
            Step::Sees("paused"),
            Step::Judges,
            Step::Clicks("Resume A title"),
            Step::Awaits("Save A title"),
            Step::Judges,
        ];
        let screen = Screen { is_phone: true, ..Screen::default() };
        let visited = visit_on(&screen, &relay.setup_url(), &[&SETS_UP[..], &steps].concat()).await;
        let refused = format!("400 {}", relay.url("/api/streaming/analyze"));
        assert_eq!(visited.failed, [refused], "{visited:#?}");
        assert_eq!(visited.faults, Vec::<String>::new(), "{visited:#?}");
        let own = relay.url("/");
        let foreign = visited.requests.iter().find(|request| !request.starts_with(&own));
        assert_eq!(foreign, None, "the platform is asked by the server only");
        assert!(visited.text.contains("completed"), "{visited:#?}");
    }
}

//! Pages of video platforms as sources of channels.

use std::sync::Arc;
use std::time::Duration;

use forebay_testkit::client::Viewer;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Broadcast, Hls, Numbering, Origin};
use forebay_testkit::platform::{Platform, yt_dlp};
use forebay_testkit::ts::{Checker, contains_in_order, demux};

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// A relay that resolves pages at this platform, with these channels.
pub(crate) fn relay(platform: &Platform, channels: &str) -> Relay {
    let (command, plugins) = (yt_dlp().display().to_string(), platform.plugins().display().to_string());
    Relay::start(&format!(
        "allow_private_sources = true\n[resolver]\ncommand = '{command}'\nplugin_dirs = ['{plugins}']\n{channels}"
    ))
}

fn page(name: &str) -> String {
    format!("page:{}", Platform::page(name))
}

/// Segments of about a second, of which eight are listed.
fn hls() -> Hls {
    Hls::live(Clip::get(Kind::ShortGop)).segment(SECOND).window(8)
}

/// A page whose broadcast gives each who asks a session of its own.
struct Show {
    name: String,
    broadcast: Broadcast,
}

impl Show {
    fn begin(
        platform: &Platform,
        origin: &Origin,
        (numbering, is_dated): (Numbering, bool),
        lifetime: Duration,
    ) -> Self {
        let name = format!("{numbering:?}{}", if is_dated { "D" } else { "N" });
        let hls = if is_dated { hls().dated() } else { hls() };
        let broadcast = hls.mount(origin, &format!("/{name}"));
        let sessions = broadcast.clone();
        platform.broadcast(&name, move || sessions.issue_session(numbering, lifetime));
        Self { name, broadcast }
    }

    /// The pictures that a viewer was sent are those of the broadcast, one after the other.
    fn assert_whole(&self, bytes: &[u8]) {
        let sent: Vec<u8> =
            (0..self.broadcast.segments()).flat_map(|number| self.broadcast.segment_bytes(number)).collect();
        let video = |stream: &[u8]| {
            let pid = Checker::check(stream).video_pid().expect("there is a picture");
            demux(stream).remove(&pid).expect("it has packets")
        };
        let whole = bytes.len() / 188 * 188;
        let run = contains_in_order(&video(&sent), &video(&bytes[..whole]));
        let run = run.unwrap_or_else(|error| panic!("{}: {error}", self.name));
        assert!(run.first + run.length <= video(&sent).len(), "{}: {run:?}", self.name);
    }
}

/// Watches pages whose addresses live so long, for so long: of three ways of numbering, with and
/// without dates.
async fn renewed(lifetime: Duration, span: Duration) {
    let (platform, origin) = (Platform::start().await, Origin::start().await);
    let numberings = [Numbering::Same, Numbering::Higher, Numbering::FromZero];
    let kinds = numberings.into_iter().flat_map(|numbering| [(numbering, false), (numbering, true)]);
    let shows: Vec<Show> = kinds.map(|kind| Show::begin(&platform, &origin, kind, lifetime)).collect();
    let channels: String =
        shows.iter().map(|show| channel(&show.name, &[page(&show.name)], "start_timeout = '30s'")).collect();
    let relay = Arc::new(relay(&platform, &channels));
    let watch = |show: Show| {
        let (relay, path) = (Arc::clone(&relay), format!("/stream/{}", show.name));
        tokio::spawn(async move {
            let mut viewer = Viewer::get(relay.address(), &path).await;
            assert_eq!(viewer.status(), 200, "{}", show.name);
            let bytes = viewer.read_for(span).await;
            assert!(viewer.ended().is_none(), "{}: {:?}", show.name, viewer.ended());
            // As long as it is open: to compare minutes of pictures takes long.
            let status = relay.status(&show.name).await;
            (show, bytes, viewer.largest_gap(), status)
        })
    };
    let watching: Vec<_> = shows.into_iter().map(watch).collect();
    for watching in watching {
        let (show, bytes, gap, status) = watching.await.expect("it can be watched");
        let (asked, refused) = (platform.asked_for(&show.name), show.broadcast.stats().forbidden);
        println!("{}: resolved {asked} times, {refused} refused, gap {gap:?}", show.name);
        assert!(asked >= 4, "{}: its address has ended several times: {asked}", show.name);
        assert_eq!(refused, 0, "{}", show.name);
        show.assert_whole(&bytes);
        assert_eq!(status["upstream_connections_opened"], 1, "{status}");
        let report = Checker::check(&bytes);
        assert_eq!(report.continuity_errors_total(), 0, "{}", show.name);
        assert!(report.media_time + 3 * SECOND >= span, "{}: {:?}", show.name, report.media_time);
    }
}

/// Half a minute, in which each address ends several times.
#[tokio::test(flavor = "multi_thread")]
async fn no_picture_is_lost_or_repeated_when_an_address_ends() {
    renewed(9 * SECOND, 32 * SECOND).await;
}

/// The same for ten minutes, or `FOREBAY_PAGE_SECONDS`.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "make test-long"]
async fn no_picture_is_lost_or_repeated_in_ten_minutes() {
    let seconds = std::env::var("FOREBAY_PAGE_SECONDS").ok().and_then(|text| text.parse().ok());
    renewed(15 * SECOND, seconds.unwrap_or(600) * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_that_is_not_live_is_asked_for_once_however_often_it_is_tried() {
    let platform = Platform::start().await;
    let relay = relay(&platform, &channel("one", &[page("offline")], "start_timeout = '6s'"));
    for _ in 0..2 {
        let viewer = Viewer::get(relay.address(), "/stream/one").await;
        assert_eq!(viewer.status(), 503);
    }
    assert_eq!(platform.asked(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_has_its_turn_among_other_sources() {
    let (platform, origin) = (Platform::start().await, Origin::start().await);
    let backup = hls().mount(&origin, "/backup");
    let sources = [page("offline"), backup.url().to_owned()];
    // However busy the machine is, the page has its turn to its end.
    let relay = relay(
        &platform,
        &channel("one", &sources, "connect_timeout = '60s'\nhedge = '60s'\nstart_timeout = '60s'"),
    );
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert_eq!(viewer.status(), 200);
    viewer.read_for(SECOND).await;
    let status = relay.status("one").await;
    let first = &status["sources"][0];
    assert_eq!(first["last_error"], "page_not_live", "{status}");
    let message = first["last_error_message"].as_str().expect("a text");
    assert!(message.starts_with("the page is not live, asked again in "), "{message}");

    drop(viewer);
    assert!(relay.stop().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_page_whose_address_is_dead_before_its_time_is_resolved_anew() {
    let (platform, origin) = (Platform::start().await, Origin::start().await);
    let broadcast = hls().mount(&origin, "/live");
    let sessions = broadcast.clone();
    // It says a minute, and is refused after three seconds.
    platform.broadcast("dies", move || {
        let address = sessions.issue_session(Numbering::Higher, 3 * SECOND);
        let (address, _) = address.split_once('?').expect("it says when it ends");
        address.to_owned()
    });
    let relay = relay(&platform, &format!("url_ttl = '10s'\n{}", channel("one", &[page("dies")], "")));
    let mut viewer = Viewer::get(relay.address(), "/stream/one").await;
    assert_eq!(viewer.status(), 200);
    let bytes = viewer.read_for(14 * SECOND).await;
    assert!(viewer.ended().is_none(), "{:?}", viewer.ended());
    let report = Checker::check(&bytes);
    assert!(report.media_time >= 9 * SECOND, "{:?}: {}", report.media_time, relay.status("one").await);
    assert!(platform.asked_for("dies") <= 4, "{}", platform.asked_for("dies"));
}

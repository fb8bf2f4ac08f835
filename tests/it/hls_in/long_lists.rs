//! Lists of a whole evening, with signed addresses.

use std::fmt::Write as _;

use forebay_testkit::origin::{Behaviour, Reply};
use tokio::time::Instant;

use super::*;

/// Segments of a second that are listed and long over.
const OVER: u64 = 28_000;

/// A signature, as long as those of real servers.
const TOKEN: &str = "st=1764500000~exp=1764586400~acl=%2Flive%2F*~data=hdntl~hmac=0123456789abcdef0123456789abcdef\
                     0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcd";

/// A list of 5 MB that grows, of which the last segments can be fetched.
#[tokio::test(flavor = "multi_thread")]
async fn of_5_mb_open_at_once_and_are_followed() {
    let origin = Origin::start().await;
    // A group of pictures is a second, and so is each segment.
    let broadcast = Hls::live(Clip::get(Kind::H264AacB)).segment(SECOND).mount(&origin, "/live");
    let entry = |list: &mut String, name: &str, number: u64| {
        write!(list, "#EXTINF:1.000,\nlive/{name}{number}.ts?{TOKEN}\n").expect("a string takes everything");
    };
    let mut over = "#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:1000\n".to_owned();
    for number in 0..OVER {
        entry(&mut over, "over", number);
    }
    assert!(over.len() > 5_000_000, "{}", over.len());
    let on_air = broadcast.clone();
    let list = Behaviour::handler(move |_| {
        let mut list = over.clone();
        for number in 0..on_air.segments() {
            entry(&mut list, "seg", number);
        }
        Reply::new(200, "application/vnd.apple.mpegurl", list)
    });
    origin.serve("/evening.m3u8", list);
    let url = origin.url("/evening.m3u8");
    let began = Instant::now();
    let mut show = Show::begin_at(origin, broadcast, &url).await;
    let opened = began.elapsed();
    show.watch(8).await;
    println!("opened after {opened:?}, gap {} ms", show.viewer.largest_gap().as_millis());
    assert!(opened < 3 * SECOND, "{opened:?}");
    assert!(show.viewer.largest_gap() < 2 * SECOND, "{:?}", show.viewer.largest_gap());
    let status = show.relay.status("one").await;
    assert_eq!(status["upstream_connections_opened"], 1, "{status}");
    let served = show.broadcast.stats();
    assert!(served.files.values().all(|&count| count == 1), "each segment once: {served:?}");
    show.end(6 * SECOND).await;
}

//! The files of pages, sent through the server while the platform makes it hard.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use forebay_testkit::client::{Answer, Request, get};
use forebay_testkit::origin::{self, Behaviour, Origin};
use forebay_testkit::platform::Platform;
use serde_json::json;

use crate::page_channels::relay;
use crate::relay::Relay;

pub(crate) const MIB: usize = 1 << 20;

/// Requests for which an address is good.
const REQUESTS: usize = 9;

/// Bytes that look as if they came by chance.
fn bytes(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        state.to_le_bytes()[0]
    };
    (0..length).map(|_| next()).collect()
}

/// A file that wants to see header fields and a cookie, in ranges of at most a mebibyte, at
/// addresses that are dead after some requests.
pub(crate) struct Hostile {
    pub(crate) platform: Platform,
    origin: Origin,
    pub(crate) file: Arc<Vec<u8>>,
    /// Bytes sent, and refusals.
    pub(crate) sent: Arc<AtomicUsize>,
    refused: Arc<AtomicUsize>,
}

impl Hostile {
    async fn start(length: usize) -> Self {
        Self::start_at_speed(length, u32::MAX).await
    }

    /// The same, which sends so many bytes a second.
    pub(crate) async fn start_at_speed(length: usize, bytes_per_second: u32) -> Self {
        let (platform, origin) = (Platform::start().await, Origin::start().await);
        let file = Arc::new(bytes(length));
        let (sent, refused) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        let addresses = Arc::<Mutex<Vec<usize>>>::default();
        let (of, used) = (Arc::clone(&file), Arc::clone(&addresses));
        let (count, no) = (Arc::clone(&sent), Arc::clone(&refused));
        origin.serve(
            "/file/*",
            Behaviour::chooser(move |request| {
                let used = &mut used.lock().expect("nobody panics");
                let Some(range) = answer(request, &of, used) else {
                    no.fetch_add(1, Ordering::Relaxed);
                    return Behaviour::status(403, "text/plain", "no\n");
                };
                count.fetch_add(range.len(), Ordering::Relaxed);
                let extent = format!("bytes {}-{}/{}", range.start, range.end - 1, of.len());
                let part = Behaviour::status(206, "video/mp4", &of[range]).header("Content-Range", &extent);
                if bytes_per_second == u32::MAX { part } else { part.slowly(bytes_per_second) }
            }),
        );
        let base = origin.url("/file");
        platform.offer("file", move || {
            let mut addresses = addresses.lock().expect("nobody panics");
            addresses.push(0);
            let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("it is later than 1970").as_secs();
            let url = format!("{base}/{}.mp4?expire={}&token=hunter2", addresses.len() - 1, now + 4);
            json!([{
                "format_id": "18", "url": url, "ext": "mp4", "protocol": "https", "vcodec": "avc1.42001E",
                "acodec": "mp4a.40.2", "height": 360, "width": 640, "cookies": "session=7; Domain=127.0.0.1; Path=/",
                "http_headers": { "User-Agent": "Platform/1", "Referer": "https://a.example/" },
            }])
        });
        Self { platform, origin, file, sent, refused }
    }
}

/// The range that a request is given, if any is.
fn answer(request: &origin::Request, file: &[u8], used: &mut [usize]) -> Option<std::ops::Range<usize>> {
    let header = |name| request.header(name).unwrap_or_default();
    let is_known = header("User-Agent") == "Platform/1"
        && header("Referer") == "https://a.example/"
        && header("Cookie") == "session=7";
    let (first, last) = header("Range").strip_prefix("bytes=")?.split_once('-')?;
    let (first, last): (usize, usize) = (first.parse().ok()?, last.parse().ok()?);
    let number: usize = request.path.strip_prefix("/file/")?.split('.').next()?.parse().ok()?;
    let address = used.get_mut(number)?;
    *address += 1;
    let is_good = is_known && last - first < MIB && *address <= REQUESTS;
    is_good.then_some(first..file.len().min(last + 1))
}

const PATH: &str = "/api/v2/stream/proxy/youtube/file_______?quality=720p";

async fn part(relay: &Relay, range: &str, known: Option<&str>) -> Answer {
    let request = Request::get(relay.address(), PATH).header("Range", range);
    let request = match known {
        Some(tag) => request.header("If-Range", tag),
        None => request,
    };
    request.send().await.expect("it answers")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_arrives_whole_however_hard_the_platform_makes_it() {
    let hostile = Hostile::start(12 * MIB + 1234).await;
    let relay = relay(&hostile.platform, "");
    let address = relay.address();
    let viewers = (0..20).map(|_| tokio::spawn(async move { get(address, PATH).await }));
    for viewer in viewers.collect::<Vec<_>>() {
        let answer = viewer.await.expect("it can be watched");
        assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
        assert_eq!(answer.header("Content-Length"), Some(&*hostile.file.len().to_string()));
        assert_eq!(
            (answer.header("Content-Type"), answer.header("X-Platform")),
            (Some("video/mp4"), Some("youtube"))
        );
        assert!(answer.body == *hostile.file, "{} bytes", answer.body.len());
    }
    let (sent, refused) = (hostile.sent.load(Ordering::Relaxed), hostile.refused.load(Ordering::Relaxed));
    println!(
        "{sent} of {} bytes fetched, {refused} refused, resolved {} times",
        hostile.file.len(),
        hostile.platform.asked_for("file")
    );
    assert_eq!(sent, hostile.file.len(), "each byte is fetched once");

    // Ranges of it, without another request.
    let whole = get(address, &PATH.replace("720p", "360p")).await;
    let tag = whole.header("ETag").expect("a tag").to_owned();
    for (range, known, status, expected) in [
        ("bytes=5-9", None, 206, &hostile.file[5..10]),
        ("bytes=-4", Some(&*tag), 206, &hostile.file[hostile.file.len() - 4..]),
        ("bytes=5-9", Some("\"another\""), 200, &hostile.file[..]),
        ("bytes=99999999-", None, 416, &[]),
    ] {
        let answer = part(&relay, range, known).await;
        assert_eq!(answer.status, status, "{range}");
        assert!(answer.body == expected, "{range}: {} bytes", answer.body.len());
    }
    assert_eq!(hostile.sent.load(Ordering::Relaxed), sent);

    let figures = get(address, "/api/v2/stream/metrics").await.json();
    let data = &figures["data"];
    assert_eq!((&figures["success"], &data["active_streams"]), (&true.into(), &0.into()), "{figures}");
    assert!(data["total_bytes_served"].as_u64().expect("a number") >= 20 * 12 * (1 << 20), "{figures}");
    assert!(data["cache_hits"].as_u64() > Some(0) && data["cache_misses"].as_u64() > Some(0), "{figures}");
    assert!(relay.stop().await);
    drop(hostile.origin);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_end_of_a_file_is_had_without_its_beginning() {
    let hostile = Hostile::start(12 * MIB).await;
    let relay = relay(&hostile.platform, "");
    let end = hostile.file.len() - 1000;
    let answer = part(&relay, &format!("bytes={end}-"), None).await;
    assert_eq!((answer.status, answer.body.len()), (206, 1000));
    assert!(answer.body == hostile.file[end..]);
    assert!(hostile.sent.load(Ordering::Relaxed) <= 2 * MIB, "{:?}", hostile.sent);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_does_not_work_for_players_leads_to_the_proxy() {
    let hostile = Hostile::start(MIB).await;
    let relay = relay(&hostile.platform, "");
    let answer = get(relay.address(), "/api/v2/stream/direct/youtube/file_______").await;
    assert_eq!((answer.status, answer.header("X-Direct")), (302, Some("proxied; reason=headers")));
    let location = answer.header("Location").expect("it leads somewhere").to_owned();
    let answer = get(relay.address(), &location).await;
    assert!(answer.status == 200 && answer.body == *hostile.file, "HTTP {}", answer.status);
    let answer = get(relay.address(), "/api/v2/stream/direct/youtube/file_______?strict=1").await;
    assert_eq!((answer.status, answer.header("X-Direct")), (302, Some("platform")));
    let health = get(relay.address(), "/api/v2/system/health").await;
    let document = health.json();
    assert_eq!((health.status, &document["status"]), (200, &"healthy".into()), "{document}");
    assert_eq!(document["services"]["redis"], "not_used");
    assert_eq!(document["services"]["yt-dlp"], "available");
    for field in ["alloc_mb", "total_alloc_mb", "sys_mb", "num_gc"] {
        assert!(document["memory"][field].is_u64(), "{field}: {document}");
    }
    tokio::time::timeout(Duration::from_secs(5), relay.stop()).await.expect("it stops");
}

//! Recordings that are still being written.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_testkit::client::{Request, get_json};
use forebay_testkit::clip::film;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::films::{House, ID, USUAL, fragmented, packets, usual};

/// A look into the folders is due each second, and a file stands still after five.
const SOON: Duration = Duration::from_secs(30);

/// A recorder writes this often, so that no look finds its file still.
const EVERY: Duration = Duration::from_millis(100);

/// How long it records.
const PIECES: usize = 80;

/// Writes a copy of a file, slowly.
fn record(from: &Path, to: PathBuf) -> JoinHandle<()> {
    let bytes = std::fs::read(from).expect("it is there");
    let mut file = File::create_new(to).expect("it can be made");
    tokio::spawn(async move {
        for piece in bytes.chunks(bytes.len().div_ceil(PIECES)) {
            file.write_all(piece).expect("there is room");
            sleep(EVERY).await;
        }
    })
}

/// The films, once `is_so`.
async fn videos(house: &House, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let until = Instant::now() + SOON;
    loop {
        let (_, list) = get_json(house.relay.address(), "/api/v1/videos").await;
        let all = list["videos"].as_array().expect("a list");
        if is_so(all) {
            return all.clone();
        }
        assert!(Instant::now() < until, "{list}");
        sleep(Duration::from_millis(50)).await;
    }
}

/// Plays a film from its beginning while it is written, and then in parts.
async fn play(path: &Path) {
    let house = House::with(&[]);
    let end = path.extension().and_then(|end| end.to_str()).expect("films have an end");
    let recording = record(path, house.folder.path().join(format!("{ID}.{end}")));
    // What describes it comes last: nobody can play it before it is whole.
    let other = record(&usual(), house.folder.path().join("other.mp4"));
    let found = videos(&house, |all| !all.is_empty()).await;
    assert_eq!((found.len(), &found[0]["refusal"]["code"]), (1, &"growing".into()), "{found:?}");
    assert!(!recording.is_finished(), "it is offered while it is written");

    let address = house.relay.address();
    let ask = |range: &'static str| {
        let request = Request::get(address, &format!("/stream/{ID}")).header("Range", range);
        async move { request.send().await.expect("an answer") }
    };
    let part = ask("bytes=188-375").await;
    assert_eq!((part.status, part.header("content-range")), (206, Some("bytes 188-375/*")));
    let far = ask("bytes=1000000000-").await;
    let range = far.header("content-range").unwrap_or_default();
    assert!(far.status == 416 && range.starts_with("bytes */"), "{range}");
    let (_, error) = get_json(address, &format!("/hls/{ID}/master.m3u8")).await;
    assert_eq!(error["error"]["code"], "not_in_parts");

    let url = house.url(&format!("/stream/{ID}"));
    let path_of_film = format!("/stream/{ID}");
    let whole = house.get(&path_of_film);
    let (whole, rest, all) = tokio::join!(whole, ask("bytes=1000-9007199254740991"), packets(&url, "0:v"));
    let bytes = std::fs::read(path).expect("it is there");
    recording.await.expect("it was written");
    assert_eq!((whole.status, whole.header("content-length")), (200, None));
    assert!(whole.body == bytes, "{} bytes of {}", whole.body.len(), bytes.len());
    let range = rest.header("content-range");
    assert_eq!((rest.status, range), (206, Some("bytes 1000-9007199254740991/*")));
    assert!(rest.body == bytes[1000..], "{} bytes of {}", rest.body.len(), bytes.len() - 1000);
    assert_eq!(all.len(), packets(path.to_str().expect("text"), "0:v").await.len(), "by ffmpeg");

    other.await.expect("it was written");
    let found =
        videos(&house, |all| all.len() == 2 && all.iter().all(|video| video["refusal"].is_null())).await;
    let recorded = found.iter().find(|video| video["id"] == ID).expect("it keeps its id");
    assert_eq!(recorded["duration"].as_f64().map(f64::floor), Some(20.0));
    assert_eq!(house.get(&format!("/hls/{ID}/main/3.m4s")).await.status, 200);
    assert_eq!(
        house.get(&format!("/stream/{ID}")).await.header("content-length"),
        Some(bytes.len().to_string().as_str())
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_transport_stream_that_is_being_recorded_is_sent_to_its_end() {
    play(&film("usual.ts", 20, USUAL)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fragmented_movie_that_is_being_recorded_is_sent_to_its_end() {
    play(&film("fragmented.mp4", 20, &fragmented())).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_of_a_recording_does_not_hold_up_the_end_of_the_server() {
    let house = House::with(&[]);
    let recording = record(&film("usual.ts", 20, USUAL), house.folder.path().join(format!("{ID}.ts")));
    videos(&house, |all| !all.is_empty()).await;
    let (address, path) = (house.relay.address(), format!("/stream/{ID}"));
    let watching = tokio::spawn(async move { forebay_testkit::client::get(address, &path).await.status });
    let until = Instant::now() + SOON;
    while house.get("/stats").await.json()["viewers"] != 1 {
        assert!(Instant::now() < until, "there is a viewer");
        sleep(Duration::from_millis(20)).await;
    }
    assert!(house.relay.stop().await, "in time");
    assert!(!recording.is_finished(), "nobody waited for its end");
    assert_eq!(watching.await.expect("it was answered"), 200);
}

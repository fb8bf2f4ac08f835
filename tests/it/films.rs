//! Films from outside: as files, by HLS and by DASH.

mod players;

use std::path::{Path, PathBuf};
use std::time::Duration;

use forebay_testkit::client::{Answer, Request, get, get_json};
use forebay_testkit::clip::film;
use forebay_testkit::player::{browser_seeks, ffmpeg_strict};
use serde_json::Value;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::relay::Relay;

/// A look into the folders is due each second.
const SOON: Duration = Duration::from_secs(15);

pub(crate) const ID: &str = "0188f5e0-7b1c-4d2e-9a3f-00112233aaff";

/// H.264 with B pictures and a key frame every two seconds, and AAC with its priming.
pub(crate) const USUAL: &str =
    "-c:v libx264 -preset veryfast -pix_fmt yuv420p -bf 2 -g 50 -b:v 400k -c:a aac -b:a 64k";

/// The same without a table of samples.
pub(crate) fn fragmented() -> String {
    format!("{USUAL} -movflags frag_keyframe+empty_moov+default_base_moof")
}

pub(crate) fn usual() -> PathBuf {
    film("usual.mp4", 20, USUAL)
}

/// A relay with a folder of films.
pub(crate) struct House {
    pub(crate) relay: Relay,
    pub(crate) folder: TempDir,
}

impl House {
    pub(crate) fn with(films: &[(&str, &Path)]) -> Self {
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made a folder for tests");
        for (name, path) in films {
            put(&folder.path().join(name), path);
        }
        let config = format!("[films]\nfolders = ['{}']\nrescan = \"1s\"\n", folder.path().display());
        Self { relay: Relay::start(&config), folder }
    }

    /// With one film, which is offered.
    pub(crate) async fn with_one(path: &Path) -> Self {
        let end = path.extension().and_then(|end| end.to_str()).expect("films have an end");
        let house = Self::with(&[(&format!("{ID}.{end}"), path)]);
        house.videos(1).await;
        house
    }

    /// The films, once there are so many.
    async fn videos(&self, count: usize) -> Vec<Value> {
        let until = Instant::now() + SOON;
        loop {
            let (_, list) = get_json(self.relay.address(), "/api/v1/videos").await;
            if list["total"] == count {
                return list["videos"].as_array().expect("a list").clone();
            }
            assert!(Instant::now() < until, "there should be {count} films: {list}");
            sleep(Duration::from_millis(50)).await;
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        get(self.relay.address(), path).await
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.relay.address())
    }
}

/// Copies a film, as long ago as those that stand still.
fn put(to: &Path, from: &Path) {
    std::fs::copy(from, to).expect("a film can be copied");
    let file = std::fs::File::options().append(true).open(to).expect("it is there");
    let before = std::time::SystemTime::now() - Duration::from_mins(1);
    file.set_modified(before).expect("its time can be set");
}

/// The packets of a stream as ffmpeg reads them: times, sizes and checksums.
pub(crate) async fn packets(input: &str, stream: &str) -> Vec<String> {
    let mut ffmpeg = tokio::process::Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error", "-copyts", "-i", input, "-map", stream, "-c", "copy"]);
    let output = ffmpeg.args(["-f", "framehash", "-"]).output().await.expect("ffmpeg runs");
    assert!(output.stderr.is_empty(), "{input}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("framehash writes text");
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    // How long a packet lasts, ffmpeg takes from the codec when it reads segments.
    let fields = |line: &str| line.split(',').map(str::trim).map(str::to_owned).collect::<Vec<_>>();
    lines.map(fields).map(|fields| [&fields[1..3], &fields[4..6]].concat().join(",")).collect()
}

/// What there is to see and hear is the same, and at the same time, as when ffmpeg opens the
/// file.
async fn assert_same(path: &Path, manifest: &str, streams: &[(&str, &str)]) {
    for (of_file, of_manifest) in streams {
        let (want, found) =
            (packets(path.to_str().expect("text"), of_file).await, packets(manifest, of_manifest).await);
        assert!(!want.is_empty(), "{} has no {of_file}", path.display());
        assert_eq!(found.len(), want.len(), "packets of {of_file} by {manifest}");
        let other = want.iter().zip(&found).find(|(want, found)| want != found);
        assert_eq!(other, None, "{of_file} by {manifest}");
    }
}

/// A packet of a stream: when it is shown, in thousandths of a second, and its size and checksum.
type Shown = (f64, String);

/// The packets of a stream as ffmpeg reads them, in the order of decoding, whatever units they
/// count in.
async fn shown(input: &str, stream: &str) -> Vec<Shown> {
    let mut ffmpeg = tokio::process::Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "fatal", "-copyts", "-i", input, "-map", stream, "-c", "copy"]);
    let output = ffmpeg.args(["-f", "framehash", "-"]).output().await.expect("ffmpeg runs");
    hashes(&output.stdout)
}

/// What framehash tells.
fn hashes(output: &[u8]) -> Vec<Shown> {
    let text = String::from_utf8_lossy(output);
    let unit = text.lines().find_map(|line| line.strip_prefix("#tb 0: ")).expect("it tells its unit");
    let (over, under) = unit.split_once('/').expect("a fraction");
    let number = |text: &str| text.trim().parse::<f64>().expect("a number");
    let unit = 1000.0 * number(over) / number(under);
    let lines = text.lines().filter(|line| !line.starts_with('#'));
    let packet = |line: &str| {
        let fields: Vec<&str> = line.split(',').map(str::trim).collect();
        (number(fields[2]) * unit, fields[4..6].join(","))
    };
    lines.map(packet).collect()
}

/// Every packet is the same, and shown at the same time from the first picture on, to the
/// thousandth of a second in which such files count.
async fn assert_shown(path: &Path, manifest: &str, streams: &[(&str, &str)]) {
    let file = path.to_str().expect("text");
    let mut zeros = None;
    for (of_file, of_manifest) in streams {
        let (want, found) = (shown(file, of_file).await, shown(manifest, of_manifest).await);
        assert!(!want.is_empty(), "{file} has no {of_file}");
        assert_eq!(found.len(), want.len(), "packets of {of_file} by {manifest}");
        let (of_file, of_found) = *zeros.get_or_insert((want[0].0, found[0].0));
        for (at, (want, found)) in want.iter().zip(&found).enumerate() {
            assert_eq!(found.1, want.1, "packet {at} by {manifest}");
            let apart = (found.0 - of_found) - (want.0 - of_file);
            assert!(apart.abs() <= 1.01, "packet {at} by {manifest} is {apart} ms off");
        }
    }
}

/// The decoded media is the same, shown at the same time from the first picture on.
async fn assert_pictures(path: &Path, manifest: &str) {
    let file = path.to_str().expect("text");
    let mut zeros = None;
    for stream in ["0:v:0", "0:a:0"] {
        let (want, found) = (decoded(file, stream).await, decoded(manifest, stream).await);
        let (of_file, of_found) = *zeros.get_or_insert((want[0].0, found[0].0));
        // Sound in front of the first picture may be left out. Of a frame that an edit list
        // divides, ffmpeg moves the rest to the edit's beginning.
        let most = if stream == "0:v:0" { 1.5 } else { 5.0 };
        let from = |all: Vec<Shown>, zero: f64, first: f64| -> Vec<Shown> {
            let moved = all.into_iter().map(|(time, bytes)| (time - zero, bytes));
            moved.filter(|(time, _)| *time > first).collect()
        };
        let want = from(want, of_file, -1.0);
        let found = from(found, of_found, want[0].0 - most);
        assert!(want.len() > 400, "{file} has {} of {stream}", want.len());
        assert!(found.len() + 2 > want.len(), "{} of {} of {stream} by {manifest}", found.len(), want.len());
        for (at, (want, found)) in want.iter().zip(&found).enumerate() {
            assert!((want.0 - found.0).abs() < most, "{stream} {at} by {manifest}: {want:?} {found:?}");
            // A decoder of sound begins with what came in front.
            assert!(at < 4 || want.1 == found.1, "{stream} {at} by {manifest}");
        }
    }
}

/// The pictures or the frames of sound that ffmpeg decodes.
async fn decoded(input: &str, stream: &str) -> Vec<Shown> {
    let mut ffmpeg = tokio::process::Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "fatal", "-copyts", "-i", input, "-map", stream, "-vsync", "0"]);
    let output = ffmpeg.args(["-f", "framehash", "-"]).output().await.expect("ffmpeg runs");
    hashes(&output.stdout)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_is_there_with_its_addresses_and_goes_with_its_file() {
    let house = House::with(&[("A film.mp4", &usual())]);
    let videos = house.videos(1).await;
    let (id, title) = (videos[0]["id"].as_str().expect("a text"), &videos[0]["title"]);
    assert_eq!(
        (title.as_str(), videos[0]["duration"].as_f64().map(f64::floor)),
        (Some("A film"), Some(20.0))
    );
    let (status, config) =
        get_json(house.relay.address(), &format!("/api/v1/videos/{id}/stream-config")).await;
    assert_eq!(status, 200);
    for (key, path) in [
        ("stream_url", format!("/stream/{id}")),
        ("hls_url", format!("/hls/{id}/master.m3u8")),
        ("dash_url", format!("/dash/{id}/manifest.mpd")),
    ] {
        assert_eq!(config[key], house.url(&path));
        assert_eq!(house.get(&path).await.status, 200, "{path}");
    }
    assert_eq!(
        (&config["qualities"][0]["height"], &config["qualities"][0]["name"]),
        (&360.into(), &"source".into())
    );
    // Moved, it is the same film.
    std::fs::rename(house.folder.path().join("A film.mp4"), house.folder.path().join("B.mp4"))
        .expect("it is there");
    let until = Instant::now() + SOON;
    loop {
        let videos = house.videos(1).await;
        if videos[0]["title"] == "B" {
            assert_eq!(videos[0]["id"], id);
            break;
        }
        assert!(Instant::now() < until);
        sleep(Duration::from_millis(50)).await;
    }
    std::fs::remove_file(house.folder.path().join("B.mp4")).expect("it is there");
    house.videos(0).await;
    assert_eq!(house.get(&format!("/hls/{id}/master.m3u8")).await.status, 404);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_file_is_sent_in_ranges_of_one_state() {
    let path = usual();
    let house = House::with_one(&path).await;
    let bytes = std::fs::read(&path).expect("it is there");
    let address = house.relay.address();
    let at = format!("/stream/{ID}");
    let whole = house.get(&at).await;
    assert_eq!((whole.status, whole.header("content-type")), (200, Some("video/mp4")));
    assert!(whole.body == bytes);
    let tag = whole.header("etag").expect("it has a tag").to_owned();
    let ask = |name: &'static str, value: String| Request::get(address, &at).header(name, &value);
    let first = ask("range", "bytes=0-".into()).send().await.expect("an answer");
    assert_eq!((first.status, first.body.len()), (206, bytes.len()));
    let part =
        ask("range", "bytes=1000-1999".into()).header("if-range", &tag).send().await.expect("an answer");
    assert_eq!((part.status, &part.body[..]), (206, &bytes[1000..2000]));
    let range = format!("bytes 1000-1999/{}", bytes.len());
    assert_eq!(part.header("content-range"), Some(&range[..]));
    let other = ask("range", "bytes=1000-1999".into()).header("if-range", "\"other\"").send().await;
    assert_eq!(other.expect("an answer").status, 200);
    let beyond = ask("range", format!("bytes={}-", bytes.len())).send().await.expect("an answer");
    assert_eq!(
        (beyond.status, beyond.header("content-range")),
        (416, Some(&format!("bytes */{}", bytes.len())[..]))
    );
    assert_eq!(ask("if-none-match", tag).send().await.expect("an answer").status, 304);
    let head = Request::new("HEAD", address, &at).send().await.expect("an answer");
    assert_eq!((head.status, head.body.len()), (200, 0));
    assert_eq!(head.header("content-length"), Some(&bytes.len().to_string()[..]));
    // A range is for GET alone.
    for range in ["bytes=1000-1999".to_owned(), format!("bytes={}-", bytes.len())] {
        let head = Request::new("HEAD", address, &at).header("range", &range).send().await.unwrap();
        let length = head.header("content-length").map(str::to_owned);
        assert_eq!((head.status, length), (200, Some(bytes.len().to_string())), "{range}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn all_that_is_named_is_there_and_nothing_else() {
    let house = House::with_one(&usual()).await;
    let master = house.get(&format!("/hls/{ID}/master.m3u8")).await.text();
    assert!(master.contains("\nmain.m3u8\n") && master.contains("URI=\"keys.m3u8\""), "{master}");
    for list in ["main", "keys", "t0", "t1"] {
        let text = house.get(&format!("/hls/{ID}/{list}.m3u8")).await.text();
        let map = text.lines().find_map(|line| line.strip_prefix("#EXT-X-MAP:URI=\"")?.strip_suffix('"'));
        let segments = text.lines().filter(|line| !line.starts_with('#'));
        for name in map.into_iter().chain(segments) {
            let answer = house.get(&format!("/hls/{ID}/{name}")).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("video/mp4")), "{name}");
            let length = answer.header("content-length").map(str::to_owned);
            assert_eq!(length, Some(answer.body.len().to_string()), "{name}");
        }
    }
    for (path, code) in [
        (format!("/hls/{ID}/main/99.m4s"), "no_part"),
        (format!("/hls/{ID}/t2/0.m4s"), "no_part"),
        (format!("/hls/{ID}/t2.m3u8"), "no_part"),
        (format!("/hls/{ID}/master"), "no_part"),
        ("/hls/one/master.m3u8".to_owned(), "unknown_video"),
        (format!("/stream/{}", ID.replace('0', "1")), "unknown_channel"),
    ] {
        let (status, error) = get_json(house.relay.address(), &path).await;
        assert_eq!((status, error["error"]["code"].as_str()), (404, Some(code)), "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subtitles_beside_a_film_are_offered_with_it() {
    let house = House::with_one(&usual()).await;
    let put = |name: &str, text: &[u8]| {
        std::fs::write(house.folder.path().join(format!("{ID}{name}")), text).expect("it can be written");
    };
    // In the encoding of Windows, and across the end of a segment.
    put(
        ".de.srt",
        b"1\r\n00:00:05,500 --> 00:00:06,500\r\nGr\xFC\xDFe\r\n\r\n2\r\n00:00:13,0 --> 00:00:14,0\r\nEnde",
    );
    put(".en.forced.vtt", b"WEBVTT\n\n00:01.000 --> 00:02.000\nSign");
    let master = house.get(&format!("/hls/{ID}/master.m3u8")).await.text();
    for line in [
        "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"s-de\",LANGUAGE=\"de\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=\"s-de.m3u8\"\n",
        "NAME=\"s-en-forced\",LANGUAGE=\"en\",DEFAULT=NO,AUTOSELECT=YES,FORCED=YES,URI=\"s-en-forced.m3u8\"\n",
        ",SUBTITLES=\"subtitles\"\nmain.m3u8\n",
    ] {
        assert!(master.contains(line), "{line}: {master}");
    }
    let list = house.get(&format!("/hls/{ID}/s-de.m3u8")).await.text();
    let names: Vec<&str> = list.lines().filter(|line| !line.starts_with('#')).collect();
    assert_eq!(names, ["s-de/0.vtt", "s-de/1.vtt", "s-de/2.vtt", "s-de/3.vtt"]);
    let greeting = "00:00:05.500 --> 00:00:06.500\nGr\u{fc}\u{df}e\n\n";
    for (name, shown) in [("0", Some(greeting)), ("1", Some(greeting)), ("3", None), ("all", Some(greeting))]
    {
        let answer = house.get(&format!("/hls/{ID}/s-de/{name}.vtt")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/vtt")), "{name}");
        let text = answer.text();
        assert!(
            text.starts_with("WEBVTT\n") && shown.is_none_or(|shown| text.contains(shown)),
            "{name}: {text}"
        );
        assert_eq!(text.contains("Gr"), shown.is_some(), "{name}: {text}");
    }
    let manifest = house.get(&format!("/dash/{ID}/manifest.mpd")).await.text();
    assert!(manifest.contains(&format!("<BaseURL>../../hls/{ID}/s-de/all.vtt</BaseURL>")), "{manifest}");
    for path in ["s-fr.m3u8", "s-fr/0.vtt", "s-de/9.vtt", "s-de/0.m4s"] {
        assert_eq!(house.get(&format!("/hls/{ID}/{path}")).await.status, 404, "{path}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn subtitles_in_a_film_are_offered_with_it() {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made a folder for tests");
    let (text, path) = (folder.path().join("a.srt"), folder.path().join("a.mkv"));
    std::fs::write(&text, "1\n00:00:05,500 --> 00:00:06,500\nOne\n\n2\n00:00:13,000 --> 00:00:14,000\nTwo\n")
        .expect("it can be written");
    for (codec, language) in [("srt", "ger"), ("ass", "fre")] {
        let mut ffmpeg = tokio::process::Command::new("ffmpeg");
        ffmpeg.args(["-nostdin", "-v", "error", "-y", "-i"]).arg(usual()).arg("-i").arg(&text);
        ffmpeg.args(["-map", "0", "-map", "1", "-c:v", "copy", "-c:a", "copy", "-c:s", codec]);
        let language_of = format!("language={language}");
        let status = ffmpeg.args(["-metadata:s:s:0", &language_of]).arg(&path).status().await;
        assert!(status.expect("ffmpeg runs").success());
        let house = House::with_one(&path).await;
        let master = house.get(&format!("/hls/{ID}/master.m3u8")).await.text();
        let three = if language == "ger" { "ger" } else { "fre" };
        let line =
            format!("NAME=\"e0\",LANGUAGE=\"{three}\",DEFAULT=NO,AUTOSELECT=YES,FORCED=NO,URI=\"e0.m3u8\"");
        assert!(master.contains(&line), "{master}");
        for (n, shown) in [(0, Some("One")), (1, Some("One")), (2, Some("Two")), (3, None)] {
            let answer = house.get(&format!("/hls/{ID}/e0/{n}.vtt")).await;
            assert_eq!((answer.status, answer.header("content-type")), (200, Some("text/vtt")));
            let text = answer.text();
            assert_eq!(text.contains("-->"), shown.is_some(), "{n}: {text}");
            assert!(shown.is_none_or(|shown| text.contains(&format!("\n{shown}\n"))), "{n}: {text}");
        }
        assert_eq!(house.get(&format!("/hls/{ID}/e1/0.vtt")).await.status, 404);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_film_in_parts_is_a_file_and_says_why() {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made a folder for tests");
    let broken = folder.path().join("broken.mp4");
    std::fs::write(&broken, b"no film at all").expect("it can be written");
    let house = House::with(&[("broken.mp4", &broken), ("other.avi", &broken)]);
    let videos = house.videos(2).await;
    let codes: Vec<&str> = videos.iter().filter_map(|video| video["refusal"]["code"].as_str()).collect();
    assert_eq!(codes, ["no_movie", "unsupported_container"]);
    for video in videos {
        let id = video["id"].as_str().expect("a text");
        let (status, error) = get_json(house.relay.address(), &format!("/hls/{id}/master.m3u8")).await;
        assert_eq!((status, error["error"]["code"].as_str()), (409, Some("not_in_parts")));
        assert_eq!(house.get(&format!("/stream/{id}")).await.body, b"no film at all");
        let (status, config) =
            get_json(house.relay.address(), &format!("/api/v1/videos/{id}/stream-config")).await;
        assert_eq!((status, config["hls_url"].is_null()), (200, true));
    }
}

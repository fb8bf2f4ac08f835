//! Posters of films, and small pictures along their time: made by the real ffmpeg.

use std::path::Path;
use std::time::Duration;

use forebay_testkit::client::Answer;
use forebay_testkit::clip::film;
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::films::{House, ID, USUAL, usual};

/// Longer than some pictures take on a machine with other work.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a filter of ffmpeg makes of the first picture of an input, in grey.
async fn grey(input: &Path, before: &[&str], filter: &str) -> Vec<u8> {
    let mut ffmpeg = tokio::process::Command::new("ffmpeg");
    ffmpeg.args(["-nostdin", "-v", "error"]).args(before).arg("-i").arg(input);
    let filter = format!("{filter},format=gray");
    let output = ffmpeg.args(["-frames:v", "1", "-vf", &filter, "-f", "rawvideo", "-"]).output().await;
    let output = output.expect("ffmpeg runs");
    assert!(output.stderr.is_empty(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// How far two pictures are apart, on average, of 255.
fn difference(one: &[u8], other: &[u8]) -> usize {
    assert_eq!(one.len(), other.len());
    let all: usize = one.iter().zip(other).map(|(a, b)| usize::from(a.abs_diff(*b))).sum();
    all / one.len().max(1)
}

async fn ready(house: &House, path: &str) -> Answer {
    let until = Instant::now() + PATIENCE;
    loop {
        let answer = house.get(path).await;
        if answer.status != 503 {
            return answer;
        }
        assert_eq!(answer.json()["error"]["code"], "no_picture_yet");
        assert!(Instant::now() < until, "{}", answer.text());
        sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_small_picture_is_the_one_that_the_film_shows_there() {
    for path in [usual(), film("usual.ts", 20, USUAL)] {
        let house = House::with_one(&path).await;
        let list = ready(&house, &format!("/hls/{ID}/thumbnails.vtt")).await;
        assert_eq!((list.status, list.header("content-type")), (200, Some("text/vtt")));
        let list = list.text();
        let cues: Vec<&str> = list.split("\n\n").skip(1).filter(|cue| !cue.is_empty()).collect();
        assert_eq!(cues.len(), 4, "{list}");
        let sheet = house.get(&format!("/hls/{ID}/storyboard/0.jpg")).await;
        assert_eq!((sheet.status, sheet.header("content-type")), (200, Some("image/jpeg")));
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made a folder for tests");
        let file = folder.path().join("0.jpg");
        std::fs::write(&file, &sheet.body).expect("it can be written");
        let (mut shown, mut wanted) = (Vec::new(), Vec::new());
        for (at, cue) in cues.iter().enumerate() {
            let (times, image) = cue.split_once('\n').expect("two lines");
            let image = image.strip_prefix("storyboard/0.jpg#xywh=").expect("on the first sheet");
            let [x, y, w, h] = image.split(',').collect::<Vec<_>>()[..] else { panic!("{image}") };
            assert_eq!((w, h), ("160", "90"));
            shown.push(grey(&file, &[], &format!("crop={w}:{h}:{x}:{y}")).await);
            // A key frame every two seconds, and segments of six.
            let begin = format!("{}", at * 6);
            assert!(times.starts_with(&format!("00:00:{:02}.", at * 6)), "{times}");
            // ffmpeg does not seek exactly in packets: the same pictures are in the other file.
            wanted.push(grey(&usual(), &["-ss", &begin], &format!("scale={w}:{h}")).await);
        }
        for (at, shown) in shown.iter().enumerate() {
            let apart: Vec<usize> = wanted.iter().map(|wanted| difference(shown, wanted)).collect();
            let nearest = (0..apart.len()).min_by_key(|&other| apart[other]);
            assert_eq!(nearest, Some(at), "picture {at}: {apart:?}");
        }
        for path in ["storyboard/1.jpg", "storyboard/x.jpg", "storyboard/0.png"] {
            assert_eq!(house.get(&format!("/hls/{ID}/{path}")).await.status, 404, "{path}");
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_film_has_a_poster_and_sound_alone_has_none() {
    let house = House::with_one(&usual()).await;
    let poster = ready(&house, &format!("/hls/{ID}/poster.jpg")).await;
    assert_eq!((poster.status, poster.header("content-type")), (200, Some("image/jpeg")));
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made a folder for tests");
    let file = folder.path().join("poster.jpg");
    std::fs::write(&file, &poster.body).expect("it can be written");
    assert_eq!(grey(&file, &[], "null").await.len(), 480 * 270);
    assert_eq!(house.get("/stats").await.json()["viewers"], 0, "who looks at pictures is no viewer");

    let house = House::with_one(&film("sound.m4a", 20, "-vn -c:a aac")).await;
    for path in ["poster.jpg", "thumbnails.vtt"] {
        assert_eq!(ready(&house, &format!("/hls/{ID}/{path}")).await.status, 404, "{path}");
    }
}

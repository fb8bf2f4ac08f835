//! What can be pushed as it is: streams that the real ffmpeg makes, against what services take.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use forebay_core::targets::{Facts, Target, decide};
use forebay_core::ts::survey::Survey;
use forebay_testkit::client::get_json;
use serde_json::Value;
use tempfile::TempDir;

use crate::program::Setup;
use crate::relay::{Relay, channel};

/// A stream: its name, how it is encoded, and why it cannot be copied to two services and a
/// server of one's own.
struct Fixture {
    name: &'static str,
    /// Of the picture: size and pictures a second.
    picture: &'static str,
    video: &'static str,
    sound: &'static str,
    reasons: [&'static str; 3],
}

const fn fixture(
    name: &'static str,
    picture: &'static str,
    video: &'static str,
    sound: &'static str,
    reasons: [&'static str; 3],
) -> Fixture {
    Fixture { name, picture, video, sound, reasons }
}

const AAC: &str = "-c:a aac -b:a 96k -ac 2";
const H264: &str = "-c:v libx264 -preset ultrafast -pix_fmt yuv420p -g 50 -keyint_min 50 -sc_threshold 0";

const FIXTURES: [Fixture; 24] = [
    fixture("plain", "320x180:25", H264, AAC, ["", "", ""]),
    fixture("high", "320x180:25", "-c:v libx264 -preset veryfast -profile:v high -g 50", AAC, ["", "", ""]),
    fixture("main", "320x180:30", "-c:v libx264 -preset veryfast -profile:v main -g 60", AAC, ["", "", ""]),
    fixture(
        "baseline",
        "320x180:25",
        "-c:v libx264 -preset veryfast -profile:v baseline -g 25",
        AAC,
        ["", "", ""],
    ),
    fixture(
        "ten bits",
        "320x180:25",
        "-c:v libx264 -preset ultrafast -pix_fmt yuv420p10le -g 50",
        AAC,
        ["profile", "profile", "profile"],
    ),
    fixture(
        "4:2:2",
        "320x180:25",
        "-c:v libx264 -preset ultrafast -pix_fmt yuv422p -g 50",
        AAC,
        ["profile", "profile", "profile"],
    ),
    fixture(
        "4:4:4",
        "320x180:25",
        "-c:v libx264 -preset ultrafast -pix_fmt yuv444p -g 50",
        AAC,
        ["profile", "profile", "profile"],
    ),
    fixture(
        "interlaced",
        "320x192:25",
        "-c:v libx264 -preset veryfast -flags +ildct+ilme -x264-params tff=1 -g 50",
        AAC,
        ["interlaced", "interlaced", "interlaced"],
    ),
    fixture(
        "open group",
        "320x180:25",
        "-c:v libx264 -preset veryfast -bf 3 -g 50 -x264-params open-gop=1:scenecut=0",
        AAC,
        ["", "", ""],
    ),
    fixture(
        "4 s",
        "320x180:25",
        "-c:v libx264 -preset ultrafast -g 100 -sc_threshold 0",
        AAC,
        ["", "key_interval", ""],
    ),
    fixture(
        "5 s",
        "320x180:25",
        "-c:v libx264 -preset ultrafast -g 125 -sc_threshold 0",
        AAC,
        ["key_interval", "key_interval", ""],
    ),
    fixture(
        "10 s",
        "320x180:25",
        "-c:v libx264 -preset ultrafast -g 250 -sc_threshold 0",
        AAC,
        ["key_interval", "key_interval", ""],
    ),
    fixture(
        "one key frame",
        "320x180:25",
        "-c:v libx264 -preset ultrafast -g 9999 -sc_threshold 0",
        AAC,
        ["key_interval", "key_interval", "key_interval"],
    ),
    fixture("sixty", "320x180:60", H264, AAC, ["", "", ""]),
    fixture(
        "a hundred",
        "320x180:100",
        "-c:v libx264 -preset ultrafast -g 100",
        AAC,
        ["frame_rate", "frame_rate", ""],
    ),
    fixture("1440p", "2560x1440:5", "-c:v libx264 -preset ultrafast -g 10", AAC, ["", "size", ""]),
    fixture("upright", "180x320:25", H264, AAC, ["", "", ""]),
    fixture("no sound", "320x180:25", H264, "-an", ["", "", ""]),
    fixture("MP2", "320x180:25", H264, "-c:a mp2 -b:a 128k", ["sound_codec", "sound_codec", "sound_codec"]),
    fixture("AC-3", "320x180:25", H264, "-c:a ac3 -b:a 128k", ["sound_codec", "sound_codec", "sound_codec"]),
    fixture("5.1", "320x180:25", H264, "-c:a aac -b:a 256k -ac 6", ["channels", "channels", ""]),
    fixture(
        "half rate",
        "320x180:25",
        H264,
        "-c:a aac -b:a 64k -ar 24000",
        ["sample_rate", "sample_rate", "sample_rate"],
    ),
    fixture(
        "HEVC",
        "320x180:25",
        "-c:v libx265 -preset ultrafast -x265-params keyint=50:min-keyint=50:log-level=none",
        AAC,
        ["", "video_codec", "video_codec"],
    ),
    fixture(
        "MPEG-2",
        "320x192:25",
        "-c:v mpeg2video -g 12",
        "-c:a mp2 -b:a 128k",
        ["video_codec sound_codec", "video_codec sound_codec", "video_codec sound_codec"],
    ),
];

impl Fixture {
    /// Eleven seconds: two key frames of the longest interval that is not endless.
    fn make(&self, folder: &Path) -> PathBuf {
        let path = folder.join(format!("{}.ts", self.name.replace([' ', ':', '.'], "-")));
        let (size, rate) = self.picture.split_once(':').expect("a size and a rate");
        let picture = format!("testsrc=size={size}:rate={rate}:duration=11");
        let mut command = Command::new("ffmpeg");
        command.args(["-hide_banner", "-loglevel", "error", "-y", "-f", "lavfi", "-i", &picture]);
        command.args(["-f", "lavfi", "-i", "sine=frequency=440:sample_rate=48000:duration=11"]);
        // What ffmpeg draws has more colour than most encoders are given.
        command.args(["-pix_fmt", "yuv420p"]);
        command.args(self.video.split_whitespace().chain(self.sound.split_whitespace()));
        let output = command.args(["-threads", "1", "-f", "mpegts"]).arg(&path).output();
        let output = output.expect("ffmpeg is installed");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{}: {said}", self.name);
        path
    }
}

#[test]
fn twenty_four_streams_are_judged_for_three_targets() {
    let folder = TempDir::new().expect("a folder");
    for fixture in &FIXTURES {
        let bytes = fs::read(fixture.make(folder.path())).expect("it was made");
        let mut survey = Survey::new(None);
        survey.push(&bytes);
        let facts = Facts::of(&survey.report());
        for (name, expected) in ["youtube", "twitch", "generic"].into_iter().zip(fixture.reasons) {
            let decision = decide(&facts, &name.parse::<Target>().expect("it is in the table"));
            let found: Vec<_> = decision.reasons.iter().map(forebay_core::targets::Reason::code).collect();
            assert_eq!(found.join(" "), expected, "{} to {name}: {facts:?}", fixture.name);
            assert_eq!(decision.is_copy(), expected.is_empty(), "{} to {name}", fixture.name);
        }
    }
}

#[tokio::test]
async fn a_probe_and_the_api_say_what_would_be_encoded() {
    let folder = TempDir::new().expect("a folder");
    let path = FIXTURES.iter().find(|it| it.name == "MP2").expect("it is there").make(folder.path());
    let source = format!("file:{}", path.display());
    let finished = Setup::with_config("")
        .arg("probe")
        .arg("--target")
        .arg("youtube")
        .arg("--seconds")
        .arg("2")
        .arg("--json")
        .arg(&source)
        .run()
        .await;
    let probed: Value = serde_json::from_str(&finished.output).expect("one object");
    let target = &probed["target"];
    assert_eq!(
        (&target["copy"], &target["video"], &target["sound"]),
        (&false.into(), &"copy".into(), &"encode".into())
    );
    assert_eq!(target["reasons"][0]["code"], "sound_codec", "{target}");

    let relay = Relay::start(&channel("one", &[source], ""));
    let path = "/api/streams/one/compatibility?target=youtube&seconds=3";
    let (status, judged) = get_json(relay.address(), path).await;
    assert_eq!((status, &judged["video"], &judged["sound"]), (200, &"copy".into(), &"encode".into()));
    assert_eq!(judged["reasons"][0]["code"], "sound_codec", "{judged}");
    let (status, refused) = get_json(relay.address(), "/api/streams/one/compatibility?target=myspace").await;
    assert_eq!((status, &refused["error"]["code"]), (400, &"bad_request".into()), "{refused}");
}

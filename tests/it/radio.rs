//! Radio: servers that send bare frames of sound, which lists of channels name beside television.

use std::process::Command;

use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player::ffmpeg_strict;

use crate::relay::Relay;

/// Bytes a second of the stations below: 128 kbit/s.
const RATE: u32 = 16_000;

/// A minute of a station, by the real ffmpeg.
fn station(format: &str, codec: &str) -> Vec<u8> {
    let made = Command::new("ffmpeg")
        .args(["-v", "error", "-f", "lavfi", "-i", "sine=frequency=440:sample_rate=44100:duration=60"])
        .args(["-f", "lavfi", "-i", "anoisesrc=amplitude=0.3:sample_rate=44100:duration=60"])
        .args(["-filter_complex", "amix", "-ac", "2", "-c:a", codec, "-b:a", "128k", "-f", format, "-"])
        .output()
        .expect("ffmpeg is installed");
    assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
    made.stdout
}

/// A server that sends as fast as it plays, from the middle of a frame.
fn server(content_type: &str, format: &str, codec: &str) -> Behaviour {
    Behaviour::body(content_type, &station(format, codec)[5000..])
        .slowly(RATE)
        .header("icy-name", "Radio One")
}

#[tokio::test(flavor = "multi_thread")]
async fn stations_play_as_mpeg_ts_and_hls() {
    let origin = Origin::start().await;
    origin.serve("/mp3", server("audio/mpeg", "mp3", "libmp3lame"));
    origin.serve("/aac", server("audio/aacp", "adts", "aac"));
    // Some say nothing of what they send.
    origin.serve("/plain", server("application/octet-stream", "adts", "aac"));
    let relay = Relay::start(&format!(
        "[[channels]]\nid = \"mp3\"\nsources = [{:?}]\n[[channels]]\nid = \"aac\"\nsources = [{:?}]\n\
         [[channels]]\nid = \"plain\"\nsources = [{:?}]\n",
        origin.url("/mp3"),
        origin.url("/aac"),
        origin.url("/plain"),
    ));
    let play = async |id: &str, path: &str| {
        let verdict = ffmpeg_strict(&relay.url(&format!("/stream/{id}{path}")), 4).await;
        assert!(verdict.ok, "{id}{path}: {:?}\n{}", verdict.errors, verdict.log);
    };
    tokio::join!(play("mp3", ""), play("aac", ""), play("plain", ""));
    tokio::join!(play("mp3", "/index.m3u8"), play("aac", "/index.m3u8"));
    for id in ["mp3", "aac", "plain"] {
        let status = relay.status(id).await;
        assert_eq!(status["failovers"]["total"], 0, "{status}");
    }
    for path in ["/mp3", "/aac", "/plain"] {
        assert_eq!(origin.opened(path), 1, "{path}");
    }
}

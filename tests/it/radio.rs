//! Radio: servers that send bare frames of sound, which lists of channels name beside television.

use std::process::Command;

use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player::ffmpeg_strict;
use futures_util::future::join_all;

use crate::relay::{Relay, channel};

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
    on_air(content_type, &station(format, codec)[5000..])
}

fn on_air(content_type: &str, bytes: &[u8]) -> Behaviour {
    Behaviour::body(content_type, bytes).slowly(RATE).header("icy-name", "Radio One")
}

/// Bytes of sound between two titles.
const METAINT: usize = 4096;

/// The same with a title of the song among the sound now and then, and mostly none, as Shoutcast
/// sends it.
fn with_titles(sound: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (number, part) in sound.chunks(METAINT).enumerate() {
        bytes.extend(part);
        // Its length in units of 16 bytes.
        if number.is_multiple_of(3) {
            bytes.push(3);
            bytes.extend(format!("{:\0<48}", format!("StreamTitle='Song {number}';")).into_bytes());
        } else {
            bytes.push(0);
        }
    }
    bytes
}

#[tokio::test(flavor = "multi_thread")]
async fn stations_play_as_mpeg_ts_and_hls() {
    let origin = Origin::start().await;
    origin.serve("/mp3", server("audio/mpeg", "mp3", "libmp3lame"));
    origin.serve("/aac", server("audio/aacp", "adts", "aac"));
    // Some say nothing of what they send.
    origin.serve("/plain", server("application/octet-stream", "adts", "aac"));
    origin.serve("/icy", server("audio/mpeg", "mp3", "libmp3lame").icy());
    for (path, kind, format, codec) in
        [("/titles", "audio/mpeg", "mp3", "libmp3lame"), ("/aac-titles", "audio/aacp", "adts", "aac")]
    {
        let bytes = with_titles(&station(format, codec)[5000..]);
        origin.serve(path, on_air(kind, &bytes).icy().header("icy-metaint", &METAINT.to_string()));
    }
    let ids = ["mp3", "aac", "plain", "icy", "titles", "aac-titles"];
    let channels = ids.map(|id| channel(id, &[origin.url(&format!("/{id}"))], ""));
    let relay = Relay::start(&channels.concat());
    let play = async |id: &str, path: &str| {
        let verdict = ffmpeg_strict(&relay.url(&format!("/stream/{id}{path}")), 4).await;
        assert!(verdict.ok, "{id}{path}: {:?}\n{}", verdict.errors, verdict.log);
    };
    join_all(ids.map(|id| play(id, ""))).await;
    join_all(["mp3", "aac", "icy", "titles"].map(|id| play(id, "/index.m3u8"))).await;
    for id in ids {
        let status = relay.status(id).await;
        assert_eq!(status["failovers"]["total"], 0, "{status}");
        assert_eq!(origin.opened(&format!("/{id}")), 1, "{id}");
    }
}

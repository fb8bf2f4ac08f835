//! ffmpeg as a strict decoder, and ffprobe.

use std::time::Duration;

use super::{Verdict, run};

/// How much longer than the media itself a run may take: connecting, probing and a busy machine.
const GRACE: Duration = Duration::from_secs(30);

/// Warnings that tell of a broken stream. ffmpeg has others that tell of its own habits.
const FAULTS: [&str; 10] = [
    "corrupt",
    "discontinuity",
    "Non-monoton",
    "non monoton",
    "out of order",
    "concealing",
    "Continuity check failed",
    "Invalid",
    "missing picture",
    "reference picture missing",
];

/// Decodes all pictures, sound and bitmap subtitles of `url` (or of a file) for this many seconds of media.
///
/// The verdict is good if ffmpeg reported no error and no broken data, and if it got as much media as was asked
/// for, of which a second is forgiven.
pub async fn ffmpeg_strict(url: &str, seconds: u32) -> Verdict {
    let length = seconds.to_string();
    let arguments = [
        "-nostdin",
        "-hide_banner",
        "-v",
        "level+warning",
        "-xerror",
        "-err_detect",
        "crccheck+bitstream+buffer+explode",
        "-i",
        url,
        "-t",
        &length,
        "-map",
        "0:v?",
        "-map",
        "0:a?",
        "-map",
        "0:s?",
        "-c:s",
        "dvbsub",
        "-progress",
        "pipe:1",
        "-nostats",
        "-f",
        "null",
        "-",
    ];
    let output = match run("ffmpeg", &arguments, Duration::from_secs(seconds.into()) + GRACE).await {
        Ok(output) => output,
        Err(error) => return Verdict { errors: vec![error], ..Verdict::default() },
    };
    let log = String::from_utf8_lossy(&output.stderr).into_owned();
    let progress = String::from_utf8_lossy(&output.stdout).into_owned();
    let last = |key: &str| {
        progress.lines().rev().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(str::trim)
    };
    let frames = last("frame").and_then(|value| value.parse().ok()).unwrap_or(0);
    let microseconds: u32 = last("out_time_us").and_then(|value| value.parse().ok()).unwrap_or(0);
    let played = f64::from(microseconds) / 1e6;
    let mut errors: Vec<String> = log.lines().filter(|line| is_fault(line)).map(str::to_owned).collect();
    if !output.status.success() {
        errors.push(format!("ffmpeg ended with {}", output.status));
    }
    if played + 1.0 < f64::from(seconds) {
        errors.push(format!("only {played:.2} s of {seconds} s came"));
    }
    Verdict { ok: errors.is_empty(), errors, frames, seconds: played, log }
}

fn is_fault(line: &str) -> bool {
    ["[error]", "[fatal]", "[panic]"].iter().any(|level| line.contains(level))
        || FAULTS.iter().any(|fault| line.contains(fault))
}

/// What ffprobe says about the format, the programmes and the streams of `url` (or of a file).
///
/// # Panics
/// If it says nothing, with its errors.
pub async fn ffprobe_json(url: &str) -> serde_json::Value {
    let arguments =
        ["-v", "error", "-print_format", "json", "-show_format", "-show_programs", "-show_streams", url];
    let output = run("ffprobe", &arguments, GRACE).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "ffprobe {url} ended with {}: {said}", output.status);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("ffprobe {url}: {error}: {said}"))
}

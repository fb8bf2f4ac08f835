//! ffmpeg as a strict decoder, and ffprobe.

use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout};

use super::{Verdict, require, run};

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
        "-stats_period",
        "0.1",
        "-nostats",
        "-f",
        "null",
        "-",
    ];
    let limit = Duration::from_secs(seconds.into()) + GRACE;
    let (run, log) = match decode(&arguments, limit).await {
        Ok(done) => done,
        Err(error) => return Verdict { errors: vec![error], ..Verdict::default() },
    };
    let played = run.decoded.as_secs_f64();
    let mut errors: Vec<String> = log.lines().filter(|line| is_fault(line)).map(str::to_owned).collect();
    if !run.status.success() {
        errors.push(format!("ffmpeg ended with {}", run.status));
    }
    if played + 1.0 < f64::from(seconds) {
        errors.push(format!("only {played:.2} s of {seconds} s came"));
    }
    Verdict {
        ok: errors.is_empty(),
        errors,
        frames: run.frames,
        seconds: played,
        first: run.first,
        stood: run.stood,
        log,
    }
}

/// What ffmpeg said of its progress.
#[derive(Default)]
struct Run {
    status: ExitStatus,
    frames: u64,
    decoded: Duration,
    first: Option<Duration>,
    stood: Duration,
}

impl Run {
    /// It had decoded so much after this time.
    fn advance(&mut self, now: Duration, decoded: Duration) {
        self.decoded = decoded;
        if self.first.is_none() {
            self.first = (!decoded.is_zero()).then_some(now);
        } else if let Some(first) = self.first {
            self.stood = self.stood.max(now.saturating_sub(first + decoded));
        }
    }
}

/// Runs ffmpeg to its end or to the limit, and takes what it wrote.
async fn decode(arguments: &[&str], limit: Duration) -> Result<(Run, String), String> {
    require("ffmpeg");
    let began = Instant::now();
    let mut child = Command::new("ffmpeg")
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run ffmpeg: {error}"))?;
    let mut stderr = child.stderr.take().expect("it was asked for");
    let mut lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
    let mut run = Run::default();
    let reading = async {
        while let Ok(Some(line)) = lines.next_line().await {
            match line.split_once('=') {
                Some(("frame", frames)) => run.frames = frames.trim().parse().unwrap_or(run.frames),
                Some(("out_time_us", micros)) => {
                    let micros = micros.trim().parse().unwrap_or(0);
                    run.advance(began.elapsed(), Duration::from_micros(micros));
                }
                _ => {}
            }
        }
    };
    let mut said = Vec::new();
    let all = async {
        // What was read before an error is still worth having.
        let ((), _) = tokio::join!(reading, stderr.read_to_end(&mut said));
        child.wait().await
    };
    let ended = timeout(limit, all).await;
    let ended = ended.map_err(|_| format!("ffmpeg did not end within {limit:?} and was killed"))?;
    run.status = ended.map_err(|error| format!("cannot run ffmpeg: {error}"))?;
    Ok((run, String::from_utf8_lossy(&said).into_owned()))
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

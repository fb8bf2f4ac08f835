//! `GStreamer`'s playbin3, with sinks that keep time and say what reaches them.

use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader};
use tokio::process::Command;
use tokio::time::{Instant, timeout_at};

use super::{Verdict, require};

/// How long it may take to the first picture or sound.
const FIRST: Duration = Duration::from_secs(15);

/// How much it buffers before it plays, in nanoseconds: as VLC does. Left alone, it waits for two megabytes.
const BUFFER: &str = "buffer-duration=1000000000";

/// How long nothing may come from a sink: a second is a stall that a viewer notices.
const STALL: Duration = Duration::from_secs(1);

/// Largest step between the end of one buffer and the beginning of the next, in seconds. The sinks drop nothing that comes
/// late, so that a busy machine makes no steps.
const GAP: f64 = 0.3;

/// Plays `url` (or a file) without a screen for this many seconds from the first picture or sound, in real time.
pub async fn gstreamer(url: &str, seconds: u32) -> Verdict {
    gstreamer_within(url, seconds, FIRST).await
}

/// The same, where the first picture or sound may take as long as this.
pub async fn gstreamer_within(url: &str, seconds: u32, first: Duration) -> Verdict {
    require("gst-launch-1.0");
    let uri = if url.contains("://") { url.to_owned() } else { format!("file://{url}") };
    let child = Command::new("gst-launch-1.0")
        .args(["-v", "playbin3", &format!("uri={uri}"), BUFFER])
        .arg("video-sink=fakesink name=picture sync=true silent=false")
        .arg("audio-sink=fakesink name=sound sync=true silent=false")
        .env("LC_ALL", "C.UTF-8")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn();
    let mut child = match child {
        Ok(child) => child,
        Err(error) => {
            let errors = vec![format!("cannot run gst-launch-1.0: {error}")];
            return Verdict { errors, ..Verdict::default() };
        }
    };
    let mut stderr = child.stderr.take().expect("it was asked for");
    let mut lines = BufReader::new(child.stdout.take().expect("it was asked for")).lines();
    let mut play = Play::new();
    let mut until = play.began + first;
    let reading = async {
        while let Ok(line) = timeout_at(until, lines.next_line()).await {
            let Ok(Some(line)) = line else {
                play.errors.push(format!("GStreamer ended after {:?}", play.began.elapsed()));
                break;
            };
            let is_first = play.first.is_none();
            play.take(&line);
            if let Some(first) = play.first.filter(|_| is_first) {
                until = first + Duration::from_secs(seconds.into());
            }
        }
        // A process that is gone already cannot be killed, and need not be.
        let _ = child.kill().await;
    };
    let mut said = Vec::new();
    // What was read before an error is still worth having.
    let ((), _) = tokio::join!(reading, stderr.read_to_end(&mut said));
    play.verdict(&String::from_utf8_lossy(&said))
}

/// What has happened so far.
struct Play {
    began: Instant,
    first: Option<Instant>,
    picture: Sink,
    sound: Sink,
    errors: Vec<String>,
    log: String,
}

/// What came to one sink.
#[derive(Default)]
struct Sink {
    buffers: u64,
    last_at: Option<Instant>,
    /// When the last buffer ends, in seconds; nothing at the beginning of a new segment of time.
    end: Option<f64>,
    played: f64,
}

impl Play {
    fn new() -> Self {
        let (picture, sound) = (Sink::default(), Sink::default());
        Self { began: Instant::now(), first: None, picture, sound, errors: Vec::new(), log: String::new() }
    }

    fn take(&mut self, line: &str) {
        let now = Instant::now();
        let Some((_, message)) = line.split_once("last-message = ") else {
            if line.starts_with("ERROR") || line.starts_with("WARNING") {
                self.errors.push(line.to_owned());
            }
            // What each pad carries fills screens and tells nothing.
            if !line.contains(": caps = ") {
                self.log = format!("{}{line}\n", self.log);
            }
            return;
        };
        let (sink, name) = if message.contains("(picture:sink)") {
            (&mut self.picture, "picture")
        } else if message.contains("(sound:sink)") {
            (&mut self.sound, "sound")
        } else {
            return;
        };
        if message.contains("GstEventSegment") {
            sink.end = None;
        } else if message.starts_with("chain") {
            self.first.get_or_insert(now);
            self.errors.extend(sink.take(message, now).into_iter().map(|fault| format!("{name}: {fault}")));
        }
    }

    fn verdict(mut self, said: &str) -> Verdict {
        let now = Instant::now();
        for (name, sink) in [("picture", &self.picture), ("sound", &self.sound)] {
            let silence = sink.last_at.map(|at| now - at).filter(|silence| *silence > STALL);
            self.errors.extend(silence.map(|silence| format!("{name}: nothing for the last {silence:?}")));
        }
        let seconds = self.picture.played.max(self.sound.played);
        match self.first.map(|first| (now - first).as_secs_f64()) {
            None => self.errors.push("nothing was played".into()),
            Some(passed) if seconds < passed * 0.8 => {
                self.errors.push(format!("only {seconds:.2} s of {passed:.2} s were played"));
            }
            Some(_) => {}
        }
        let faults = said.lines().filter(|line| line.contains("ERROR") || line.contains("CRITICAL"));
        self.errors.extend(faults.map(str::to_owned));
        let (errors, log) = (self.errors, self.log + said);
        let first = self.first.map(|first| first - self.began);
        Verdict {
            ok: errors.is_empty(),
            errors,
            frames: self.picture.buffers,
            seconds,
            first,
            log,
            ..Verdict::default()
        }
    }
}

impl Sink {
    /// Takes a buffer and says what is wrong with it.
    fn take(&mut self, message: &str, now: Instant) -> Vec<String> {
        let mut faults = Vec::new();
        if let Some(waited) = self.last_at.map(|at| now - at).filter(|waited| *waited > STALL) {
            faults.push(format!("nothing for {waited:?}"));
        }
        if message.contains("corrupted") {
            faults.push("a corrupted buffer".into());
        }
        let (pts, length) = (time(message, " pts: "), time(message, " duration: ").unwrap_or(0.0));
        if let (Some(pts), Some(end)) = (pts, self.end)
            && (pts - end).abs() > GAP
        {
            faults.push(format!("a step of {:.3} s at {pts:.3} s", pts - end));
        }
        self.end = pts.map(|pts| pts + length);
        self.buffers += 1;
        self.played += length;
        self.last_at = Some(now);
        faults
    }
}

/// A time after its name, in seconds: `0:00:01.580000000`.
fn time(message: &str, name: &str) -> Option<f64> {
    let (_, rest) = message.split_once(name)?;
    let mut parts = rest.split(',').next()?.split(':').map(|part| part.trim().parse::<f64>().ok());
    let mut part = || parts.next()?;
    Some(part()? * 3600.0 + part()? * 60.0 + part()?)
}

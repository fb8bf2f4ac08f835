//! Real players without a screen, as judges. Every process has a time limit and is killed when its test ends.

mod browser;
mod ffmpeg;
mod gstreamer;
mod kodi;
pub mod model;
mod pauses;
mod running;
mod seeks;
mod simulated;
mod visit;
mod vlc;

use std::path::PathBuf;
use std::process::{Output, Stdio};
use std::time::Duration;

use tokio::process::Command;
use tokio::time::timeout;

pub use browser::{Browsed, Picture, browser_hls, browser_page, browser_ts};
pub use ffmpeg::{ffmpeg_strict, ffprobe_json};
pub use gstreamer::{gstreamer, gstreamer_within};
pub use kodi::Kodi;
pub use running::{Player, Running, has_kodi};
pub use seeks::{Sought, Switched, browser_seeks, browser_switches};
pub use simulated::simulated;
pub use visit::{Screen, Step, Visited, visit, visit_on};
pub use vlc::{vlc, vlc_audio, vlc_within};

/// What a player thought of a stream.
#[derive(Debug, Clone, Default)]
pub struct Verdict {
    /// It played, and nothing was wrong.
    pub ok: bool,
    /// What was wrong, in the player's words.
    pub errors: Vec<String>,
    /// Pictures decoded (ffmpeg) or shown (all others).
    pub frames: u64,
    /// Media played, in seconds.
    pub seconds: f64,
    /// From the start of the player to its first picture or sound.
    pub first: Option<Duration>,
    /// For ffmpeg, how long a player would have stood still that showed what it decodes from its
    /// first picture on: the others say so among the errors.
    pub stood: Duration,
    /// Everything the player wrote, for messages.
    pub log: String,
}

impl Verdict {
    /// Panics with what the player said unless it was content.
    pub fn assert_ok(&self) {
        assert!(
            self.ok,
            "the player found faults: {:#?}\nits log ends with:\n{}",
            self.errors,
            self.log_end()
        );
    }

    fn log_end(&self) -> String {
        let lines: Vec<&str> = self.log.lines().collect();
        lines[lines.len().saturating_sub(30)..].join("\n")
    }
}

/// Whether a program is there.
pub fn have(program: &str) -> bool {
    find(program).is_some()
}

/// Panics with what to install unless the program is there.
pub fn require(program: &str) {
    let package = match program {
        "ffmpeg" | "ffprobe" | "ffplay" => "ffmpeg",
        "vlc" | "cvlc" => "vlc-bin vlc-plugin-base",
        "setpriv" => "util-linux",
        "gst-launch-1.0" => {
            "gstreamer1.0-tools gstreamer1.0-plugins-base gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-plugins-ugly gstreamer1.0-libav"
        }
        "chromium" => "chromium",
        "node" | "npm" => "nodejs npm",
        other => other,
    };
    assert!(have(program), "this test needs `{program}`: apt-get install {package}");
}

fn find(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path).map(|folder| folder.join(program)).find(|file| file.is_file())
}

/// Runs a program to its end or to the limit, and takes what it wrote.
async fn run(program: &str, arguments: &[&str], limit: Duration) -> Result<Output, String> {
    require(program);
    let child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    match timeout(limit, child.wait_with_output()).await {
        Ok(output) => output.map_err(|error| format!("cannot run {program}: {error}")),
        Err(_) => Err(format!("{program} did not end within {limit:?} and was killed")),
    }
}

#[cfg(test)]
mod tests;

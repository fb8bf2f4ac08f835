//! Players that run until their stream ends, as at home.

use std::process::Stdio;
use std::time::Duration;

use tokio::process::Child;
use tokio::time::{Instant, timeout};

use super::require;
use super::vlc::{Home, command as vlc};

/// A player that ends with what it plays.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Player {
    /// ffmpeg, which reads and decodes as fast as it comes.
    Ffmpeg,
    /// mpv.
    Mpv,
    /// VLC.
    Vlc,
}

/// One that runs. It is killed when this is dropped.
#[derive(Debug)]
pub struct Running {
    child: Child,
    _home: Home,
}

impl Player {
    /// What its `User-Agent` begins with.
    pub fn agent(self) -> &'static str {
        match self {
            Self::Ffmpeg => "Lavf",
            Self::Mpv => "libmpv",
            Self::Vlc => "VLC",
        }
    }

    /// Plays `url` without a screen.
    pub fn start(self, url: &str) -> Running {
        let home = Home::new();
        let mut command = match self {
            Self::Ffmpeg => {
                require("ffmpeg");
                let mut command = tokio::process::Command::new("ffmpeg");
                command.args(["-v", "error", "-i", url, "-f", "null", "-"]);
                command
            }
            Self::Mpv => {
                require("mpv");
                let mut command = tokio::process::Command::new("mpv");
                command.args(["--no-config", "--vo=null", "--ao=null", "--really-quiet", url]);
                command
            }
            Self::Vlc => {
                require("vlc");
                let mut command = vlc(&home);
                command.args(["-I", "dummy", "--no-dbus", "--vout", "dummy", "--aout", "adummy"]);
                command.args(["--no-spu", "--no-osd", "--no-lua", "--play-and-exit", url]);
                command
            }
        };
        let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.kill_on_drop(true).spawn().expect("the player can be run");
        Running { child, _home: home }
    }
}

impl Running {
    /// Whether it has ended.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_some())
    }

    /// How long it takes from now to its end; `None` if that is longer than `limit`.
    pub async fn end(&mut self, limit: Duration) -> Option<Duration> {
        let began = Instant::now();
        timeout(limit, self.child.wait()).await.ok().map(|_| began.elapsed())
    }
}

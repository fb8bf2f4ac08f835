//! ffmpeg as a supervised process: the only way in which jobs run one.
//!
//! It is a process group of its own, and nice. It dies with the server, however that ends: a helper
//! asks the kernel for that before it becomes ffmpeg (`launch`). It is killed with all that it has
//! started when the attempt is stopped or dropped, and when it writes no more media for a while.
//! What it says is kept to a limit, without addresses.

mod group;
pub mod launch;
mod missing;
mod piped;
mod said;
mod spawner;

use std::ffi::{OsStr, OsString};
use std::io;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use forebay_core::jobs::{FfmpegProgress, ProgressReader};
use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::{ChildStderr, ChildStdout, Command};
use tokio::time::{Instant, sleep_until, timeout};

pub use self::group::Group;
use self::missing::install_command;
pub use self::piped::{Piped, Started, start_program};
pub use self::said::Said;
use crate::programs;

/// How long it may write no media before it is killed.
const STALL: Duration = Duration::from_mins(1);

/// How long its last words are waited for.
const LAST_WORDS: Duration = Duration::from_millis(500);

/// Bytes that are read of a pipe at once.
const PIECE: usize = 4096;

/// An ffmpeg to run.
#[derive(Debug, Clone)]
pub struct Ffmpeg {
    program: OsString,
    /// How long it may write no media.
    stall: Duration,
}

/// Why an ffmpeg did not do its work. It has ended, and all that it has started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// It is not installed.
    #[error("there is no {}: install it with \"{install}\"", .program.display())]
    Missing {
        /// The name or path that was searched for.
        program: PathBuf,
        /// The command that installs it.
        install: &'static str,
    },
    /// It cannot be started, or not be read from.
    #[error("cannot run ffmpeg: {0}")]
    Run(#[from] io::Error),
    /// It gave up.
    #[error("ffmpeg failed ({status}): {said}")]
    Failed {
        /// How it ended.
        status: ExitStatus,
        /// Its last words.
        said: String,
    },
    /// It wrote no media any more.
    #[error("ffmpeg wrote nothing for {after:?}: {said}")]
    Stalled {
        /// For how long.
        after: Duration,
        /// Its last words.
        said: String,
    },
    /// The attempt was stopped.
    #[error("it was stopped")]
    Stopped,
}

impl Default for Ffmpeg {
    fn default() -> Self {
        Self::new("ffmpeg")
    }
}

impl Ffmpeg {
    /// The program of this name or path.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self { program: program.into(), stall: STALL }
    }

    /// The same, killed when it writes no media for so long.
    #[must_use]
    pub fn stalls_after(self, stall: Duration) -> Self {
        Self { stall, ..self }
    }

    /// Runs it with these arguments behind those that every job has, until it ends or `stopped` is
    /// ready. `tell` hears how far it is. Dropped, it is killed.
    pub async fn run(
        &self,
        arguments: impl IntoIterator<Item = OsString>,
        stopped: impl Future<Output = ()>,
        mut tell: impl FnMut(FfmpegProgress),
    ) -> Result<(), Error> {
        let mut group = Group::new(spawner::spawn(self.command(arguments)?).await?)?;
        let (stdout, stderr) = group.pipes()?;
        let mut said = Said::default();
        let ended = {
            let listening = listen(stderr, &mut said);
            let watching = watch(stdout, self.stall, &mut tell);
            tokio::pin!(listening, watching, stopped);
            let mut is_silent = false;
            loop {
                tokio::select! {
                    biased;
                    () = &mut stopped => break End::Stopped,
                    watched = &mut watching => {
                        if !is_silent {
                            // What it has started may hold its standard error open.
                            let _ = timeout(LAST_WORDS, &mut listening).await;
                        }
                        break watched;
                    }
                    // It may close its standard error before it ends.
                    () = &mut listening, if !is_silent => is_silent = true,
                }
            }
        };
        match ended {
            End::Stopped => {
                group.kill().await;
                Err(Error::Stopped)
            }
            End::Stalled => {
                group.kill().await;
                Err(Error::Stalled { after: self.stall, said: said.text() })
            }
            End::Closed => {
                let status = group.wait(self.stall).await?;
                if status.success() { Ok(()) } else { Err(Error::Failed { status, said: said.text() }) }
            }
        }
    }

    fn command(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<Command, Error> {
        let mut command = bare_command(&self.program)?;
        command
            .args(["-hide_banner", "-nostdin", "-nostats", "-loglevel", "warning", "-y"])
            .args(["-progress", "pipe:1", "-stats_period", "0.5"])
            .args(arguments)
            .stdin(Stdio::null());
        Ok(command)
    }
}

/// A program under supervision, whose output is read.
fn bare_command(name: &OsStr) -> Result<Command, Error> {
    let program = programs::find(name)
        .ok_or_else(|| Error::Missing { program: PathBuf::from(name), install: install_command() })?;
    let mut command = launch::command(&program);
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
    Ok(command)
}

/// Why nobody listens to it any more.
enum End {
    /// It has closed its output.
    Closed,
    Stalled,
    Stopped,
}

/// Reads how far it is, until it closes its output or writes no media any more.
async fn watch(mut stdout: ChildStdout, stall: Duration, tell: &mut impl FnMut(FfmpegProgress)) -> End {
    let mut reader = ProgressReader::default();
    let (mut furthest, mut deadline) = (Duration::ZERO, Instant::now() + stall);
    let mut piece = [0; PIECE];
    loop {
        let read = tokio::select! {
            read = stdout.read(&mut piece) => read,
            () = sleep_until(deadline) => return End::Stalled,
        };
        let Ok(length @ 1..) = read else { return End::Closed };
        let Some(progress) = reader.handle_bytes(&piece[..length]) else { continue };
        if progress.out_time > furthest {
            (furthest, deadline) = (progress.out_time, Instant::now() + stall);
        }
        tell(progress);
    }
}

/// Keeps the last of what it says.
async fn listen(mut stderr: impl AsyncRead + Unpin, said: &mut Said) {
    let mut piece = [0; PIECE];
    while let Ok(length @ 1..) = stderr.read(&mut piece).await {
        said.handle_bytes(&piece[..length]);
    }
}

type Pipes = (ChildStdout, ChildStderr);

#[cfg(test)]
mod tests;

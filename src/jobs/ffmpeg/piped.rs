//! ffmpeg between two pipes: media goes in and comes out, and no file or address is opened.

use std::ffi::{OsStr, OsString};
use std::io;
use std::process::Stdio;

use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::group::Group;
use super::{Error, Ffmpeg, bare_command, spawner};

/// One that runs. Dropped, the group is killed.
#[derive(Debug)]
pub struct Piped {
    /// The process, and all that it has started.
    pub group: Group,
    /// Takes media.
    pub stdin: ChildStdin,
    /// Gives media.
    pub stdout: ChildStdout,
    /// Gives progress and, in lines that begin with `[`, the log.
    pub stderr: ChildStderr,
}

/// A program that runs. Dropped, the group is killed.
#[derive(Debug)]
pub struct Started {
    /// The process, and all that it has started.
    pub group: Group,
    /// Its output.
    pub stdout: ChildStdout,
    /// What it says.
    pub stderr: ChildStderr,
}

/// Starts the program that the first word names, under the supervision of a job. No shell reads
/// the words.
pub async fn start_program(words: &[String]) -> Result<Started, Error> {
    let (program, arguments) =
        words.split_first().ok_or_else(|| io::Error::from(io::ErrorKind::InvalidInput))?;
    let mut command = bare_command(OsStr::new(program))?;
    command.args(arguments).stdin(Stdio::null());
    let mut group = Group::new(spawner::spawn(command).await?)?;
    let (stdout, stderr) = group.pipes()?;
    Ok(Started { group, stdout, stderr })
}

impl Ffmpeg {
    /// Starts it with these arguments behind those that every job has.
    pub async fn start_piped(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<Piped, Error> {
        let mut command = bare_command(&self.program)?;
        command
            .args(["-hide_banner", "-nostats", "-loglevel", "level+warning"])
            .args(["-progress", "pipe:2", "-stats_period", "0.5"])
            .args(arguments)
            .stdin(Stdio::piped());
        let mut child = spawner::spawn(command).await?;
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let stdin = child.stdin.take();
        let mut group = Group::new(child)?;
        let (stdout, stderr) = group.pipes()?;
        Ok(Piped { group, stdin: stdin.ok_or_else(missing)?, stdout, stderr })
    }
}

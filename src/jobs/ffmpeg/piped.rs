//! ffmpeg between two pipes: media goes in and comes out, and no file or address is opened.

use std::ffi::OsString;
use std::io;
use std::process::Stdio;

use tokio::process::{ChildStderr, ChildStdin, ChildStdout};

use super::group::Group;
use super::{Error, Ffmpeg, spawner};

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

impl Ffmpeg {
    /// Starts it with these arguments behind those that every job has.
    pub async fn start_piped(&self, arguments: impl IntoIterator<Item = OsString>) -> Result<Piped, Error> {
        let mut command = self.bare_command()?;
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

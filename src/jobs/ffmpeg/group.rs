//! A process and all that it has started.

use std::io;
use std::process::ExitStatus;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process_group};
use tokio::process::Child;
use tokio::time::timeout;

use super::Pipes;

/// A process that leads a group of its own. Dropped, the whole group is killed.
#[derive(Debug)]
pub struct Group {
    child: Child,
    /// None once the leader was waited for: its number may be another's then.
    leader: Option<Pid>,
}

impl Group {
    pub(super) fn new(child: Child) -> io::Result<Self> {
        let id = child.id().and_then(|id| i32::try_from(id).ok()).and_then(Pid::from_raw);
        let leader = id.ok_or_else(|| io::Error::other("the process has no number"))?;
        Ok(Self { child, leader: Some(leader) })
    }

    /// The number of its leader, as long as that runs.
    pub fn id(&self) -> Option<u32> {
        self.child.id()
    }

    /// Its output, and what it says.
    pub(super) fn pipes(&mut self) -> io::Result<Pipes> {
        let missing = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (stdout, stderr) = (self.child.stdout.take(), self.child.stderr.take());
        Ok((stdout.ok_or_else(missing)?, stderr.ok_or_else(missing)?))
    }

    /// Waits until the leader has ended, and kills it when that takes longer than `patience`. What
    /// it has left behind is killed.
    pub async fn wait(mut self, patience: Duration) -> io::Result<ExitStatus> {
        if let Ok(status) = timeout(patience, self.child.wait()).await {
            // Its number stays the group's as long as the group has a member.
            self.signal();
            self.leader = None;
            return status;
        }
        self.signal();
        let status = self.child.wait().await;
        self.leader = None;
        status
    }

    /// Kills the whole group, and waits for the leader.
    pub async fn kill(mut self) {
        self.signal();
        // Killed, it ends at once, unless a disk holds it; it is nobody's any more then.
        let _ = self.child.wait().await;
        self.leader = None;
    }

    fn signal(&self) {
        if let Some(leader) = self.leader {
            // Nobody may be left.
            let _ = kill_process_group(leader, Signal::KILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.signal();
    }
}

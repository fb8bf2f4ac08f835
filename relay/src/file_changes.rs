//! How we learn that a file has changed: by looking, and by being told.

use std::future::pending;
use std::os::unix::fs::MetadataExt;
use std::panic::resume_unwind;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::spawn_blocking;
use tokio_util::sync::CancellationToken;
use tracing::warn;

/// How often a file is looked at. A look is one `stat`; it also works on mounts that send no
/// events.
pub const CHECK_INTERVAL: Duration = Duration::from_secs(2);

/// What tells one state of a file from another: time, length, and which file it is. `None` while it
/// is not there.
pub type Stamp = Option<(SystemTime, u64, u64)>;

/// The state of a file now.
pub fn stamp(path: &Path) -> Stamp {
    let data = path.metadata().ok()?;
    Some((data.modified().ok()?, data.len(), data.ino()))
}

/// Does what may wait for a disk, or takes long, on a thread where it holds up nobody. `None` when
/// `stop` comes first: the thread is left alone then, since a disk that hangs must not keep the
/// process.
pub async fn aside<T: Send + 'static>(
    stop: &CancellationToken,
    work: impl FnOnce() -> T + Send + 'static,
) -> Option<T> {
    match stop.run_until_cancelled(spawn_blocking(work)).await? {
        Ok(done) => Some(done),
        // Else the runtime is ending.
        Err(error) => error.try_into_panic().map_or(None, |panic| resume_unwind(panic)),
    }
}

/// SIGHUP: somebody asks to look at once. Each one of these hears each signal.
#[derive(Debug)]
pub struct Hangup(Option<Signal>);

impl Hangup {
    /// Listens from now on.
    pub fn listen() -> Self {
        Self(
            signal(SignalKind::hangup())
                .inspect_err(|error| warn!(%error, "SIGHUP will not reload anything"))
                .ok(),
        )
    }

    /// Waits for the next one.
    pub async fn received(&mut self) {
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        // Without the signal nobody is woken; the look every few seconds goes on.
        pending::<()>().await;
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc::channel;

    use super::*;

    #[tokio::test]
    async fn work_aside_is_left_alone_when_it_hangs_and_the_end_has_come() {
        let stop = CancellationToken::new();
        assert_eq!(aside(&stop, || 7).await, Some(7));
        let (hang, hanging) = channel::<()>();
        let (start, started) = tokio::sync::oneshot::channel();
        let work = async {
            aside(&stop, move || {
                let _ = start.send(());
                hanging.recv()
            })
            .await
        };
        let end = async {
            started.await.unwrap();
            stop.cancel();
        };
        assert_eq!(tokio::join!(work, end).0, None);
        drop(hang);
    }
}

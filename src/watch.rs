//! How we learn that a file has changed: by looking, and by being told.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::{Duration, SystemTime};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::warn;

/// How often a file is looked at. A look is one `stat`; it also works on mounts that send no events.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(2);

/// What tells one state of a file from another: time, length, and which file it is. `None` while it is not there.
pub(crate) type Stamp = Option<(SystemTime, u64, u64)>;

/// The state of a file now.
pub(crate) fn stamp(path: &Path) -> Stamp {
    let data = path.metadata().ok()?;
    Some((data.modified().ok()?, data.len(), data.ino()))
}

/// SIGHUP: somebody asks to look at once. Each one of these hears each signal.
#[derive(Debug)]
pub(crate) struct Hangup(Option<Signal>);

impl Hangup {
    /// Listens from now on.
    pub(crate) fn new() -> Self {
        Self(
            signal(SignalKind::hangup())
                .inspect_err(|error| warn!(%error, "SIGHUP will not reload anything"))
                .ok(),
        )
    }

    /// Waits for the next one.
    pub(crate) async fn received(&mut self) {
        if let Some(signal) = &mut self.0
            && signal.recv().await.is_some()
        {
            return;
        }
        std::future::pending::<()>().await;
    }
}

//! Reads the configuration again on SIGHUP and when its file has changed.

use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use forebay_relay::channel::Changes;
use forebay_relay::events::Event;
use forebay_relay::file_changes::{CHECK_INTERVAL, Hangup, Stamp, aside, stamp};
use tokio_util::sync::CancellationToken;
use tracing::{debug, error, info, warn};

use super::Overrides;
use crate::config::{self, Config};
use crate::http;

/// How far a thread that is in no hurry stands back, in steps of `nice`: it gets a tenth of a
/// processor that others want, and all of one that they leave.
const STEPS_BACK: i32 = 10;

/// A file that was written to so lately may not be written to its end.
const SETTLING: Duration = Duration::from_millis(500);

/// The service that keeps the configuration in force equal to its file.
pub(super) struct Reloader {
    pub(super) shared: http::State,
    pub(super) overrides: Overrides,
}

impl Reloader {
    /// Looks at the file until `stop`. Every look is taken aside: the disk may hang, and a hundred
    /// thousand channels take a while.
    pub(super) async fn run(self: Arc<Self>, mut seen: Stamp, mut hangup: Hangup, stop: CancellationToken) {
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                () = hangup.received() => true,
                () = tokio::time::sleep(CHECK_INTERVAL) => false,
            };
            let reloader = Arc::clone(&self);
            let look = move || reloader.look(seen, is_asked);
            let Some(now) = aside(&stop, look).await else { return };
            seen = now;
        }
    }

    /// Reloads the file when it is no more as it was `seen`, or when somebody has asked; returns
    /// how it was met.
    fn look(&self, seen: Stamp, is_asked: bool) -> Stamp {
        let path = self.shared.config().path.clone();
        // Before it is read: what changes meanwhile is seen at the next look.
        let now = stamp(&path);
        // A file that is gone is being replaced, or its folder is: wait for what comes.
        let is_changed = now != seen && now.is_some();
        let is_due = is_changed && !is_being_written(now);
        if !is_due && !is_asked {
            return seen;
        }
        in_no_hurry(|| self.reload(&path));
        now
    }

    /// A bad file changes nothing.
    fn reload(&self, path: &Path) {
        let mut config = match Config::load_with(path, self.shared.config().environment.clone()) {
            Ok(config) => config,
            Err(error) => {
                for fault in error.faults() {
                    error!("{fault}");
                }
                if error.more() > 0 {
                    error!("{}", config::more_faults(error.more()));
                }
                let faults = error.faults().len() + error.more();
                self.shared.channels.events().publish(Event::ConfigurationRefused { faults });
                error!("the configuration was not reloaded: it has errors, and the one in force stays");
                return;
            }
        };
        (self.overrides)(&mut config);
        config.warnings().iter().for_each(|warning| warn!("{warning}"));
        let old = self.shared.config();
        if config.server.listen != old.server.listen || config.log != old.log {
            warn!("a change of server.listen or of [log] needs a restart");
        }
        if config.hls_dir != old.hls_dir || config.data != old.data {
            warn!("a change of hls.dir or data.dir needs a restart");
        }
        if config.films.cache != old.films.cache {
            warn!("a change of films.cache needs a restart");
        }
        if !config::Tls::is_reloadable(old.server.tls.as_ref(), config.server.tls.as_ref()) {
            warn!("a change of [server.tls], other than of its certificate and key, needs a restart");
        }
        let Changes { added, removed, changed } = self.shared.configure(Arc::new(config));
        self.shared.lineup.wake();
        let events = self.shared.channels.events();
        events.publish(Event::ConfigurationReloaded { added, removed, changed });
        info!(added, removed, changed, "configuration reloaded");
    }
}

/// Whether the file was written to a moment ago: half a file may be a good file, without the
/// channels of the other half. A time in the future, by the clock of a file server, says nothing.
fn is_being_written(stamp: Stamp) -> bool {
    stamp.and_then(|(written, ..)| written.elapsed().ok()).is_some_and(|age| age < SETTLING)
}

/// Does `work` on a thread that stands back for those that serve viewers: a hundred thousand
/// channels keep a processor busy for half a second.
fn in_no_hurry(work: impl FnOnce() + Send) {
    let work = || {
        // On Linux this is about the thread alone. It may stand back, but never come forward again.
        if let Err(error) = rustix::process::setpriority_process(None, STEPS_BACK) {
            debug!(%error, "a reload takes as much of the processors as viewers do");
        }
        work();
    };
    if let Err(panic) = thread::scope(|scope| scope.spawn(work).join()) {
        resume_unwind(panic);
    }
}

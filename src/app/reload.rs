//! Reads the configuration again on SIGHUP and when its file has changed.

use std::path::Path;
use std::sync::Arc;

use forebay_relay::channel::Changes;
use forebay_relay::events::Event;
use forebay_relay::file_changes::{Hangup, LOOK_EVERY, Stamp, aside, stamp};
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::Overrides;
use crate::config::{self, Config};
use crate::http;

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
                () = tokio::time::sleep(LOOK_EVERY) => false,
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
        if !is_changed && !is_asked {
            return seen;
        }
        self.reload(&path);
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
        if !config::Tls::is_reloadable(old.server.tls.as_ref(), config.server.tls.as_ref()) {
            warn!("a change of [server.tls], other than of its certificate and key, needs a restart");
        }
        let Changes { added, removed, changed } = self.shared.configure(Arc::new(config));
        let events = self.shared.channels.events();
        events.publish(Event::ConfigurationReloaded { added, removed, changed });
        info!(added, removed, changed, "configuration reloaded");
    }
}

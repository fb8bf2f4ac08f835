//! Puts the parts together, and takes them apart in order.
//!
//! The order of the end: first no more connections are accepted; then the viewers' streams end, because their feeds do, and with
//! the feeds the upstreams; then the connections are waited for, within the grace period.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;

use anyhow::Context as _;
use forebay_relay::channel::{Changes, Channels};
use forebay_relay::events::{Bus, Event};
use forebay_relay::file_changes::{Hangup, LOOK_EVERY, Stamp, aside, stamp};
use forebay_relay::input::Opener;
use futures_util::future::OptionFuture;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use crate::config::{self, Config};
use crate::http::{self, Acceptor, Server};
use crate::tls::{Current, Keeper};

/// Puts the command line's words over those of the file; asked at every reload.
pub type Overrides = Box<dyn Fn(&mut Config) + Send + Sync>;

/// The running application.
pub struct App {
    shared: http::State,
    server: Server,
    secure: Option<Secure>,
    overrides: Overrides,
    /// The configuration file as it was read.
    seen: Stamp,
    /// Heard from the start: a SIGHUP that nobody listens for ends the process.
    hangup: Hangup,
}

/// HTTPS beside the plain server.
struct Secure {
    server: Server,
    keeper: Keeper,
}

impl Secure {
    fn start(tls: &config::Tls, shared: &http::State) -> anyhow::Result<Self> {
        let current = Current::default();
        let keeper = Keeper::new(tls, current.clone(), shared.challenges.clone())?;
        let listen = tls.listen;
        let server = Server::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        Ok(Self { server: server.with_tls(Acceptor::new(current)?), keeper })
    }

    async fn run(self, shared: http::State, stop: CancellationToken) {
        tokio::join!(
            self.server.run(shared.clone(), stop.clone()),
            self.keeper.run(shared.config.clone(), stop)
        );
    }
}

impl std::fmt::Debug for App {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("App").field("address", &self.address()).finish_non_exhaustive()
    }
}

impl App {
    /// Listens; serves once [`App::run`] is polled. To be called within a runtime.
    /// The channels run on `ingest`: see [`Channels`].
    pub fn start(
        config: Config,
        opener: Arc<dyn Opener>,
        overrides: Overrides,
        ingest: Handle,
    ) -> anyhow::Result<Self> {
        // Before anybody is told that we run, and might change it.
        let (seen, hangup) = (stamp(&config.path), Hangup::listen());
        let listen = config.server.listen;
        let server = Server::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        let channels = Channels::new(config.snapshot(), &config.hls_dir, opener, ingest);
        let tls = config.server.tls.clone();
        let shared = http::State::new(channels, Arc::new(config));
        let secure = tls.map(|tls| Secure::start(&tls, &shared)).transpose()?;
        Ok(Self { shared, server, secure, overrides, seen, hangup })
    }

    /// What happens in it.
    pub fn events(&self) -> Bus {
        self.shared.channels.events().clone()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where it listens for HTTPS.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.secure.as_ref().map(|secure| secure.server.address())
    }

    /// Serves until `stop`; says whether everything ended within the grace period.
    pub async fn run(self, stop: CancellationToken) -> bool {
        let grace = self.shared.config().server.shutdown_grace;
        let channels = Arc::clone(&self.shared.channels);
        let server = self.server.run(self.shared.clone(), stop.clone());
        let secure =
            OptionFuture::from(self.secure.map(|secure| secure.run(self.shared.clone(), stop.clone())));
        let sessions = self.shared.clone();
        let sessions = sessions.run_sessions(stop.clone());
        let reloader = Reloader { shared: self.shared, overrides: self.overrides };
        let reloading = reloader.run(self.seen, self.hangup, stop.clone());
        let files = Arc::clone(&channels).look_after_files(stop.clone());
        let ending = async {
            stop.cancelled().await;
            info!("stopping");
            channels.shutdown().await;
        };
        let all = async { tokio::join!(server, secure, reloading, sessions, files, ending) };
        let mut all = std::pin::pin!(all);
        tokio::select! {
            _ = all.as_mut() => return true,
            () = stop.cancelled() => {}
        }
        let in_time = tokio::time::timeout(grace, all).await.is_ok();
        if !in_time {
            warn!(?grace, "not everything ended within the grace period");
        }
        in_time
    }
}

/// Reads the configuration again on SIGHUP and when its file has changed.
struct Reloader {
    shared: http::State,
    overrides: Overrides,
}

impl Reloader {
    /// Every look is taken aside: the disk may hang, and a hundred thousand channels take a while.
    async fn run(self, mut seen: Stamp, mut hangup: Hangup, stop: CancellationToken) {
        let reloader = Arc::new(self);
        loop {
            let is_asked = tokio::select! {
                () = stop.cancelled() => return,
                () = hangup.received() => true,
                () = tokio::time::sleep(LOOK_EVERY) => false,
            };
            let reloader = Arc::clone(&reloader);
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
        if config.hls_dir != old.hls_dir {
            warn!("a change of hls.dir needs a restart");
        }
        if !config::Tls::is_reloadable(old.server.tls.as_ref(), config.server.tls.as_ref()) {
            warn!("a change of [server.tls], other than of its certificate and key, needs a restart");
        }
        let changes = self.shared.channels.configure(config.snapshot());
        self.shared.set_config(Arc::new(config));
        let Changes { added, removed, changed } = changes;
        let events = self.shared.channels.events();
        events.publish(Event::ConfigurationReloaded { added, removed, changed });
        info!(added, removed, changed, "configuration reloaded");
    }
}

//! Puts the services together, in the order in which they start.
//!
//! They end in the reverse order: first no more connections are accepted; then the viewers' streams
//! end, because their feeds do, and with the feeds the upstreams; at last the connections that are
//! still open are waited for, within the grace period.

mod reload;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context as _;
use forebay_relay::channel::Channels;
use forebay_relay::events::Bus;
use forebay_relay::file_changes::{Hangup, Stamp, stamp};
use forebay_relay::input::Opener;
use forebay_relay::input::page::PageOpener;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use tracing::info;

use self::reload::Reloader;
use crate::accounts::Accounts;
use crate::accounts::secret::Secret;
use crate::backups;
use crate::catalogue::Catalogue;
use crate::config::{self, Config, InForce};
use crate::db::Database;
use crate::http::{self, Acceptor, Server};
use crate::relays;
use crate::resolver::Resolver;
use crate::supervisor::{End, Failure, Service, Supervisor};
use crate::tls::{Challenges, Current, Keeper};
use crate::tuners::Discovery;
use crate::variants::{VariantOpener, Variants};

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
    current: Current,
}

impl Secure {
    fn new(tls: &config::Tls, shared: &http::State) -> anyhow::Result<Self> {
        let current = Current::default();
        let keeper = Keeper::new(tls, current.clone(), shared.process.challenges.clone())?;
        let listen = tls.listen;
        let server = Server::bind(listen).with_context(|| format!("cannot listen on {listen}"))?;
        Ok(Self { server: server.with_tls(Acceptor::new(current.clone())?), keeper, current })
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
        let restored = backups::restore_if_asked(&config.data.path);
        if let Some(restored) = restored.context("cannot restore the backup that was asked for")? {
            let kept = restored.kept.unwrap_or_default();
            info!(kept = %kept.display(), "a backup is restored; what was there is kept");
        }
        let database = Database::start(&config.data)?;
        let config = Arc::new(config);
        let providers =
            relays::providers(&database, &config).context("cannot read the providers of playlists")?;
        let resolver = Resolver::new(config.resolver.clone());
        let opener = Arc::new(PageOpener::new(Arc::new(resolver.clone()), opener));
        let variants = Variants::new(&config.transcode);
        let opener = Arc::new(VariantOpener::new(variants.clone(), opener));
        let run = |lookup| Channels::new(lookup, &providers, &config.hls_dir, opener, ingest);
        let catalogue = Catalogue::start(&config, database.clone(), run);
        let catalogue = catalogue.context("cannot read the channels of the database")?;
        variants.attach(catalogue.channels());
        let tls = config.server.tls.clone();
        let accounts = Accounts::read(database.clone()).context("cannot read the users")?;
        let shared = http::State::new(catalogue, database, accounts, resolver, variants, config);
        let secure = tls.map(|tls| Secure::new(&tls, &shared)).transpose()?;
        Ok(Self { shared, server, secure, overrides, seen, hangup })
    }

    /// What happens in it.
    pub fn events(&self) -> Bus {
        self.shared.channels.events().clone()
    }

    /// How many channels there are.
    pub fn channels(&self) -> usize {
        self.shared.catalogue.list().len()
    }

    /// What the setup of the first admin asks for, as long as there is no admin.
    pub fn setup_token(&self) -> Option<&Secret> {
        self.shared.accounts.setup_token()
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.server.address()
    }

    /// Where it listens for HTTPS.
    pub fn tls_address(&self) -> Option<SocketAddr> {
        self.secure.as_ref().map(|secure| secure.server.address())
    }

    /// Serves until `stop`, or until a service fails that nothing works without.
    pub async fn run(self, stop: CancellationToken) -> Result<End, Failure> {
        let shared = self.shared;
        let mut supervisor =
            Supervisor::new(shared.channels.events().clone(), shared.process.services.clone());
        supervisor.start(database(&shared.database));
        supervisor.start(accounts(&shared.accounts));
        supervisor.start(connections(&shared));
        supervisor.start(channels(&shared.channels));
        supervisor.start(variants(&shared.variants));
        supervisor.start(files(&shared.channels));
        supervisor.start(sessions(&shared));
        supervisor.start(films(&shared));
        supervisor.start(playlists(&shared));
        supervisor.start(guides(&shared));
        supervisor.start(jobs(&shared));
        supervisor.start(downloads(&shared));
        supervisor.start(monitor(&shared));
        supervisor.start(pushes(&shared));
        supervisor.start(webhooks(&shared));
        supervisor.start(backups_made(&shared));
        supervisor.start(history(&shared));
        supervisor.start(resolver(&shared));
        supervisor.start(reload(&shared, self.overrides, self.seen, self.hangup));
        supervisor.start(discovery(&shared, self.server.address()));
        supervisor.start(listener("http", self.server, &shared));
        if let Some(Secure { server, keeper, current }) = self.secure {
            supervisor.start(certificates(keeper, current, &shared));
            supervisor.start(listener("https", server, &shared));
        }
        supervisor.run(stop, move || shared.config().server.shutdown_grace).await
    }
}

/// What is asked to be written while the others end is written.
fn database(database: &Database) -> Service {
    let database = database.clone();
    Service::vital("database", |stop| async move {
        stop.cancelled().await;
        database.close().await;
    })
}

/// Follows what commands on the host change.
fn accounts(accounts: &Accounts) -> Service {
    let accounts = accounts.clone();
    Service::restarted("accounts", move |stop| {
        let accounts = accounts.clone();
        async move {
            accounts.run(stop).await;
            Ok(())
        }
    })
}

/// Connections that are open: when it is their turn to end, nobody accepts new ones.
fn connections(shared: &http::State) -> Service {
    let tasks = shared.process.connections.clone();
    Service::vital("connections", |stop| async move {
        stop.cancelled().await;
        tasks.close();
        tasks.wait().await;
    })
}

/// The open channels, which run by themselves until they are shut down.
fn channels(channels: &Arc<Channels>) -> Service {
    let channels = Arc::clone(channels);
    Service::vital("channels", |stop| async move {
        stop.cancelled().await;
        channels.shutdown().await;
    })
}

/// Measures the jobs of variants, and ends them.
fn variants(variants: &Variants) -> Service {
    let variants = variants.clone();
    Service::vital("variants", |stop| async move { variants.run(stop).await })
}

/// Looks whether somebody has removed what the channels keep on disk.
fn files(channels: &Arc<Channels>) -> Service {
    let channels = Arc::clone(channels);
    Service::restarted("files", move |stop| {
        let channels = Arc::clone(&channels);
        async move {
            channels.watch_files(stop).await;
            Ok(())
        }
    })
}

/// Ends the sessions of HLS viewers who have gone.
fn sessions(shared: &http::State) -> Service {
    let shared = shared.clone();
    Service::restarted("sessions", move |stop| {
        let shared = shared.clone();
        async move {
            shared.run_sessions(stop).await;
            Ok(())
        }
    })
}

/// Looks which films there are.
fn films(shared: &http::State) -> Service {
    let (library, config) = (Arc::clone(&shared.films.library), shared.config.clone());
    Service::restarted("films", move |stop| {
        let (library, config) = (Arc::clone(&library), config.clone());
        async move {
            library.run(&config, stop).await;
            Ok(())
        }
    })
}

/// Runs jobs.
fn jobs(shared: &http::State) -> Service {
    let queue = shared.jobs.clone();
    Service::restarted("jobs", move |stop| {
        let queue = queue.clone();
        async move { queue.run(stop).await }
    })
}

/// Has downloads go on, and removes old ones.
fn downloads(shared: &http::State) -> Service {
    let (downloads, queue) = (shared.downloads.clone(), shared.jobs.clone());
    Service::restarted("downloads", move |stop| {
        let (downloads, queue) = (downloads.clone(), queue.clone());
        async move {
            downloads.run(&queue, stop).await;
            Ok(())
        }
    })
}

/// Looks how the server is.
fn monitor(shared: &http::State) -> Service {
    let shared = shared.clone();
    Service::restarted("monitor", move |stop| {
        let shared = shared.clone();
        async move {
            shared.run_monitor(stop).await;
            Ok(())
        }
    })
}

/// Sends channels to servers elsewhere.
fn pushes(shared: &http::State) -> Service {
    let (pushes, config) = (shared.pushes.clone(), shared.config());
    Service::vital("pushes", |stop| async move {
        pushes.configure(&config.pushes, config.server.max_bandwidth);
        pushes.run(stop).await;
    })
}

/// Tells servers elsewhere what happens.
fn webhooks(shared: &http::State) -> Service {
    let (webhooks, bus) = (shared.upkeep.webhooks.clone(), shared.channels.events().clone());
    webhooks.configure(&shared.config().webhooks);
    Service::restarted("webhooks", move |stop| {
        let (webhooks, bus) = (webhooks.clone(), bus.clone());
        async move {
            webhooks.run(&bus, stop).await;
            Ok(())
        }
    })
}

/// Remembers what happens to each channel.
fn history(shared: &http::State) -> Service {
    let (history, bus) = (shared.upkeep.history.clone(), shared.channels.events().clone());
    Service::restarted("history", move |stop| {
        let (history, bus) = (history.clone(), bus.clone());
        async move {
            history.run(&bus, stop).await;
            Ok(())
        }
    })
}

/// Makes backups when they are due.
fn backups_made(shared: &http::State) -> Service {
    let backups = shared.upkeep.backups.clone();
    Service::restarted("backups", move |stop| {
        let backups = backups.clone();
        async move {
            backups.run(stop).await;
            Ok(())
        }
    })
}

/// Resolves pages of video platforms when it is their time.
fn resolver(shared: &http::State) -> Service {
    let resolver = shared.resolver.clone();
    Service::restarted("resolver", move |stop| {
        let resolver = resolver.clone();
        async move {
            resolver.run(stop).await;
            Ok(())
        }
    })
}

/// Answers programs that look for tuners in their network.
fn discovery(shared: &http::State, server: SocketAddr) -> Service {
    let refused = shared.upkeep.searches.clone();
    let discovery = Discovery::new(shared.config.clone(), shared.database.clone(), server, refused);
    Service::restarted("discovery", move |stop| {
        let discovery = discovery.clone();
        async move {
            discovery.run(stop).await;
            Ok(())
        }
    })
}

/// Reads playlists when they are due.
fn playlists(shared: &http::State) -> Service {
    let shared = shared.clone();
    Service::restarted("playlists", move |stop| {
        let lineup = shared.lineup.clone();
        async move {
            lineup.run(stop).await;
            Ok(())
        }
    })
}

/// Reads guides when they are due.
fn guides(shared: &http::State) -> Service {
    let guides = shared.guides.clone();
    Service::restarted("guides", move |stop| {
        let guides = guides.clone();
        async move {
            guides.run(stop).await;
            Ok(())
        }
    })
}

fn reload(shared: &http::State, overrides: Overrides, seen: Stamp, hangup: Hangup) -> Service {
    let reloader = Arc::new(Reloader { shared: shared.clone(), overrides });
    let mut first = Some((seen, hangup));
    Service::restarted("reload", move |stop| {
        let reloader = Arc::clone(&reloader);
        // A file whose reading has failed so badly is not read again until it changes.
        let again = || (stamp(&reloader.shared.config().path), Hangup::listen());
        let (seen, hangup) = first.take().unwrap_or_else(again);
        async move {
            reloader.run(seen, hangup, stop).await;
            Ok(())
        }
    })
}

/// Keeps the certificate in force good.
fn certificates(keeper: Keeper, current: Current, shared: &http::State) -> Service {
    let (in_force, challenges): (InForce, Challenges) =
        (shared.config.clone(), shared.process.challenges.clone());
    let mut first = Some(keeper);
    Service::restarted("certificates", move |stop| {
        let in_force = in_force.clone();
        let keeper = first.take().map_or_else(|| keep_again(&in_force, &current, &challenges), Ok);
        async move {
            keeper?.run(in_force, stop).await;
            Ok(())
        }
    })
}

fn keep_again(in_force: &InForce, current: &Current, challenges: &Challenges) -> anyhow::Result<Keeper> {
    let config = in_force.get();
    let tls = config.server.tls.as_ref().context("[server.tls] is gone from the configuration")?;
    Keeper::new(tls, current.clone(), challenges.clone())
}

/// Accepts connections.
fn listener(name: &'static str, server: Server, shared: &http::State) -> Service {
    let shared = shared.clone();
    Service::vital(name, |stop| server.run(shared, stop))
}

//! `forebay`: serves until it is told to stop.

use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context as _;
use forebay_relay::input::Sources;
use tokio::runtime::{Handle, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use super::args::Args;
use super::check::count;
use super::notify::ServiceManager;
use crate::app::App;
use crate::config::{Config, Environment, StreamAccess};
use crate::telemetry::log;

/// Exit code after a second signal: that of a program ended by SIGINT.
const INTERRUPTED: u8 = 130;

/// Runs the server; what goes wrong before it listens is one line, and exit code 1.
pub fn serve(args: Args) -> ExitCode {
    match start(args) {
        Ok(code) => code,
        Err(error) => {
            let _ = writeln!(io::stderr(), "forebay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: Args) -> anyhow::Result<ExitCode> {
    let mut config = Config::load_with(&args.config, Environment::of_process())?;
    args.apply(&mut config);
    let _log = log::init(&config.log)?;
    // Viewers are woken from the ingest threads, which goes by the global queue: they must not wait
    // behind requests.
    let runtime =
        tokio::runtime::Builder::new_multi_thread().global_queue_interval(2).enable_all().build()?;
    let ingest = ingest_runtime(ingest_threads())?;
    let code = runtime.block_on(run(config, args, ingest.handle().clone()));
    // A look-up of a name or a file that hangs must not keep the process.
    runtime.shutdown_background();
    ingest.shutdown_background();
    code
}

/// Tasks that an ingest thread polls between two looks at sockets and timers. Drivers tick every 20
/// ms and a poll takes up to some milliseconds, so with tokio's usual 61 a few busy sources would
/// hold up the timers of all others.
const INGEST_EVENT_INTERVAL: u32 = 4;

/// The runtime of drivers and upstreams.
pub fn ingest_runtime(threads: usize) -> io::Result<Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(threads)
        .thread_name("ingest")
        .event_interval(INGEST_EVENT_INTERVAL)
        .enable_all()
        .build()
}

/// Sources and stores are little work beside viewers, but they must not wait for them.
fn ingest_threads() -> usize {
    std::thread::available_parallelism().map_or(1, |all| all.get().div_ceil(4))
}

async fn run(config: Config, args: Args, ingest: Handle) -> anyhow::Result<ExitCode> {
    // Before anything is told to anybody who might then send one.
    let signals = [signal(SignalKind::interrupt())?, signal(SignalKind::terminate())?];
    config.environment.notes().iter().for_each(|note| info!("environment: {note}"));
    config.warnings().iter().for_each(|warning| warn!("{warning}"));
    let greeting = config.clone();
    let overrides = Box::new(move |config: &mut Config| args.apply(config));
    let app = App::start(config, Arc::new(Sources::new()), overrides, ingest)?;
    greet(&greeting, &app)?;
    let manager = ServiceManager::of_process().context("cannot reach the service manager")?;
    manager.ready().context("cannot tell the service manager that all is ready")?;
    // It would keep all channels of now in memory when others take their place.
    drop(greeting);
    let stop = CancellationToken::new();
    tokio::select! {
        end = app.run(stop.clone()) => end.map(|_| ExitCode::SUCCESS).map_err(anyhow::Error::from),
        () = twice(signals, stop.clone(), &manager) => Ok(ExitCode::from(INTERRUPTED)),
    }
}

/// The first signal stops; returns at the second.
async fn twice(
    [mut interrupt, mut terminate]: [Signal; 2],
    stop: CancellationToken,
    manager: &ServiceManager,
) {
    for _ in 0..2 {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
        if stop.is_cancelled() {
            return;
        }
        // It only shows that; nothing depends on it.
        let _ = manager.stopping();
        stop.cancel();
    }
}

/// One line for each thing a person needs.
fn greet(config: &Config, app: &App) -> io::Result<()> {
    let address = app.address();
    let base = match &config.server.public_url {
        Some(url) => url.to_string(),
        None => format!("http://{}/", SocketAddr::new(reachable(address.ip()), address.port())),
    };
    let mut out = io::stdout().lock();
    writeln!(out, "forebay {}", env!("CARGO_PKG_VERSION"))?;
    writeln!(out, "configuration {}", config.path.display())?;
    writeln!(out, "{}", count(app.channels(), "channel"))?;
    writeln!(out, "listening on http://{address}")?;
    if let Some(address) = app.tls_address() {
        writeln!(out, "listening on https://{address}")?;
    }
    writeln!(out, "streams  {}", open_to(config.auth.streams))?;
    writeln!(out, "playlist {base}playlist.m3u")?;
    if let Some(channel) = config.channels.first() {
        writeln!(out, "watch    {base}stream/{}.ts", channel.id)?;
    }
    if let Some(token) = app.setup_token() {
        writeln!(out, "set up   {base}setup#{}", token.reveal())?;
    }
    if io::stdout().is_terminal() {
        writeln!(out, "Ctrl-C stops")?;
    }
    out.flush()
}

/// To whom streams are open.
fn open_to(streams: StreamAccess) -> &'static str {
    match streams {
        StreamAccess::Private => "open to private networks, by a token or a password elsewhere",
        StreamAccess::Open => "open to everybody",
        StreamAccess::Token => "by a token or a password",
        StreamAccess::User => "for users only",
    }
}

/// The wildcard is no address that a player could open.
fn reachable(ip: IpAddr) -> IpAddr {
    match ip {
        IpAddr::V4(ip) if ip.is_unspecified() => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(ip) if ip.is_unspecified() => Ipv6Addr::LOCALHOST.into(),
        ip => ip,
    }
}

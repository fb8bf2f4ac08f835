//! A relay under test: the application on a free port, in the test's own process.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use forebay::app::App;
use forebay::config::Config;
use forebay::supervisor::{End, Failure};
use forebay_relay::events::{Bus, Events};
use forebay_relay::input::Sources;
use forebay_testkit::client;
use serde_json::Value;
use tempfile::TempDir;
use tokio::net::TcpSocket;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A channel with these sources and further settings, in the words of the configuration file.
pub(crate) fn channel(id: &str, sources: &[String], settings: &str) -> String {
    format!("[[channels]]\nid = {id:?}\nsources = {sources:?}\n{settings}\n")
}

/// An address that refuses connections, for as long as the socket lives: it is taken, but nobody listens.
pub(crate) fn refusing() -> (TcpSocket, SocketAddr) {
    let socket = TcpSocket::new_v4().expect("there is a socket left");
    socket.bind(SocketAddr::from(([127, 0, 0, 1], 0))).expect("a loopback port is free");
    let address = socket.local_addr().expect("a bound socket has an address");
    (socket, address)
}

/// A running relay; dropped, it is told to stop.
pub(crate) struct Relay {
    address: SocketAddr,
    tls_address: Option<SocketAddr>,
    events: Bus,
    /// With what the first admin is made.
    setup_token: Option<String>,
    stop: CancellationToken,
    running: JoinHandle<Result<End, Failure>>,
    /// What it keeps.
    folder: TempDir,
}

impl Relay {
    /// Starts a relay with these channels, in the words of the configuration file.
    pub(crate) fn start(channels: &str) -> Self {
        Self::start_on(channels, Handle::current())
    }

    /// The same, with its drivers and upstreams on `ingest`.
    pub(crate) fn start_on(channels: &str, ingest: Handle) -> Self {
        Self::start_with(([127, 0, 0, 1], 0).into(), channels, ingest)
    }

    /// Starts a relay at this address.
    pub(crate) fn start_at(address: SocketAddr, channels: &str) -> Self {
        Self::start_with(address, channels, Handle::current())
    }

    fn start_with(listen: SocketAddr, channels: &str, ingest: Handle) -> Self {
        let text = format!("[server]\nlisten = \"{listen}\"\n{channels}");
        let mut config =
            // Of a file that is there, it would take every change.
            Config::parse(&text, Path::new("no-such-file.toml")).unwrap_or_else(|error| panic!("{error}"));
        // What is dropped with its test may write its numbers once more when the folder is gone: below `target`, that litters nothing.
        let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made a folder for tests");
        if !channels.contains("dir = ") {
            folder.path().clone_into(&mut config.hls_dir);
        }
        config.data.path = folder.path().join("data");
        config.backups.folder = config.data.path.join("backups");
        let app = App::start(config, Arc::new(Sources::new()), Box::new(|_| ()), ingest)
            .expect("a free port is listened on");
        let (address, tls_address, stop) = (app.address(), app.tls_address(), CancellationToken::new());
        let events = app.events();
        let setup_token = app.setup_token().map(|token| token.reveal().to_owned());
        let running = tokio::spawn(app.run(stop.clone()));
        Self { address, tls_address, events, setup_token, stop, running, folder }
    }

    /// One channel `one` with these sources and further settings.
    pub(crate) fn with_sources(sources: &[String], settings: &str) -> Self {
        Self::start(&channel("one", sources, settings))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The page that makes the first admin, as the console shows it.
    pub(crate) fn setup_url(&self) -> String {
        let token = self.setup_token.as_ref().expect("there is no admin yet");
        format!("{}#{token}", self.url("/setup"))
    }

    /// Where it listens for HTTPS; only with `[server.tls]`.
    pub(crate) fn tls_address(&self) -> SocketAddr {
        self.tls_address.expect("the configuration has [server.tls]")
    }

    /// What happens from now on.
    pub(crate) fn events(&self) -> Events {
        self.events.subscribe()
    }

    /// Where it keeps its data.
    pub(crate) fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What the status document says of a channel.
    pub(crate) async fn status(&self, id: &str) -> Value {
        let (status, body) = client::get_json(self.address, &format!("/api/streams/{id}/status")).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Waits until the channel's status satisfies `wanted`. It is asked for after each event, and
    /// ten times a second, since there is no event for figures such as what a buffer holds.
    pub(crate) async fn wait_status(
        &self,
        id: &str,
        limit: Duration,
        wanted: impl Fn(&Value) -> bool,
    ) -> Value {
        let mut events = self.events();
        let wait = async {
            loop {
                let status = self.status(id).await;
                if wanted(&status) {
                    return status;
                }
                let _ = tokio::time::timeout(Duration::from_millis(100), events.next()).await;
            }
        };
        if let Ok(status) = tokio::time::timeout(limit, wait).await {
            return status;
        }
        panic!("the status did not come to be: {}", self.status(id).await)
    }

    /// Stops it; says whether everything ended within the grace period.
    pub(crate) async fn stop(mut self) -> bool {
        self.stop.cancel();
        let end = (&mut self.running).await.expect("the relay does not panic");
        end.expect("no service fails") == End::InTime
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

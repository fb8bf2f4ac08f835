//! An RTMP server that is published to, and misbehaves on request.
//!
//! It shares no code with the publisher that it judges: it reads chunks and commands by itself, as
//! far as a publisher needs them.

mod chunks;
mod session;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpSocket};
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{Instant, timeout};

use self::session::serve;

/// What a server does with those who publish.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// It acknowledges what it receives.
    pub acknowledges: bool,
    /// It says that it takes HEVC.
    pub takes_hevc: bool,
    /// What it answers to `publish`.
    pub at_publish: AtPublish,
    /// It reads so many bytes a second.
    pub bytes_per_second: Option<u64>,
}

/// What a server answers to `publish`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum AtPublish {
    /// It takes every stream.
    #[default]
    Takes,
    /// A name with which somebody publishes already is refused, as nginx-rtmp does.
    TakesNamesOnce,
    /// An error with this code.
    Refuses(&'static str),
    /// Nothing: it closes the connection.
    Closes,
}

/// A message of sound, pictures or data that came.
#[derive(Debug, Clone)]
pub struct Received {
    /// Its connection, counted from 0.
    pub connection: usize,
    /// 8 is sound, 9 pictures, 18 data.
    pub kind: u8,
    /// In milliseconds.
    pub time: u32,
    /// Its body.
    pub body: Vec<u8>,
    /// When it came.
    pub at: Instant,
}

impl Received {
    /// Whether it is a picture that a decoder can start with, or its header.
    pub fn is_key(&self) -> bool {
        self.kind == 9 && self.body.first().is_some_and(|first| first >> 4 & 7 == 1)
    }

    /// Whether it is a header of pictures or sound.
    pub fn is_header(&self) -> bool {
        let first = self.body.first().copied().unwrap_or(0);
        match self.kind {
            9 if first & 0x80 != 0 => first.trailing_zeros() >= 4,
            8 | 9 => self.body.get(1) == Some(&0),
            _ => false,
        }
    }
}

#[derive(Debug, Default)]
struct Log {
    received: Vec<Received>,
    /// When each connection came.
    connections: Vec<Instant>,
    /// When each stream was taken.
    published: Vec<Instant>,
    /// Commands, by their names, with the connection.
    commands: Vec<(usize, String)>,
    /// The names with which somebody publishes now.
    names: Vec<String>,
}

#[derive(Debug)]
struct Shared {
    log: Mutex<Log>,
    manner: Mutex<Manner>,
    /// Changes with the log.
    news: watch::Sender<()>,
    /// While true, nothing is read and nothing is said.
    still: watch::Sender<bool>,
}

impl Shared {
    fn log(&self) -> MutexGuard<'_, Log> {
        self.log.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn note(&self, note: impl FnOnce(&mut Log)) {
        note(&mut self.log());
        self.news.send_replace(());
    }

    fn manner(&self) -> Manner {
        self.manner.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// A running server; it stops when it is dropped.
#[derive(Debug)]
pub struct RtmpServer {
    address: SocketAddr,
    shared: Arc<Shared>,
    tasks: Option<JoinSet<()>>,
}

impl RtmpServer {
    /// Starts on a free port of 127.0.0.1.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn start(manner: Manner) -> Self {
        let mut server = Self::absent(manner).await;
        server.listen();
        server
    }

    /// One that has a port, and does not listen yet.
    ///
    /// # Panics
    /// Where no port is free.
    pub async fn absent(manner: Manner) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Shared {
            log: Mutex::default(),
            manner: Mutex::new(manner),
            news: watch::Sender::default(),
            still: watch::Sender::default(),
        };
        Self { address, shared: Arc::new(shared), tasks: None }
    }

    /// Listens from now on, where it has listened before.
    ///
    /// # Panics
    /// Where somebody else has taken the port.
    pub fn listen(&mut self) {
        let bind = || {
            let socket = TcpSocket::new_v4()?;
            socket.set_reuseaddr(true)?;
            socket.bind(self.address)?;
            socket.listen(64)
        };
        let listener = bind().expect("its port is still free");
        let (mut tasks, shared) = (JoinSet::new(), Arc::clone(&self.shared));
        tasks.spawn(async move {
            let mut sessions = JoinSet::new();
            while let Ok((stream, _)) = listener.accept().await {
                let number = shared.log().connections.len();
                shared.note(|log| log.connections.push(Instant::now()));
                let shared = Arc::clone(&shared);
                sessions.spawn(async move {
                    // Publishers come and go as they like.
                    let _ = serve(stream, number, &shared).await;
                });
            }
        });
        self.tasks = Some(tasks);
    }

    /// Ends all connections and refuses new ones, as a process does that is killed.
    pub async fn kill(&mut self) {
        if let Some(mut tasks) = self.tasks.take() {
            tasks.shutdown().await;
        }
        self.shared.note(|log| log.names.clear());
    }

    /// Reads nothing and says nothing while `still`, as a process that is stopped.
    pub fn stand_still(&self, still: bool) {
        self.shared.still.send_replace(still);
    }

    /// Behaves so towards whoever comes from now on.
    pub fn behave(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap_or_else(PoisonError::into_inner) = manner;
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The address of its application `live`.
    pub fn url(&self) -> String {
        format!("rtmp://{}/live", self.address)
    }

    /// What has come.
    pub fn received(&self) -> Vec<Received> {
        self.shared.log().received.clone()
    }

    /// When each connection came.
    pub fn connections(&self) -> Vec<Instant> {
        self.shared.log().connections.clone()
    }

    /// When each stream was taken.
    pub fn published(&self) -> Vec<Instant> {
        self.shared.log().published.clone()
    }

    /// The commands that came, with the numbers of their connections.
    pub fn commands(&self) -> Vec<(usize, String)> {
        self.shared.log().commands.clone()
    }

    /// Waits until so many messages of media have come in all.
    ///
    /// # Panics
    /// When they do not come within `limit`.
    pub async fn wait_received(&self, count: usize, limit: Duration) {
        self.wait(limit, "messages", |log| log.received.len() >= count).await;
    }

    /// Waits until so many streams were taken in all.
    ///
    /// # Panics
    /// When they were not within `limit`.
    pub async fn wait_published(&self, count: usize, limit: Duration) {
        self.wait(limit, "streams", |log| log.published.len() >= count).await;
    }

    /// Waits until so many connections have come in all.
    ///
    /// # Panics
    /// When they have not within `limit`.
    pub async fn wait_connections(&self, count: usize, limit: Duration) {
        self.wait(limit, "connections", |log| log.connections.len() >= count).await;
    }

    async fn wait(&self, limit: Duration, what: &str, is_there: impl Fn(&Log) -> bool) {
        let mut news = self.shared.news.subscribe();
        let waiting = async {
            while !is_there(&self.shared.log()) {
                news.changed().await.expect("the server holds the other end");
            }
        };
        if timeout(limit, waiting).await.is_err() {
            let log = self.shared.log();
            let counts = (log.connections.len(), log.published.len(), log.received.len());
            panic!("{what} did not come within {limit:?}; connections, streams, messages: {counts:?}");
        }
    }

    /// Writes what came over one connection as a file that players know.
    ///
    /// # Panics
    /// Where the file cannot be written.
    pub fn write_flv(&self, connection: usize, path: &Path) {
        let mut file = b"FLV\x01\x05\0\0\0\x09\0\0\0\0".to_vec();
        for message in self.received().iter().filter(|message| message.connection == connection) {
            if message.kind == 18 {
                continue;
            }
            let length = u32::try_from(message.body.len()).expect("a message is short").to_be_bytes();
            let [high, time @ ..] = message.time.to_be_bytes();
            file.push(message.kind);
            file.extend_from_slice(&length[1..]);
            file.extend_from_slice(&time);
            file.extend([high, 0, 0, 0]);
            file.extend_from_slice(&message.body);
            file.extend((u32::from_be_bytes(length) + 11).to_be_bytes());
        }
        std::fs::write(path, file).expect("the file can be written");
    }
}

//! Others: who watches, who opens a channel, and who asks how the server is.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::ensure;
use socket2::{Domain, Protocol, Socket, Type};

use crate::clock::Mono;
use crate::http;

/// Where others are. The attackers are at 127.0.0.1.
const OTHERS: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

/// What takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(10);

/// From question to question.
const ASKING: Duration = Duration::from_millis(200);

/// Bytes of a packet: who has one has an open channel.
const PACKET: usize = crate::ts::PACKET;

/// Connects from an address of this machine.
pub(super) fn connect(from: Ipv4Addr, server: SocketAddr) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    socket.bind(&SocketAddr::from((from, 0)).into())?;
    socket.connect_timeout(&server.into(), PATIENCE)?;
    let stream: TcpStream = socket.into();
    stream.set_read_timeout(Some(PATIENCE))?;
    Ok(stream)
}

/// Asks for `path` from this address, and waits for the first packet of a stream.
fn open(from: Ipv4Addr, server: SocketAddr, path: &str) -> anyhow::Result<TcpStream> {
    let mut stream = connect(from, server)?;
    write!(stream, "GET {path} HTTP/1.1\r\nHost: {server}\r\n\r\n")?;
    let mut bytes = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let count = stream.read(&mut piece)?;
        ensure!(count > 0, "{path} ended at once");
        bytes.extend_from_slice(&piece[..count]);
        let Some(at) = http::body_at(&bytes) else { continue };
        let status = http::answer(&bytes[..at]).map(|(status, _)| status);
        ensure!(status == Some(200), "{path} was answered with {status:?}");
        if bytes.len() >= at + PACKET {
            return Ok(stream);
        }
    }
}

/// How long it takes until a channel is open, in milliseconds.
pub(super) fn opening(server: SocketAddr, path: &str) -> f64 {
    let begin = Instant::now();
    let opened = open(OTHERS, server, path);
    let elapsed = if opened.is_ok() { begin.elapsed() } else { PATIENCE };
    elapsed.as_secs_f64() * 1000.0
}

/// Watches a stream, on a thread of its own, until it is dropped.
pub(super) struct Watcher {
    stream: TcpStream,
    arrivals: Arc<Arrivals>,
    thread: Option<JoinHandle<()>>,
}

/// When data came, in nanoseconds.
struct Arrivals {
    last: AtomicU64,
    longest_gap: AtomicU64,
}

impl Watcher {
    /// Returns when the first packet has come.
    pub(super) fn start(server: SocketAddr, path: &str) -> anyhow::Result<Self> {
        let stream = open(OTHERS, server, path)?;
        let last = AtomicU64::new(Mono::now().0);
        let arrivals = Arc::new(Arrivals { last, longest_gap: AtomicU64::new(0) });
        let thread = {
            let (mut stream, arrivals) = (stream.try_clone()?, Arc::clone(&arrivals));
            std::thread::spawn(move || {
                let mut buffer = vec![0; 64 * 1024];
                while let Ok(1..) = stream.read(&mut buffer) {
                    let now = Mono::now().0;
                    let last = arrivals.last.swap(now, Ordering::Relaxed);
                    arrivals.longest_gap.fetch_max(now.saturating_sub(last), Ordering::Relaxed);
                }
            })
        };
        Ok(Self { stream, arrivals, thread: Some(thread) })
    }

    /// Gaps count from now on.
    pub(super) fn forget_gaps(&self) {
        self.arrivals.last.store(Mono::now().0, Ordering::Relaxed);
        self.arrivals.longest_gap.store(0, Ordering::Relaxed);
    }

    /// The longest gap, in milliseconds; the one on hand counts, and goes on when a stream has
    /// ended.
    pub(super) fn gap_ms(&self) -> f64 {
        let on_hand = Mono::now().0.saturating_sub(self.arrivals.last.load(Ordering::Relaxed));
        self.arrivals.longest_gap.load(Ordering::Relaxed).max(on_hand) as f64 / 1e6
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let _ = self.stream.shutdown(Shutdown::Both);
        let _ = self.thread.take().map(JoinHandle::join);
    }
}

/// Asks for `/health` several times a second.
pub(super) struct Asker {
    is_over: Arc<AtomicBool>,
    thread: JoinHandle<Duration>,
}

impl Asker {
    pub(super) fn start(server: SocketAddr) -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let thread = {
            let is_over = Arc::clone(&is_over);
            std::thread::spawn(move || {
                let mut longest = Duration::ZERO;
                while !is_over.load(Ordering::Relaxed) {
                    let begin = Instant::now();
                    let is_answered = ask(server).unwrap_or(false);
                    longest = longest.max(if is_answered { begin.elapsed() } else { PATIENCE });
                    std::thread::sleep(ASKING);
                }
                longest
            })
        };
        Self { is_over, thread }
    }

    /// The longest time that an answer took, in milliseconds.
    pub(super) fn finish(self) -> f64 {
        self.is_over.store(true, Ordering::Relaxed);
        self.thread.join().expect("asking does not panic").as_secs_f64() * 1000.0
    }
}

fn ask(server: SocketAddr) -> io::Result<bool> {
    let mut stream = connect(OTHERS, server)?;
    write!(stream, "GET /health HTTP/1.1\r\nHost: {server}\r\nConnection: close\r\n\r\n")?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer)?;
    Ok(answer.starts_with(b"HTTP/1.1 200"))
}

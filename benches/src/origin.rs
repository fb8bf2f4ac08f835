//! The provider: one thread that sends the endless clip at its pace to whoever asks, at any path.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::Context;
use serde::{Deserialize, Serialize};

use crate::clip::Clip;
use crate::clock::{Mono, nanos};
use crate::http;
use crate::sys::{self, Interest, Poller};
use crate::ts::PACKET;

/// How finely is paced: far below the tick of a relay, and still several packets at 2 Mbit/s.
const TICK: Duration = Duration::from_millis(4);

/// With more streams than this, each is sent less often: so many small writes would take the processor from the viewers.
const FINE: usize = 128;

/// Packets made at a time: what a connection is given before the next one has its turn.
const RUN: u64 = 700;

/// Who is later than this with its reading is sent away, as a provider would do.
const MAX_LATE: f64 = 20.0;

/// How many paths are counted by name.
const MAX_PATHS: usize = 10_000;

const LISTENER: u64 = u64::MAX;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Address and port to listen on; port 0 picks a free one, which the first line of output names.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Bits a second, about: a clip is made for it when it is first asked for.
    #[arg(long, default_value_t = 2_000_000)]
    bitrate: u64,
}

/// What `/stats` answers.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct Stats {
    /// Bits a second, as they are sent.
    pub(crate) bitrate: u64,
    /// Streams being sent.
    pub(crate) active: u64,
    /// Streams asked for so far.
    pub(crate) total: u64,
    /// Streams that ended because their reader was too late.
    pub(crate) late: u64,
    /// Streams by path.
    pub(crate) paths: BTreeMap<String, PathStats>,
}

/// Streams of one path.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(crate) struct PathStats {
    /// Being sent.
    pub(crate) active: u64,
    /// Asked for so far.
    pub(crate) total: u64,
}

/// Sends until the process is ended.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    sys::raise_file_limit()?;
    let clip = Clip::get(args.bitrate)?;
    let mut origin = Origin::bind(args.listen, clip)?;
    let (address, bitrate) = (origin.listener.local_addr()?, origin.stats.bitrate);
    writeln!(io::stdout(), "listening on http://{address} with {bitrate} bit/s")?;
    loop {
        origin.run_once()?;
    }
}

struct Origin {
    listener: TcpListener,
    poller: Poller,
    clip: Clip,
    connections: Vec<Option<Connection>>,
    ready: Vec<(u64, Interest)>,
    run: Run,
    stats: Stats,
    next_tick: Mono,
    ticks: usize,
}

struct Connection {
    socket: TcpStream,
    state: State,
}

enum State {
    Asking(Vec<u8>),
    Streaming(Stream),
}

struct Stream {
    path: String,
    /// The next packet to send.
    next: u64,
    /// What the socket did not take at once.
    unsent: Vec<u8>,
    until: Mono,
}

impl Origin {
    fn bind(listen: SocketAddr, clip: Clip) -> anyhow::Result<Self> {
        let listener = sys::listen(listen).with_context(|| format!("cannot listen on {listen}"))?;
        let poller = Poller::new()?;
        poller.add(&listener, LISTENER, Interest::IN)?;
        let stats = Stats { bitrate: clip.bitrate(), ..Stats::default() };
        let (connections, ready) = (Vec::new(), Vec::new());
        Ok(Self {
            listener,
            poller,
            clip,
            connections,
            ready,
            run: Run::default(),
            stats,
            next_tick: Mono::now(),
            ticks: 0,
        })
    }

    fn run_once(&mut self) -> anyhow::Result<()> {
        let wait = Duration::from_nanos(self.next_tick.0.saturating_sub(Mono::now().0));
        let mut ready = std::mem::take(&mut self.ready);
        self.poller.wait(wait, &mut ready)?;
        for &(token, _) in &ready {
            if token == LISTENER {
                self.accept()?;
            } else if let Ok(slot) = usize::try_from(token) {
                self.read(slot)?;
            }
        }
        self.ready = ready;
        let now = Mono::now();
        if now >= self.next_tick {
            self.next_tick = Mono(now.0 + nanos(TICK.as_secs_f64()));
            self.ticks += 1;
            let turns = self.connections.len() / FINE + 1;
            for slot in (self.ticks % turns..self.connections.len()).step_by(turns) {
                self.send(slot, now);
            }
        }
        Ok(())
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        while let Ok((socket, _)) = self.listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let slot = self.connections.iter().position(Option::is_none).unwrap_or(self.connections.len());
            self.poller.add(&socket, slot as u64, Interest::IN | Interest::RDHUP)?;
            let connection = Some(Connection { socket, state: State::Asking(Vec::new()) });
            if slot == self.connections.len() {
                self.connections.push(connection);
            } else {
                self.connections[slot] = connection;
            }
        }
        Ok(())
    }

    /// Takes what a client says; after its request, that can only be that it goes.
    fn read(&mut self, slot: usize) -> anyhow::Result<()> {
        let Some(connection) = &mut self.connections[slot] else { return Ok(()) };
        let mut piece = [0; 4096];
        match (connection.socket.read(&mut piece), &mut connection.state) {
            (Err(error), _) if error.kind() == io::ErrorKind::WouldBlock => Ok(()),
            (Ok(0) | Err(_), _) => {
                self.close(slot);
                Ok(())
            }
            (Ok(_), State::Streaming(_)) => Ok(()),
            (Ok(count), State::Asking(head)) => {
                head.extend_from_slice(&piece[..count]);
                if http::body_at(head).is_some() {
                    let head = std::mem::take(head);
                    self.answer(slot, &head)
                } else {
                    if head.len() > http::MAX_HEAD {
                        self.close(slot);
                    }
                    Ok(())
                }
            }
        }
    }

    fn answer(&mut self, slot: usize, head: &[u8]) -> anyhow::Result<()> {
        let Some(connection) = &mut self.connections[slot] else { return Ok(()) };
        let Some((method, target)) = http::target(head) else {
            self.close(slot);
            return Ok(());
        };
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        if path == "/stats" {
            let body = serde_json::to_string(&self.stats)?;
            let length = body.len();
            // Small enough for any socket's buffer; whoever is gone needs no answer.
            let _ = write!(
                connection.socket,
                "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\nConnection: close\r\n\r\n{body}"
            );
            self.close(slot);
            return Ok(());
        }
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n";
        if connection.socket.write_all(head).is_err() || method == "HEAD" {
            self.close(slot);
            return Ok(());
        }
        let now = Mono::now();
        let behind = http::number(query, "burst").unwrap_or(0.0);
        let next = self.clip.due_at(Mono(now.0.saturating_sub(nanos(behind))));
        let until = http::number(query, "die").map_or(Mono(u64::MAX), |after| now.plus(after));
        self.stats.total += 1;
        self.stats.active += 1;
        if self.stats.paths.len() < MAX_PATHS || self.stats.paths.contains_key(path) {
            let stats = self.stats.paths.entry(path.to_owned()).or_default();
            stats.total += 1;
            stats.active += 1;
        }
        let path = path.to_owned();
        connection.state = State::Streaming(Stream { path, next, unsent: Vec::new(), until });
        self.poller.modify(&connection.socket, slot as u64, Interest::IN | Interest::RDHUP)?;
        Ok(())
    }

    /// Sends what is due on one connection, as far as it takes it.
    fn send(&mut self, slot: usize, now: Mono) {
        let due = self.clip.due_at(now);
        let Some(Connection { socket, state: State::Streaming(stream) }) = &mut self.connections[slot] else {
            return;
        };
        let late = (due - stream.next) * PACKET as u64 * 8 / self.stats.bitrate.max(1);
        let is_late = late as f64 > MAX_LATE;
        let result = if now >= stream.until || is_late {
            Err(io::ErrorKind::TimedOut.into())
        } else {
            stream.send(socket, &self.clip, due, &mut self.run)
        };
        if result.is_err() {
            self.stats.late += u64::from(is_late);
            self.close(slot);
        }
    }

    fn close(&mut self, slot: usize) {
        let closed = self.connections[slot].take();
        if let Some(Connection { state: State::Streaming(stream), .. }) = closed {
            self.stats.active -= 1;
            if let Some(stats) = self.stats.paths.get_mut(&stream.path) {
                stats.active -= 1;
            }
        }
    }
}

impl Stream {
    fn send(&mut self, socket: &mut TcpStream, clip: &Clip, due: u64, run: &mut Run) -> io::Result<()> {
        loop {
            if self.unsent.is_empty() {
                if self.next >= due {
                    return Ok(());
                }
                let end = due.min(self.next + RUN);
                let bytes = run.get(clip, self.next, end);
                self.next = end;
                let sent = write_some(socket, bytes)?;
                self.unsent.extend_from_slice(&bytes[sent..]);
            } else {
                let sent = write_some(socket, &self.unsent)?;
                self.unsent.drain(..sent);
            }
            if !self.unsent.is_empty() {
                return Ok(());
            }
        }
    }
}

/// 0 where the socket takes nothing now.
fn write_some(socket: &mut TcpStream, bytes: &[u8]) -> io::Result<usize> {
    match socket.write(bytes) {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        result => result,
    }
}

/// The last packets made: with many connections at the same place, each is made once.
#[derive(Debug, Default)]
struct Run {
    start: u64,
    end: u64,
    bytes: Vec<u8>,
}

impl Run {
    fn get(&mut self, clip: &Clip, start: u64, end: u64) -> &[u8] {
        if (self.start, self.end) != (start, end) {
            (self.start, self.end) = (start, end);
            self.bytes.clear();
            for number in start..end {
                self.bytes.extend_from_slice(&clip.packet(number));
            }
        }
        &self.bytes
    }
}

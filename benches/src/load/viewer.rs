//! One viewer: a connection, its request, and what has come.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, Protocol, Socket, Type};

use crate::checker::{Checker, Seen};
use crate::clock::Mono;
use crate::http::{self, Chunked};

/// The receive buffer of a slow reader, as a small device has.
const SLOW_BUFFER: usize = 16 * 1024;

/// Source addresses in turn: the ports of one would be used up by 28,000 viewers who left a minute ago.
const SOURCES: u64 = 250;

/// Why a viewer is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// Comes first and stays.
    Steady,
    /// Stays, and reads slowly.
    Slow,
    /// Stays for a moment.
    Churn,
    /// Goes at the first byte.
    Storm,
}

/// Where a connection stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// The request has not been sent.
    Connecting,
    /// The answer's head has come so far.
    Head(Vec<u8>),
    /// The stream, in chunks or not.
    Body(Option<Chunked>),
}

/// One viewer.
pub(super) struct Viewer {
    pub(super) socket: Socket,
    pub(super) kind: Kind,
    pub(super) channel: usize,
    pub(super) phase: Phase,
    /// There until the first key picture, and longer for those that are looked at.
    pub(super) checker: Option<Box<Checker>>,
    pub(super) stays_checked: bool,
    pub(super) asked: Mono,
    pub(super) first_byte: Option<Mono>,
    pub(super) first_key: Option<Mono>,
    pub(super) leaves: Mono,
    /// Bytes of the body, about: in chunks, their lengths are among them.
    pub(super) bytes: u64,
    pub(super) bytes_before_window: u64,
    pub(super) last_arrival: Mono,
    /// Nanoseconds, in the window.
    pub(super) largest_gap: u64,
}

/// What reading led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// There may be more later.
    Open,
    /// The server closed.
    Closed,
    /// The server answered with this status, or with something that is no answer (0).
    Refused(u16),
}

impl Viewer {
    /// Begins to connect; `number` counts all viewers so far.
    pub(super) fn connect(server: SocketAddr, number: u64, kind: Kind, is_checked: bool) -> io::Result<Self> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if kind == Kind::Slow {
            socket.set_recv_buffer_size(SLOW_BUFFER)?;
        }
        if server.is_ipv4() {
            let host = u8::try_from(number % SOURCES + 1).expect("fewer than 256");
            socket.bind(&SocketAddr::from(([127, 0, 1, host], 0)).into())?;
        }
        let asked = Mono::now();
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                return Err(error);
            }
            _ => {}
        }
        Ok(Self {
            socket,
            kind,
            channel: 0,
            phase: Phase::Connecting,
            checker: Some(Box::default()),
            stays_checked: is_checked,
            asked,
            first_byte: None,
            first_key: None,
            leaves: Mono(u64::MAX),
            bytes: 0,
            bytes_before_window: 0,
            last_arrival: asked,
            largest_gap: 0,
        })
    }

    /// Sends the request, once the connection stands; false while it does not.
    pub(super) fn ask(&mut self, request: &[u8]) -> io::Result<bool> {
        match send(&self.socket, request, SendFlags::NOSIGNAL) {
            Ok(_) => {
                self.phase = Phase::Head(Vec::new());
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::NOTCONN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what is there, at most `limit` bytes, at `now`; `age` is told each clock reference's age.
    pub(super) fn read(
        &mut self,
        buffer: &mut [u8],
        limit: usize,
        now: Mono,
        mut age: impl FnMut(u64),
    ) -> io::Result<Read> {
        let mut left = limit;
        while left > 0 {
            let is_discarded = self.checker.is_none();
            let size = left.min(buffer.len());
            let flags = if is_discarded { RecvFlags::TRUNC } else { RecvFlags::empty() };
            let count = match recv(&self.socket, &mut buffer[..size], flags) {
                Ok((_, 0)) => return Ok(Read::Closed),
                Ok((_, count)) => count,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(Read::Open),
                Err(Errno::CONNRESET | Errno::PIPE | Errno::TIMEDOUT) => return Ok(Read::Closed),
                Err(error) => return Err(error.into()),
            };
            left -= count;
            if is_discarded {
                self.arrived(count, now);
                // What came while this was read comes with the next visit.
                return Ok(Read::Open);
            }
            if let Some(refused) = self.take(&buffer[..count], now, &mut age) {
                return Ok(refused);
            }
            if count < size {
                break;
            }
        }
        Ok(Read::Open)
    }

    fn take(&mut self, bytes: &[u8], now: Mono, age: &mut impl FnMut(u64)) -> Option<Read> {
        if let Phase::Head(head) = &mut self.phase {
            head.extend_from_slice(bytes);
            let Some(at) = http::body_at(head) else {
                return (head.len() > http::MAX_HEAD).then_some(Read::Refused(0));
            };
            let (status, is_chunked) = http::answer(&head[..at]).unwrap_or((0, false));
            if status != 200 {
                return Some(Read::Refused(status));
            }
            let body = head.split_off(at);
            self.phase = Phase::Body(is_chunked.then(Chunked::default));
            return self.body(&body, now, age);
        }
        self.body(bytes, now, age)
    }

    fn body(&mut self, bytes: &[u8], now: Mono, age: &mut impl FnMut(u64)) -> Option<Read> {
        if bytes.is_empty() {
            return None;
        }
        self.arrived(bytes.len(), now);
        let Some(checker) = &mut self.checker else { return None };
        let first_key = &mut self.first_key;
        let mut seen = |seen| match seen {
            Seen::KeyPicture => _ = first_key.get_or_insert(now),
            Seen::Age(nanos) => age(nanos),
        };
        let is_whole = if let Phase::Body(Some(chunked)) = &mut self.phase {
            chunked.push(bytes, |data| checker.push(data, now, &mut seen))
        } else {
            checker.push(bytes, now, seen);
            true
        };
        (!is_whole).then_some(Read::Refused(0))
    }

    fn arrived(&mut self, count: usize, now: Mono) {
        self.bytes += count as u64;
        if self.first_byte.is_none() {
            self.first_byte = Some(now);
        } else {
            self.largest_gap = self.largest_gap.max(now.0.saturating_sub(self.last_arrival.0));
        }
        self.last_arrival = now;
    }

    /// Forgets what was before the window.
    pub(super) fn begin_window(&mut self, now: Mono) {
        self.bytes_before_window = self.bytes;
        self.last_arrival = now;
        self.largest_gap = 0;
    }

    /// Bytes in the window.
    pub(super) fn window_bytes(&self) -> u64 {
        self.bytes - self.bytes_before_window
    }
}

//! One player: its connection, what it asked for, and what has come of that.

use std::io;
use std::net::SocketAddr;

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use socket2::{Domain, Protocol, Socket, Type};

use super::course::Course;
use crate::checker::Checker;
use crate::clock::Mono;
use crate::http;

/// Read at once where an answer's head is expected: what comes behind that is best left to be thrown away.
const HEAD: usize = 1024;

/// Source addresses of a network of 24 bits: each player has an address of its own, as players have.
const SOURCES: usize = 250;

/// A longer playlist is refused.
const MAX_TEXT: u64 = 1 << 20;

/// Where a player stands.
#[derive(Debug)]
pub(super) enum Phase {
    /// It has no connection, or one that does not stand yet.
    Away,
    /// It waits until it is time to ask again.
    Idle,
    /// The answer's head has come so far.
    Head(Vec<u8>),
    /// The answer has this status, and so many bytes of its body are still to come.
    Body { status: u16, left: u64 },
}

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum What {
    Playlist,
    Segment,
}

/// One player.
pub(super) struct Player {
    pub(super) socket: Option<Socket>,
    pub(super) phase: Phase,
    pub(super) what: What,
    pub(super) asked: Mono,
    /// When it asks for the playlist again.
    pub(super) polls: Mono,
    /// When it came.
    pub(super) came: Mono,
    pub(super) course: Course,
    /// Of those that look at every packet.
    pub(super) checker: Option<Box<Checker>>,
    /// The body of the playlist so far.
    pub(super) text: Vec<u8>,
    /// Bytes of the body of this answer.
    pub(super) length: u64,
    /// Bytes of segments in the window.
    pub(super) bytes: u64,
    /// A segment did not begin with a packet.
    pub(super) is_out_of_step: bool,
}

/// What reading led to.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Read {
    /// There is more to come.
    Open,
    /// The answer is whole, and had this status.
    Whole(u16),
    /// The server closed the connection.
    Closed,
    /// It answered with something that is not understood here: chunks, or no HTTP.
    Strange,
}

impl Player {
    pub(super) fn new(is_checked: bool, now: Mono) -> Self {
        Self {
            socket: None,
            phase: Phase::Away,
            what: What::Playlist,
            asked: now,
            polls: now,
            came: now,
            course: Course::default(),
            checker: is_checked.then(Box::default),
            text: Vec::new(),
            length: 0,
            bytes: 0,
            is_out_of_step: false,
        }
    }

    /// Begins to connect; `number` is the player's.
    pub(super) fn connect(&mut self, server: SocketAddr, number: usize) -> io::Result<&Socket> {
        let socket = Socket::new(Domain::for_address(server), Type::STREAM, Some(Protocol::TCP))?;
        socket.set_nonblocking(true)?;
        if server.is_ipv4() {
            let byte = |number: usize| u8::try_from(number % SOURCES + 1).expect("fewer than 256");
            let address = [127, 0, byte(number / SOURCES), byte(number)];
            socket.bind(&SocketAddr::from((address, 0)).into())?;
        }
        match socket.connect(&server.into()) {
            Err(error) if error.raw_os_error() != Some(Errno::INPROGRESS.raw_os_error()) => {
                return Err(error);
            }
            _ => {}
        }
        self.phase = Phase::Away;
        Ok(self.socket.insert(socket))
    }

    /// Sends a request, once the connection stands; false while it does not.
    pub(super) fn ask(&mut self, request: &[u8], now: Mono) -> io::Result<bool> {
        let Some(socket) = &self.socket else { return Ok(false) };
        match send(socket, request, SendFlags::NOSIGNAL) {
            Ok(_) => {
                self.phase = Phase::Head(Vec::new());
                self.asked = now;
                self.text.clear();
                Ok(true)
            }
            Err(Errno::AGAIN | Errno::NOTCONN) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Reads what is there.
    pub(super) fn read(&mut self, buffer: &mut [u8], now: Mono) -> io::Result<Read> {
        loop {
            let Some(socket) = &self.socket else { return Ok(Read::Closed) };
            let (mut size, mut flags) = (HEAD, RecvFlags::empty());
            if let Phase::Body { left, .. } = self.phase {
                size = usize::try_from(left).unwrap_or(usize::MAX).min(buffer.len());
                if self.what == What::Segment && self.checker.is_none() {
                    flags = RecvFlags::TRUNC;
                }
            }
            let count = match recv(socket, &mut buffer[..size], flags) {
                Ok((_, 0)) => return Ok(Read::Closed),
                Ok((_, count)) => count,
                Err(Errno::AGAIN | Errno::INTR) => return Ok(Read::Open),
                Err(Errno::CONNRESET | Errno::PIPE | Errno::TIMEDOUT) => return Ok(Read::Closed),
                Err(error) => return Err(error.into()),
            };
            let read =
                if flags == RecvFlags::TRUNC { self.came(count) } else { self.take(&buffer[..count], now) };
            if read != Read::Open || count < size {
                return Ok(read);
            }
        }
    }

    fn take(&mut self, bytes: &[u8], now: Mono) -> Read {
        match &mut self.phase {
            // Nothing was asked.
            Phase::Away | Phase::Idle => Read::Strange,
            Phase::Head(head) => {
                head.extend_from_slice(bytes);
                let Some(at) = http::body_at(head) else {
                    return if head.len() > http::MAX_HEAD { Read::Strange } else { Read::Open };
                };
                let length =
                    http::field(&head[..at], "content-length").and_then(|length| length.parse().ok());
                let (Some((status, false)), Some(left)) = (http::answer(&head[..at]), length) else {
                    return Read::Strange;
                };
                if self.what == What::Playlist && left > MAX_TEXT {
                    return Read::Strange;
                }
                let body = head.split_off(at);
                self.length = left;
                self.phase = Phase::Body { status, left };
                if self.what == What::Segment && status == 200 {
                    self.is_out_of_step |= body.first().is_some_and(|&first| first != 0x47);
                }
                self.take(&body, now)
            }
            Phase::Body { status, .. } => {
                if self.what == What::Playlist {
                    self.text.extend_from_slice(bytes);
                } else if let (200, Some(checker)) = (*status, &mut self.checker) {
                    checker.push(bytes, now, |_| ());
                }
                self.came(bytes.len())
            }
        }
    }

    /// So many bytes of the body have come.
    fn came(&mut self, count: usize) -> Read {
        let Phase::Body { status, left } = &mut self.phase else { return Read::Strange };
        let Some(rest) = left.checked_sub(count as u64) else { return Read::Strange };
        *left = rest;
        if self.what == What::Segment {
            self.bytes += count as u64;
        }
        if rest > 0 {
            return Read::Open;
        }
        let status = *status;
        self.phase = Phase::Idle;
        Read::Whole(status)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answered(what: What, answer: &[u8]) -> (Player, Read) {
        let mut player = Player::new(true, Mono(0));
        (player.what, player.phase) = (what, Phase::Head(Vec::new()));
        let mut read = Read::Open;
        for piece in answer.chunks(7) {
            assert_eq!(read, Read::Open);
            read = player.take(piece, Mono(0));
        }
        (player, read)
    }

    #[test]
    fn answers_are_whole_when_their_length_has_come() {
        let head = "HTTP/1.1 200 OK\r\ncontent-length: 188\r\n\r\n";
        let (player, read) = answered(What::Playlist, &[head.as_bytes(), &[b'x'; 188]].concat());
        assert_eq!((read, player.text.len(), player.bytes), (Read::Whole(200), 188, 0));
        let mut packet = [0xFF; 188];
        packet[..4].copy_from_slice(&[0x47, 1, 0, 0x10]);
        let (player, read) = answered(What::Segment, &[head.as_bytes(), &packet].concat());
        assert_eq!((read, player.bytes, player.is_out_of_step), (Read::Whole(200), 188, false));
        assert_eq!(player.checker.unwrap().counts().packets, 1);
        let (_, read) = answered(What::Segment, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n");
        assert_eq!(read, Read::Whole(404));
        assert_eq!(answered(What::Segment, &head.as_bytes()[..20]).1, Read::Open);
    }

    #[test]
    fn what_is_not_understood_is_said() {
        for strange in ["HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", "SSH-2.0\r\n\r\n"] {
            assert_eq!(answered(What::Segment, strange.as_bytes()).1, Read::Strange, "{strange}");
        }
        let more = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n12";
        assert_eq!(answered(What::Playlist, more).1, Read::Strange);
        let (player, _) = answered(What::Segment, b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n<h");
        assert!(player.is_out_of_step);
    }
}

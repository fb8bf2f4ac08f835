//! What Forebay is compared with: the plainest relay that is not foolish.
//!
//! One thread, one upstream, one ring of bytes in memory, and on each tick one `write` of all that is new to every
//! viewer. It looks at no more of the stream than it needs to begin a viewer at a key picture. Absolute figures differ from machine to machine
//! and from hour to hour; the ratio to this one's, measured in turn with it, says something about the server.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::time::Duration;

use anyhow::{Context, bail};

use crate::clock::Mono;
use crate::http;
use crate::sys::{self, Interest, Poller};
use crate::ts::{self, PACKET, Packet};

/// Bytes that are kept, for viewers who are late and for those who begin.
const RING: usize = 16 << 20;

/// Who is later than this begins again at the newest key picture.
const MAX_LATE: u64 = (RING as u64) * 3 / 4;

/// Bytes in a `write`, at most: all of a tick, since calls are what cost.
const WRITE: usize = 1 << 20;

/// How often the upstream is read at least, so that its socket's buffer never fills.
const READ_EVERY: Duration = Duration::from_millis(50);

const LISTENER: u64 = u64::MAX;

/// What the command line says.
#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// Where the stream comes from, such as `127.0.0.1:9000/one`.
    #[arg(long)]
    upstream: String,
    /// Address and port to listen on; any path is answered with the stream.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// Milliseconds from one tick to the next.
    #[arg(long, default_value_t = 250)]
    coalesce: u64,
}

/// Relays until the upstream ends.
pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    sys::raise_file_limit()?;
    let (address, path) = http::split_url(&args.upstream)?;
    let mut upstream = TcpStream::connect(address).context("cannot reach the upstream")?;
    write!(upstream, "GET {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n\r\n")?;
    let begins = read_head(&mut upstream)?;
    upstream.set_nonblocking(true)?;
    let listener = sys::listen(args.listen).with_context(|| format!("cannot listen on {}", args.listen))?;
    writeln!(io::stdout(), "listening on http://{}", listener.local_addr()?)?;
    let poller = Poller::new()?;
    poller.add(&listener, LISTENER, Interest::IN)?;
    let tick = Duration::from_millis(args.coalesce.max(1));
    let mut relay = Relay { ring: Ring::new(), viewers: Vec::new(), free: Vec::new(), poller, listener };
    relay.ring.push(&begins);
    let mut ready = Vec::new();
    let (mut next_tick, mut next_read) = (Mono::now(), Mono::now());
    let mut piece = vec![0; 256 * 1024];
    loop {
        let until = next_tick.min(next_read).0.saturating_sub(Mono::now().0);
        relay.poller.wait(Duration::from_nanos(until), &mut ready)?;
        for &(token, flags) in &ready {
            relay.handle(token, flags)?;
        }
        let now = Mono::now();
        if now >= next_read || now >= next_tick {
            next_read = now.plus(READ_EVERY.as_secs_f64());
            relay.ring.fill(&mut upstream, &mut piece)?;
        }
        if now >= next_tick {
            next_tick = now.plus(tick.as_secs_f64());
            for slot in 0..relay.viewers.len() {
                relay.send(slot)?;
            }
        }
    }
}

/// Reads the answer's head; what came behind it is returned.
fn read_head(upstream: &mut TcpStream) -> anyhow::Result<Vec<u8>> {
    let (mut bytes, mut piece) = (Vec::new(), [0; 4096]);
    loop {
        let count = upstream.read(&mut piece)?;
        bytes.extend_from_slice(&piece[..count]);
        if let Some(at) = http::body_at(&bytes) {
            return match http::answer(&bytes[..at]) {
                Some((200, false)) => Ok(bytes.split_off(at)),
                _ => bail!("the upstream has another answer than a plain stream"),
            };
        }
        if count == 0 || bytes.len() > http::MAX_HEAD {
            bail!("the upstream does not answer");
        }
    }
}

/// The newest bytes of the stream. Byte `n` lies at `n % RING`.
struct Ring {
    bytes: Vec<u8>,
    head: u64,
    /// A packet whose end has not come.
    partial: Vec<u8>,
    pat: Option<Packet>,
    pmt: Option<Packet>,
    /// Where the newest key picture begins, and the tables to send before it.
    entry: u64,
    tables: Vec<u8>,
}

impl Ring {
    fn new() -> Self {
        let (bytes, partial, tables) = (vec![0; RING], Vec::new(), Vec::new());
        Self { bytes, head: 0, partial, pat: None, pmt: None, entry: 0, tables }
    }

    fn fill(&mut self, upstream: &mut TcpStream, piece: &mut [u8]) -> anyhow::Result<()> {
        loop {
            match upstream.read(piece) {
                Ok(0) => bail!("the upstream ended"),
                Ok(count) => self.push(&piece[..count]),
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
                Err(error) => return Err(error).context("the upstream broke"),
            }
        }
    }

    fn push(&mut self, bytes: &[u8]) {
        let mut partial = std::mem::take(&mut self.partial);
        partial.extend_from_slice(bytes);
        let (packets, rest) = partial.as_chunks::<PACKET>();
        for packet in packets {
            self.note(packet);
            self.write(packet);
        }
        self.partial = rest.to_vec();
    }

    /// Remembers the tables, and where a viewer can begin.
    fn note(&mut self, packet: &Packet) {
        let pid = ts::pid(packet);
        // The PID of the first programme's map stands behind the header of a table that begins in this packet.
        let map_pid = self.pat.map(|pat| u16::from_be_bytes([pat[15] & 0x1F, pat[16]]));
        if pid == 0 && ts::starts_unit(packet) {
            self.pat = Some(*packet);
        } else if Some(pid) == map_pid && ts::starts_unit(packet) {
            self.pmt = Some(*packet);
        } else if ts::starts_key_picture(packet) {
            self.entry = self.head;
            self.tables = [self.pat, self.pmt].into_iter().flatten().flatten().collect();
        }
    }

    fn write(&mut self, packet: &Packet) {
        let at = self.place(self.head);
        let first = PACKET.min(RING - at);
        self.bytes[at..at + first].copy_from_slice(&packet[..first]);
        self.bytes[..PACKET - first].copy_from_slice(&packet[first..]);
        self.head += PACKET as u64;
    }

    #[allow(clippy::unused_self, reason = "a place means nothing without its ring")]
    fn place(&self, offset: u64) -> usize {
        usize::try_from(offset % RING as u64).expect("smaller than the ring")
    }

    /// What can be written at once from `offset` on.
    fn at(&self, offset: u64) -> &[u8] {
        let at = self.place(offset);
        let count = usize::try_from(self.head - offset).unwrap_or(RING).min(WRITE).min(RING - at);
        &self.bytes[at..at + count]
    }
}

struct Relay {
    ring: Ring,
    viewers: Vec<Option<Viewer>>,
    free: Vec<usize>,
    poller: Poller,
    listener: TcpListener,
}

struct Viewer {
    socket: TcpStream,
    /// The request so far, until it is answered.
    head: Option<Vec<u8>>,
    /// The next byte to send.
    offset: u64,
    is_blocked: bool,
}

impl Relay {
    fn handle(&mut self, token: u64, flags: Interest) -> anyhow::Result<()> {
        if token == LISTENER {
            return self.accept();
        }
        let slot = usize::try_from(token)?;
        let Some(viewer) = self.viewers.get_mut(slot).and_then(Option::as_mut) else { return Ok(()) };
        if flags.intersects(Interest::RDHUP | Interest::HUP | Interest::ERR) {
            self.close(slot);
        } else if viewer.head.is_some() {
            self.read(slot)?;
        } else if viewer.is_blocked {
            viewer.is_blocked = false;
            self.poller.modify(&viewer.socket, token, Interest::RDHUP)?;
            self.send(slot)?;
        }
        Ok(())
    }

    fn accept(&mut self) -> anyhow::Result<()> {
        while let Ok((socket, _)) = self.listener.accept() {
            socket.set_nonblocking(true)?;
            socket.set_nodelay(true)?;
            let slot = self.free.pop().unwrap_or(self.viewers.len());
            self.poller.add(&socket, slot as u64, Interest::IN | Interest::RDHUP)?;
            if slot == self.viewers.len() {
                self.viewers.push(None);
            }
            self.viewers[slot] =
                Some(Viewer { socket, head: Some(Vec::new()), offset: 0, is_blocked: false });
        }
        Ok(())
    }

    fn read(&mut self, slot: usize) -> anyhow::Result<()> {
        let Some(viewer) = &mut self.viewers[slot] else { return Ok(()) };
        let Some(head) = &mut viewer.head else { return Ok(()) };
        let mut piece = [0; 4096];
        match viewer.socket.read(&mut piece) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(()),
            Ok(count) if count > 0 && head.len() < http::MAX_HEAD => head.extend_from_slice(&piece[..count]),
            _ => {
                self.close(slot);
                return Ok(());
            }
        }
        if http::body_at(head).is_none() {
            return Ok(());
        }
        let mut answer = b"HTTP/1.1 200 OK\r\nContent-Type: video/mp2t\r\nConnection: close\r\n\r\n".to_vec();
        answer.extend_from_slice(&self.ring.tables);
        viewer.head = None;
        viewer.offset = if self.ring.tables.is_empty() { self.ring.head } else { self.ring.entry };
        self.poller.modify(&viewer.socket, slot as u64, Interest::RDHUP)?;
        if viewer.socket.write_all(&answer).is_err() {
            self.close(slot);
            return Ok(());
        }
        self.send(slot)
    }

    /// Sends what there is, as far as the viewer takes it.
    fn send(&mut self, slot: usize) -> anyhow::Result<()> {
        let Some(viewer) = &mut self.viewers[slot] else { return Ok(()) };
        if viewer.head.is_some() || viewer.is_blocked {
            return Ok(());
        }
        if self.ring.head - viewer.offset > MAX_LATE {
            viewer.offset = self.ring.entry;
        }
        while viewer.offset < self.ring.head {
            let bytes = self.ring.at(viewer.offset);
            let sent = match viewer.socket.write(bytes) {
                Ok(sent) => sent,
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => 0,
                Err(_) => {
                    self.close(slot);
                    return Ok(());
                }
            };
            viewer.offset += sent as u64;
            if sent < bytes.len() {
                viewer.is_blocked = true;
                self.poller.modify(&viewer.socket, slot as u64, Interest::OUT | Interest::RDHUP)?;
                break;
            }
        }
        Ok(())
    }

    fn close(&mut self, slot: usize) {
        self.viewers[slot] = None;
        self.free.push(slot);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::build;

    #[test]
    fn the_ring_holds_the_newest_bytes_across_its_end() {
        let mut ring = Ring::new();
        let count = RING / PACKET * 2 + 7;
        for at in 0..count {
            let counter = at.to_le_bytes()[0] & 15;
            // Cut anywhere: only whole packets count.
            let packet = build::plain(0x100, counter);
            ring.push(&packet[..50]);
            ring.push(&packet[50..]);
        }
        assert_eq!(ring.head, (count * PACKET) as u64);
        let (mut offset, mut bytes) = (ring.head - 8 * (1 << 20) / PACKET as u64 * PACKET as u64, Vec::new());
        while offset < ring.head {
            let part = ring.at(offset);
            assert!(!part.is_empty() && part.len() <= WRITE);
            bytes.extend_from_slice(part);
            offset += part.len() as u64;
        }
        let (packets, rest) = bytes.as_chunks::<PACKET>();
        assert!(rest.is_empty());
        assert!(packets.windows(2).all(|two| ts::counter(&two[1]) == (ts::counter(&two[0]) + 1) % 16));
    }

    #[test]
    fn viewers_begin_at_the_newest_key_picture_with_its_tables() {
        let (mut pat, mut pmt) = (build::plain(0, 0), build::plain(0x1000, 0));
        pat[1] |= 0x40;
        pat[15..17].copy_from_slice(&[0xF0, 0x00]);
        pmt[1] |= 0x40;
        let mut ring = Ring::new();
        for packet in [pat, pmt, build::plain(0x100, 0), build::key(0x100, 1, 0), build::plain(0x100, 2)] {
            ring.push(&packet);
        }
        assert_eq!(ring.entry, 3 * PACKET as u64);
        assert_eq!(ring.tables, [pat, pmt].concat());
    }
}

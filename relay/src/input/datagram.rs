//! `udp://` and `rtp://`: a transport stream in datagrams, to this machine or to a multicast group.
//!
//! Either scheme takes both: each datagram says itself whether it is one of RTP. Those of RTP are
//! put in order again; one that is missing is waited for as long as `WINDOW`, and what is lost
//! then is counted. A group is left when the source is closed, so a source that stands still and is
//! opened again has joined anew.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use forebay_core::ingest::Pace;
use forebay_core::rtp::{Counts, Packet, Reorder};
use forebay_core::time::Moment;
use futures_util::{StreamExt, stream};
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep_until};

use super::{Error, Piece, SocketGuard, Upstream};
use crate::model::Datagrams;

/// How long a packet that is missing is waited for: far more than switches and Wi-Fi reorder.
const WINDOW: Duration = Duration::from_millis(100);

/// What the kernel may keep until it is read: half a second of 60 Mbit/s. It gives what it allows.
const RECEIVE_BUFFER: usize = 4 << 20;

/// The largest datagram.
const MAX_DATAGRAM: usize = 65_536;

/// What is allocated at once: room for some 700 datagrams of seven packets.
const CHUNK: usize = 1 << 20;

/// A datagram of a transport stream begins with this.
const SYNC: u8 = 0x47;

/// Packets of RTP of all sources since the start.
static RECEIVED: AtomicU64 = AtomicU64::new(0);
static REORDERED: AtomicU64 = AtomicU64::new(0);
static LATE: AtomicU64 = AtomicU64::new(0);
static LOST: AtomicU64 = AtomicU64::new(0);

/// What has become of the packets of RTP of all sources since the start.
pub fn counts() -> Counts {
    let [received, reordered, late, lost] =
        [&RECEIVED, &REORDERED, &LATE, &LOST].map(|count| count.load(Ordering::Relaxed));
    Counts { received, reordered, late, lost }
}

pub(super) fn open(wanted: &Datagrams, hold: SocketGuard) -> Result<Upstream, Error> {
    let socket = bind(wanted).map_err(|error| Error::Unreachable(error.to_string()))?;
    let receiver = Receiver {
        socket,
        buffer: BytesMut::new(),
        reorder: Reorder::new(WINDOW),
        told: Counts::default(),
        begun: Instant::now(),
    };
    let pieces = stream::try_unfold(receiver, |mut receiver| async move {
        let piece = receiver.next().await.map_err(|error| Error::Broken(error.to_string()))?;
        Ok(Some((Piece::Bytes(piece), receiver)))
    });
    Ok(Upstream::new(pieces.boxed(), Pace::Live, hold))
}

/// A socket that receives what is wanted.
fn bind(wanted: &Datagrams) -> io::Result<UdpSocket> {
    let address = SocketAddr::new(wanted.address, wanted.port);
    let socket = Socket::new(Domain::for_address(address), Type::DGRAM, Some(Protocol::UDP))?;
    socket.set_nonblocking(true)?;
    // What is not allowed is not needed: it is more room for bursts.
    let _ = socket.set_recv_buffer_size(RECEIVE_BUFFER);
    if wanted.address.is_multicast() {
        // Other programs may want the group, too.
        socket.set_reuse_address(true)?;
    }
    // Bound to the group itself, a socket hears no other group of this port.
    socket.bind(&address.into())?;
    join(&socket, wanted)?;
    UdpSocket::from_std(socket.into())
}

/// Joins the group, if it is one.
fn join(socket: &Socket, wanted: &Datagrams) -> io::Result<()> {
    let interface = wanted.interface.as_deref();
    match (wanted.address, wanted.sender) {
        (IpAddr::V4(group), None) if group.is_multicast() => {
            let on = match interface {
                None => InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED),
                Some(name) => match name.parse() {
                    Ok(address) => InterfaceIndexOrAddress::Address(address),
                    Err(_) => InterfaceIndexOrAddress::Index(index_of(socket, name)?),
                },
            };
            socket.join_multicast_v4_n(&group, &on)
        }
        (IpAddr::V4(group), Some(IpAddr::V4(sender))) if group.is_multicast() => {
            let on = interface.map_or(Ok(Ipv4Addr::UNSPECIFIED), |name| {
                let why = "a group with a sender needs the address of the interface, not its name";
                name.parse().map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, why))
            })?;
            socket.join_ssm_v4(&sender, &group, &on)
        }
        (IpAddr::V6(group), None) if group.is_multicast() => {
            let on = interface.map_or(Ok(0), |name| index_of(socket, name))?;
            socket.join_multicast_v6(&group, on)
        }
        (_, Some(_)) => {
            let why = "a sender can be named of an IPv4 group only";
            Err(io::Error::new(io::ErrorKind::InvalidInput, why))
        }
        (_, None) => Ok(()),
    }
}

fn index_of(socket: &Socket, name: &str) -> io::Result<u32> {
    rustix::net::netdevice::name_to_index(socket, name).map_err(|error| {
        io::Error::new(io::ErrorKind::NotFound, format!("there is no interface {name:?}: {error}"))
    })
}

/// Receives datagrams.
struct Receiver {
    socket: UdpSocket,
    buffer: BytesMut,
    reorder: Reorder<Bytes>,
    /// What the counters of all sources have of ours.
    told: Counts,
    begun: Instant,
}

impl Receiver {
    /// The next bytes of the stream.
    async fn next(&mut self) -> io::Result<Bytes> {
        loop {
            let now = Moment::new(self.begun.elapsed());
            if let Some(bytes) = self.reorder.poll(now) {
                self.tell();
                return Ok(bytes);
            }
            let due = self.reorder.poll_timeout().map(|due| self.begun + due.elapsed());
            let received = async {
                // Not for each datagram: what is left of a chunk is used first.
                if self.buffer.capacity() < MAX_DATAGRAM {
                    self.buffer.reserve(CHUNK);
                }
                self.socket.recv_buf(&mut self.buffer).await
            };
            tokio::select! {
                biased;
                received = received => { received?; }
                // The packet that is missing is waited for no longer.
                () = async { sleep_until(due.expect("asked for below")).await }, if due.is_some() => continue,
            }
            let datagram = self.buffer.split().freeze();
            if datagram.first() == Some(&SYNC) {
                return Ok(datagram);
            }
            // What is neither is left out: somebody else's, on our port.
            let Some(packet) = Packet::parse(&datagram) else { continue };
            if packet.payload.first() == Some(&SYNC) {
                let (ssrc, sequence) = (packet.ssrc, packet.sequence);
                let payload = datagram.slice_ref(packet.payload);
                self.reorder.push(Moment::new(self.begun.elapsed()), ssrc, sequence, payload);
            }
        }
    }

    /// Adds what is new to the counters of all sources.
    fn tell(&mut self) {
        let now = self.reorder.counts();
        let told = std::mem::replace(&mut self.told, now);
        for (total, more) in [
            (&RECEIVED, now.received - told.received),
            (&REORDERED, now.reordered - told.reordered),
            (&LATE, now.late - told.late),
            (&LOST, now.lost - told.lost),
        ] {
            total.fetch_add(more, Ordering::Relaxed);
        }
    }
}

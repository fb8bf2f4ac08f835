//! Answers to programs that look for tuners in their network: by the vendor's protocol, and by
//! SSDP.
//!
//! Only programs in private networks are answered: an answer is longer than its question, and
//! whoever writes another's address into a question must not have us send it there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as StdSocket};
use std::time::Duration;

use forebay_core::address::is_public;
use forebay_core::discovery::{hdhomerun, ssdp};
use forebay_core::tuners::DeviceId;
use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::InForce;
use crate::db::{Database, Error, tuners};

/// Questions that are answered in a second: a network has some programs, each of which asks a few
/// times.
const MAX_A_SECOND: u32 = 20;

/// The pause after a socket has failed, as it does when the network goes.
const PAUSE: Duration = Duration::from_secs(1);

/// Answers programs that look for tuners.
#[derive(Debug, Clone)]
pub struct Discovery {
    config: InForce,
    database: Database,
    /// Where the server listens.
    server: SocketAddr,
}

/// A device as it is told of.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Found {
    id: DeviceId,
    /// Without a slash at the end.
    base: String,
}

/// What is asked at a port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Hdhomerun,
    Ssdp,
}

impl Kind {
    fn port(self) -> u16 {
        match self {
            Self::Hdhomerun => hdhomerun::PORT,
            Self::Ssdp => ssdp::PORT,
        }
    }

    /// Whether somebody looks for tuners, by what it says alone.
    fn is_question(self, packet: &[u8]) -> bool {
        match self {
            Self::Hdhomerun => hdhomerun::Question::read(packet).is_some(),
            Self::Ssdp => ssdp::Search::read(packet).is_some(),
        }
    }
}

/// How many questions of this second were answered.
#[derive(Debug)]
struct Pace {
    since: Instant,
    answered: u32,
    /// Questions that were not answered, since the start.
    refused: u64,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), answered: 0, refused: 0 }
    }

    /// Whether one more is answered.
    fn takes(&mut self) -> bool {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.answered) = (Instant::now(), 0);
        }
        self.answered += 1;
        let is_taken = self.answered <= MAX_A_SECOND;
        if !is_taken {
            self.refused += 1;
            debug!(refused = self.refused, "too many programs look for tuners: not answered");
        }
        is_taken
    }
}

impl Discovery {
    /// For the devices of the server that listens at `server`.
    pub fn new(config: InForce, database: Database, server: SocketAddr) -> Self {
        Self { config, database, server }
    }

    /// Answers until `stop`, if the configuration says so when this begins.
    pub async fn run(&self, stop: CancellationToken) {
        let settings = self.config.get().hdhomerun.clone();
        if settings.is_on && settings.is_discoverable {
            let both = async { tokio::join!(self.listen(Kind::Hdhomerun), self.listen(Kind::Ssdp)) };
            stop.run_until_cancelled(both).await;
        }
        // Where no port is to be had, there is nothing to do either.
        stop.cancelled().await;
    }

    /// Answers what is asked at one port. Ends where the port cannot be had: another program may
    /// answer there already, and the rest of the server is of use without.
    async fn listen(&self, kind: Kind) {
        let (port, address) = (kind.port(), self.address());
        let socket = match bind(kind, address).and_then(UdpSocket::from_std) {
            Ok(socket) => socket,
            Err(error) => {
                warn!(port, %error, "cannot listen for programs that look for tuners");
                return;
            }
        };
        info!(%address, port, "programs can find the tuners");
        let (mut packet, mut pace) = ([0; ssdp::MAX_PACKET], Pace::new());
        loop {
            let (length, peer) = match socket.recv_from(&mut packet).await {
                Ok(received) => received,
                Err(error) => {
                    // That of an answer that nobody took arrives here, too.
                    debug!(port, %error, "a question for tuners did not come");
                    sleep(PAUSE).await;
                    continue;
                }
            };
            if is_public(peer.ip()) || !kind.is_question(&packet[..length]) || !pace.takes() {
                continue;
            }
            match self.answers(kind, &packet[..length], peer).await {
                Ok(answers) => {
                    for answer in answers {
                        if let Err(error) = socket.send_to(&answer, peer).await {
                            debug!(port, %error, "an answer about tuners cannot be sent");
                        }
                    }
                }
                Err(error) => debug!(port, %error, "the tuners cannot be read"),
            }
        }
    }

    /// Where it listens: a server that is for this machine alone is not told of to others.
    fn address(&self) -> Ipv4Addr {
        match self.server.ip() {
            IpAddr::V4(address) if address.is_loopback() => address,
            IpAddr::V6(address) if address.is_loopback() => Ipv4Addr::LOCALHOST,
            // Questions to everybody arrive only where nothing more is said.
            _ => Ipv4Addr::UNSPECIFIED,
        }
    }

    /// The packets that answer a question.
    async fn answers(&self, kind: Kind, packet: &[u8], peer: SocketAddr) -> Result<Vec<Vec<u8>>, Error> {
        let count = super::count(&self.config.get());
        let all = self.devices(peer).await?;
        let answers = all.into_iter().filter_map(|Found { id, base }| match kind {
            Kind::Hdhomerun => {
                let question = hdhomerun::Question::read(packet)?;
                let tuners = u8::try_from(count).unwrap_or(u8::MAX).max(1);
                let device = hdhomerun::Device { id, tuners, base_url: base };
                question.is_for(&device.id).then(|| device.write())
            }
            Kind::Ssdp => {
                let search = ssdp::Search::read(packet)?;
                let answer = search.answer(&id.to_string(), &format!("{base}/device.xml"))?;
                Some(answer.into_bytes())
            }
        });
        Ok(answers.collect())
    }

    /// The devices, at addresses that `peer` can reach.
    async fn devices(&self, peer: SocketAddr) -> Result<Vec<Found>, Error> {
        let base = match &self.config.get().server.public_url {
            Some(url) => url.as_str().trim_end_matches('/').to_owned(),
            None => format!("http://{}:{}", self.local(peer), self.server.port()),
        };
        let mut all = Vec::new();
        for device in self.database.read(tuners::devices).await? {
            if let Some(id) = super::device_id(&self.database, device).await? {
                let below = if device == 1 { String::new() } else { format!("/hdhr/{device}") };
                all.push(Found { id, base: format!("{base}{below}") });
            }
        }
        Ok(all)
    }

    /// Our address, as `peer` sees it.
    fn local(&self, peer: SocketAddr) -> IpAddr {
        if !self.server.ip().is_unspecified() {
            return self.server.ip();
        }
        // The way there is asked for; nothing is sent.
        let way = StdSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
            socket.connect(peer)?;
            socket.local_addr()
        });
        way.map_or_else(|_| self.server.ip(), |address| address.ip())
    }
}

fn bind(kind: Kind, address: Ipv4Addr) -> io::Result<StdSocket> {
    let socket = Socket::new(Domain::IPV4, Type::DGRAM, Some(Protocol::UDP))?;
    if kind == Kind::Ssdp {
        // The port is for all programs of a machine.
        socket.set_reuse_address(true)?;
    }
    socket.set_nonblocking(true)?;
    socket.bind(&SocketAddr::from((address, kind.port())).into())?;
    if kind == Kind::Ssdp
        && let Err(error) = socket.join_multicast_v4(&ssdp::GROUP, &address)
    {
        // Programs may still ask this address alone.
        warn!(%error, "cannot hear searches that are meant for everybody");
    }
    Ok(socket.into())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_questions_is_not_answered() {
        let mut pace = Pace::new();
        assert_eq!((0..100).filter(|_| pace.takes()).count(), 20);
        assert_eq!(pace.refused, 80);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(pace.takes());
    }
}

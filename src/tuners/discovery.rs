//! Answers to programs that look for tuners in their network: by the vendor's protocol, and by
//! SSDP.
//!
//! Only programs in private networks are answered: an answer is longer than its question, and
//! whoever writes another's address into a question must not have us send it there.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, UdpSocket as StdSocket};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use forebay_core::address::is_public;
use forebay_core::discovery::{hdhomerun, ssdp};
use forebay_core::tuners::DeviceId;
use socket2::{Domain, InterfaceIndexOrAddress, Protocol, SockRef, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;
use tracing::{debug, info, warn};

use crate::config::InForce;
use crate::db::{Database, Error, tuners};

/// Answers in a second: a network has some programs, each of which asks a few times. A question
/// that begins within it is answered to its end, by each device.
const MAX_A_SECOND: usize = 20;

/// The pause after a socket has failed, as it does when the network goes.
const PAUSE: Duration = Duration::from_secs(1);

/// How often the group of SSDP is joined: an interface may come, and a failure may go.
const JOIN_INTERVAL: Duration = Duration::from_mins(1);

/// Answers programs that look for tuners.
#[derive(Debug, Clone)]
pub struct Discovery {
    config: InForce,
    database: Database,
    /// Where the server listens.
    server: SocketAddr,
    refused: Refused,
}

/// Questions that were not answered since there were too many, since the start. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub struct Refused(Arc<AtomicU64>);

impl Refused {
    /// How many there were.
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    fn note(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }
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

    /// What somebody wants to know who looks for tuners.
    fn read(self, packet: &[u8]) -> Option<Question> {
        match self {
            Self::Hdhomerun => hdhomerun::Question::read(packet).map(Question::Hdhomerun),
            Self::Ssdp => ssdp::Search::read(packet).map(Question::Ssdp),
        }
    }
}

/// What a program asks.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Question {
    Hdhomerun(hdhomerun::Question),
    Ssdp(ssdp::Search),
}

impl Question {
    /// The packet with which this device answers, if it is meant.
    fn answer(&self, Found { id, base }: Found, tuners: u8) -> Option<Vec<u8>> {
        match self {
            Self::Hdhomerun(question) => {
                let device = hdhomerun::Device { id, tuners, base_url: base };
                question.is_for(&device.id).then(|| device.write())
            }
            Self::Ssdp(search) => {
                let answer = search.answer(&id.to_string(), &format!("{base}/device.xml"))?;
                Some(answer.into_bytes())
            }
        }
    }
}

/// How many answers there were in this second.
#[derive(Debug)]
struct Pace {
    since: Instant,
    answered: usize,
}

impl Pace {
    fn new() -> Self {
        Self { since: Instant::now(), answered: 0 }
    }

    /// Whether one more question is looked at, which counts as one answer.
    fn takes(&mut self) -> bool {
        if self.since.elapsed() >= Duration::from_secs(1) {
            (self.since, self.answered) = (Instant::now(), 0);
        }
        let is_taken = self.answered < MAX_A_SECOND;
        self.answered += usize::from(is_taken);
        is_taken
    }

    /// The question has so many answers.
    fn count(&mut self, answers: usize) {
        self.answered += answers.saturating_sub(1);
    }
}

impl Discovery {
    /// For the devices of the server that listens at `server`.
    pub fn new(config: InForce, database: Database, server: SocketAddr, refused: Refused) -> Self {
        Self { config, database, server, refused }
    }

    /// Answers until `stop`, if the configuration says so when this begins.
    pub async fn run(&self, stop: CancellationToken) {
        if self.is_on() {
            let both = async { tokio::join!(self.listen(Kind::Hdhomerun), self.listen(Kind::Ssdp)) };
            stop.run_until_cancelled(both).await;
        }
        // Where no port is to be had, there is nothing to do either.
        stop.cancelled().await;
    }

    fn is_on(&self) -> bool {
        let config = self.config.get();
        config.hdhomerun.is_on && config.hdhomerun.is_discoverable
    }

    /// Answers what is asked at one port. Returns if the port is taken; the rest of the server
    /// works without discovery.
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
        match kind {
            Kind::Hdhomerun => self.answer_all(kind, &socket).await,
            Kind::Ssdp => _ = tokio::join!(self.answer_all(kind, &socket), self.stay_in_group(&socket)),
        }
    }

    /// Joins the group of SSDP again and again.
    async fn stay_in_group(&self, socket: &UdpSocket) {
        let mut is_in = true;
        loop {
            let joined = join(socket, self.interfaces());
            if let Err(error) = &joined
                && is_in
            {
                // Programs may still ask this address alone.
                warn!(%error, "cannot hear searches that are meant for everybody");
            }
            is_in = joined.is_ok();
            sleep(JOIN_INTERVAL).await;
        }
    }

    async fn answer_all(&self, kind: Kind, socket: &UdpSocket) {
        let port = kind.port();
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
            let question = kind.read(&packet[..length]);
            // The configuration may have changed since this began.
            let Some(question) = question.filter(|_| !is_public(peer.ip()) && self.is_on()) else { continue };
            if !pace.takes() {
                self.refused.note();
                continue;
            }
            let answers = match self.answers(&question, peer).await {
                Ok(answers) => answers,
                Err(error) => {
                    debug!(port, %error, "the tuners cannot be read");
                    continue;
                }
            };
            pace.count(answers.len());
            for answer in answers {
                if let Err(error) = socket.send_to(&answer, peer).await {
                    debug!(port, %error, "an answer about tuners cannot be sent");
                }
            }
        }
    }

    /// The address to bind. A server on loopback answers only there.
    fn address(&self) -> Ipv4Addr {
        match self.server.ip() {
            IpAddr::V4(address) if address.is_loopback() => address,
            IpAddr::V6(address) if address.is_loopback() => Ipv4Addr::LOCALHOST,
            // Questions to everybody arrive only where nothing more is said.
            _ => Ipv4Addr::UNSPECIFIED,
        }
    }

    /// Where searches for everybody are heard: at the address of the server, else everywhere.
    fn interfaces(&self) -> Vec<InterfaceIndexOrAddress> {
        match self.server.ip() {
            IpAddr::V4(address) if !address.is_unspecified() => {
                vec![InterfaceIndexOrAddress::Address(address)]
            }
            IpAddr::V6(address) if address.is_loopback() => {
                vec![InterfaceIndexOrAddress::Address(Ipv4Addr::LOCALHOST)]
            }
            _ => interfaces(),
        }
    }

    /// The packets that answer a question.
    async fn answers(&self, question: &Question, peer: SocketAddr) -> Result<Vec<Vec<u8>>, Error> {
        let tuners = u8::try_from(super::count(&self.config.get())).unwrap_or(u8::MAX).max(1);
        let Some(base) = self.base(peer) else { return Ok(Vec::new()) };
        let mut all = Vec::new();
        for (device, id) in self.database.read(tuners::devices).await? {
            let id = match id {
                Some(id) => Some(id),
                // Nobody has asked for it yet.
                None => super::device_id(&self.database, device).await?,
            };
            let below = if device == 1 { String::new() } else { format!("/hdhr/{device}") };
            let found = id.map(|id| Found { id, base: format!("{base}{below}") });
            all.extend(found.and_then(|found| question.answer(found, tuners)));
        }
        Ok(all)
    }

    /// What addresses of the server begin with, without a slash at the end; `None` where it has
    /// none that `peer` can reach.
    fn base(&self, peer: SocketAddr) -> Option<String> {
        match &self.config.get().server.public_url {
            Some(url) => Some(url.as_str().trim_end_matches('/').to_owned()),
            None => Some(format!("http://{}", SocketAddr::new(self.local(peer)?, self.server.port()))),
        }
    }

    /// Our address, as `peer` sees it.
    fn local(&self, peer: SocketAddr) -> Option<IpAddr> {
        let own = self.server.ip().to_canonical();
        if !own.is_unspecified() {
            // Questions come by IPv4 alone, and whoever asks need not have IPv6.
            return Some(own).filter(IpAddr::is_ipv4);
        }
        // The way there is asked for; nothing is sent.
        let way = StdSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).and_then(|socket| {
            socket.connect(peer)?;
            socket.local_addr()
        });
        way.ok().map(|address| address.ip()).filter(|address| !address.is_unspecified())
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
    Ok(socket.into())
}

/// Joins the group of SSDP on these interfaces. Fails where that was possible on none of them.
fn join(socket: &UdpSocket, interfaces: Vec<InterfaceIndexOrAddress>) -> io::Result<()> {
    let socket = SockRef::from(socket);
    let mut outcome = Err(io::Error::new(io::ErrorKind::NotFound, "there is no network"));
    for interface in interfaces {
        match socket.join_multicast_v4_n(&ssdp::GROUP, &interface) {
            Ok(()) => outcome = Ok(()),
            // It is in there already.
            Err(error) if error.kind() == io::ErrorKind::AddrInUse => outcome = Ok(()),
            // Some interfaces know no groups.
            Err(error) => outcome = outcome.or(Err(error)),
        }
    }
    outcome
}

/// The interfaces of this machine; that of the route of groups where nothing is known of them.
fn interfaces() -> Vec<InterfaceIndexOrAddress> {
    let folders = std::fs::read_dir("/sys/class/net").into_iter().flatten().flatten();
    let numbers = folders.filter_map(|folder| {
        let path = folder.path();
        // A part of a bridge has no address of its own, and containers have many.
        let is_part = path.join("master").exists();
        let number = std::fs::read_to_string(path.join("ifindex")).ok()?.trim().parse().ok()?;
        (!is_part).then_some(InterfaceIndexOrAddress::Index(number))
    });
    let mut all: Vec<_> = numbers.collect();
    if all.is_empty() {
        all.push(InterfaceIndexOrAddress::Address(Ipv4Addr::UNSPECIFIED));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    #[tokio::test(start_paused = true)]
    async fn a_flood_of_questions_is_not_answered() {
        let mut pace = Pace::new();
        assert_eq!((0..100).filter(|_| pace.takes()).count(), 20);
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(pace.takes());
        // It is answered by so many devices, and nothing else in this second.
        pace.count(100);
        assert!(!pace.takes());
        tokio::time::advance(Duration::from_secs(1)).await;
        assert!(pace.takes());
        pace.count(0);
        assert_eq!((0..100).filter(|_| pace.takes()).count(), 19);
    }

    fn discovery(server: &str, config: &str) -> (Discovery, tempfile::TempDir) {
        let folder = tempfile::tempdir().expect("a folder");
        let database = Database::open(&folder.path().join("data")).expect("a database");
        let config = InForce::new(Arc::new(Config::parse(config, folder.path()).expect("it is good")));
        let server = server.parse().expect("an address");
        (Discovery::new(config, database, server, Refused::default()), folder)
    }

    #[tokio::test]
    async fn addresses_can_be_opened_or_are_not_told() {
        let peer = "127.0.0.1:5000".parse().unwrap();
        for (server, config, expected) in [
            ("192.0.2.7:80", "", Some("http://192.0.2.7:80")),
            ("0.0.0.0:8080", "", Some("http://127.0.0.1:8080")),
            ("[::]:8080", "", Some("http://127.0.0.1:8080")),
            ("[::ffff:192.0.2.7]:8080", "", Some("http://192.0.2.7:8080")),
            ("[2001:db8::7]:8080", "", None),
            (
                "[2001:db8::7]:8080",
                "[server]\npublic_url = 'https://tv.example/a/'\n",
                Some("https://tv.example/a"),
            ),
        ] {
            let (discovery, _folder) = discovery(server, config);
            assert_eq!(discovery.base(peer).as_deref(), expected, "{server}");
        }
        let (everywhere, _folder) = discovery("0.0.0.0:8080", "");
        // No way leads there by IPv4.
        assert_eq!(everywhere.base("[2001:db8::1]:5000".parse().unwrap()), None);
    }

    #[tokio::test]
    async fn the_group_is_joined_where_the_server_is() {
        let (one, _folder) = discovery("192.0.2.7:8080", "");
        assert_eq!(one.interfaces().len(), 1);
        assert!(
            matches!(one.interfaces()[0], InterfaceIndexOrAddress::Address(it) if it == Ipv4Addr::new(192, 0, 2, 7))
        );
        let (everywhere, _folder) = discovery("0.0.0.0:8080", "");
        let all = everywhere.interfaces();
        assert!(all.iter().all(|it| matches!(it, InterfaceIndexOrAddress::Index(_))), "{}", all.len());
        let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)).await.unwrap();
        // Again and again, and one of them is wrong.
        for _ in 0..2 {
            let wrong = InterfaceIndexOrAddress::Address(Ipv4Addr::new(192, 0, 2, 7));
            join(&socket, [vec![wrong], everywhere.interfaces()].concat()).unwrap();
        }
        assert!(join(&socket, one.interfaces()).is_err());
    }
}

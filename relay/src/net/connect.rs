//! From an address to a connection: looking up the name, TCP, the way through a proxy, TLS.

use std::fmt;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use forebay_core::address;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use url::{Host, Url};

use super::network::{Network, System};
use super::peer::Peer;
use super::race::race;
use super::{Connection, Credentials, Error, Form, SocketGuard, proxy};
use crate::model::{Proxy, ProxyKind, Trust};

/// Silence after which the kernel asks whether the other end is still there, and how often it asks
/// before the connection counts as broken: for a machine that went away without a word, where
/// nothing else notices.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;

/// How long the other end may leave what was sent unacknowledged.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes connections.
#[derive(Clone)]
pub struct Connector {
    network: Arc<dyn Network>,
    tls: TlsConnector,
    /// For servers whose certificates do not matter.
    unverified: TlsConnector,
}

/// How a server is reached.
#[derive(Debug, Clone)]
pub struct Route<'a> {
    /// Which addresses may be connected to.
    pub reach: Reach,
    /// A proxy on the way.
    pub proxy: Option<&'a Proxy>,
    /// What is made of the server's certificate.
    pub trust: Trust,
}

impl Route<'_> {
    /// Anywhere, without a proxy, to whoever can be trusted.
    pub const DIRECT: Self = Self { reach: Reach::Everywhere, proxy: None, trust: Trust::Verify };
}

/// Which addresses may be connected to, whatever name leads there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reach {
    /// Any.
    Everywhere,
    /// Those of the internet, and these besides.
    Internet {
        /// Addresses that may be reached wherever they are.
        besides: Vec<SocketAddr>,
    },
}

impl Reach {
    fn has(&self, peer: Peer) -> bool {
        match self {
            Self::Everywhere => true,
            Self::Internet { besides } => peer.is_public || besides.contains(&peer.address),
        }
    }
}

impl fmt::Debug for Connector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connector").finish_non_exhaustive()
    }
}

impl Connector {
    /// Over TLS, whoever is vouched for as `tls` says is trusted.
    pub fn new(tls: ClientConfig) -> Self {
        Self::within(Arc::new(System), tls)
    }

    /// As [`new`](Self::new), in a network of one's own.
    pub(crate) fn within(network: Arc<dyn Network>, tls: ClientConfig) -> Self {
        let connector = |mut tls: ClientConfig| {
            // The only protocol that is spoken here; a server that has others must choose it (RFC
            // 7301).
            tls.alpn_protocols = vec![b"http/1.1".to_vec()];
            TlsConnector::from(Arc::new(tls))
        };
        Self { network, tls: connector(tls), unverified: connector(crate::net::trust::unverified_config()) }
    }

    /// Connects to the host of an http or https address by `route`, whose reach is asked about the
    /// address that its name resolves to now. `hold` is kept as long as a socket is open: until the
    /// connection is dropped, or the attempt.
    ///
    /// While a name with several addresses is tried, more than one socket may be connecting; but
    /// one is left, and the others are closed, before anything is sent. So a server never gets more
    /// than one request.
    pub async fn connect(&self, url: &Url, route: Route<'_>, hold: SocketGuard) -> Result<Connection, Error> {
        let (host, port) = url.host().zip(url.port_or_known_default()).ok_or_else(no_address)?;
        let is_tls = url.scheme() == "https";
        let (tcp, peer, form) = match route.proxy {
            None => {
                let (tcp, peer) = self.open(&host, port, &route.reach).await?;
                (tcp, peer, Form::Origin)
            }
            Some(proxy) => self.through(proxy, &host, port, &route.reach, is_tls).await?,
        };
        let socket = if is_tls {
            Either::Right(Box::new(self.shake_hands(tcp, host, route.trust).await?))
        } else {
            Either::Left(tcp)
        };
        Connection::begin(socket, peer, form, hold).await
    }

    /// Connects to a host that speaks something else than HTTP, wherever it is.
    pub async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, Error> {
        Ok(self.open(&Host::Domain(host), port, &Reach::Everywhere).await?.0)
    }

    /// Connects to one of the addresses of a host that are within `reach`.
    async fn open(&self, host: &Host<&str>, port: u16, reach: &Reach) -> Result<(TcpStream, Peer), Error> {
        // An IPv6 address is looked up without its brackets.
        let name = literal(host).map_or_else(|| host.to_string(), |address| address.to_string());
        let mut addresses =
            self.network.look_up(name, port).await.map_err(|error| Error::connecting(&error))?;
        let count = addresses.len();
        // Whether one is public is asked only where it matters; of one, it is asked again when it
        // is known which.
        addresses.retain(|&address| *reach == Reach::Everywhere || reach.has(self.peer(address)));
        if addresses.is_empty() && count > 0 {
            return Err(Error::Private);
        }
        // Only addresses within reach are raced: connecting
        // alone would tell that something listens there.
        let tcp = race(addresses, connect_to).await.map_err(|error| Error::connecting(&error))?;
        // Asked of the socket: which address has won the race, only that knows.
        let address = tcp.peer_addr().map_err(|error| Error::connecting(&error))?;
        Ok((tcp, self.peer(address)))
    }

    /// Connects to a host by way of a proxy, which looks up the name: nothing of it is asked of
    /// anybody else. The proxy itself may be anywhere.
    async fn through(
        &self,
        proxy: &Proxy,
        host: &Host<&str>,
        port: u16,
        reach: &Reach,
        is_tls: bool,
    ) -> Result<(TcpStream, Peer, Form), Error> {
        let peer = |address| match literal(host) {
            Some(literal) => self.peer(SocketAddr::new(literal, port)),
            None => Peer { address, is_public: address::is_public_name(&host.to_string()) },
        };
        // Of a name, only what it looks like can be asked.
        if !reach.has(peer(SocketAddr::from(([0, 0, 0, 0], 0)))) {
            return Err(Error::Private);
        }
        let url = proxy.expose();
        let proxy_host = url.host().ok_or_else(no_address)?;
        // The operator has named the proxy, so it is not bound by what sources may reach.
        let opened = self.open(&proxy_host, proxy.port(), &Reach::Everywhere).await;
        let (tcp, at) = opened.map_err(|error| Error::Proxy(error.to_string()))?;
        let credentials = Credentials::of(url);
        let basic = || credentials.as_ref().and_then(Credentials::basic);
        let (tcp, form) = match proxy.kind() {
            ProxyKind::Socks5 => (proxy::socks5(tcp, host, port, credentials.as_ref()).await?, Form::Origin),
            // A tunnel: what is inside TLS, the proxy must
            // not see. Plain requests go to it as they are.
            ProxyKind::Http if is_tls => {
                (proxy::connect(tcp, host, port, basic().as_ref()).await?, Form::Origin)
            }
            ProxyKind::Http => (tcp, Form::Absolute { authorization: basic() }),
        };
        Ok((tcp, peer(at.address), form))
    }

    async fn shake_hands(
        &self,
        tcp: TcpStream,
        host: Host<&str>,
        trust: Trust,
    ) -> Result<tokio_rustls::client::TlsStream<TcpStream>, Error> {
        let name = match host {
            Host::Domain(name) => ServerName::try_from(name.to_owned()).map_err(|_| no_address())?,
            Host::Ipv4(address) => ServerName::IpAddress(address.into()),
            Host::Ipv6(address) => ServerName::IpAddress(address.into()),
        };
        let tls = match trust {
            Trust::Verify => &self.tls,
            Trust::Unverified => &self.unverified,
        };
        tls.connect(name, tcp).await.map_err(|error| Error::shaking_hands(&error))
    }

    fn peer(&self, address: SocketAddr) -> Peer {
        Peer { address, is_public: self.network.is_public(address.ip().to_canonical()) }
    }
}

fn no_address() -> Error {
    Error::Address("it names no host that can be asked".to_owned())
}

/// The address that a host is, if it is no name.
fn literal(host: &Host<&str>) -> Option<IpAddr> {
    match *host {
        Host::Domain(_) => None,
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    // Requests are small and wait for their answers; Nagle's delay would add to each segment.
    socket.set_nodelay(true)?;
    let options = SockRef::from(&socket);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    options.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_PROBES))?;
    #[cfg(target_os = "linux")]
    options.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.connect(address).await
}

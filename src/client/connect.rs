//! From an address to a connection: looking up the name, TCP, TLS.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpSocket, TcpStream};
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use url::{Host, Url};

use super::network::{Network, System};
use super::race::race;
use super::{Connection, Error, Hold};

/// Silence after which the kernel asks whether the other end is still there, and how often it asks before the connection counts as broken: for a
/// machine that went away without a word, where nothing else notices.
const KEEPALIVE: Duration = Duration::from_secs(15);
const KEEPALIVE_PROBES: u32 = 3;

/// How long the other end may leave what was sent unacknowledged.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(30);

/// Makes connections.
#[derive(Clone)]
pub(crate) struct Connector {
    network: Arc<dyn Network>,
    tls: TlsConnector,
}

/// Which addresses may be connected to, whatever name leads there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Reach {
    /// Any.
    Everywhere,
    /// Those of the internet, and these besides.
    Internet { besides: Vec<SocketAddr> },
}

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Peer {
    pub(crate) address: SocketAddr,
    /// Whether it is on the internet, rather than on this machine or in a local network.
    pub(crate) is_public: bool,
}

impl Connector {
    /// Over TLS, whoever is vouched for as `tls` says is trusted.
    pub(crate) fn new(tls: ClientConfig) -> Self {
        Self::within(Arc::new(System), tls)
    }

    /// As [`new`](Self::new), in a network of one's own.
    pub(crate) fn within(network: Arc<dyn Network>, mut tls: ClientConfig) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self { network, tls: TlsConnector::from(Arc::new(tls)) }
    }

    /// Connects to the host of an http or https address, within `reach`, which is asked about the address that its name
    /// resolves to now. `hold` is kept as long as a socket is open: until the connection is dropped, or the attempt.
    ///
    /// While a name with several addresses is tried, more than one socket may be connecting; but one is left, and the
    /// others are closed, before anything is sent. So a server never gets more than one request.
    pub(crate) async fn connect(&self, url: &Url, reach: Reach, hold: Hold) -> Result<Connection, Error> {
        let no_address = || Error::Address("it names no host that can be asked".to_owned());
        let (host, port) = url.host().zip(url.port_or_known_default()).ok_or_else(no_address)?;
        let addresses = self.addresses(&host, port, reach).await?;
        let tcp = race(addresses, connect_to).await.map_err(|error| Error::connecting(&error))?;
        let peer = self.peer(&tcp).map_err(|error| Error::connecting(&error))?;
        let stream = match url.scheme() {
            "https" => {
                let name = match host {
                    Host::Domain(name) => ServerName::try_from(name.to_owned()).ok(),
                    Host::Ipv4(address) => Some(ServerName::IpAddress(address.into())),
                    Host::Ipv6(address) => Some(ServerName::IpAddress(address.into())),
                };
                let shaken = self.tls.connect(name.ok_or_else(no_address)?, tcp).await;
                Either::Right(Box::new(shaken.map_err(|error| Error::connecting(&error))?))
            }
            _ => Either::Left(tcp),
        };
        Connection::begin(stream, peer, hold).await
    }

    /// The addresses of a host that are within `reach`.
    async fn addresses(&self, host: &Host<&str>, port: u16, reach: Reach) -> Result<Vec<SocketAddr>, Error> {
        let host = match *host {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(address) => address.to_string(),
            Host::Ipv6(address) => address.to_string(),
        };
        let mut addresses =
            self.network.look_up(host, port).await.map_err(|error| Error::connecting(&error))?;
        let Reach::Internet { besides } = reach else { return Ok(addresses) };
        let count = addresses.len();
        addresses.retain(|address| {
            besides.contains(address) || self.network.is_public(address.ip().to_canonical())
        });
        if addresses.is_empty() && count > 0 { Err(Error::Private) } else { Ok(addresses) }
    }

    fn peer(&self, tcp: &TcpStream) -> io::Result<Peer> {
        let address = tcp.peer_addr()?;
        Ok(Peer { address, is_public: self.network.is_public(address.ip().to_canonical()) })
    }
}

async fn connect_to(address: SocketAddr) -> io::Result<TcpStream> {
    let socket = match address.ip() {
        IpAddr::V4(_) => TcpSocket::new_v4()?,
        IpAddr::V6(_) => TcpSocket::new_v6()?,
    };
    socket.set_nodelay(true)?;
    let options = SockRef::from(&socket);
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE);
    options.set_tcp_keepalive(&keepalive.with_retries(KEEPALIVE_PROBES))?;
    #[cfg(target_os = "linux")]
    options.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
    socket.connect(address).await
}

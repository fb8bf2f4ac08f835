//! From an address to a connection: looking up the name, TCP, TLS.

use std::sync::Arc;
use std::time::Duration;

use http::Uri;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioIo;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio_rustls::TlsConnector;
use tokio_util::either::Either;
use tower::ServiceExt as _;
use url::{Host, Url};

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
    tcp: HttpConnector,
    tls: TlsConnector,
}

impl Connector {
    /// Over TLS, whoever is vouched for as `tls` says is trusted.
    pub(crate) fn new(mut tls: ClientConfig) -> Self {
        tls.alpn_protocols = vec![b"http/1.1".to_vec()];
        let mut tcp = HttpConnector::new();
        tcp.set_nodelay(true);
        tcp.set_keepalive(Some(KEEPALIVE));
        tcp.set_keepalive_interval(Some(KEEPALIVE));
        tcp.set_keepalive_retries(Some(KEEPALIVE_PROBES));
        #[cfg(target_os = "linux")]
        tcp.set_tcp_user_timeout(Some(USER_TIMEOUT));
        Self { tcp, tls: TlsConnector::from(Arc::new(tls)) }
    }

    /// Connects to the host of an http or https address, trying its addresses of both families as in RFC 8305. `hold` is kept as long as a socket
    /// is open: until the connection is dropped, or the attempt.
    pub(crate) async fn connect(&self, url: &Url, hold: Hold) -> Result<Connection, Error> {
        let no_address = || Error::Address("it names no host that can be asked".to_owned());
        let (host, port) = url.host_str().zip(url.port_or_known_default()).ok_or_else(no_address)?;
        let uri: Uri = format!("http://{host}:{port}").parse().map_err(|_| no_address())?;
        let tcp = self.tcp.clone().oneshot(uri).await.map_err(|error| Error::connecting(&error))?;
        let stream = match url.scheme() {
            "https" => {
                let name = match url.host() {
                    Some(Host::Domain(name)) => ServerName::try_from(name.to_owned()).ok(),
                    Some(Host::Ipv4(address)) => Some(ServerName::IpAddress(address.into())),
                    Some(Host::Ipv6(address)) => Some(ServerName::IpAddress(address.into())),
                    None => None,
                };
                let shaken = self.tls.connect(name.ok_or_else(no_address)?, tcp.into_inner()).await;
                Either::Right(Box::new(shaken.map_err(|error| Error::connecting(&error))?))
            }
            _ => Either::Left(tcp.into_inner()),
        };
        Connection::begin(TokioIo::new(stream), hold).await
    }
}

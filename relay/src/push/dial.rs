//! From an address to a socket: TCP, and TLS for `rtmps`.

use std::io;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use rustls::pki_types::ServerName;
use socket2::SockRef;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_util::either::Either;

use super::settings::Push;
use crate::model::Trust;
use crate::net::trust::{client_config, unverified_config};
use crate::net::{Connector, Error};

/// How long a handshake of TLS may take.
const TLS_PATIENCE: Duration = Duration::from_secs(10);

/// What the kernel takes that is not sent yet: a third of a second of 3 Mbit/s. What waits beyond
/// it waits with us, where it can be left out.
#[cfg(target_os = "linux")]
const NOT_SENT: u32 = 128 << 10;

/// How long a server may leave what was sent unacknowledged by TCP: what [`super::connection`]
/// allows for a socket that takes nothing.
#[cfg(target_os = "linux")]
const USER_TIMEOUT: Duration = Duration::from_secs(5);

/// A connection to a server.
pub(super) type Socket = Either<TcpStream, Box<TlsStream<TcpStream>>>;

/// Makes connections. What TLS needs is read when the first push over TLS begins.
#[derive(Debug, Clone, Default)]
pub(super) struct Dialer(Arc<OnceLock<Tools>>);

struct Tools {
    connector: Connector,
    verified: TlsConnector,
    unverified: TlsConnector,
}

impl std::fmt::Debug for Tools {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tools").finish_non_exhaustive()
    }
}

impl Dialer {
    fn tools(&self) -> &Tools {
        self.0.get_or_init(|| {
            let config = client_config(Vec::new());
            Tools {
                connector: Connector::new(config.clone()),
                // RTMP has no name in ALPN, and none is told.
                verified: TlsConnector::from(Arc::new(config)),
                unverified: TlsConnector::from(Arc::new(unverified_config())),
            }
        })
    }

    /// Connects to the server of a push, which is given so long to answer.
    pub(super) async fn dial(&self, push: &Push, patience: Duration) -> Result<Socket, Error> {
        let url = &push.url;
        let late = || Error::Unreachable("it did not answer in time".to_owned());
        let dialing = self.tools().connector.dial(url.host(), url.port());
        // The wait for TCP is the push's own: a server
        // that was quick before is not waited for long.
        let tcp = timeout(patience, dialing).await.map_err(|_| late())??;
        // Without these it works all the same.
        let _ = tune(&tcp);
        if !url.is_tls() {
            return Ok(Either::Left(tcp));
        }
        let wrong = |_| Error::Address("it names no host that can be asked".to_owned());
        let name = ServerName::try_from(url.host().to_owned()).map_err(wrong)?;
        let tls = match push.trust {
            Trust::Verify => &self.tools().verified,
            Trust::Unverified => &self.tools().unverified,
        };
        let shaking = timeout(TLS_PATIENCE, tls.connect(name, tcp)).await.map_err(|_| late())?;
        let socket = shaking.map_err(|error| Error::shaking_hands(&error))?;
        Ok(Either::Right(Box::new(socket)))
    }
}

fn tune(tcp: &TcpStream) -> io::Result<()> {
    tcp.set_nodelay(true)?;
    #[cfg(target_os = "linux")]
    {
        let options = SockRef::from(tcp);
        options.set_tcp_user_timeout(Some(USER_TIMEOUT))?;
        options.set_tcp_notsent_lowat(NOT_SENT)?;
    }
    Ok(())
}

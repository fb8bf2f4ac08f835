//! For tests: a server that answers as it is told, and knows which of its sockets the other end has
//! closed.

use std::future::ready;
use std::io::{self, ErrorKind};
use std::net::{self, IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use forebay_testkit::identity::Identity;
use futures_util::future::BoxFuture;
use rustls::ServerConfig;
use rustls::pki_types::PrivateKeyDer;
use rustls::pki_types::pem::PemObject as _;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

use super::network::Network;
use super::{Connector, SocketGuard};

const PATIENCE: Duration = Duration::from_secs(10);

/// What is answered to a request, byte by byte, and then.
pub(crate) struct Say(pub(crate) Vec<u8>, pub(crate) Then);

pub(crate) enum Then {
    /// The next request may come.
    Listen,
    /// Nothing more is read or said.
    Wait,
    /// The connection is closed.
    Close,
}

/// Says this and listens again.
pub(crate) fn whole(head: &str, body: &[u8]) -> Say {
    let head = format!("HTTP/1.1 {head}\r\nContent-Length: {}\r\n\r\n", body.len());
    Say([head.as_bytes(), body].concat(), Then::Listen)
}

pub(crate) struct Site {
    address: SocketAddr,
    identity: Option<Identity>,
    seen: watch::Receiver<Seen>,
    sockets: Sockets,
    _tasks: JoinSet<()>,
}

/// The server's ends, kept open so that they can be asked.
type Sockets = Arc<Mutex<Vec<net::TcpStream>>>;

#[derive(Default, Clone)]
pub(crate) struct Seen {
    /// Of each connection: how many of those before were open.
    pub(crate) accepted: Vec<usize>,
    /// The heads of all requests.
    pub(crate) heads: Vec<String>,
}

impl Site {
    /// Answers by `script`, which gets a request's path and its number, from 0.
    pub(crate) async fn start(
        is_encrypted: bool,
        script: impl Fn(&str, usize) -> Say + Send + Sync + 'static,
    ) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), is_encrypted, script).await
    }

    /// As [`start`](Self::start), at this address.
    pub(crate) async fn start_at(
        address: SocketAddr,
        is_encrypted: bool,
        script: impl Fn(&str, usize) -> Say + Send + Sync + 'static,
    ) -> Self {
        Self::start_as(address, is_encrypted.then(Identity::local), script).await
    }

    /// As [`start`](Self::start), by a script that gets whole heads.
    pub(crate) async fn start_heard(script: impl Fn(&str) -> Say + Send + Sync + 'static) -> Self {
        let address = (Ipv4Addr::LOCALHOST, 0).into();
        Self::start_script(address, None, Arc::new(move |head, _| script(head))).await
    }

    /// As [`start`](Self::start), with a certificate of any kind.
    pub(crate) async fn start_as(
        address: SocketAddr,
        identity: Option<Identity>,
        script: impl Fn(&str, usize) -> Say + Send + Sync + 'static,
    ) -> Self {
        let path = |head: &str| head.split(' ').nth(1).unwrap().to_owned();
        Self::start_script(address, identity, Arc::new(move |head, number| script(&path(head), number))).await
    }

    async fn start_script(address: SocketAddr, identity: Option<Identity>, script: Script) -> Self {
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let acceptor = identity.as_ref().map(acceptor);
        let (seen, watcher) = watch::channel(Seen::default());
        let sockets = Sockets::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, acceptor, Arc::clone(&sockets), Arc::new(seen), script));
        Self { address, identity, seen: watcher, sockets, _tasks: tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn url(&self, path: &str) -> String {
        let scheme = if self.identity.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// A connector that trusts this site.
    pub(crate) fn connector(&self) -> Connector {
        let root = self.identity.iter().map(|identity| identity.certificate_der.clone().into());
        Connector::new(crate::net::trust::client_config(root.collect()))
    }

    /// A connector that trusts this site, where names lead to what `look_up` says and [`INTERNET`]
    /// is public.
    pub(crate) fn connector_in(
        &self,
        look_up: impl Fn(&str) -> Vec<IpAddr> + Send + Sync + 'static,
    ) -> Connector {
        let root = self.identity.iter().map(|identity| identity.certificate_der.clone().into());
        Connector::within(Arc::new(Loopback(look_up)), crate::net::trust::client_config(root.collect()))
    }

    pub(crate) fn seen(&self) -> Seen {
        self.seen.borrow().clone()
    }

    pub(crate) async fn wait(&self, met: impl Fn(&Seen) -> bool) {
        let mut seen = self.seen.clone();
        let met = timeout(PATIENCE, seen.wait_for(|seen| met(seen))).await.is_ok();
        assert!(met, "{} connections, {:?}", self.seen().accepted.len(), self.seen().heads);
    }

    /// How many sockets the other end has not closed.
    pub(crate) fn open(&self) -> usize {
        open(&self.sockets)
    }

    /// A lease, and what tells how many sockets were open when it was dropped.
    pub(crate) fn lease(&self) -> (SocketGuard, oneshot::Receiver<usize>) {
        let (told, news) = oneshot::channel();
        (SocketGuard::new(Lease { sockets: Arc::clone(&self.sockets), told: Some(told) }), news)
    }
}

/// An address of this machine that tests take for one on the internet.
pub(crate) const INTERNET: Ipv4Addr = Ipv4Addr::new(127, 1, 0, 1);

/// A network with an internet, all of it on the loopback interface.
struct Loopback<F>(F);

impl<F: Fn(&str) -> Vec<IpAddr> + Send + Sync> Network for Loopback<F> {
    fn look_up(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        let addresses = host.parse().map_or_else(|_| (self.0)(&host), |address| vec![address]);
        let addresses = addresses.into_iter().map(|address| SocketAddr::new(address, port)).collect();
        Box::pin(ready(Ok(addresses)))
    }

    fn is_public(&self, address: IpAddr) -> bool {
        address == INTERNET
    }
}

/// How long the closing of a socket may take to arrive, on a machine that has much else to do.
const ARRIVES: Duration = Duration::from_secs(3);

struct Lease {
    sockets: Sockets,
    told: Option<oneshot::Sender<usize>>,
}

impl Drop for Lease {
    fn drop(&mut self) {
        // Closing takes a moment to arrive. Whoever would close only after this cannot do it
        // meanwhile, being held up here.
        let until = Instant::now() + ARRIVES;
        while open(&self.sockets) > 0 && Instant::now() < until {
            std::thread::yield_now();
        }
        let _ = self.told.take().unwrap().send(open(&self.sockets));
    }
}

fn open(sockets: &Sockets) -> usize {
    let is_open = |socket: &&net::TcpStream| match socket.peek(&mut [0]) {
        Ok(count) => count > 0,
        Err(error) => error.kind() == ErrorKind::WouldBlock,
    };
    sockets.lock().unwrap().iter().filter(is_open).count()
}

fn acceptor(identity: &Identity) -> TlsAcceptor {
    let key = PrivateKeyDer::from_pem_slice(identity.key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![identity.certificate_der.clone().into()], key)
        .unwrap();
    TlsAcceptor::from(Arc::new(config))
}

type Script = Arc<dyn Fn(&str, usize) -> Say + Send + Sync>;

async fn accept(
    listener: TcpListener,
    tls: Option<TlsAcceptor>,
    sockets: Sockets,
    seen: Arc<watch::Sender<Seen>>,
    script: Script,
) {
    let mut connections = JoinSet::new();
    loop {
        let stream = listener.accept().await.unwrap().0.into_std().unwrap();
        let before = open(&sockets);
        sockets.lock().unwrap().push(stream.try_clone().unwrap());
        seen.send_modify(|seen| seen.accepted.push(before));
        let stream = TcpStream::from_std(stream).unwrap();
        let (tls, seen, script) = (tls.clone(), Arc::clone(&seen), Arc::clone(&script));
        connections.spawn(async move {
            // The other end is free to go.
            let _ = match tls {
                Some(tls) => match tls.accept(stream).await {
                    Ok(stream) => converse(stream, &seen, &script).await,
                    Err(error) => Err(error),
                },
                None => converse(stream, &seen, &script).await,
            };
        });
    }
}

async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    seen: &watch::Sender<Seen>,
    script: &Script,
) -> io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        while let Some(end) = bytes.windows(4).position(|end| end == b"\r\n\r\n") {
            let head = String::from_utf8(bytes.drain(..end + 4).collect()).unwrap();
            let mut number = 0;
            seen.send_modify(|seen| {
                number = seen.heads.len();
                seen.heads.push(head.clone());
            });
            let Say(answer, then) = script(&head, number);
            stream.write_all(&answer).await?;
            stream.flush().await?;
            match then {
                Then::Listen => continue,
                Then::Wait => {}
                Then::Close => stream.shutdown().await?,
            }
            // What was left unread would hide the end.
            return tokio::io::copy(&mut stream, &mut tokio::io::sink()).await.map(drop);
        }
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
    }
}

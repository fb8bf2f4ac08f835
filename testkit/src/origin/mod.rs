//! A provider that misbehaves on request: a small HTTP/1.1 server on the loopback interface.
//!
//! What it does on each path is a [`Behaviour`], which may be changed at any time; a connection keeps the one it
//! met. Every answer closes its connection.

mod account;
mod behaviour;
mod clock;
mod faults;
mod hls;
mod marker;
mod playout;
mod serve;
mod timing;
mod tls;

use std::any::Any;
use std::collections::HashMap;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::panic;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::{JoinError, JoinHandle, JoinSet};
use tokio::time::{Instant, timeout};

pub use account::Account;
pub use behaviour::{Behaviour, Reply};
pub use clock::Clock;
pub use hls::{
    Breaks, Broadcast, Container, Encryption, Fault, Gzip, Hls, Iv, KeyForm, Multicast, Multivariant,
    Numbering, Redirect, SegmentTokens, Stats, Text, Uris, Variant,
};
pub use timing::{WarmUp, record};
use tls::Tls;

/// A running origin. It stops when it is dropped; if one of its tasks has panicked, dropping it panics too.
#[derive(Debug)]
pub struct Origin {
    address: SocketAddr,
    shared: Arc<Shared>,
    accepting: Mutex<Option<JoinHandle<()>>>,
}

/// A request, as it was received.
#[derive(Debug, Clone)]
pub struct Request {
    /// The method, in capitals.
    pub method: String,
    /// The target as sent: path and query.
    pub path: String,
    /// `HTTP/1.1` or `HTTP/1.0`.
    pub version: String,
    /// Header fields in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// When its head was complete.
    pub at: Instant,
}

impl Request {
    /// The first value of a header field; case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
    }
}

#[derive(Debug, Default)]
struct Shared {
    routes: Mutex<HashMap<String, Arc<Route>>>,
    requests: Mutex<Vec<Request>>,
    tasks: Mutex<JoinSet<()>>,
    panicked: Mutex<Option<Box<dyn Any + Send>>>,
    tls: Option<Tls>,
}

#[derive(Debug, Default)]
struct Route {
    behaviour: Mutex<Option<Behaviour>>,
    counts: watch::Sender<Counts>,
    kills: watch::Sender<u64>,
    pace: Pace,
}

/// How fast endless answers go on, in per cent of real time.
#[derive(Debug)]
struct Pace(AtomicU32);

impl Default for Pace {
    fn default() -> Self {
        Self(AtomicU32::new(100))
    }
}

/// Connections that asked for one path.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Counts {
    open: usize,
    opened: usize,
    most: usize,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Origin {
    /// Starts on a free port of 127.0.0.1 and answers 404 to everything.
    pub async fn start() -> Self {
        Self::start_with(Shared::default()).await
    }

    /// As [`Origin::start`], with TLS and a certificate of its own for 127.0.0.1 and localhost.
    pub async fn start_tls() -> Self {
        Self::start_with(Shared { tls: Some(Tls::new()), ..Shared::default() }).await
    }

    async fn start_with(shared: Shared) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let shared = Arc::new(shared);
        let accepting = tokio::spawn(accept(shared.clone(), listener));
        Self { address, shared, accepting: Mutex::new(Some(accepting)) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The absolute URL of a path.
    pub fn url(&self, path: &str) -> String {
        let scheme = if self.shared.tls.is_some() { "https" } else { "http" };
        format!("{scheme}://{}{path}", self.address)
    }

    /// The certificate to trust, as DER.
    ///
    /// # Panics
    /// Without TLS.
    pub fn certificate_der(&self) -> &[u8] {
        &self.tls().identity.certificate_der
    }

    /// The certificate to trust, as PEM.
    ///
    /// # Panics
    /// Without TLS.
    pub fn certificate_pem(&self) -> &str {
        &self.tls().identity.certificate_pem
    }

    fn tls(&self) -> &Tls {
        self.shared.tls.as_ref().expect("this origin was started without TLS")
    }

    /// Serves this from now on at this path, given with or without a query, or with `*` as its last segment for
    /// all that lies below a folder and is not served otherwise. Live connections are left alone.
    pub fn serve(&self, path: &str, behaviour: Behaviour) -> &Self {
        *lock(&self.shared.route(path).behaviour) = Some(behaviour);
        self
    }

    /// Answers 404 at this path from now on.
    pub fn remove(&self, path: &str) {
        *lock(&self.shared.route(path).behaviour) = None;
    }

    /// Resets all live connections of this path now.
    pub fn kill(&self, path: &str) {
        self.shared.route(path).kills.send_modify(|kills| *kills += 1);
    }

    /// From now on the streams of this path, live ones and new ones, go on at so many per cent of real time: with 0 they
    /// stall, and with 100 they go on as they should, from where they are.
    pub fn pace(&self, path: &str, percent: u32) {
        self.shared.route(path).pace.0.store(percent, Ordering::Relaxed);
    }

    /// Closes the listening socket, so that connecting is refused, or opens it again on the same port. Live
    /// connections stay.
    pub async fn set_listening(&self, listening: bool) {
        let running = lock(&self.accepting).take();
        match (running, listening) {
            (Some(task), false) => {
                task.abort();
                self.shared.note(task.await);
            }
            (None, true) => {
                let listener = TcpListener::bind(self.address).await;
                let listener =
                    listener.unwrap_or_else(|error| panic!("port {} is gone: {error}", self.address));
                *lock(&self.accepting) = Some(tokio::spawn(accept(self.shared.clone(), listener)));
            }
            (unchanged, _) => *lock(&self.accepting) = unchanged,
        }
    }

    /// Connections of this path that are open now.
    pub fn connections(&self, path: &str) -> usize {
        self.shared.route(path).counts.borrow().open
    }

    /// Connections of this path that were ever opened.
    pub fn opened(&self, path: &str) -> usize {
        self.shared.route(path).counts.borrow().opened
    }

    /// The most connections of this path that were open at once.
    pub fn most_connections(&self, path: &str) -> usize {
        self.shared.route(path).counts.borrow().most
    }

    /// All requests so far, in order.
    pub fn requests(&self) -> Vec<Request> {
        lock(&self.shared.requests).clone()
    }

    /// Requests for one path so far, with any query.
    pub fn requests_for(&self, path: &str) -> Vec<Request> {
        let mut requests = self.requests();
        requests.retain(|request| request.path == path || request.path.split('?').next() == Some(path));
        requests
    }

    /// Waits until exactly so many connections of this path are open.
    ///
    /// # Panics
    /// After `limit`, with what is open then.
    pub async fn wait_connections(&self, path: &str, count: usize, limit: Duration) {
        self.wait(path, limit, &format!("{count} open connections"), |counts| counts.open == count).await;
    }

    /// Waits until at least so many connections of this path have been opened, counted from the start.
    ///
    /// # Panics
    /// After `limit`, with how many it were.
    pub async fn wait_opened(&self, path: &str, count: usize, limit: Duration) {
        self.wait(path, limit, &format!("{count} opened connections"), |counts| counts.opened >= count).await;
    }

    async fn wait(&self, path: &str, limit: Duration, wanted: &str, met: impl Fn(&Counts) -> bool) {
        let mut counts = self.shared.route(path).counts.subscribe();
        if timeout(limit, counts.wait_for(met)).await.is_err() {
            let Counts { open, opened, .. } = *counts.borrow();
            panic!("{path}: waited {limit:?} for {wanted}; {open} are open and {opened} were opened");
        }
    }

    /// Stops, and raises the panic of any task that had one.
    pub async fn shutdown(self) {
        let task = lock(&self.accepting).take();
        if let Some(task) = task {
            task.abort();
            self.shared.note(task.await);
        }
        let mut tasks = std::mem::take(&mut *lock(&self.shared.tasks));
        tasks.abort_all();
        while let Some(result) = tasks.join_next().await {
            self.shared.note(result);
        }
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        if let Some(task) = lock(&self.accepting).take() {
            task.abort();
        }
        self.shared.reap();
        // The aborted accept task may hold the shared state a little longer: end the connections here and now.
        lock(&self.shared.tasks).abort_all();
        let panicked = lock(&self.shared.panicked).take();
        if let Some(payload) = panicked.filter(|_| !std::thread::panicking()) {
            panic::resume_unwind(payload);
        }
    }
}

impl Shared {
    fn route(&self, path: &str) -> Arc<Route> {
        lock(&self.routes).entry(path.into()).or_default().clone()
    }

    /// The route that serves a target: the one with its query, or the one for its path, or the one for the nearest
    /// folder.
    fn find(&self, target: &str) -> Option<(Arc<Route>, Behaviour)> {
        let routes = lock(&self.routes);
        let path = target.split('?').next().unwrap_or(target);
        let folders = path.rmatch_indices('/').map(|(at, _)| format!("{}/*", &path[..at]));
        [target, path].into_iter().map(str::to_owned).chain(folders).find_map(|key| {
            let route = routes.get(&key)?;
            let behaviour = lock(&route.behaviour).clone()?;
            Some((route.clone(), behaviour))
        })
    }

    fn spawn(self: &Arc<Self>, stream: TcpStream) {
        self.reap();
        lock(&self.tasks).spawn(serve::connection(self.clone(), stream));
    }

    /// Looks at the tasks that have ended.
    fn reap(&self) {
        let mut tasks = lock(&self.tasks);
        while let Some(result) = tasks.try_join_next() {
            self.note(result);
        }
    }

    fn note(&self, result: Result<(), JoinError>) {
        if let Some(payload) = result.err().and_then(|error| error.try_into_panic().ok()) {
            lock(&self.panicked).get_or_insert(payload);
        }
    }
}

async fn accept(shared: Arc<Shared>, listener: TcpListener) {
    loop {
        match listener.accept().await {
            Ok((stream, _)) => shared.spawn(stream),
            // The client was gone before it was accepted.
            Err(error) if error.kind() == io::ErrorKind::ConnectionAborted => {}
            Err(error) => panic!("the origin cannot accept: {error}"),
        }
    }
}

#[cfg(test)]
mod tests;

//! Viewers at the level of bytes and their arrival times, and short requests to an API.

mod body;
mod media;

use std::fmt::Write as _;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use body::Decoder;
use media::Media;

/// Nothing that a test waits for takes longer than this.
const PATIENCE: Duration = Duration::from_secs(30);

/// A request that can be sent, built up fluently.
#[derive(Debug, Clone)]
pub struct Request {
    address: SocketAddr,
    method: String,
    path: String,
    version: &'static str,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    receive_buffer: Option<u32>,
    from: Option<IpAddr>,
}

impl Request {
    /// A GET.
    pub fn get(address: SocketAddr, path: &str) -> Self {
        Self::new("GET", address, path)
    }

    /// Any method. `path` may have a query.
    pub fn new(method: &str, address: SocketAddr, path: &str) -> Self {
        Self {
            address,
            method: method.into(),
            path: path.into(),
            version: "HTTP/1.1",
            headers: Vec::new(),
            body: Vec::new(),
            receive_buffer: None,
            from: None,
        }
    }

    /// Speaks HTTP/1.0, and sends no Host.
    #[must_use]
    pub fn http10(mut self) -> Self {
        self.version = "HTTP/1.0";
        self
    }

    /// Adds a header field.
    #[must_use]
    pub fn header(mut self, name: &str, value: &str) -> Self {
        self.headers.push((name.into(), value.into()));
        self
    }

    /// Sends a body of JSON.
    #[must_use]
    pub fn json(self, value: &serde_json::Value) -> Self {
        self.body("application/json", value.to_string())
    }

    /// Sends a body.
    #[must_use]
    pub fn body(mut self, content_type: &str, bytes: impl Into<Vec<u8>>) -> Self {
        self.body = bytes.into();
        self.header("Content-Type", content_type)
    }

    /// Connects from this address of the machine: on Linux any of 127.0.0.0/8.
    #[must_use]
    pub fn from(mut self, address: IpAddr) -> Self {
        self.from = Some(address);
        self
    }

    /// A small receive buffer (`SO_RCVBUF`, which the kernel doubles), so that a slow reader is felt early.
    #[must_use]
    pub fn receive_buffer(mut self, bytes: u32) -> Self {
        self.receive_buffer = Some(bytes);
        self
    }

    /// Connects, sends the request and reads the head of the answer.
    pub async fn open(&self) -> io::Result<Viewer> {
        let socket = TcpSocket::new_v4()?;
        if let Some(bytes) = self.receive_buffer {
            socket.set_recv_buffer_size(bytes)?;
        }
        if let Some(address) = self.from {
            socket.bind(SocketAddr::new(address, 0))?;
        }
        let mut stream = timeout(PATIENCE, socket.connect(self.address)).await??;
        stream.set_nodelay(true)?;
        let sent_at = Instant::now();
        stream.write_all(&self.to_bytes()).await?;
        let mut received = Vec::new();
        let end = loop {
            if let Some(end) = received.windows(4).position(|window| window == b"\r\n\r\n") {
                break end;
            }
            if timeout(PATIENCE, stream.read_buf(&mut received)).await?? == 0 {
                let got = String::from_utf8_lossy(&received).into_owned();
                return Err(io::Error::new(
                    io::ErrorKind::UnexpectedEof,
                    format!("closed in the head: {got:?}"),
                ));
            }
        };
        let head = String::from_utf8_lossy(&received[..end]).into_owned();
        let (status, headers) = parse_head(&head)?;
        let no_body = self.method == "HEAD" || matches!(status, 204 | 304);
        let decoder = Decoder::for_answer(&headers, no_body)?;
        let mut viewer = Viewer {
            stream,
            status,
            headers,
            decoder,
            sent_at,
            media: Media::default(),
            arrivals: Vec::new(),
            total: 0,
            ended: None,
            pending: Vec::new(),
        };
        viewer.take(&received[end + 4..]);
        Ok(viewer)
    }

    /// Sends the request and reads the whole answer.
    pub async fn send(&self) -> io::Result<Answer> {
        let mut viewer = self.open().await?;
        let body = timeout(PATIENCE, viewer.read_to_end()).await?;
        match viewer.ended() {
            Some(Ended::Cleanly) => {}
            other => {
                return Err(io::Error::new(io::ErrorKind::UnexpectedEof, format!("the body: {other:?}")));
            }
        }
        Ok(Answer { status: viewer.status, headers: viewer.headers, body })
    }

    fn to_bytes(&self) -> Vec<u8> {
        let mut head = format!("{} {} {}\r\n", self.method, self.path, self.version);
        let mut field = |name: &str, value: &str| {
            write!(head, "{name}: {value}\r\n").expect("a string takes everything");
        };
        if self.version == "HTTP/1.1" {
            field("Host", &self.address.to_string());
            field("Connection", "close");
        }
        for (name, value) in &self.headers {
            field(name, value);
        }
        if !self.body.is_empty() || matches!(&self.method[..], "POST" | "PUT" | "PATCH") {
            field("Content-Length", &self.body.len().to_string());
        }
        head.push_str("\r\n");
        [head.as_bytes(), &self.body].concat()
    }
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Header fields in the order in which they came.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The first value of a header field; case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON.
    ///
    /// # Panics
    /// If it is not JSON, with the body.
    pub fn json(&self) -> serde_json::Value {
        let text = self.text();
        serde_json::from_str(&text)
            .unwrap_or_else(|error| panic!("not JSON ({error}), status {}: {text}", self.status))
    }
}

/// Gets a path and reads the whole answer.
///
/// # Panics
/// If there is no whole answer.
pub async fn get(address: SocketAddr, path: &str) -> Answer {
    let answer = Request::get(address, path).send().await;
    answer.unwrap_or_else(|error| panic!("GET {path}: {error}"))
}

/// Gets a path and reads the whole answer as JSON, whatever its status.
///
/// # Panics
/// If there is no whole answer, or it is not JSON.
pub async fn get_json(address: SocketAddr, path: &str) -> (u16, serde_json::Value) {
    let answer = get(address, path).await;
    (answer.status, answer.json())
}

/// How a body ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ended {
    /// By its length, by its last chunk, or by the end of the connection where that delimits it.
    Cleanly,
    /// Before it was complete: the connection was closed or reset, or the chunks made no sense.
    Early(String),
}

/// When bytes of the body arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Arrival {
    /// The moment.
    pub at: Instant,
    /// How many bytes.
    pub bytes: usize,
    /// Whether they are more than what keeps a connection alive: tables and null packets of a
    /// transport stream.
    pub has_media: bool,
}

/// One viewer of one stream. Nothing is read unless a method is asked to.
#[derive(Debug)]
pub struct Viewer {
    stream: TcpStream,
    status: u16,
    headers: Vec<(String, String)>,
    decoder: Decoder,
    sent_at: Instant,
    media: Media,
    arrivals: Vec<Arrival>,
    total: u64,
    ended: Option<Ended>,
    /// Body bytes that came with the head and were not yet handed out.
    pending: Vec<u8>,
}

impl Viewer {
    /// Asks for a path and reads the head of the answer.
    ///
    /// # Panics
    /// If there is none.
    pub async fn get(address: SocketAddr, path: &str) -> Self {
        Request::get(address, path).open().await.unwrap_or_else(|error| panic!("GET {path}: {error}"))
    }

    /// Status code.
    pub fn status(&self) -> u16 {
        self.status
    }

    /// All header fields.
    pub fn headers(&self) -> &[(String, String)] {
        &self.headers
    }

    /// The first value of a header field; case does not matter.
    pub fn header(&self, name: &str) -> Option<&str> {
        find_header(&self.headers, name)
    }

    /// Reads for this long, or to the end of the body.
    pub async fn read_for(&mut self, span: Duration) -> Vec<u8> {
        let until = Instant::now() + span;
        let mut got = Vec::new();
        while timeout_at(until, self.read_some(&mut got)).await == Ok(true) {}
        got
    }

    /// Reads at least so many bytes; fewer at the end of the body.
    ///
    /// # Panics
    /// If that takes longer than half a minute.
    pub async fn read_until(&mut self, bytes: usize) -> Vec<u8> {
        let mut got = Vec::new();
        let all = async { while got.len() < bytes && self.read_some(&mut got).await {} };
        let in_time = timeout(PATIENCE, all).await;
        assert!(in_time.is_ok(), "no {bytes} bytes within {PATIENCE:?}; {} came", got.len());
        got
    }

    /// Reads to the end of the body.
    pub async fn read_to_end(&mut self) -> Vec<u8> {
        let mut got = Vec::new();
        while self.read_some(&mut got).await {}
        got
    }

    /// Reads for this long, and never more than so many bytes per second: a slow viewer.
    /// Best with a small [`Request::receive_buffer`].
    pub async fn read_at_rate(&mut self, bytes_per_second: u32, span: Duration) -> Vec<u8> {
        const STEP: Duration = Duration::from_millis(50);
        let began = Instant::now();
        let mut got = Vec::new();
        let mut step = 0;
        while began.elapsed() < span && self.ended.is_none() {
            step += 1;
            let allowed = f64::from(bytes_per_second) * (STEP * step).as_secs_f64();
            let until = began + STEP * step;
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "a positive count of bytes"
            )]
            let allowed = allowed as usize;
            while got.len() < allowed {
                let room = allowed - got.len();
                match timeout_at(until, self.read_at_most(&mut got, room)).await {
                    Ok(true) => {}
                    Ok(false) | Err(_) => break,
                }
            }
            sleep_until(until).await;
        }
        got
    }

    /// Body bytes so far.
    pub fn total(&self) -> u64 {
        self.total
    }

    /// When which bytes of the body arrived.
    pub fn arrivals(&self) -> &[Arrival] {
        &self.arrivals
    }

    /// Time from the request to the first byte of the body.
    pub fn first_byte_after(&self) -> Option<Duration> {
        self.arrivals.first().map(|arrival| arrival.at - self.sent_at)
    }

    /// Longest time between two arrivals of media.
    pub fn largest_gap(&self) -> Duration {
        let times: Vec<Instant> =
            self.arrivals.iter().filter(|arrival| arrival.has_media).map(|arrival| arrival.at).collect();
        times.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap_or_default()
    }

    /// How the body ended; nothing while it goes on.
    pub fn ended(&self) -> Option<&Ended> {
        self.ended.as_ref()
    }

    /// Reads once; false at the end of the body. Nothing is lost when it is cancelled.
    async fn read_some(&mut self, got: &mut Vec<u8>) -> bool {
        self.read_at_most(got, 64 * 1024).await
    }

    async fn read_at_most(&mut self, got: &mut Vec<u8>, most: usize) -> bool {
        if self.pending.is_empty() && self.ended.is_none() {
            let mut buffer = vec![0; most];
            match self.stream.read(&mut buffer).await {
                Ok(0) => self.ended = Some(self.decoder.close()),
                Ok(count) => self.take(&buffer[..count]),
                Err(error) => self.ended = Some(Ended::Early(error.to_string())),
            }
        }
        got.append(&mut self.pending);
        self.ended.is_none()
    }

    /// Decodes what has arrived.
    fn take(&mut self, bytes: &[u8]) {
        let before = self.pending.len();
        match self.decoder.push(bytes, &mut self.pending) {
            Ok(false) => {}
            Ok(true) => self.ended = Some(Ended::Cleanly),
            Err(message) => self.ended = Some(Ended::Early(message)),
        }
        let fresh = self.pending.len() - before;
        if fresh > 0 {
            self.total += fresh as u64;
            let has_media = self.media.push(&self.pending[before..]);
            self.arrivals.push(Arrival { at: Instant::now(), bytes: fresh, has_media });
        }
    }

    /// Resets the connection rather than close it, as a device that loses its network does not even do.
    pub fn reset(self) {
        // A socket that is already closed refuses; the outcome is the same.
        let _ = SockRef::from(&self.stream).set_linger(Some(Duration::ZERO));
    }
}

fn parse_head(head: &str) -> io::Result<(u16, Vec<(String, String)>)> {
    let mut lines = head.split("\r\n");
    let first = lines.next().unwrap_or_default();
    let status = first.strip_prefix("HTTP/1.").and_then(|rest| rest.split(' ').nth(1)?.parse().ok());
    let status =
        status.ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, format!("not HTTP: {first:?}")))?;
    let fields = lines.filter_map(|line| line.split_once(':'));
    Ok((status, fields.map(|(name, value)| (name.to_owned(), value.trim().to_owned())).collect()))
}

fn find_header<'a>(headers: &'a [(String, String)], name: &str) -> Option<&'a str> {
    headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, value)| &value[..])
}

#[cfg(test)]
mod tests;

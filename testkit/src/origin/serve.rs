//! One connection of the origin.

use std::fmt::Write as _;
use std::future::pending;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadHalf, WriteHalf, split};
use tokio::net::TcpStream;
use tokio::time::{Instant, interval, sleep, sleep_until, timeout};
use tokio_rustls::server::TlsStream;

use super::account::Lease;
use super::behaviour::{Answer, Behaviour, Ending, Reply};
use super::playout::Player;
use super::{Pace, Request, Route, Shared, lock};

/// How often media is sent. Short against the 40 ms of a picture, long against the cost of a wake-up.
const TICK: Duration = Duration::from_millis(20);

const TICKS_PER_SECOND: usize = 50;

/// Junk per tick: about 1 Mbit/s.
const JUNK_PER_TICK: usize = 2500;

/// Longest request head that is read.
const HEAD_LIMIT: usize = 64 * 1024;

/// How long a finished connection waits for the client to close its side, so that nothing sent is lost to a reset.
const CLOSE_LIMIT: Duration = Duration::from_secs(2);

/// Plain or encrypted bytes.
trait Socket: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    fn tcp(&self) -> &TcpStream;
}

impl Socket for TcpStream {
    fn tcp(&self) -> &TcpStream {
        self
    }
}

impl Socket for TlsStream<TcpStream> {
    fn tcp(&self) -> &TcpStream {
        self.get_ref().0
    }
}

/// Counts a connection for as long as it lives.
struct Counted(Arc<Route>);

impl Counted {
    fn new(route: Arc<Route>) -> Self {
        route.counts.send_modify(|counts| {
            counts.open += 1;
            counts.opened += 1;
            counts.most = counts.most.max(counts.open);
        });
        Self(route)
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.counts.send_modify(|counts| counts.open -= 1);
    }
}

/// How a connection is closed.
enum Close {
    Gracefully,
    WithReset,
}

pub(super) async fn connection(shared: Arc<Shared>, stream: TcpStream) {
    // Small writes must leave at once, or Nagle's algorithm would shape the stream. A socket that is already
    // closed refuses, and is found out below.
    let _ = stream.set_nodelay(true);
    // Errors are the client's doing here: it went away, or does not trust the certificate.
    let _ = match &shared.tls {
        None => exchange(&shared, stream).await,
        Some(tls) => match tls.acceptor.accept(stream).await {
            Ok(stream) => exchange(&shared, stream).await,
            Err(error) => Err(error),
        },
    };
}

async fn exchange(shared: &Shared, mut stream: impl Socket) -> io::Result<()> {
    let Some(request) = read_request(&mut stream).await? else { return Ok(()) };
    lock(&shared.requests).push(request.clone());
    let Some((route, behaviour)) = shared.find(&request.path) else {
        let missing = Reply::new(404, "text/plain", "the origin has nothing here\n");
        stream.write_all(&fixed(&missing, &Behaviour::status(404, "", ""), &request)).await?;
        return stream.shutdown().await;
    };
    let behaviour = behaviour.chosen(&request);
    let admitted = behaviour.account.as_ref().map(|account| account.admit(stream.tcp())).transpose();
    let (behaviour, lease) = match admitted {
        Ok(lease) => (behaviour, lease),
        Err(beyond) => (beyond.chosen(&request), None),
    };
    let mut kills = route.kills.subscribe();
    let counted = Counted::new(route.clone());
    let (mut reader, mut writer) = split(stream);
    let close = tokio::select! {
        close = answer(&behaviour, &request, &route.pace, &mut writer) => close.unwrap_or(Close::WithReset),
        _ = kills.changed() => Close::WithReset,
        () = kicked(lease.as_ref()) => Close::WithReset,
        () = closed_by_client(&mut reader) => Close::Gracefully,
    };
    // It has a handle of the socket too.
    drop(lease);
    match close {
        Close::WithReset => {
            let stream = reader.unsplit(writer);
            stream.tcp().set_zero_linger()?;
            drop(stream);
            drop(counted);
        }
        Close::Gracefully => {
            drop(counted);
            writer.shutdown().await?;
            let _ = timeout(CLOSE_LIMIT, closed_by_client(&mut reader)).await;
        }
    }
    Ok(())
}

/// Waits until the connection has to make room for another of its account.
async fn kicked(lease: Option<&Lease>) {
    match lease {
        Some(lease) => lease.kicked().await,
        None => pending().await,
    }
}

/// Reads and forgets until the client closes.
async fn closed_by_client(reader: &mut ReadHalf<impl Socket>) {
    let mut sink = [0; 1024];
    while reader.read(&mut sink).await.is_ok_and(|count| count > 0) {}
}

/// Reads the head of a request; nothing when the client closes before its end.
async fn read_request(stream: &mut impl Socket) -> io::Result<Option<Request>> {
    let mut head = Vec::new();
    let end = loop {
        if let Some(end) = head.windows(4).position(|window| window == b"\r\n\r\n") {
            break end;
        }
        if head.len() > HEAD_LIMIT || stream.read_buf(&mut head).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8_lossy(&head[..end]).into_owned();
    let mut lines = head.split("\r\n");
    let mut words = lines.next().unwrap_or_default().split(' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_default();
    let (method, target, version) = (word(), word(), word());
    // A client that speaks to a proxy sends the absolute form.
    let path =
        match target.split_once("://").and_then(|(_, rest)| rest.find('/').map(|at| rest[at..].to_owned())) {
            Some(path) if !target.starts_with('/') => path,
            _ => target,
        };
    let headers = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    Ok(Some(Request { method, path, version, headers, at: Instant::now() }))
}

async fn answer(
    behaviour: &Behaviour,
    request: &Request,
    pace: &Pace,
    writer: &mut WriteHalf<impl Socket>,
) -> io::Result<Close> {
    if !behaviour.answer_after.is_zero() {
        sleep(behaviour.answer_after).await;
    }
    if !behaviour.required.iter().all(|(name, value)| has_header(request, name, value)) {
        let forbidden = Reply::new(403, "text/plain", "the origin misses a header field\n");
        writer.write_all(&fixed(&forbidden, behaviour, request)).await?;
        return Ok(Close::Gracefully);
    }
    match &behaviour.answer {
        Answer::Refuse => Ok(Close::WithReset),
        Answer::Fixed(reply) => finite(reply, behaviour, request, writer).await,
        Answer::Chooser(_) => unreachable!("a connection asks the chooser before it answers"),
        Answer::Handler(answer) => finite(&answer(request), behaviour, request, writer).await,
        Answer::Ts(playout) => {
            let start = start(behaviour, request, &playout.content_type, writer).await?;
            let Some(start) = start else { return Ok(Close::Gracefully) };
            let mut player = Player::new(playout);
            endless(behaviour, start, pace, writer, |elapsed| player.take(elapsed)).await
        }
        Answer::Flood(flood) => {
            if let Some(content_type) = &flood.content_type
                && start(behaviour, request, content_type, writer).await?.is_none()
            {
                return Ok(Close::Gracefully);
            }
            let bytes = framed(&flood.bytes, behaviour);
            loop {
                writer.write_all(&bytes).await?;
            }
        }
        Answer::Junk { content_type } => {
            let Some(start) = start(behaviour, request, content_type, writer).await? else {
                return Ok(Close::Gracefully);
            };
            let mut ticks = 0;
            endless(behaviour, start, pace, writer, |elapsed| {
                let due = elapsed.as_millis() / TICK.as_millis() + 1;
                let fresh = usize::try_from(due.saturating_sub(ticks)).expect("a test is short");
                ticks = due;
                // Letters only: none of them is the sync byte, which is a capital G.
                (b'a'..=b'z').cycle().take(JUNK_PER_TICK * fresh).collect()
            })
            .await
        }
    }
}

/// Sends the head of an endless answer; nothing when the request was HEAD.
async fn start(
    behaviour: &Behaviour,
    request: &Request,
    content_type: &str,
    writer: &mut WriteHalf<impl Socket>,
) -> io::Result<Option<Instant>> {
    writer.write_all(&head(200, content_type, &[], behaviour.claimed_length, behaviour)).await?;
    if request.method == "HEAD" {
        return Ok(None);
    }
    if !behaviour.garbage.is_empty() {
        writer.write_all(&framed(&behaviour.garbage, behaviour)).await?;
    }
    Ok(Some(Instant::now()))
}

/// Sends what is due, tick by tick, until the behaviour ends it or the client goes.
async fn endless(
    behaviour: &Behaviour,
    start: Instant,
    pace: &Pace,
    writer: &mut WriteHalf<impl Socket>,
    mut take: impl FnMut(Duration) -> Vec<u8>,
) -> io::Result<Close> {
    let mut ticks = interval(TICK);
    let (mut last, mut elapsed) = (start, Duration::ZERO);
    loop {
        ticks.tick().await;
        let now = Instant::now();
        elapsed += (now - last) * pace.0.load(Ordering::Relaxed) / 100;
        last = now;
        let over = behaviour.ending.filter(|(span, _)| *span <= elapsed);
        let due = take(over.map_or(elapsed, |(span, _)| span));
        if !due.is_empty() {
            writer.write_all(&framed(&due, behaviour)).await?;
        }
        let Some((_, ending)) = over else { continue };
        if ending == Ending::Cut {
            // Half a packet: its sync byte and some of its payload.
            let half = [&[0x47, 0x1f, 0xff, 0x10][..], &[0xff; 90]].concat();
            writer.write_all(&framed(&half, behaviour)).await?;
        }
        return end(ending, behaviour, writer).await;
    }
}

/// Sends a finite answer; one that ends before its time sends the first half of its body and then does so.
async fn finite(
    reply: &Reply,
    behaviour: &Behaviour,
    request: &Request,
    writer: &mut WriteHalf<impl Socket>,
) -> io::Result<Close> {
    let begun = Instant::now();
    let Some((span, ending)) = behaviour.ending.filter(|_| request.method != "HEAD") else {
        let whole = fixed(reply, behaviour, request);
        let Some(rate) = behaviour.bytes_per_second else {
            writer.write_all(&whole).await?;
            return Ok(Close::Gracefully);
        };
        let mut ticks = interval(TICK);
        for share in whole.chunks((rate as usize / TICKS_PER_SECOND).max(1)) {
            ticks.tick().await;
            writer.write_all(share).await?;
        }
        return Ok(Close::Gracefully);
    };
    let length = behaviour.claimed_length.unwrap_or(reply.body.len() as u64);
    writer
        .write_all(&head(reply.status, &reply.content_type, &reply.headers, Some(length), behaviour))
        .await?;
    writer.write_all(&framed(&reply.body[..reply.body.len() / 2], behaviour)).await?;
    sleep_until(begun + span).await;
    end(ending, behaviour, writer).await
}

async fn end(
    ending: Ending,
    behaviour: &Behaviour,
    writer: &mut WriteHalf<impl Socket>,
) -> io::Result<Close> {
    match ending {
        Ending::Clean => {
            if behaviour.chunked {
                writer.write_all(b"0\r\n\r\n").await?;
            }
            Ok(Close::Gracefully)
        }
        Ending::Cut => Ok(Close::WithReset),
        Ending::Stall => pending().await,
    }
}

/// A whole finite answer.
fn fixed(reply: &Reply, behaviour: &Behaviour, request: &Request) -> Vec<u8> {
    let whole = [&behaviour.garbage, &reply.body[..]].concat();
    let length = behaviour.claimed_length.unwrap_or(whole.len() as u64);
    let mut bytes = head(reply.status, &reply.content_type, &reply.headers, Some(length), behaviour);
    if request.method != "HEAD" {
        if !whole.is_empty() {
            bytes.extend(framed(&whole, behaviour));
        }
        if behaviour.chunked {
            bytes.extend(b"0\r\n\r\n");
        }
    }
    bytes
}

fn head(
    status: u16,
    content_type: &str,
    headers: &[(String, String)],
    length: Option<u64>,
    behaviour: &Behaviour,
) -> Vec<u8> {
    let protocol = behaviour.protocol;
    let reason = match status {
        200 => "OK",
        302 => "Found",
        403 => "Forbidden",
        404 => "Not Found",
        _ => "As Asked",
    };
    let mut head = format!("{protocol} {status} {reason}\r\nConnection: close\r\n");
    let mut field = |name: &str, value: &str| {
        write!(head, "{name}: {value}\r\n").expect("a string takes everything");
    };
    if !content_type.is_empty() {
        field("Content-Type", content_type);
    }
    if behaviour.chunked {
        field("Transfer-Encoding", "chunked");
    } else if let Some(length) = length.filter(|_| protocol != "ICY") {
        field("Content-Length", &length.to_string());
    }
    for (name, value) in headers.iter().chain(&behaviour.extra_headers) {
        field(name, value);
    }
    head.push_str("\r\n");
    head.into_bytes()
}

/// Bytes of a body, in as few chunks as may be where that is the coding.
fn framed(bytes: &[u8], behaviour: &Behaviour) -> Vec<u8> {
    if !behaviour.chunked {
        return bytes.to_vec();
    }
    let chunk = |bytes: &[u8]| [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat();
    bytes.chunks(behaviour.chunk_size).flat_map(chunk).collect()
}

fn has_header(request: &Request, name: &str, value: &str) -> bool {
    let mut given = request.headers.iter().filter(|(known, _)| known.eq_ignore_ascii_case(name));
    given.any(|(_, given)| {
        given == value
            || name.eq_ignore_ascii_case("cookie") && given.split(';').any(|one| one.trim() == value)
    })
}

//! Viewers who come, zap and go, and note when they are without data.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use forebay_testkit::client;
use forebay_testkit::ts::{PACKET_SIZE, Packet};
use socket2::SockRef;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::{Instant, sleep, timeout_at};
use tokio_util::sync::CancellationToken;

use super::dice::Dice;
use super::world::{CHANNELS, id};

const SECOND: Duration = Duration::from_secs(1);

/// Channels that are liked at a time, so that the others close.
const LIKED: usize = 9;

/// How long it takes until the first of them is liked no more, and another is.
const TASTE: Duration = Duration::from_secs(3);

/// A time without data that is worth a note.
pub(super) const LONG: Duration = Duration::from_secs(5);

/// A viewer was without data.
#[derive(Debug, Clone, Copy)]
pub(super) struct Famine {
    pub(super) channel: usize,
    pub(super) from: Instant,
    pub(super) to: Instant,
    /// By HLS data comes in segments.
    pub(super) is_hls: bool,
}

/// What a viewer has seen in all its time.
#[derive(Debug, Default)]
pub(super) struct Seen {
    pub(super) bytes: u64,
    pub(super) visits: usize,
    pub(super) refusals: usize,
    pub(super) famines: Vec<Famine>,
}

/// Watches one channel after the other until told to stop.
pub(super) async fn watch(
    address: SocketAddr,
    mut dice: Dice,
    is_hls: bool,
    stop: CancellationToken,
) -> Seen {
    let (mut seen, began) = (Seen::default(), Instant::now());
    sleep(dice.between(Duration::ZERO, 3 * SECOND)).await;
    while !stop.is_cancelled() {
        seen.visits += 1;
        let channel = (dice.liked(LIKED) + moved(began)) % CHANNELS;
        // Some only zap through.
        let most = if dice.below(3) == 0 { 2 * SECOND } else { 25 * SECOND };
        let until = Instant::now() + dice.between(SECOND / 5, most);
        let mut fed = Fed { channel, last: Instant::now(), is_hls };
        while Instant::now() < until && !stop.is_cancelled() {
            let visit = async {
                if is_hls {
                    segments(address, &mut fed, &mut seen).await
                } else {
                    stream(address, &mut fed, &mut seen, dice.below(2) == 0).await
                }
            };
            let over = tokio::select! {
                over = timeout_at(until, visit) => over.is_err(),
                () = stop.cancelled() => true,
            };
            if !over {
                seen.refusals += 1;
                sleep(dice.between(SECOND / 5, SECOND / 2)).await;
            }
        }
        fed.note(&mut seen);
        if dice.below(3) == 0 {
            sleep(dice.between(Duration::ZERO, 4 * SECOND)).await;
        }
    }
    seen
}

/// How far the liked channels have moved on.
fn moved(began: Instant) -> usize {
    usize::try_from(began.elapsed().as_secs() / TASTE.as_secs()).expect("a test is short")
}

/// When a viewer last got something of a channel.
struct Fed {
    channel: usize,
    last: Instant,
    is_hls: bool,
}

impl Fed {
    fn note(&mut self, seen: &mut Seen) {
        let now = Instant::now();
        if now - self.last > LONG {
            seen.famines.push(Famine {
                channel: self.channel,
                from: self.last,
                to: now,
                is_hls: self.is_hls,
            });
        }
        self.last = now;
    }
}

/// Watches the stream to its end, or until it is refused.
async fn stream(address: SocketAddr, fed: &mut Fed, seen: &mut Seen, dies: bool) -> io::Result<()> {
    let mut socket = TcpStream::connect(address).await?;
    if dies {
        // When it goes, it resets: nothing is said to the other side in time.
        SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
    }
    let request = format!("GET /stream/{} HTTP/1.1\r\nHost: localhost\r\n\r\n", id(fed.channel));
    socket.write_all(request.as_bytes()).await?;
    let mut buffer = Vec::with_capacity(32 * 1024);
    let head = loop {
        if socket.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            break end + 4;
        }
    };
    if !buffer.starts_with(b"HTTP/1.1 200") {
        return Ok(());
    }
    buffer.drain(..head);
    loop {
        let whole = buffer.len() / PACKET_SIZE * PACKET_SIZE;
        if buffer[..whole].chunks_exact(PACKET_SIZE).any(begins_media) {
            fed.note(seen);
        }
        seen.bytes += whole as u64;
        buffer.drain(..whole);
        if socket.read_buf(&mut buffer).await? == 0 {
            return Ok(());
        }
    }
}

/// Whether a picture or sound begins here: what keeps a connection alive is no data.
fn begins_media(packet: &[u8]) -> bool {
    Packet::new(packet).is_some_and(|packet| packet.starts_unit() && packet.payload().starts_with(&[0, 0, 1]))
}

/// Watches by HLS until something is refused.
async fn segments(address: SocketAddr, fed: &mut Fed, seen: &mut Seen) -> io::Result<()> {
    let folder = format!("/stream/{}", id(fed.channel));
    let mut newest = String::new();
    loop {
        let list = client::Request::get(address, &format!("{folder}/index.m3u8")).send().await?;
        if list.status != 200 {
            return Ok(());
        }
        let text = list.text();
        let segment =
            text.lines().rfind(|line| !line.starts_with('#') && !line.is_empty()).unwrap_or_default();
        if segment != newest {
            segment.clone_into(&mut newest);
            let path =
                if segment.starts_with('/') { segment.to_owned() } else { format!("{folder}/{segment}") };
            let segment = client::Request::get(address, &path).send().await?;
            if segment.status == 200 && segment.body.chunks_exact(PACKET_SIZE).any(begins_media) {
                seen.bytes += segment.body.len() as u64;
                fed.note(seen);
            }
        }
        sleep(SECOND / 2).await;
    }
}

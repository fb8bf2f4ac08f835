//! Bytes of a film on their way to a viewer.
//!
//! Over plain HTTP/1, what is long goes past the HTTP library: the kernel moves it from the file to
//! the socket, or it is written from memory, and then the library has the connection again. All
//! else is a body in blocks.

use std::io;
use std::ops::Range;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use axum::body::Body;
use axum::response::Response;
use bytes::Bytes;
use forebay_relay::model::Delivery;
use futures_util::future::OptionFuture;
use futures_util::stream;
use rustix::net::SendFlags;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;

use super::viewers::FilmViewer;
use crate::films::{Content, Next, Shelf};
use crate::http::socket::{room, write};

/// Shorter parts stay with the HTTP library: to take a connection out of it and give it back costs
/// as much as to copy so many bytes.
const SHORTEST: u64 = 64 * 1024;

/// At most so many bytes are sent at once, so that others have their turn.
const STEP: u64 = 256 * 1024;

/// How much the system is asked to read of what it does not have in memory.
const READ_AHEAD: u64 = 1 << 20;

/// Unsent bytes that the system holds for a socket. Those of a file are its own pages, which it has
/// once for all viewers; those from memory are copies.
const UNSENT_OF_FILE: u32 = 1 << 20;
const UNSENT_OF_MEMORY: u32 = 256 * 1024;

/// Bytes of films that were sent since the start, by the way they took.
#[derive(Debug, Default)]
pub(in crate::http) struct FilmTraffic {
    counts: [AtomicU64; 3],
}

/// A way from a film to a socket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) enum Path {
    /// The kernel moves the bytes from the file.
    Sendfile,
    /// They are written from memory in which they are kept.
    Memory,
    /// They are read, and then written.
    Read,
}

impl FilmTraffic {
    /// All ways, with their names.
    pub(in crate::http) const PATHS: [(Path, &'static str); 3] =
        [(Path::Sendfile, "sendfile"), (Path::Memory, "memory"), (Path::Read, "read")];

    /// Bytes that took this way.
    pub(in crate::http) fn sent(&self, path: Path) -> u64 {
        self.counts[path as usize].load(Ordering::Relaxed)
    }

    pub(super) fn note(&self, path: Path, bytes: usize) {
        self.counts[path as usize].fetch_add(bytes as u64, Ordering::Relaxed);
    }
}

/// A part of a film's content, and who is sent it.
#[derive(Debug)]
pub(in crate::http) struct FilmBody {
    pub(super) content: Arc<Content>,
    pub(super) part: Range<u64>,
    pub(super) disk: Shelf,
    pub(super) viewer: Option<Arc<FilmViewer>>,
    pub(super) traffic: Arc<FilmTraffic>,
}

/// The bytes that a response is for. The handler puts it into the response's extensions and leaves
/// the body empty: how they are sent, the connection knows, which takes it out again.
#[derive(Debug, Clone)]
pub(in crate::http) struct Sending(Arc<Mutex<Option<Box<FilmBody>>>>);

impl Sending {
    pub(super) fn new(body: FilmBody) -> Self {
        Self(Arc::new(Mutex::new(Some(Box::new(body)))))
    }

    /// The body, if it is long enough to go past the HTTP library.
    pub(in crate::http) fn take_long(&self) -> Option<Box<FilmBody>> {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        // Elsewhere there is no `sendfile` of this kind, and nothing would be gained.
        place.take_if(|body| cfg!(target_os = "linux") && body.part.end - body.part.start >= SHORTEST)
    }

    /// The answer for a connection that the library keeps. Other responses stay as they are.
    pub(in crate::http) fn into_body(mut response: Response) -> Response {
        let sending = response.extensions_mut().remove::<Self>();
        let body =
            sending.and_then(|sending| sending.0.lock().unwrap_or_else(PoisonError::into_inner).take());
        match body {
            Some(body) => response.map(|_| body.in_blocks()),
            None => response,
        }
    }
}

impl FilmBody {
    /// Sends a head, and then the content. A file that has become shorter ends the connection, and
    /// so does a viewer who may not go on or takes nothing for so long.
    pub(in crate::http) async fn send(
        mut self: Box<Self>,
        stream: &TcpStream,
        head: Bytes,
        delivery: Delivery,
        limit: Duration,
    ) -> io::Result<()> {
        // The last byte tells: what comes first is a short head from memory in either case.
        let is_file = matches!(self.content.next(self.part.end - 1, self.part.end), Next::File(_));
        let unsent = if is_file && delivery != Delivery::Copy { UNSENT_OF_FILE } else { UNSENT_OF_MEMORY };
        SockRef::from(stream).set_tcp_notsent_lowat(unsent)?;
        write(stream, head, true, limit).await?;
        let mut loaded = self.part.start;
        let viewer = self.viewer.clone();
        let mut ended = pin!(OptionFuture::from(viewer.as_ref().map(|viewer| viewer.ended())));
        while !self.part.is_empty() {
            // Asked each time, since a fast viewer never
            // waits and so never meets the `select!` below.
            self.check_viewer()?;
            // A read that has to wait for the disk would hold up all viewers of this thread.
            if self.part.start >= loaded {
                loaded = tokio::select! {
                    biased;
                    Some(()) = &mut ended => return Err(no_more()),
                    loaded = self.load() => loaded?,
                };
            }
            let sent = stream.try_io(Interest::WRITABLE, || self.send_some(stream, loaded, delivery));
            let sent = match sent {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    if has_room(stream, limit, ended.as_mut()).await? {
                        continue;
                    }
                    // The system tells of room only when a good part of what waited is gone. What a
                    // slow viewer has taken meanwhile is room, and it is not dead.
                    self.send_some(stream, loaded, delivery).map_err(|_| io::ErrorKind::TimedOut)?
                }
                sent => sent?,
            };
            self.part.start += sent as u64;
            // One who takes all at once must not keep the others waiting.
            tokio::task::consume_budget().await;
        }
        if let Some(viewer) = &self.viewer {
            viewer.touch();
        }
        Ok(())
    }

    /// Sends what the socket takes at once of what comes next; what lies beyond `loaded` might have
    /// to be waited for.
    fn send_some(&self, stream: &TcpStream, loaded: u64, delivery: Delivery) -> io::Result<usize> {
        let Range { start, end } = self.part;
        let end = end.min(loaded).min(start + STEP);
        let (path, sent) = match self.content.next(start, end) {
            Next::Memory(bytes) => (Path::Memory, self.send_bytes(stream, &bytes, end)?),
            #[cfg(target_os = "linux")]
            Next::File(range) if delivery != Delivery::Copy => {
                let count = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
                let mut at = range.start;
                (Path::Sendfile, rustix::fs::sendfile(stream, self.content.file(), Some(&mut at), count)?)
            }
            Next::File(_) | Next::Scattered => {
                let bytes = self.content.read(start, end)?;
                (Path::Read, self.send_bytes(stream, &bytes, end)?)
            }
        };
        // The length was promised in the head, so the
        // connection has to end to show that it is not whole.
        if sent == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter"));
        }
        self.traffic.note(path, sent);
        Ok(sent)
    }

    /// Sends bytes that come next; what follows them may go in the same packet.
    fn send_bytes(&self, stream: &TcpStream, bytes: &[u8], end: u64) -> io::Result<usize> {
        let is_last = self.part.start + bytes.len() as u64 == end;
        let more = if is_last { SendFlags::empty() } else { crate::http::socket::MORE };
        Ok(rustix::net::send(stream, bytes, more | SendFlags::NOSIGNAL)?)
    }

    /// Waits until what comes next can be read without waiting; returns where that ends.
    async fn load(&self) -> io::Result<u64> {
        let Range { start, end } = self.part;
        let near = end.min(start + STEP);
        if self.content.is_loaded(start..near) {
            return Ok(near);
        }
        let (content, far) = (Arc::clone(&self.content), end.min(start + READ_AHEAD));
        self.disk.aside(move || content.load(start..far)).await??;
        Ok(far)
    }

    fn check_viewer(&self) -> io::Result<()> {
        if self.viewer.as_ref().is_some_and(|viewer| viewer.is_ended()) { Err(no_more()) } else { Ok(()) }
    }

    /// The same as a body of the HTTP library.
    fn in_blocks(self: Box<Self>) -> Body {
        Body::from_stream(stream::try_unfold(self, |mut body| async move {
            if body.part.is_empty() {
                if let Some(viewer) = &body.viewer {
                    viewer.touch();
                }
                return Ok::<_, io::Error>(None);
            }
            let ended = OptionFuture::from(body.viewer.as_ref().map(|viewer| viewer.ended()));
            let bytes = tokio::select! {
                biased;
                Some(()) = ended => return Err(no_more()),
                bytes = body.read() => bytes?,
            };
            let at = body.part.start;
            let is_kept = matches!(body.content.next(at, at + 1), Next::Memory(_));
            let path = if is_kept { Path::Memory } else { Path::Read };
            body.traffic.note(path, bytes.len());
            body.part.start += bytes.len() as u64;
            Ok(Some((bytes, body)))
        }))
    }

    /// The next bytes.
    async fn read(&self) -> io::Result<Bytes> {
        let Range { start, end } = self.part;
        if self.content.is_loaded(start..end.min(start + Content::BLOCK)) {
            return self.content.read(start, end);
        }
        let content = Arc::clone(&self.content);
        self.disk.aside(move || content.read(start, end)).await?
    }
}

/// Waits until the socket takes more; `false` if it does not for so long. `ended` completes when the
/// viewer may not go on.
async fn has_room(
    stream: &TcpStream,
    limit: Duration,
    ended: Pin<&mut impl Future<Output = Option<()>>>,
) -> io::Result<bool> {
    tokio::select! {
        biased;
        Some(()) = ended => Err(no_more()),
        room = room(stream, limit) => room.transpose().map(|room| room.is_some()),
    }
}

fn no_more() -> io::Error {
    io::Error::other("the viewer may not go on")
}

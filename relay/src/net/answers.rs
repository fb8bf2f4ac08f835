//! What a server sends, with the head of each answer written anew before hyper reads it.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, ready};

use forebay_core::http_head::HeadReader;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Bytes that are read at once while a head is awaited.
const READ: usize = 8 << 10;

/// A socket whose answers begin with heads that hyper understands. Bodies pass as they are, without
/// a copy.
#[derive(Debug)]
pub(super) struct Answers<S> {
    socket: S,
    state: State,
    turn: Turn,
}

/// Tells [`Answers`] that a request is being sent: what comes next begins with a head.
///
/// Answers have no borders of their own below HTTP; but over one connection, one request at a time
/// is sent, and none before the last answer was read to its end.
#[derive(Debug, Clone, Default)]
pub(super) struct Turn(Arc<AtomicBool>);

impl Turn {
    pub(super) fn begin(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

#[derive(Debug)]
enum State {
    Head(HeadReader),
    /// The head, and what came of the body together with it, from `at` on.
    Read {
        bytes: Vec<u8>,
        at: usize,
    },
    Body,
}

impl<S> Answers<S> {
    pub(super) fn new(socket: S) -> (Self, Turn) {
        let turn = Turn::default();
        (Self { socket, state: State::Body, turn: turn.clone() }, turn)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Answers<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = &mut *self;
        // Relaxed is enough: the request is written and the answer read by the same task.
        if this.turn.0.swap(false, Ordering::Relaxed) {
            this.state = State::Head(HeadReader::default());
        }
        loop {
            match &mut this.state {
                State::Body => return Pin::new(&mut this.socket).poll_read(cx, buf),
                State::Read { bytes, at } => {
                    let count = buf.remaining().min(bytes.len() - *at);
                    buf.put_slice(&bytes[*at..*at + count]);
                    *at += count;
                    if *at == bytes.len() {
                        this.state = State::Body;
                    }
                    return Poll::Ready(Ok(()));
                }
                State::Head(reader) => {
                    // On the stack and only for heads: bodies are read into hyper's own buffer.
                    let mut space = [0; READ];
                    let mut read = ReadBuf::new(&mut space);
                    ready!(Pin::new(&mut this.socket).poll_read(cx, &mut read))?;
                    if read.filled().is_empty() {
                        // hyper knows what to say of an answer that does not come.
                        return Poll::Ready(Ok(()));
                    }
                    let head = reader.push(read.filled());
                    let head = head.map_err(|fault| io::Error::new(io::ErrorKind::InvalidData, fault))?;
                    if let Some(head) = head {
                        this.state = State::Read { bytes: [head.bytes, head.rest].concat(), at: 0 };
                    }
                }
            }
        }
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Answers<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write_vectored(cx, bufs)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

//! What lies between a socket and hyper: a limit on what a server may send before its answer's head is complete.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll, ready};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// The most bytes until the head of an answer is complete, in bytes. One head has some hundred; but a server may send interim answers in front of it
/// (RFC 9110, 15.2), and nothing says how many.
const MAX_BEFORE_HEAD: usize = 256 * 1024;

/// While a body is read, whose length nobody limits here.
const NO_LIMIT: usize = usize::MAX;

/// How many bytes may still come before the head of an answer is complete.
#[derive(Debug, Clone)]
pub(super) struct HeadLimit(Arc<AtomicUsize>);

impl HeadLimit {
    /// A request is sent: its answer's head is awaited.
    pub(super) fn begin(&self) {
        self.0.store(MAX_BEFORE_HEAD, Ordering::Relaxed);
    }

    /// The head has come.
    pub(super) fn end(&self) {
        self.0.store(NO_LIMIT, Ordering::Relaxed);
    }

    /// So many bytes have come; an error if those are too many.
    fn take(&self, bytes: usize) -> io::Result<()> {
        let left = self.0.load(Ordering::Relaxed);
        if left == NO_LIMIT {
            return Ok(());
        }
        let Some(left) = left.checked_sub(bytes) else {
            return Err(io::Error::other(format!(
                "no answer within the first {} KiB",
                MAX_BEFORE_HEAD / 1024
            )));
        };
        self.0.store(left, Ordering::Relaxed);
        Ok(())
    }
}

/// A socket that keeps to its [`HeadLimit`].
#[derive(Debug)]
pub(super) struct Wire<S> {
    socket: S,
    limit: HeadLimit,
}

impl<S> Wire<S> {
    pub(super) fn new(socket: S) -> (Self, HeadLimit) {
        let limit = HeadLimit(Arc::new(AtomicUsize::new(NO_LIMIT)));
        (Self { socket, limit: limit.clone() }, limit)
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Wire<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        Poll::Ready(self.limit.take(buffer.filled().len() - before))
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Wire<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.socket).poll_write(cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

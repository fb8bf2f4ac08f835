//! A connection that is given up when its peer takes nothing.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep, sleep_until};

/// How long a connection may make no progress writing: a channel sets its own on the connection
/// that watches it.
#[derive(Debug, Clone)]
pub(in crate::http) struct WriteLimit(Arc<State>);

#[derive(Debug, Default)]
struct State {
    millis: AtomicU64,
    is_stuck: AtomicBool,
}

impl WriteLimit {
    /// A limit to begin with.
    pub(in crate::http) fn new(limit: Duration) -> Self {
        let new = Self(Arc::default());
        new.set(limit);
        new
    }

    /// Sets the limit, from the next wait on.
    pub(in crate::http) fn set(&self, limit: Duration) {
        self.0.millis.store(u64::try_from(limit.as_millis()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(in crate::http) fn get(&self) -> Duration {
        Duration::from_millis(self.0.millis.load(Ordering::Relaxed))
    }

    /// Whether something waits to be written.
    pub(in crate::http) fn is_stuck(&self) -> bool {
        self.0.is_stuck.load(Ordering::Relaxed)
    }
}

/// A connection that can be asked whether it takes bytes now, whatever the runtime was last told.
pub(in crate::http) trait Socket: AsyncRead + AsyncWrite + Unpin {
    /// Sends what there is room for.
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize>;
}

impl Socket for TcpStream {
    fn send_now(&self, bytes: &[u8]) -> io::Result<usize> {
        SockRef::from(self).send(bytes)
    }
}

/// Reads and writes like `S`, and fails with [`io::ErrorKind::TimedOut`] when a write has waited
/// for longer than the limit.
#[derive(Debug)]
pub(in crate::http) struct Guarded<S> {
    stream: S,
    /// What was read before, and comes first.
    unread: Bytes,
    limit: WriteLimit,
    /// Made when it is first needed: most connections never wait.
    timer: Option<Pin<Box<Sleep>>>,
}

impl<S: Socket> Guarded<S> {
    pub(in crate::http) fn new(stream: S, limit: WriteLimit) -> Self {
        Self::resume(stream, Bytes::new(), limit)
    }

    /// One of which these bytes were read already.
    pub(super) fn resume(stream: S, unread: Bytes, limit: WriteLimit) -> Self {
        Self { stream, unread, limit, timer: None }
    }

    /// The connection itself, and what nobody has read yet of what was read before.
    pub(super) fn into_parts(self) -> (S, Bytes) {
        (self.stream, self.unread)
    }

    fn set_stuck(&self, is_stuck: bool) {
        self.limit.0.is_stuck.store(is_stuck, Ordering::Relaxed);
    }

    /// Looks after the time while the socket takes nothing of `bytes`.
    fn watch(
        &mut self,
        cx: &mut Context<'_>,
        poll: Poll<io::Result<usize>>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if poll.is_ready() {
            self.set_stuck(false);
            return poll;
        }
        let deadline = Instant::now() + self.limit.get();
        let timer = self.timer.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
        // The time counts from the first write in vain; later polls must not move it.
        if !self.limit.is_stuck() {
            timer.as_mut().reset(deadline);
            self.limit.0.is_stuck.store(true, Ordering::Relaxed);
        }
        ready!(timer.as_mut().poll(cx));
        // The system tells of room only when a good part of what waited is gone. Of a slow peer
        // that takes some time, but what it has taken meanwhile is room, and it is not dead.
        Poll::Ready(match self.stream.send_now(bytes) {
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                Err(io::Error::new(io::ErrorKind::TimedOut, "the peer takes nothing"))
            }
            sent => {
                self.set_stuck(false);
                sent
            }
        })
    }
}

impl<S: Socket> AsyncRead for Guarded<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if !self.unread.is_empty() {
            let count = self.unread.len().min(buf.remaining());
            buf.put_slice(&self.unread.split_to(count));
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: Socket> AsyncWrite for Guarded<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.watch(cx, poll, buf)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let poll = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        // What is sent in place of the vectored write has to begin with its first bytes.
        let first = bufs.iter().find(|buf| !buf.is_empty()).map_or(&[][..], |buf| &buf[..]);
        self.watch(cx, poll, first)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};

    use super::*;

    /// A pipe tells of room at once.
    impl Socket for DuplexStream {
        fn send_now(&self, _: &[u8]) -> io::Result<usize> {
            Err(io::ErrorKind::WouldBlock.into())
        }
    }

    #[tokio::test]
    async fn what_was_read_before_comes_first() {
        let (ours, mut theirs) = duplex(1000);
        let limit = WriteLimit::new(Duration::from_secs(10));
        let mut guarded = Guarded::resume(ours, Bytes::from_static(b"before"), limit);
        theirs.write_all(b" and then").await.unwrap();
        let mut read = [0; 15];
        guarded.read_exact(&mut read[..2]).await.unwrap();
        guarded.read_exact(&mut read[2..]).await.unwrap();
        assert_eq!(&read, b"before and then");
    }

    #[tokio::test(start_paused = true)]
    async fn a_peer_that_takes_nothing_is_given_up_and_one_that_takes_a_little_is_not() {
        let (ours, mut theirs) = duplex(1000);
        let mut guarded = Guarded::new(ours, WriteLimit::new(Duration::from_secs(10)));
        guarded.write_all(&[0; 1000]).await.unwrap();
        let start = Instant::now();
        let (wrote, ()) = tokio::join!(guarded.write_all(&[0; 1000]), async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(9)).await;
                theirs.read_exact(&mut [0; 100]).await.unwrap();
            }
        });
        wrote.unwrap();
        assert_eq!(start.elapsed(), Duration::from_secs(90));
        let error = guarded.write_all(&[0; 1000]).await.unwrap_err();
        assert_eq!((error.kind(), start.elapsed()), (io::ErrorKind::TimedOut, Duration::from_secs(100)));
    }
}

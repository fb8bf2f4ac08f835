//! A plain socket that has been taken over from the HTTP library: what writes to it.

use std::io;
use std::net::Shutdown;
use std::time::Duration;

use bytes::{Buf, Bytes};
use futures_util::future::BoxFuture;
use http::{Version, header, response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use rustix::net::SendFlags;
use socket2::SockRef;
use tokio::io::Interest;
use tokio::net::TcpStream;
use tokio::time::timeout;

/// How long the kernel goes on trying to deliver what it still has when the connection is over.
#[cfg(target_os = "linux")]
const ORPHAN_TIMEOUT: Duration = Duration::from_secs(30);

/// What says that more follows at once; elsewhere than on Linux, nothing.
#[cfg(target_os = "linux")]
pub(super) const MORE: SendFlags = SendFlags::MORE;
#[cfg(not(target_os = "linux"))]
pub(super) const MORE: SendFlags = SendFlags::empty();

/// Sends these bytes; with `has_more`, what follows may go in the same packet.
pub(super) async fn write(
    stream: &TcpStream,
    mut bytes: Bytes,
    has_more: bool,
    limit: Duration,
) -> io::Result<()> {
    let more = if has_more { MORE } else { SendFlags::empty() };
    while !bytes.is_empty() {
        // Without the signal: a viewer who has gone must not end the program (SIGPIPE).
        let send = || Ok(rustix::net::send(stream, &bytes, more | SendFlags::NOSIGNAL)?);
        match stream.try_io(Interest::WRITABLE, send) {
            Ok(count) => bytes.advance(count),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                room(stream, limit).await.ok_or(io::ErrorKind::TimedOut)??;
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Waits until the socket takes more; `None` after `limit`. Boxed, since few viewers ever wait.
pub(super) fn room(stream: &TcpStream, limit: Duration) -> BoxFuture<'_, Option<io::Result<()>>> {
    Box::pin(async move { timeout(limit, stream.writable()).await.ok() })
}

/// Ends a connection on which nothing more is sent: what the system still has of it goes out, or is
/// thrown away if the answer `sent` has failed. Returns what failed first.
pub(super) fn finish(stream: &TcpStream, sent: io::Result<()>) -> io::Result<()> {
    let socket = SockRef::from(stream);
    // Of what is in the kernel now, no task of ours waits for the end. While the viewer is watched,
    // this must not be set: the system counts a viewer as dead who takes little at a time for
    // longer than this.
    #[cfg(target_os = "linux")]
    let _ = socket.set_tcp_user_timeout(Some(ORPHAN_TIMEOUT));
    match sent {
        // Only the writing half: closing with something unread would
        // reset the connection, and with it what is still on its way.
        Ok(()) => socket.shutdown(Shutdown::Write),
        Err(error) => {
            // Nobody takes it: it goes with the socket.
            let _ = socket.set_linger(Some(Duration::ZERO));
            Err(error)
        }
    }
}

/// A head as it is sent. The connection is kept for the next request if `is_kept`.
pub(super) fn render(version: Version, head: &response::Parts, is_kept: bool) -> Vec<u8> {
    // HTTP/1.0 stays what it is: its players do not know better.
    let version = if version == Version::HTTP_10 { "HTTP/1.0" } else { "HTTP/1.1" };
    let status = head.status;
    let reason = status.canonical_reason().unwrap_or_default();
    let mut bytes = format!("{version} {} {reason}\r\n", status.as_str()).into_bytes();
    let mut line = |name: &str, value: &[u8]| {
        bytes.extend_from_slice(name.as_bytes());
        bytes.extend_from_slice(b": ");
        bytes.extend_from_slice(value);
        bytes.extend_from_slice(b"\r\n");
    };
    let of_connection = [header::TRANSFER_ENCODING, header::CONNECTION];
    // These are about the connection, which is ours now and not hyper's.
    for (name, value) in head.headers.iter().filter(|(name, _)| !of_connection.contains(name)) {
        line(name.as_str(), value.as_bytes());
    }
    if !is_kept {
        line("connection", b"close");
    }
    if let Ok(date) = DateTimePrinter::new().timestamp_to_rfc9110_string(&Timestamp::now()) {
        line("date", date.as_bytes());
    }
    bytes.extend_from_slice(b"\r\n");
    bytes
}

//! What becomes of those for whom there is no room: they are told so, within bounds.

use std::fs::File;
use std::io;
use std::time::{Duration, Instant};

use axum::response::IntoResponse as _;
use http_body_util::BodyExt as _;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::task::TaskTracker;
use tracing::{info, warn};

use crate::http::error::ApiError;

/// Descriptors kept for the case that there are no others: as many can be refused at the same time.
const RESERVE: usize = 16;

/// Refusals at the same time; beyond them connections are closed without a word. Fewer than the
/// descriptors that are kept.
const MAX_REFUSALS: usize = 64;

/// From line to line in the log about what goes on.
const LOG_EVERY: Duration = Duration::from_secs(10);

/// How long a refusal may take.
const REFUSAL_TIMEOUT: Duration = Duration::from_secs(1);

/// A request head that is worth waiting for, in bytes.
const MAX_HEAD: usize = 8 * 1024;

/// Refuses connections.
#[derive(Debug)]
pub(super) struct Shed {
    tasks: TaskTracker,
    refusals: TaskTracker,
    reserve: Vec<File>,
    /// Whether those refused understand us before a handshake.
    is_plain: bool,
    /// Refused since that was logged last.
    refused: u64,
    /// Whether it was logged that some are refused, and not yet that they are no more.
    is_known: bool,
    logged_at: Option<Instant>,
}

impl Shed {
    pub(super) fn new(tasks: TaskTracker, is_plain: bool) -> Self {
        let mut shed = Self {
            tasks,
            is_plain,
            refusals: TaskTracker::new(),
            reserve: Vec::new(),
            refused: 0,
            is_known: false,
            logged_at: None,
        };
        shed.has_reserve();
        shed
    }

    /// Whether the descriptors that were lent are back: else a connection that could be accepted
    /// has taken one of them, and to serve it would be to lose it.
    pub(super) fn has_reserve(&mut self) -> bool {
        while self.reserve.len() + self.refusals.len() < RESERVE {
            // Any file holds a descriptor; this one needs no disk.
            let Ok(file) = File::open("/dev/null") else { return false };
            self.reserve.push(file);
        }
        true
    }

    /// Frees a descriptor, so that a connection can be accepted to be refused; false when none is
    /// left.
    pub(super) fn lend_descriptor(&mut self) -> bool {
        self.has_reserve();
        self.reserve.pop().is_some()
    }

    /// Whether something that may go on and on is to be logged now.
    pub(super) fn may_log(&mut self) -> bool {
        let is_due = self.logged_at.is_none_or(|at| at.elapsed() >= LOG_EVERY);
        if is_due {
            self.logged_at = Some(Instant::now());
        }
        is_due
    }

    /// There is room again.
    pub(super) fn rest(&mut self) {
        if self.is_known && self.may_log() {
            info!(refused = self.refused, "connections are accepted again");
            (self.refused, self.is_known) = (0, false);
        }
    }

    /// Answers 503 (or closes, where there would have to be a handshake first), because there are
    /// no more than `limit` of `what`.
    pub(super) fn refuse(&mut self, stream: TcpStream, what: &'static str, limit: usize) {
        self.refused += 1;
        if self.may_log() {
            warn!(limit, refused = self.refused, "no {what} left: further connections are refused");
            (self.refused, self.is_known) = (0, true);
        }
        // Over TLS an answer would need the handshake, which costs more than serving.
        if self.is_plain && self.refusals.len() < MAX_REFUSALS {
            let refusal = self.refusals.track_future(async move {
                let _ = timeout(REFUSAL_TIMEOUT, answer(stream)).await;
            });
            self.tasks.spawn(refusal);
        }
    }
}

/// The request is read first: closing a connection with something unread would take the answer away
/// with it.
async fn answer(mut stream: TcpStream) -> io::Result<()> {
    let mut head = Vec::new();
    while head.len() < MAX_HEAD && !head.windows(4).any(|end| end == b"\r\n\r\n") {
        if stream.read_buf(&mut head).await? == 0 {
            return Ok(());
        }
    }
    let (head, body) = ApiError::too_many_connections().into_response().into_parts();
    // It is a short text in one piece.
    let body = body.collect().await.map_err(io::Error::other)?.to_bytes();
    let mut answer = b"HTTP/1.1 503 Service Unavailable\r\nconnection: close\r\n".to_vec();
    for (name, value) in &head.headers {
        answer.extend([name.as_str().as_bytes(), b": ", value.as_bytes(), b"\r\n"].concat());
    }
    answer.extend(format!("content-length: {}\r\n\r\n", body.len()).as_bytes());
    answer.extend(&body);
    stream.write_all(&answer).await?;
    stream.shutdown().await
}

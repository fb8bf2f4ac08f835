//! Opens a source: one upstream, as a stream of pieces.
//!
//! Every kind of source has a file here. What is opened is not yet known to be a transport stream, and this room does not
//! care: it brings bytes, says where a new run of them begins, and how fast they may be taken. UDP gets a file of its own.

mod agent;
mod clip;
mod encoding;
mod error;
mod file;
pub mod hls;
mod http;
pub mod look;
mod offload;
pub mod picture;
pub mod slate;
pub mod sniff;
mod testcard;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use forebay_core::playlist::follow::Others;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use self::error::Error;
use crate::model::{Source, SourceKind};
pub use crate::net::Hold;

/// What an upstream brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that follow those before.
    Bytes(Bytes),
    /// The run of bytes is complete, and another begins: a file from its start. Nothing of the next run's counters or clocks need fit.
    Seam,
    /// Something has come, and nothing of it can be passed on yet.
    Life,
    /// A part of the run is complete. The next goes on in time, but its continuity counters may begin anew.
    Cut,
}

/// How fast an upstream may be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pace {
    /// As fast as it comes: it comes live.
    Live,
    /// No faster than it plays: it could be read at any speed.
    MediaTime,
}

/// One open upstream. Dropping it closes its connection.
pub struct Upstream {
    /// The pieces. An endless stream: its end is a failure.
    pub pieces: BoxStream<'static, Result<Piece, Error>>,
    /// How fast they may be taken.
    pub pace: Pace,
    /// Of an HLS source: what it tells about itself while it runs.
    pub monitor: Option<Arc<hls::Monitor>>,
    /// It has a length that the server told, and was complete if it ends: a file, and no live
    /// stream.
    pub has_length: bool,
    /// Goes last, when its sockets are closed. So an HLS source that has none between two requests holds it too.
    pub hold: Hold,
}

impl Upstream {
    /// An upstream that tells nothing but its pieces.
    pub fn new(pieces: BoxStream<'static, Result<Piece, Error>>, pace: Pace, hold: Hold) -> Self {
        Self { pieces, pace, monitor: None, has_length: false, hold }
    }
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("pace", &self.pace).finish_non_exhaustive()
    }
}

/// What an opening goes by besides the settings of the source.
#[derive(Debug, Clone, Default)]
pub struct Context {
    /// What is known of the source from before.
    pub memory: hls::Memory,
    /// What viewers have besides it.
    pub others: Others,
    /// Whether all viewers wait for whole HLS segments. It is looked at when the source has
    /// answered: they come while it is asked.
    pub has_head_start: Arc<AtomicBool>,
}

/// Opens sources. A trait, so that a test can bring its own bytes.
pub trait Opener: fmt::Debug + Send + Sync {
    /// Opens `source`; each of its sockets has a clone of `hold`, and so has the upstream. Dropping the future abandons the attempt and
    /// closes whatever it has opened.
    fn open(
        &self,
        source: &Source,
        context: &Context,
        hold: Hold,
    ) -> BoxFuture<'static, Result<Upstream, Error>>;
}

/// Opens every kind of source that a configuration can name.
#[derive(Clone)]
pub struct Sources {
    http: agent::Client,
}

impl Sources {
    /// Prepares what all upstreams share: the TLS settings and the trusted roots.
    pub fn new() -> Self {
        Self { http: agent::Client::new() }
    }
}

impl fmt::Debug for Sources {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sources").finish_non_exhaustive()
    }
}

impl Default for Sources {
    fn default() -> Self {
        Self::new()
    }
}

impl Opener for Sources {
    fn open(
        &self,
        source: &Source,
        context: &Context,
        hold: Hold,
    ) -> BoxFuture<'static, Result<Upstream, Error>> {
        match source.url.kind() {
            SourceKind::Http => self.http.open(source, context, hold),
            SourceKind::File => Box::pin(file::open(source.url.clone(), hold)),
            SourceKind::TestCard => Box::pin(std::future::ready(Ok(testcard::open(hold)))),
        }
    }
}

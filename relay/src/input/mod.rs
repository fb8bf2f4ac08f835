//! Opens a source: one upstream, as a stream of pieces.
//!
//! Every kind of source has a file here. What is opened is not yet known to be a transport stream,
//! and this room does not care: it brings bytes, says where a new run of them begins, and how fast
//! they may be taken.

mod agent;
pub mod byte_range;
mod clip;
pub mod datagram;
pub mod document;
mod encoding;
mod error;
mod file;
pub mod hls;
mod http;
mod no_address;
mod offload;
pub mod page;
pub mod picture;
pub mod provider_archive;
pub mod ranges;
pub mod sample_frame;
pub mod slate;
pub mod sniff;
mod testcard;

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use bytes::Bytes;
use forebay_core::ingest::{self, Facts};
use forebay_core::playlist::follow::Others;
use futures_util::future::BoxFuture;
use futures_util::stream::BoxStream;

pub use forebay_core::ingest::Pace;

pub use self::error::Error;
use crate::model::{Source, SourceKind};
pub use crate::net::SocketGuard;

/// What an upstream brings.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    /// Bytes that follow those before.
    Bytes(Bytes),
    /// The run of bytes is complete, and another begins: a file from its start. Nothing of the next
    /// run's counters or clocks need fit.
    Discontinuity,
    /// Something has come, and nothing of it can be passed on yet.
    Activity,
    /// A part of the run is complete. The next goes on in time, but its continuity counters may
    /// begin anew.
    SegmentEnd,
}

/// One open upstream. Dropping it closes its connection.
pub struct Upstream {
    /// The pieces. An endless stream: its end is a failure.
    pub pieces: BoxStream<'static, Result<Piece, Error>>,
    /// What is known of it.
    pub facts: Facts,
    /// Where it comes in parts, such as the segments of HLS: what it tells while it runs.
    pub parts: Option<Arc<dyn Parts>>,
    /// Goes last, when its sockets are closed. So an HLS source that has none between two requests
    /// holds it too.
    pub hold: SocketGuard,
}

impl Upstream {
    /// An upstream of which nothing is known but its pace.
    pub fn new(pieces: BoxStream<'static, Result<Piece, Error>>, pace: Pace, hold: SocketGuard) -> Self {
        Self { pieces, facts: Facts::new(pace), parts: None, hold }
    }

    /// An upstream on this machine that begins again at its end.
    pub fn looped(pieces: BoxStream<'static, Result<Piece, Error>>, hold: SocketGuard) -> Self {
        let facts = Facts { begins_again: true, ..Facts::new(Pace::MediaTime) };
        Self { pieces, facts, parts: None, hold }
    }
}

/// What an upstream that comes in parts tells while it runs.
pub trait Parts: fmt::Debug + Send + Sync {
    /// How it stands.
    fn state(&self) -> ingest::PartsState;

    /// Media falls behind: asks for a lesser variant, if there is one that may help. Returns
    /// whether there is.
    fn ask_for_less(&self) -> bool;

    /// Why the last part that was asked for did not come.
    fn trouble(&self) -> Option<Error>;

    /// What the status document shows, of an HLS source.
    fn snapshot(&self) -> Option<hls::Snapshot>;
}

impl fmt::Debug for Upstream {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Upstream").field("facts", &self.facts).finish_non_exhaustive()
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
    /// The page that it belongs to, if it is one of a platform.
    pub followed: Option<page::Followed>,
}

/// Opens sources. A trait, so that a test can bring its own bytes.
pub trait Opener: fmt::Debug + Send + Sync {
    /// Opens `source`; each of its sockets has a clone of `hold`, and so has the upstream. Dropping
    /// the future abandons the attempt and closes whatever it has opened.
    fn open(
        &self,
        source: &Source,
        context: &Context,
        hold: SocketGuard,
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
        hold: SocketGuard,
    ) -> BoxFuture<'static, Result<Upstream, Error>> {
        match source.url.kind() {
            SourceKind::Http => self.http.open(source, context, hold),
            SourceKind::File => Box::pin(file::open(source.url.clone(), hold)),
            SourceKind::TestCard => Box::pin(std::future::ready(Ok(testcard::open(hold)))),
            SourceKind::Page => {
                // `PageOpener` stands in front and takes pages;
                // only a relay without a resolver gets here.
                let why = "nothing here resolves pages".to_owned();
                Box::pin(std::future::ready(Err(Error::Request(why))))
            }
            SourceKind::Datagrams => {
                let place = source.url.datagrams().expect("it is one");
                Box::pin(async move { datagram::open(&place, hold) })
            }
            SourceKind::Variant | SourceKind::Program => {
                let why = "nothing here runs programs".to_owned();
                Box::pin(std::future::ready(Err(Error::Job(why))))
            }
        }
    }
}

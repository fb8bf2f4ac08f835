//! What viewers wait for: the stage of their channel, and the window of their group.

use std::sync::{Arc, OnceLock};

use bytes::Bytes;
use forebay_core::store_index::Edges;

use super::report::StartFailure;
use super::store::Store;

/// The part of the store that a group of viewers may read.
#[derive(Debug, Clone, Default)]
pub(super) struct Window {
    pub(super) edges: Edges,
    /// From the head that was last announced to the group to the present one: the bytes that
    /// viewers who keep up read next.
    pub(super) newest: Option<Arc<Block>>,
    /// Nothing more comes.
    pub(super) is_over: bool,
}

/// What an open channel shows.
#[derive(Debug, Clone, Default)]
pub(super) enum Stage {
    /// No source has delivered a picture yet.
    #[default]
    Starting,
    /// A source delivers, or the slate is shown.
    Live,
    /// There has been a picture, and no source delivers now.
    Outage,
    /// No source answered.
    Failed(Arc<StartFailure>),
    /// The feed is over.
    Ended,
}

impl Stage {
    /// Whether nothing more comes.
    pub(super) fn is_over(&self) -> bool {
        matches!(self, Self::Failed(_) | Self::Ended)
    }
}

/// A stretch of the store whose bytes are read once and shared.
#[derive(Debug)]
pub(super) struct Block {
    pub(super) start: u64,
    pub(super) end: u64,
    bytes: OnceLock<Bytes>,
}

impl Block {
    pub(super) fn new(start: u64, end: u64) -> Self {
        Self { start, end, bytes: OnceLock::new() }
    }

    /// The bytes; `None` when the store no longer has them.
    pub(super) fn read(&self, store: &Store) -> std::io::Result<Option<Bytes>> {
        if let Some(bytes) = self.bytes.get() {
            return Ok(Some(bytes.clone()));
        }
        let bytes = store.read(self.start, self.end)?;
        // Several may read it at once; none waits for
        // another, and all use the bytes of the first.
        Ok(bytes.map(|bytes| self.bytes.get_or_init(|| bytes).clone()))
    }
}

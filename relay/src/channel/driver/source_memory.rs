//! What a driver remembers of its channel's sources, beside their failover state.

use std::collections::HashMap;

use forebay_core::failover::SourceId;

use crate::input::Error;
use crate::input::hls::Memory;
use crate::model::{Channel, SourceUrl};

/// What is remembered of each source, by its id.
#[derive(Default)]
pub(super) struct SourceMemory {
    by_id: HashMap<SourceId, Remembered>,
}

/// What is remembered of a source.
#[derive(Default)]
pub(super) struct Remembered {
    /// The last error.
    pub(super) error: Option<Error>,
    /// Findings from when the source was open before.
    pub(super) memory: Memory,
}

impl SourceMemory {
    /// The last error of this source.
    pub(super) fn error(&self, source: SourceId) -> Option<&Error> {
        self.by_id.get(&source)?.error.as_ref()
    }

    /// The memory of a listed source, to be changed.
    pub(super) fn of(&mut self, source: SourceId) -> &mut Remembered {
        self.by_id.entry(source).or_default()
    }

    /// Forgets the sources that are no longer listed.
    pub(super) fn retain(&mut self, channel: &Channel) {
        self.by_id.retain(|&source, _| channel.source(source).is_some());
    }
}

/// A source as an operator knows it, for the log.
#[derive(Debug, Clone)]
pub(super) struct Label {
    /// Its position in the list, from 0: the last known one, if the source is no longer listed.
    pub(super) position: usize,
    /// Its address; shows no credentials.
    pub(super) url: SourceUrl,
}

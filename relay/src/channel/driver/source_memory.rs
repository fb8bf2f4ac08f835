//! What a driver remembers of its channel's sources, beside how they have done.

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
    /// What it failed with last.
    pub(super) error: Option<Error>,
    /// What is known from when it was open before.
    pub(super) memory: Memory,
}

impl SourceMemory {
    /// What this source failed with last.
    pub(super) fn error(&self, source: SourceId) -> Option<&Error> {
        self.by_id.get(&source)?.error.as_ref()
    }

    /// Of a source of the list, to be written to.
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
    /// Its place in the list, from 0: the last one, where the source is no longer listed.
    pub(super) position: usize,
    /// Where it is; shows no credentials.
    pub(super) url: SourceUrl,
}

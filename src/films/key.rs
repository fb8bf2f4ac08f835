//! What names a segment of a film.

use std::time::Duration;

use forebay_core::manifest::Rendition;

use crate::db::films::Identity;

/// Names a segment of a film in one state of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct SegmentKey {
    pub(super) film: Identity,
    /// How long its segments are to be: it says where they begin.
    pub(super) segment: Duration,
    pub(super) rendition: Rendition,
    pub(super) number: usize,
}

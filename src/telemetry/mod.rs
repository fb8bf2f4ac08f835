//! What Forebay tells about itself.

pub(crate) mod bucket;
mod daily;
mod kinds;
pub mod log;
mod queue;
pub(crate) mod recent;

use std::sync::atomic::{AtomicU64, Ordering};

/// Lines that reached no reader, of this process.
static LOST: AtomicU64 = AtomicU64::new(0);

/// Lines that were not written because there were too many of their kind, of this process.
static SUPPRESSED: AtomicU64 = AtomicU64::new(0);

/// What the log has left out since the process began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LeftOut {
    /// Lines that stderr or the file did not take.
    pub(crate) lost: u64,
    /// Lines of which there were too many of one kind, or of one viewer.
    pub(crate) suppressed: u64,
}

/// What the log has left out since the process began.
pub(crate) fn left_out() -> LeftOut {
    LeftOut { lost: LOST.load(Ordering::Relaxed), suppressed: SUPPRESSED.load(Ordering::Relaxed) }
}

/// Counts lines that somebody else has suppressed.
pub(crate) fn count_suppressed(lines: u64) {
    SUPPRESSED.fetch_add(lines, Ordering::Relaxed);
}

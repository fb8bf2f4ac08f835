//! What a track is made of.

use std::collections::VecDeque;
use std::time::Duration;

use super::super::super::model::Segment;
use crate::time::Moment;

/// The segments that are known.
#[derive(Debug, Default)]
pub(super) struct List {
    /// Those that are listed, behind those that are only remembered.
    pub(super) segments: VecDeque<Segment>,
    /// How many of `segments` the playlist lists: the last ones.
    pub(super) listed: usize,
    /// The position of the first of `segments`.
    pub(super) base: i64,
    /// The media sequence number of the first of `segments`.
    pub(super) sequence: u64,
}

/// What the version on hand says of itself.
#[derive(Debug, Default)]
pub(super) struct Stated {
    /// The target duration as stated.
    pub(super) target: Duration,
    /// The longest listed segment.
    pub(super) longest: Option<Duration>,
    /// The duration of all listed segments.
    pub(super) window: Duration,
    pub(super) is_ended: bool,
}

/// How far the list has been taken.
#[derive(Debug)]
pub(super) struct Place {
    /// The position of the segment that is taken next.
    pub(super) next: i64,
    /// Media time taken or passed over, from [`ORIGIN`] on.
    pub(super) taken: Duration,
    /// The same at the last discontinuity that was taken.
    pub(super) part_at: Option<Duration>,
    pub(super) last_taken: Option<Segment>,
    /// The position behind the last segment that was taken; `None` before the first.
    pub(super) reached: Option<i64>,
    /// The next segment does not follow the one that was taken last.
    pub(super) is_discontinuous: bool,
}

/// When the list is asked for.
#[derive(Debug)]
pub(in super::super) struct Polling {
    /// When to ask for it again; `None` when it is complete.
    pub(in super::super) reload_at: Option<Moment>,
    /// When it was last asked for.
    pub(super) asked_at: Moment,
    /// When the last version with something new was asked for.
    pub(super) changed_at: Moment,
    /// How many requests for it failed in a row.
    pub(in super::super) failures: u32,
}

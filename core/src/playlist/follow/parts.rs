//! What a follower is made of.

use std::time::Duration;

use url::Url;

use super::track::Successor;
use super::{Asked, InFlight, Retry};
use crate::time::Moment;

/// The playlist at the address that was given, which leads to all others.
#[derive(Debug)]
pub(super) struct Entrance {
    pub(super) entry: Url,
    /// How deep the multivariant playlist on hand is nested.
    pub(super) nested: u32,
    /// When the entry was asked for last.
    pub(super) entered_at: Moment,
    /// The entry is to be asked for again.
    pub(super) enters: bool,
    /// How the list at the entry relates to the one on hand.
    pub(super) at_entry: Successor,
    /// Addresses without a query get that of the playlist.
    pub(super) inherits: bool,
}

/// The playlists that are asked for.
#[derive(Debug)]
pub(super) struct Requests {
    /// Of each rendition, what was asked for; the entry takes the place of the variant's list.
    pub(super) asked: [Option<(Asked, Moment)>; 2],
    /// When the last playlist of the variant was asked for.
    pub(super) polled_at: Moment,
    /// The longest time in which a playlist came.
    pub(super) slowest_answer: Duration,
}

/// The segments that are fetched, by rendition.
#[derive(Debug)]
pub(super) struct Fetches {
    pub(super) in_flight: [Option<InFlight>; 2],
    pub(super) retry: [Option<Retry>; 2],
    /// When a segment last came.
    pub(super) progress_at: Moment,
    /// The status with which a playlist was refused since then.
    pub(super) refused: Option<u16>,
}

/// How much is wanted.
#[derive(Debug)]
pub(super) struct Appetite {
    /// Whether more is wanted.
    pub(super) is_hungry: bool,
    /// How much earlier it began than usual.
    pub(super) head_start: Duration,
}

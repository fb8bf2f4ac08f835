//! What a follower is told, and what it has counted of it.

use url::Url;

use super::super::model::Playlist;
use super::super::parse;

/// What a request for a playlist came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A version of it.
    Playlist {
        /// Where it came from in the end.
        url: Url,
        /// What its body says. Reading a large body takes long, so whoever fetches it also reads
        /// it.
        playlist: Result<Playlist, parse::Error>,
        /// Its version.
        etag: Option<String>,
    },
    /// It is still what it was (HTTP 304).
    NotModified,
    /// Another HTTP status.
    Refused(u16),
    /// No answer.
    Failed,
}

/// What a request for a segment came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// All of it has come.
    Done,
    /// All of it has come, and it is the same media as the one before.
    Repeated,
    /// Some of it has come, and has been passed on.
    Truncated,
    /// An HTTP status that is no success, of the segment, its key or what must stand in front of
    /// it. Nothing was passed on.
    Refused(u16),
    /// No answer, or one of no use. Nothing was passed on.
    Failed,
    /// It is of a kind that cannot be passed on, and so will be the next.
    Unusable,
    /// It was fetched to be compared, and was passed on before; so many others were since then.
    Known(usize),
    /// It was fetched to be compared, and is none of those that were passed on lately.
    Unknown,
    /// It stood still as the one before it did, and nothing is in store for further tries.
    Stalled,
}

/// What the follower has counted since it began.
///
/// It has many fields since each is one counter of the status document, and none depends on
/// another.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Versions of playlists that came.
    pub playlists: u64,
    /// Of these, versions that brought nothing new.
    pub unchanged: u64,
    /// Versions that were older than the one on hand.
    pub older: u64,
    /// Lists that began anew, with other numbers or names.
    pub restarts: u64,
    /// Versions whose media sequence numbers contradicted their segments.
    pub renumbered: u64,
    /// Times that a list had moved on past what was to be fetched next.
    pub ran_past: u64,
    /// Segments marked as missing.
    pub gaps: u64,
    /// Segments that only repeated the one before them, by their address or by their bytes.
    pub repeated: u64,
    /// Segments that were fetched.
    pub segments: u64,
    /// Segments that were asked for again.
    pub retries: u64,
    /// Segments that were passed over, since they were not to be had.
    pub skipped: u64,
    /// Segments that broke off.
    pub truncated: u64,
    /// Times that it went back to the entry.
    pub entries: u64,
    /// Variants that were left for another.
    pub variants_left: u64,
    /// Times that separate sound was given up, for another one or for the picture alone.
    pub sounds_lost: u64,
    /// Times that the picture went back to separate sound that had fallen behind for good.
    pub sounds_rejoined: u64,
    /// Times that a higher variant was taken again.
    pub variants_raised: u64,
    /// Lines and numbers of playlists that were worked around.
    pub faults: u64,
}

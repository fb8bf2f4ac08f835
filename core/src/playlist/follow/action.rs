//! What a follower wants done.

use std::time::Duration;

use url::Url;

use super::super::model::{Range, Variables};
use super::super::parse;
use crate::remux::Pairing;

/// What to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Fetch a playlist.
    FetchPlaylist {
        /// Whose it is; the entry counts as the variant's.
        of: Rendition,
        /// Its address.
        url: Url,
        /// Whether it is the entry.
        is_entry: bool,
        /// The version that is on hand, for a conditional request.
        etag: Option<String>,
        /// Variables of the multivariant playlist, which its reader needs.
        inherited: Variables,
        /// How long it may take.
        timeout: Duration,
    },
    /// Fetch a segment.
    FetchSegment(Box<Fetch>),
    /// Put pictures and separate sound together like this from now on. It applies to what has been
    /// passed to the remuxer, and comes before whatever is passed to it later.
    Pair(Pair),
    /// The list was complete, and all of it was taken.
    End,
    /// Give up.
    Fail(Failure),
}

/// How pictures and separate sound go together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pair {
    /// Which of them waits for the other.
    pub pairing: Pairing,
    /// What was fetched of the variant, and of its sound, and is held back, is void: it comes from
    /// elsewhere from now on.
    pub void: [bool; 2],
    /// How much of the picture goes on in any case.
    pub least: Duration,
}

/// A segment to fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fetch {
    /// Whether it is of the variant or of its separate sound.
    pub rendition: Rendition,
    /// Where it is.
    pub url: Url,
    /// Which bytes of it.
    pub range: Option<Range>,
    /// How it is encrypted.
    pub key: Option<Aes128>,
    /// What must stand in front of it.
    pub init: Option<FetchInit>,
    /// The language of the separate sound, or nothing where that is not said; `None` where there is
    /// none.
    pub audio: Option<String>,
    /// It is fetched only to tell whether it was passed on before: nothing of it is passed on.
    pub only_compares: bool,
    /// It does not follow what was fetched before.
    pub is_discontinuous: bool,
    /// The list says so (`EXT-X-DISCONTINUITY`): it is new media, even if its bytes are old ones.
    pub begins_part: bool,
    /// How long it plays.
    pub duration: Duration,
    /// How long fetching it may take.
    pub timeout: Duration,
    /// How long fetching it may stand still.
    pub idle_timeout: Duration,
    /// The same of its body.
    pub pause: Duration,
}

/// A media initialisation section to fetch (RFC 8216, 4.3.2.5).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FetchInit {
    /// Where it is.
    pub url: Url,
    /// Which bytes of it.
    pub range: Option<Range>,
    /// How it is encrypted.
    pub key: Option<Aes128>,
}

/// Encryption of the whole with AES-128 in CBC mode (RFC 8216, 5.2).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Aes128 {
    /// Where the key is.
    pub url: Url,
    /// The initialisation vector.
    pub iv: [u8; 16],
}

/// Which of two playlists something belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendition {
    /// The variant.
    Main,
    /// Its separate sound.
    Audio,
}

/// Why it was given up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Failure {
    /// What came is not to be played.
    Playlist(parse::Error),
    /// No variant is of a kind that can be carried.
    NoVariant,
    /// The segments are encrypted with what is not to be had; what it is, in words.
    Encrypted(String),
    /// The playlist was refused with this HTTP status for as long as patience goes, or when it was
    /// first asked for.
    Refused(u16),
    /// The playlist could not be fetched when it was first asked for.
    Unreachable,
    /// The segments are of a kind that cannot be passed on.
    Unusable,
    /// Nothing new came in time.
    Stalled,
    /// The list has ended, and all of it was played before.
    Over,
}

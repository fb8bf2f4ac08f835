//! Which source an entry of a new list is.
//!
//! Users lose their work when a refresh takes a known channel for a new one. So the identity of a
//! source does not hang on its address, which changes with hosts, passwords and tokens: it is the
//! provider's number of the stream where the address has a panel's shape ([`StreamUrl`]), else the
//! guide id and the name. A source that is missing is absent, not deleted, until
//! [`Options::keep_absent`] is over. And a list that lost too much changes nothing until an admin
//! says so.
//!
//! A list is seen once, entry by entry: [`Refresh::observe`] tells what to write, and
//! [`Refresh::finish`] what became of the rest and whether it may be kept. So the caller writes in
//! one transaction, and takes it back if the verdict is [`Verdict::Held`]. Memory: 45 bytes for
//! each known source, and the few entries that cannot be told until the end.

mod groups;
mod known;
mod late;
mod refresh;

pub use groups::{Group, GroupId, GroupRefresh, KnownGroup, MAX_GROUPS};
pub use refresh::{Change, Counts, Held, MAX_LATE, Options, Refresh, Verdict};

use super::mark::{Marker, Of, mark};
use super::names::fold;
use super::xtream::StreamUrl;
use super::{Entry, UnixTime};

/// The number of a source. It is the caller's, and never used again for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SourceId(pub u32);

/// What an entry is known by within its list. Sixteen bytes, to be stored as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Key {
    /// The mark of the stream's number, or of the guide id; 0 where there is neither.
    id: u64,
    /// The mark of the name; 0 where the number says all.
    name: u64,
}

impl Key {
    /// The bytes to store.
    pub fn to_bytes(self) -> [u8; 16] {
        (u128::from(self.id) << 64 | u128::from(self.name)).to_be_bytes()
    }

    /// The key of stored bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> Self {
        let (id, name) = bytes.split_at(8);
        let number = |half: &[u8]| u64::from_be_bytes(half.try_into().expect("it is a half"));
        Self { id: number(id), name: number(name) }
    }

    /// Whether the stream's number alone is the identity.
    fn is_of_stream(self) -> bool {
        self.name == 0 && self.id != 0
    }
}

/// An entry's key, and marks by which a refresh sees what is equal. All are to be stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identity {
    /// What it is known by.
    pub key: Key,
    /// The mark of everything that the entry has.
    pub content: u64,
    /// The mark of its address without host, credentials and scheme.
    pub address: u32,
    /// The mark of its name.
    pub name: u32,
}

impl Identity {
    /// The identity of an entry.
    pub fn of(entry: &Entry) -> Self {
        let name = mark(Of::Name, &fold(entry.name()));
        let (key, address) = if let Some(stream) = StreamUrl::read(entry.url()) {
            let id = Marker::new(Of::Stream).add(stream.kind.code()).add(&stream.id.to_string()).mark();
            (Key { id, name: 0 }, id)
        } else {
            let id = entry.guide_id().map_or(0, |id| mark(Of::GuideId, &fold(id)));
            (Key { id, name }, mark(Of::Address, without_host(entry.url())))
        };
        Self { key, content: content(entry), address: low_half(address), name: low_half(name) }
    }
}

/// The path and the query.
fn without_host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.find('/').map_or("", |at| &rest[at..])
}

fn content(entry: &Entry) -> u64 {
    let start = Marker::new(Of::Content).add(entry.title()).add(entry.url());
    let properties = entry.properties().iter();
    let add = |marker: Marker, (origin, key, value): (super::Origin, &str, &str)| {
        marker.add(char::from(b'0' + origin.code()).encode_utf8(&mut [0; 4])).add(key).add(value)
    };
    properties.fold(start, add).mark()
}

/// Half of a mark. It only tells apart what has the same key.
fn low_half(mark: u64) -> u32 {
    u32::try_from(mark & u64::from(u32::MAX)).expect("the rest is cut off")
}

/// A source that is known from earlier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub id: SourceId,
    /// What it was like when it was last seen.
    pub identity: Identity,
    /// Since when it is missing.
    pub absent_since: Option<UnixTime>,
}

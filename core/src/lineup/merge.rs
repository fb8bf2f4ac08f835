//! Which channels of different playlists are one.
//!
//! Channels are one where they have the same guide id. Where one of them has none, the country and
//! the name decide, if all of that name agree. Two different guide ids are two channels, whatever
//! their names. Nothing else is decided here: what is merely alike is a [suggestion](Likeness).
//!
//! A merge is never stored as such. It follows from the channels and from the [`Decisions`] of
//! users, so a decision that is taken back gives the same result as before, and a refresh that
//! renames a channel parts it from the others by itself. Each channel keeps its row, its number and
//! its edits: in a group the leader is shown, with the sources of all, and the others are hidden
//! behind it.

mod groups;

use std::collections::BTreeSet;

use super::identity::SourceId;
use super::mark::{Marker, Of, mark};
use super::names::{Country, Name};
use super::xtream::StreamUrl;

pub use groups::{Group, MAX_MEMBERS, Merged, merge};

/// The number of a channel: that of the source that it was made of.
pub type ChannelId = SourceId;

/// A channel that may be one with others. Sixteen such fit in a kilobyte.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// Its number.
    pub channel: ChannelId,
    /// The number of its playlist.
    pub playlist: u32,
    /// It has led a group until now, and goes on to lead it.
    pub is_leader: bool,
    /// The mark of its guide id; 0 where it has none.
    guide_id: u64,
    /// The mark of its country and name; 0 where the name says nothing.
    name: u64,
    /// The mark of its source.
    source: u64,
}

/// What a candidate is made of.
#[derive(Debug, Clone, Copy, Default)]
pub struct Facts<'a> {
    /// The guide id; may be empty.
    pub guide_id: &'a str,
    /// The name, with the rules applied and without edits: an edit says how a channel is called,
    /// not what it is.
    pub name: &'a str,
    /// The country.
    pub country: Option<Country>,
    /// The resolved address of the source.
    pub url: &'a str,
    /// The provider's account. Of one account, streams of the same number are the same.
    pub provider: Option<u32>,
    /// Each address is another source, whatever the numbers in it: the list gives several of one
    /// channel.
    pub is_by_address: bool,
}

impl Candidate {
    /// A candidate of these facts.
    pub fn new(channel: ChannelId, playlist: u32, is_leader: bool, facts: &Facts<'_>) -> Self {
        Self::with_name(channel, playlist, is_leader, facts, &Name::of(facts.name))
    }

    /// The same, where somebody has read its name already.
    pub fn with_name(
        channel: ChannelId,
        playlist: u32,
        is_leader: bool,
        facts: &Facts<'_>,
        Name { key, country }: &Name,
    ) -> Self {
        let country = facts.country.or(*country);
        // A name of nothing but marks of quality would make all such channels one.
        let name = if key.is_empty() {
            0
        } else {
            Marker::new(Of::MergeName).add(country.as_ref().map_or("", Country::code)).add(key).mark()
        };
        let guide_id = guide_key(facts.guide_id);
        let guide_id = if guide_id.is_empty() { 0 } else { mark(Of::GuideId, &guide_id) };
        // A mark of 0 stands for none.
        Self { channel, playlist, is_leader, guide_id, name, source: source_mark(facts) }
    }

    /// The candidate of stored [marks](Self::marks).
    pub fn of_marks(channel: ChannelId, playlist: u32, is_leader: bool, marks: [u64; 3]) -> Self {
        let [guide_id, name, source] = marks;
        Self { channel, playlist, is_leader, guide_id, name, source }
    }

    /// What is to be stored of it: the marks of its guide id, its name and its source.
    pub fn marks(&self) -> [u64; 3] {
        [self.guide_id, self.name, self.source]
    }
}

/// The guide id without differences that nobody means: capitals, and the mark of quality of its
/// feed.
fn guide_key(id: &str) -> String {
    let id = id.trim().to_lowercase();
    // `BBC.uk@HD` and `BBC.uk` are one channel in two qualities.
    match id.rsplit_once('@') {
        Some((channel, "sd" | "hd" | "fhd" | "uhd" | "4k")) => channel.to_owned(),
        _ => id,
    }
}

/// The same for sources that are the same: the number of a stream of a provider, else the address
/// without differences of capitals in scheme and host.
fn source_mark(facts: &Facts<'_>) -> u64 {
    let (scheme, rest) = facts.url.split_once("://").unwrap_or(("", facts.url));
    let (host, path) = rest.split_at(rest.find(['/', '?']).unwrap_or(rest.len()));
    let host = host.to_ascii_lowercase();
    match StreamUrl::read(facts.url).filter(|_| !facts.is_by_address) {
        Some(stream) => {
            // Of one account, the hosts of a provider differ, and its numbers do not.
            let provider = facts.provider.map_or(host, |it| it.to_string());
            Marker::new(Of::Stream).add(&provider).add(stream.kind.code()).add(&stream.id.to_string()).mark()
        }
        None => Marker::new(Of::Address).add(&scheme.to_ascii_lowercase()).add(&host).add(path).mark(),
    }
}

/// Two channels, the lower number first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pair(ChannelId, ChannelId);

impl Pair {
    /// The pair of two channels; `None` where they are one.
    pub fn new(one: ChannelId, other: ChannelId) -> Option<Self> {
        (one != other).then_some(Self(one.min(other), one.max(other)))
    }

    /// The two.
    pub fn channels(self) -> (ChannelId, ChannelId) {
        (self.0, self.1)
    }
}

/// What a user says of a pair.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// They are one.
    Force,
    /// They are two.
    Forbid,
}

/// What users have decided. Whole groups follow: who forces A and B, and B and C, has A and C too.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Decisions {
    forced: BTreeSet<Pair>,
    forbidden: BTreeSet<Pair>,
}

impl Decisions {
    /// Decides on a pair, or takes a decision back. Returns what was decided before: to decide that
    /// again is to undo this.
    pub fn decide(&mut self, pair: Pair, decision: Option<Decision>) -> Option<Decision> {
        let before = if self.forced.remove(&pair) {
            Some(Decision::Force)
        } else {
            self.forbidden.remove(&pair).then_some(Decision::Forbid)
        };
        match decision {
            Some(Decision::Force) => drop(self.forced.insert(pair)),
            Some(Decision::Forbid) => drop(self.forbidden.insert(pair)),
            None => (),
        }
        before
    }

    /// All decisions, to store them.
    pub fn list(&self) -> impl Iterator<Item = (Pair, Decision)> {
        let of = |pairs: &BTreeSet<Pair>, decision| {
            pairs.iter().map(move |pair| (*pair, decision)).collect::<Vec<_>>()
        };
        of(&self.forced, Decision::Force).into_iter().chain(of(&self.forbidden, Decision::Forbid))
    }
}

/// How like two names must be to be suggested.
const LEAST_LIKENESS: f64 = 0.88;

/// How much other names are like one. On real lists names with a likeness of 95 % are the same
/// channel in 3 cases of 100, so nothing is ever decided by it.
#[derive(Debug)]
pub struct Likeness(String);

impl Likeness {
    /// To this name.
    pub fn to(name: &str) -> Self {
        Self(Name::of(name).key)
    }

    /// Up to 1; `None` where it is too little to be suggested.
    pub fn of(&self, other: &str) -> Option<f64> {
        Some(strsim::jaro_winkler(&self.0, &Name::of(other).key)).filter(|it| *it >= LEAST_LIKENESS)
    }
}

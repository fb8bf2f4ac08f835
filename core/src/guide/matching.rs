//! Which channel of which guide belongs to a channel of the lineup.
//!
//! Three steps, the surest first: the same id; the same name and the same country; the same name,
//! where no country is against it and only one channel of the guide has it. Within a step, the
//! order of the guides is strict. What is merely alike is never taken: see
//! [`suggest`](super::suggest).

use std::collections::HashMap;

use crate::lineup::names::{Country, Name, fold};

/// A channel of a guide: which guide, in their order, and which of its channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GuideChannel {
    /// The guide's place among the guides.
    pub guide: u16,
    /// The channel's number within the guide.
    pub channel: u32,
}

/// Why a channel of a guide was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MatchKind {
    /// Its id.
    Id,
    /// One of its names.
    Name,
}

/// A channel of the lineup, as it is looked for.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// The id that its playlist gives it, as in `tvg-id`.
    pub guide_id: Option<&'a str>,
    /// Its name.
    pub name: &'a str,
    /// Its group, which may name its country.
    pub group: Option<&'a str>,
}

impl Wanted<'_> {
    /// Its country, if anything tells it.
    fn country(&self, of_name: Option<Country>) -> Option<Country> {
        let of_id = || self.guide_id.and_then(Country::of_guide_id);
        let of_group = || self.group.and_then(crate::lineup::names::country_of_group);
        of_name.or_else(of_id).or_else(of_group)
    }
}

/// The channels of all guides, to be found by id and by name. It has limits, since anybody may
/// write a guide: see [`left_out`](Self::left_out).
#[derive(Debug, Default)]
pub struct Index {
    ids: HashMap<Box<str>, Vec<(GuideChannel, bool)>>,
    names: HashMap<Box<str>, Vec<Named>>,
    bytes: usize,
    left_out: u64,
}

#[derive(Debug)]
struct Named {
    at: GuideChannel,
    country: Option<Country>,
    /// As it is written, but for capitals and accents.
    folded: Box<str>,
    has_programmes: bool,
}

/// Names of a channel: real guides have up to 15.
const MAX_NAMES: usize = 64;

/// A name or an id, in bytes. The longest real names have 100.
const MAX_NAME_BYTES: usize = 512;

/// Channels with the same name or id. All of them are looked at for each channel of the lineup that
/// has it, and of so many nobody can tell which is meant.
const MAX_SAME: usize = 256;

/// Memory for names and ids. Those of 64 guides of 20,000 channels take half of it.
const MAX_INDEX_BYTES: usize = 256 << 20;

/// What an entry takes besides its texts: it, its place in a map, and the room that a list keeps.
const ENTRY_BYTES: usize = 128;

/// Marks of quality behind the `@` of an id: the channel is the same.
const QUALITIES: [&str; 6] = ["sd", "hd", "fhd", "uhd", "4k", "8k"];

/// An id without what means nothing: capitals, and a mark of quality.
fn plain_id(id: &str) -> String {
    let id = id.trim().to_lowercase();
    match id.rsplit_once('@') {
        Some((channel, quality)) if QUALITIES.contains(&quality) => channel.to_owned(),
        _ => id,
    }
}

impl Index {
    /// Takes a channel of a guide with all of its names.
    pub fn add<'a>(
        &mut self,
        at: GuideChannel,
        id: &str,
        names: impl IntoIterator<Item = &'a str>,
        has_programmes: bool,
    ) {
        if self.has_room(id, 1) {
            let same = self.ids.entry(plain_id(id).into()).or_default();
            push(same, (at, has_programmes), &mut self.left_out);
        }
        let of_id = Country::of_guide_id(id);
        for (number, name) in names.into_iter().enumerate() {
            if number >= MAX_NAMES || !self.has_room(name, 2) {
                self.left_out += u64::from(number >= MAX_NAMES);
                continue;
            }
            let Name { key, country } = Name::of(name);
            // A number is the place of a channel in somebody's list.
            if key.is_empty() || key.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                continue;
            }
            let others = self.names.entry(key.into()).or_default();
            if others.last().is_none_or(|last| last.at != at) {
                let country = country.or(of_id);
                let entry = Named { at, country, folded: fold(name).into(), has_programmes };
                push(others, entry, &mut self.left_out);
            }
        }
    }

    /// Takes room for a text that is kept so often.
    fn has_room(&mut self, text: &str, copies: usize) -> bool {
        let bytes = self.bytes + copies * text.len() + ENTRY_BYTES;
        let has_room = text.len() <= MAX_NAME_BYTES && bytes <= MAX_INDEX_BYTES;
        if has_room {
            self.bytes = bytes;
        } else {
            self.left_out += 1;
        }
        has_room
    }

    /// Names and ids that are not looked at, since there are too many or they are too long.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The channel of a guide that is this one. Of a surer one that says nothing and another one
    /// that has programmes, it is the latter.
    pub fn find(&self, wanted: &Wanted<'_>) -> Option<(GuideChannel, MatchKind)> {
        let by_id = wanted.guide_id.filter(|id| !id.is_empty()).and_then(|id| self.ids.get(&*plain_id(id)));
        let by_id = by_id.and_then(|found| {
            let best = found.iter().min_by_key(|(at, has_programmes)| (!has_programmes, *at));
            best.map(|(at, has_programmes)| (*at, MatchKind::Id, *has_programmes))
        });
        let mut best = by_id;
        if best.is_none_or(|(.., has_programmes)| !has_programmes) {
            let by_name = self.by_name(wanted);
            best = best.filter(|_| by_name.is_none_or(|(.., has_programmes)| !has_programmes)).or(by_name);
        }
        best.map(|(at, kind, _)| (at, kind))
    }

    fn by_name(&self, wanted: &Wanted<'_>) -> Option<(GuideChannel, MatchKind, bool)> {
        let Name { key, country } = Name::of(wanted.name);
        let (country, named) = (wanted.country(country), self.names.get(&*key)?);
        let folded = fold(wanted.name);
        let best = |of_step: &dyn Fn(&Named) -> bool, is_alone: bool| {
            let all = || named.iter().filter(|it| of_step(it));
            let order = |it: &&Named| (!it.has_programmes, it.at.guide, *it.folded != *folded, it.at.channel);
            let first = all().min_by_key(order)?;
            let is_other = |it: &Named| it.at.guide == first.at.guide && it.at != first.at;
            let is_taken = !is_alone || !all().any(is_other);
            is_taken.then_some((first.at, MatchKind::Name, first.has_programmes))
        };
        let is_same = |it: &Named| country.is_some() && it.country == country;
        let may_be_same = |it: &Named| country.is_none() || it.country.is_none();
        best(&is_same, false).or_else(|| best(&may_be_same, true))
    }
}

/// Takes one more of those that have the same name or id, if there is room.
fn push<T>(same: &mut Vec<T>, one: T, left_out: &mut u64) {
    if same.len() < MAX_SAME { same.push(one) } else { *left_out += 1 }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(guides: &[&[(&str, &[&str])]]) -> Index {
        let mut index = Index::default();
        for (guide, channels) in (0..).zip(guides) {
            for (channel, (id, names)) in (0..).zip(*channels) {
                index.add(GuideChannel { guide, channel }, id, names.iter().copied(), true);
            }
        }
        index
    }

    fn found(index: &Index, guide_id: &str, name: &str) -> Option<(u16, u32, MatchKind)> {
        let wanted = Wanted { guide_id: Some(guide_id), name, group: None };
        index.find(&wanted).map(|(at, how)| (at.guide, at.channel, how))
    }

    #[test]
    fn rule_14_ids_come_first_then_every_name_and_the_order_of_guides_is_strict() {
        let many: Vec<String> = (0..14).map(|at| format!("Feed {at}x")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).chain(["RTL Zwei"]).collect();
        let index = index(&[
            &[("BBC1.uk", &["BBC One", "1"]), ("x", &["ARD HD"]), ("rtl2", &many)],
            &[("bbc1.UK", &["BBC 1"]), ("ard.de", &["Das Erste"]), ("CNN.us", &["CNN"]), ("y", &["CNN"])],
        ]);
        assert_eq!(found(&index, "bbc1.uk", "?"), Some((0, 0, MatchKind::Id)), "the first guide");
        assert_eq!(found(&index, "BBC1.uk@HD", "?"), Some((0, 0, MatchKind::Id)));
        assert_eq!(found(&index, "ard.de", "ARD"), Some((1, 1, MatchKind::Id)), "an id is surer than a name");
        assert_eq!(found(&index, "", "UK: BBC One FHD"), Some((0, 0, MatchKind::Name)));
        assert_eq!(found(&index, "", "RTL ZWEI"), Some((0, 2, MatchKind::Name)), "the last of 15 names");
        assert_eq!(found(&index, "", "FR: BBC One"), None, "another country");
        assert_eq!(found(&index, "", "US| CNN"), Some((1, 2, MatchKind::Name)));
        assert_eq!(found(&index, "", "CNN"), None, "two have this name");
        assert_eq!(found(&index, "", "1"), None, "a number names no channel");
        assert_eq!(found(&index, "nobody", "Nobody"), None);
    }

    #[test]
    fn a_guide_that_says_nothing_of_a_channel_gives_way() {
        let mut index = Index::default();
        index.add(GuideChannel { guide: 0, channel: 0 }, "a", ["A1"], false);
        index.add(GuideChannel { guide: 1, channel: 0 }, "a", ["A1"], true);
        assert_eq!(found(&index, "a", "").map(|it| it.0), Some(1));
        assert_eq!(found(&index, "", "A1").map(|it| it.0), Some(1));
    }

    #[test]
    fn an_id_that_says_nothing_gives_way_to_a_name_that_does() {
        let mut index = Index::default();
        index.add(GuideChannel { guide: 0, channel: 0 }, "a", ["Other"], false);
        index.add(GuideChannel { guide: 1, channel: 7 }, "b", ["Film One"], true);
        assert_eq!(found(&index, "a", "Film One"), Some((1, 7, MatchKind::Name)));
        assert_eq!(found(&index, "a", "Nobody"), Some((0, 0, MatchKind::Id)), "better than nothing");
    }

    #[test]
    fn what_anybody_may_write_has_limits_that_are_counted() {
        let mut index = Index::default();
        let many: Vec<String> = (0..MAX_NAMES + 3).map(|at| format!("Feed {at}x")).collect();
        index.add(GuideChannel { guide: 0, channel: 0 }, "a", many.iter().map(String::as_str), true);
        assert_eq!(index.left_out(), 3);
        let long = "x".repeat(MAX_NAME_BYTES + 1);
        index.add(GuideChannel { guide: 0, channel: 1 }, &long, [&*long], true);
        assert_eq!(index.left_out(), 5);
        for channel in 0..1000 {
            index.add(GuideChannel { guide: 1, channel }, &format!("i{channel}"), ["Same"], true);
        }
        assert_eq!(index.left_out(), 5 + 1000 - MAX_SAME as u64);
        index.bytes = MAX_INDEX_BYTES;
        index.add(GuideChannel { guide: 2, channel: 0 }, "late", ["Late"], true);
        assert_eq!(index.left_out(), 5 + 1000 - MAX_SAME as u64 + 2);
        assert_eq!(found(&index, "late", "Late"), None);
    }
}

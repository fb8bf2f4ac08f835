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
pub enum How {
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

/// The channels of all guides, to be found by id and by name.
#[derive(Debug, Default)]
pub struct Index {
    ids: HashMap<Box<str>, Vec<(GuideChannel, bool)>>,
    names: HashMap<Box<str>, Vec<Named>>,
}

#[derive(Debug)]
struct Named {
    at: GuideChannel,
    country: Option<Country>,
    /// As it is written, but for capitals and accents.
    folded: Box<str>,
    has_programmes: bool,
}

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
        self.ids.entry(plain_id(id).into()).or_default().push((at, has_programmes));
        let of_id = Country::of_guide_id(id);
        for name in names {
            let Name { key, country } = Name::of(name);
            // A number is the place of a channel in somebody's list.
            if key.is_empty() || key.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.') {
                continue;
            }
            let known = self.names.entry(key.into()).or_default();
            if known.last().is_none_or(|last| last.at != at) {
                let country = country.or(of_id);
                known.push(Named { at, country, folded: fold(name).into(), has_programmes });
            }
        }
    }

    /// The channel of a guide that is this one.
    pub fn find(&self, wanted: &Wanted<'_>) -> Option<(GuideChannel, How)> {
        let by_id = wanted.guide_id.filter(|id| !id.is_empty()).and_then(|id| self.ids.get(&*plain_id(id)));
        if let Some(found) = by_id {
            // One that says nothing is only taken where no other guide says more.
            let (at, _) = found.iter().min_by_key(|(at, has_programmes)| (!has_programmes, *at))?;
            return Some((*at, How::Id));
        }
        let Name { key, country } = Name::of(wanted.name);
        let (country, named) = (wanted.country(country), self.names.get(&*key)?);
        let folded = fold(wanted.name);
        let best = |of_step: &dyn Fn(&Named) -> bool, is_alone: bool| {
            let mut found: Vec<&Named> = named.iter().filter(|it| of_step(it)).collect();
            found.sort_by_key(|it| (!it.has_programmes, it.at.guide, *it.folded != *folded, it.at.channel));
            let first = found.first()?;
            let others = found.iter().filter(|it| it.at.guide == first.at.guide && it.at != first.at).count();
            (!is_alone || others == 0).then_some((first.at, How::Name))
        };
        let is_same = |it: &Named| country.is_some() && it.country == country;
        let may_be_same = |it: &Named| country.is_none() || it.country.is_none();
        best(&is_same, false).or_else(|| best(&may_be_same, true))
    }
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

    fn found(index: &Index, guide_id: &str, name: &str) -> Option<(u16, u32, How)> {
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
        assert_eq!(found(&index, "bbc1.uk", "?"), Some((0, 0, How::Id)), "the first guide");
        assert_eq!(found(&index, "BBC1.uk@HD", "?"), Some((0, 0, How::Id)));
        assert_eq!(found(&index, "ard.de", "ARD"), Some((1, 1, How::Id)), "an id is surer than a name");
        assert_eq!(found(&index, "", "UK: BBC One FHD"), Some((0, 0, How::Name)));
        assert_eq!(found(&index, "", "RTL ZWEI"), Some((0, 2, How::Name)), "the last of 15 names");
        assert_eq!(found(&index, "", "FR: BBC One"), None, "another country");
        assert_eq!(found(&index, "", "US| CNN"), Some((1, 2, How::Name)));
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
}

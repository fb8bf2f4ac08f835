//! What users made of their channels lasts, whatever providers do: a thousand edits, a hundred
//! refreshes.

#[path = "support/shelf.rs"]
mod shelf;

use std::collections::BTreeMap;

use forebay_core::lineup::edits::{Edit, Edits, Effective, Field};
use forebay_core::lineup::identity::{Group, GroupId, GroupRefresh, KnownGroup, SourceId, Verdict};
use forebay_core::lineup::merge::{Candidate, Decision, Decisions, Facts, Pair, merge};
use forebay_core::lineup::number::{ChannelNumber, Claim, assign};
use forebay_core::lineup::{Entry, Origin};
use proptest::prelude::*;

use shelf::{Shelf, entry};

/// A provider's channel. What it is never changes; all the rest may.
#[derive(Debug, Clone)]
struct Stream {
    number: u32,
    name: String,
    group: u8,
    is_there: bool,
}

/// A provider whose list changes at random.
#[derive(Debug)]
struct Provider {
    streams: Vec<Stream>,
    host: u64,
    random: Random,
    is_panel: bool,
}

/// A small generator: the whole run follows from one number.
#[derive(Debug)]
struct Random(u64);

impl Random {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let limit = u64::try_from(limit).expect("it fits");
        usize::try_from((self.0 >> 33) % limit).expect("it fits")
    }
}

impl Provider {
    fn new(seed: u64, is_panel: bool) -> Self {
        let stream = |number| Stream { number, name: format!("Channel {number}"), group: 0, is_there: true };
        Self { streams: (0..200).map(stream).collect(), host: 0, random: Random(seed), is_panel }
    }

    /// Changes some of everything, but no more than a refresh takes.
    fn change(&mut self) {
        let Self { streams, random, .. } = self;
        for _ in 0..10 {
            let at = random.below(streams.len());
            streams[at].is_there ^= streams[at].is_there && random.below(2) == 0;
            let back = random.below(streams.len());
            streams[back].is_there = true;
            let stream = &mut streams[random.below(200)];
            stream.group = u8::try_from(random.below(5)).expect("it is small");
            // Lists without numbers of streams know a channel by its guide id when it has a new
            // name.
            stream.name = format!("Name {}", random.below(1000));
        }
        let next = u32::try_from(streams.len()).expect("it is short");
        streams.push(Stream { number: next, name: format!("New {next}"), group: 9, is_there: true });
        self.host += u64::try_from(random.below(2)).expect("it is small");
        for at in 0..streams.len() {
            let other = random.below(streams.len());
            streams.swap(at, other);
        }
    }

    fn list(&self) -> Vec<Entry> {
        let there = self.streams.iter().filter(|it| it.is_there);
        let host = self.host;
        let entry_of = |it: &Stream| {
            let number = it.number;
            let mut entry = if self.is_panel {
                entry("", &it.name, &format!("http://h{host}/live/u{host}/p{host}/{number}.ts"))
            } else {
                entry(
                    &format!("id{number}.uk"),
                    &it.name,
                    &format!("http://h{host}/{number}/x.m3u8?t={host}"),
                )
            };
            entry.push(Origin::Attribute, "group-title", &format!("Group {}", it.group));
            entry
        };
        there.map(entry_of).collect()
    }

    /// The provider's number of the stream of an entry.
    fn stream_of(entry: &Entry) -> u32 {
        let digits = |text: &str| text.chars().filter(char::is_ascii_digit).collect::<String>().parse().ok();
        let of_file = || digits(entry.url().rsplit('/').next()?.split('.').next()?);
        entry.guide_id().and_then(digits).or_else(of_file).expect("each has one")
    }
}

/// What a user made of a channel, and what must stay.
#[derive(Debug, Clone, Default)]
struct Channel {
    stream: u32,
    number: Option<ChannelNumber>,
    edits: Edits,
}

fn edit(random: &mut Random) -> Edit {
    let text = |random: &mut Random| (random.below(8) > 0).then(|| format!("mine {}", random.below(1000)));
    match random.below(6) {
        0 => Edit::Name(text(random)),
        1 => Edit::Group(text(random)),
        2 => Edit::Logo(text(random)),
        3 => Edit::GuideId(text(random)),
        4 => Edit::Hidden(Some(random.below(2) == 0)),
        _ => {
            Edit::Number(ChannelNumber::whole(5000 + u32::try_from(random.below(1000)).expect("it is small")))
        }
    }
}

/// Gives numbers to all channels, and holds them to those that they had.
fn number(channels: &mut BTreeMap<SourceId, Channel>) {
    let claims: Vec<Claim> = channels
        .values()
        .map(|it| Claim {
            current: it.number,
            edit: it.edits.list().into_iter().find_map(|edit| match edit {
                Edit::Number(number) => number,
                _ => None,
            }),
            ..Claim::default()
        })
        .collect();
    for ((channel, claim), number) in channels.values_mut().zip(&claims).zip(assign(&claims).numbers) {
        if let Some(wanted) = claim.edit.or(channel.number) {
            assert_eq!(number, Some(wanted), "a number stays");
        }
        channel.number = number;
    }
}

fn live_through(seed: u64, is_panel: bool, refreshes: u32, edits: usize) {
    let (mut provider, mut shelf) = (Provider::new(seed, is_panel), Shelf::default());
    let mut channels: BTreeMap<SourceId, Channel> = BTreeMap::new();
    let mut random = Random(!seed);
    let mut edited = 0;
    for day in 1..=refreshes {
        let (verdict, _) = shelf.refresh(&provider.list(), i64::from(day) / 10);
        assert_eq!(verdict, Verdict::Applied);
        for (id, row) in &shelf.rows {
            let stream = Provider::stream_of(&row.entry);
            let channel = channels.entry(*id).or_insert_with(|| Channel { stream, ..Channel::default() });
            assert_eq!(channel.stream, stream, "an id means one stream for ever");
        }
        assert!(channels.keys().all(|id| shelf.rows.contains_key(id)), "no row is lost within 30 days");
        number(&mut channels);
        for _ in 0..edits / usize::try_from(refreshes).expect("it fits") {
            let at = random.below(channels.len());
            let channel = channels.values_mut().nth(at).expect("there are so many");
            channel.edits.apply(edit(&mut random));
            edited += 1;
        }
        number(&mut channels);
        for (id, row) in &shelf.rows {
            check_edits(&channels[id].edits, &row.entry);
        }
        provider.change();
    }
    assert_eq!(edited, edits);
    // Each stream has one row: nothing was added twice.
    let mut streams: Vec<u32> = channels.values().map(|it| it.stream).collect();
    streams.sort_unstable();
    streams.dedup();
    assert_eq!(streams.len(), channels.len());
}

/// What is edited is as the user wants it, and the rest as the provider has it.
fn check_edits(edits: &Edits, entry: &Entry) {
    let mut channel = Effective::of(entry);
    channel.overlay(edits);
    let is_edited = |field| channel.edited().contains(&field);
    for edit in edits.list() {
        match edit {
            Edit::Name(Some(name)) => assert_eq!(channel.name.value, name),
            Edit::Group(Some(group)) => assert_eq!(channel.group.value, group),
            Edit::Logo(Some(logo)) => assert_eq!(channel.logo.value, logo),
            Edit::GuideId(Some(id)) => assert_eq!(channel.guide_id.value, id),
            Edit::Hidden(Some(is_hidden)) => assert_eq!(channel.is_hidden.value, is_hidden),
            Edit::Number(number) => assert_eq!(channel.number.value, number),
            other => panic!("{other:?} is none that is made here"),
        }
    }
    assert!(is_edited(Field::Name) || channel.name.value == entry.name());
    assert!(is_edited(Field::Group) || Some(&*channel.group.value) == entry.group());
}

#[test]
fn a_thousand_edits_outlive_a_hundred_refreshes_of_a_panel() {
    live_through(1, true, 100, 1000);
}

#[test]
fn a_thousand_edits_outlive_a_hundred_refreshes_of_a_list() {
    live_through(2, false, 100, 1000);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn edits_outlive_refreshes(seed in any::<u64>(), is_panel in any::<bool>()) {
        live_through(seed, is_panel, 20, 200);
    }
}

/// Rule 4: the guide of a channel is the user's. A guide that fails takes nothing away, since
/// nothing of it is asked.
#[test]
fn rule_4_the_guide_id_of_a_user_stays() {
    let mut edits = Edits::default();
    edits.apply(Edit::GuideId(Some("mine.uk".to_owned())));
    for list in [
        entry("theirs.uk", "A", "http://h/1"),
        entry("", "A", "http://h/1"),
        entry("other.uk", "A", "http://h/1"),
    ] {
        let mut channel = Effective::of(&list);
        channel.overlay(&edits);
        assert_eq!(channel.guide_id.value, "mine.uk");
    }
}

/// Rule 7, with the rows of a store: a group that is gone for a while keeps its number and its
/// place.
#[test]
fn rule_7_groups_have_one_number_for_ever() {
    let (mut provider, mut known) = (Provider::new(3, true), Vec::<KnownGroup>::new());
    let mut numbers: BTreeMap<String, u32> = BTreeMap::new();
    for _ in 0..50 {
        let mut refresh = GroupRefresh::new(known.iter().copied());
        let first_new = u32::try_from(known.len()).expect("there are few");
        let mut new = Vec::new();
        for entry in provider.list() {
            let name = entry.group().expect("each has one");
            let number = match refresh.observe(name) {
                Group::Known(id) => id.0,
                Group::New(at) => {
                    let id = first_new + at;
                    if !new.contains(&(id, GroupRefresh::key(name))) {
                        new.push((id, GroupRefresh::key(name)));
                    }
                    id
                }
                Group::TooMany => panic!("there are few"),
            };
            assert_eq!(*numbers.entry(name.to_owned()).or_insert(number), number);
        }
        known.extend(new.into_iter().map(|(id, key)| KnownGroup {
            id: GroupId(id),
            key,
            absent_since: None,
        }));
        provider.change();
    }
}

/// Rule 12, as far as it is a decision: a refresh names the sources that are missing, one by one,
/// and no others, so that their viewers alone are ended.
#[test]
fn rule_12_only_what_is_missing_is_named() {
    let mut shelf = Shelf::default();
    let list: Vec<Entry> =
        (0..1100).map(|at| entry("", &format!("C{at}"), &format!("http://h/live/u/p/{at}.ts"))).collect();
    shelf.refresh(&list, 1);
    let changed: Vec<Entry> = (100..1100)
        .map(|at| entry("", &format!("New {at}"), &format!("https://new/live/v/q/{at}.ts")))
        .collect();
    let (verdict, counts) = shelf.refresh(&changed, 2);
    assert_eq!((verdict, counts.absent, counts.changed, counts.added), (Verdict::Applied, 100, 1000, 0));
    let gone: Vec<u32> =
        shelf.rows.iter().filter(|(_, row)| row.absent_since.is_some()).map(|(id, _)| id.0).collect();
    assert_eq!(gone, (0..100).collect::<Vec<_>>());
    assert_eq!(shelf.present().len(), 1000);
}

/// Rule 13: what users decided of pairs lasts while both lists change.
#[test]
fn rule_13_forbidden_and_forced_pairs_last() {
    let mut lists =
        [(Provider::new(5, false), Shelf::default()), (Provider::new(6, false), Shelf::default())];
    let mut decisions = Decisions::default();
    // Channels of the second list have numbers of their own.
    let id = |list: usize, id: SourceId| SourceId(id.0 + 100_000 * u32::try_from(list).expect("it is small"));
    let pair =
        |one: u32, other: u32| Pair::new(SourceId(one), SourceId(100_000 + other)).expect("they are two");
    decisions.decide(pair(1, 1), Some(Decision::Forbid));
    decisions.decide(pair(2, 3), Some(Decision::Force));
    for day in 1..=10 {
        let mut candidates = Vec::new();
        for (at, (provider, shelf)) in (0_u32..).zip(&mut lists) {
            shelf.refresh(&provider.list(), day);
            for (source, row) in &shelf.rows {
                let facts = Facts {
                    guide_id: row.entry.guide_id().unwrap_or_default(),
                    name: row.entry.name(),
                    url: row.entry.url(),
                    ..Facts::default()
                };
                let list = usize::try_from(at).expect("it is small");
                candidates.push(Candidate::new(id(list, *source), at, false, &facts));
            }
            provider.change();
        }
        let merged = merge(&candidates, &decisions);
        assert!(merged.groups.len() > 150, "the others are one by their guide ids");
        let are_one = |one: u32, other: u32| {
            merged.groups.iter().any(|it| {
                it.members.contains(&SourceId(one)) && it.members.contains(&SourceId(100_000 + other))
            })
        };
        assert!(!are_one(1, 1) && are_one(2, 3), "day {day}");
    }
}

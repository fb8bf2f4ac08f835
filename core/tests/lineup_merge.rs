//! Which channels of several playlists are one.

use std::collections::HashMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::merge::{
    Candidate, ChannelId, Decision, Decisions, Facts, Group, Likeness, MAX_MEMBERS, Merged, Pair, merge,
};
use forebay_core::lineup::names::Country;
use proptest::prelude::*;

/// A channel: playlist, guide id, name.
type Row = (u32, &'static str, &'static str);

fn candidate(id: u32, (playlist, guide_id, name): Row) -> Candidate {
    let url = format!("http://h{playlist}/{id}");
    Candidate::new(SourceId(id), playlist, false, &Facts { guide_id, name, url: &url, ..Facts::default() })
}

fn candidates(rows: &[Row]) -> Vec<Candidate> {
    (0..).zip(rows).map(|(id, row)| candidate(id, *row)).collect()
}

fn members(merged: &Merged) -> Vec<Vec<u32>> {
    merged.groups.iter().map(|group| group.members.iter().map(|it| it.0).collect()).collect()
}

fn merged(rows: &[Row]) -> Vec<Vec<u32>> {
    members(&merge(&candidates(rows), &Decisions::default()))
}

fn pair(one: u32, other: u32) -> Pair {
    Pair::new(SourceId(one), SourceId(other)).expect("they are two")
}

#[test]
fn guide_ids_decide_and_then_countries_and_names() {
    type Groups = &'static [&'static [u32]];
    let table: [(&str, &[Row], Groups); 13] = [
        ("the same guide id", &[(1, "BBC1.uk", "BBC One"), (2, "bbc1.uk", "Eins")], &[&[0, 1]]),
        ("the same but for the quality", &[(1, "BBC1.uk@SD", "A"), (2, "BBC1.uk@HD", "B")], &[&[0, 1]]),
        ("another feed", &[(1, "ABC.us@East", "ABC"), (2, "ABC.us@West", "ABC")], &[]),
        ("no guide ids", &[(1, "", "UK: BBC One"), (2, "", "BBC ONE HD (UK)")], &[&[0, 1]]),
        ("one guide id", &[(1, "BBC1.uk", "UK: BBC One"), (2, "", "UK | BBC One")], &[&[0, 1]]),
        ("two guide ids", &[(1, "BBC1.uk", "BBC One"), (2, "bbc.one", "BBC One")], &[]),
        ("other countries", &[(1, "", "DE: MTV"), (2, "", "FR: MTV")], &[]),
        ("time shift", &[(1, "", "ITV"), (2, "", "ITV +1")], &[]),
        ("digits", &[(1, "", "Sky 1"), (2, "", "Sky 2")], &[]),
        (
            "a name that several guide ids have",
            &[(1, "a", "One"), (2, "b", "One"), (3, "", "One"), (4, "", "One")],
            &[&[2, 3]],
        ),
        ("one playlist", &[(1, "a", "One"), (1, "a", "One")], &[]),
        (
            "two of each playlist",
            &[(1, "a", "A"), (1, "a", "A"), (2, "a", "A"), (2, "a", "A")],
            &[&[0, 2], &[1, 3]],
        ),
        ("through a third", &[(1, "a", "One"), (2, "a", "Two"), (3, "", "Two")], &[&[0, 1, 2]]),
    ];
    for (what, rows, expected) in table {
        assert_eq!(merged(rows), expected, "{what}");
    }
}

#[test]
fn the_country_of_the_facts_counts() {
    let with = |id, country: &str| {
        let facts = Facts { name: "MTV", country: Country::named(country), ..Facts::default() };
        Candidate::new(SourceId(id), id, false, &facts)
    };
    let all = [with(0, "uk"), with(1, "de"), with(2, "GB"), with(3, "")];
    assert_eq!(members(&merge(&all, &Decisions::default())), [[0, 2]]);
}

#[test]
fn the_same_source_is_there_once() {
    let url = |id, playlist, url, provider| {
        let facts = Facts { guide_id: "a", name: "A", url, provider, ..Facts::default() };
        Candidate::new(SourceId(id), playlist, false, &facts)
    };
    let all = [
        url(0, 0, "http://Host/a", None),
        url(1, 1, "http://host/a", None),
        url(2, 2, "http://host/A", None),
        url(3, 3, "http://x/live/u/p/1.ts", Some(7)),
        url(4, 4, "http://y/live/u/p/1.m3u8", Some(7)),
        url(5, 5, "http://y/live/u/p/1.ts", Some(8)),
        url(6, 6, "http://x/live/v/q/2.ts", None),
        url(7, 7, "http://x/v/q/2", None),
    ];
    let merged = merge(&all, &Decisions::default());
    assert_eq!(members(&merged), [[0, 1, 2, 3, 4, 5, 6, 7]]);
    assert_eq!(merged.groups[0].duplicates, [1, 4, 7].map(SourceId));
}

#[test]
fn who_leads_goes_on_to_lead() {
    let mut all = candidates(&[(1, "a", "A"), (2, "a", "A"), (3, "a", "A")]);
    let leader = |all: &[Candidate]| merge(all, &Decisions::default()).groups[0].leader.0;
    assert_eq!(leader(&all), 0);
    all[1].is_leader = true;
    assert_eq!(leader(&all), 1);
    assert_eq!(members(&merge(&all, &Decisions::default())), [[1, 0, 2]]);
}

/// Rule 13: pairs can be forced and forbidden, over any number of refreshes, and all of it can be
/// undone.
#[test]
fn rule_13_decisions_of_users_hold_and_can_be_undone() {
    let rows = [(1, "a", "One"), (2, "a", "One"), (1, "b", "Two"), (3, "", "Three"), (1, "", "Four")];
    let mut decisions = Decisions::default();
    let before = merge(&candidates(&rows), &decisions);
    assert_eq!(members(&before), [[0, 1]]);

    let undo = [
        (pair(0, 1), decisions.decide(pair(1, 0), Some(Decision::Forbid))),
        (pair(2, 3), decisions.decide(pair(2, 3), Some(Decision::Force))),
        // Of one playlist, and still one if a user says so.
        (pair(2, 4), decisions.decide(pair(4, 2), Some(Decision::Force))),
    ];
    for refresh in 0..10 {
        let names = ["One", "Two", "Three", "Four", "One"];
        let renamed: Vec<Row> =
            (refresh..).zip(rows).map(|(at, row)| (row.0, row.1, names[at % 5])).collect();
        assert_eq!(members(&merge(&candidates(&renamed), &decisions)), [[2, 3, 4]], "refresh {refresh}");
    }
    assert_eq!(decisions.list().count(), 3);
    for (pair, decision) in undo.into_iter().rev() {
        decisions.decide(pair, decision);
    }
    assert_eq!(merge(&candidates(&rows), &decisions), before);
    assert_eq!(decisions, Decisions::default());
}

#[test]
fn what_is_forbidden_is_not_done_through_a_third() {
    let rows = [(1, "a", "One"), (2, "a", "Two"), (3, "", "Two")];
    let mut decisions = Decisions::default();
    decisions.decide(pair(0, 2), Some(Decision::Forbid));
    let members = members(&merge(&candidates(&rows), &decisions));
    assert_eq!(members, [[0, 1]]);
}

#[test]
fn a_guide_id_that_means_nothing_makes_no_giant() {
    let all: Vec<Candidate> = (0..100_000).map(|id| candidate(id, (id, "dummy", "Name"))).collect();
    let merged = merge(&all, &Decisions::default());
    assert!(merged.groups.iter().all(|group| group.members.len() <= MAX_MEMBERS));
    let of_one: Vec<Candidate> = (0..100_000).map(|id| candidate(id, (1, "dummy", "Name"))).collect();
    assert_eq!(merge(&of_one, &Decisions::default()).groups, []);
}

#[test]
fn names_that_are_alike_are_suggested() {
    let likeness = Likeness::to("BBC One (UK)");
    let others = ["BBC One", "UK: BBC Ones HD", "BBC Two"].map(|name| likeness.of(name));
    let [Some(same), Some(alike), other] = others else { panic!("{others:?}") };
    assert!(same > alike && other.is_none_or(|other| alike > other), "{others:?}");
    for name in ["ITV", "Discovery"] {
        assert_eq!(likeness.of(name), None, "{name}");
    }
}

/// Guide id and name of each entry of iptv-org that has a guide id.
fn iptv_org() -> Vec<(String, String)> {
    let mut text = String::new();
    let packed = include_bytes!("data/m3u/iptv-org_names.tsv.gz");
    GzDecoder::new(&packed[..]).read_to_string(&mut text).expect("it is good");
    let rows = text.lines().filter_map(|line| line.split_once('\t'));
    rows.filter(|(id, _)| !id.is_empty()).map(|(id, name)| (id.to_owned(), name.to_owned())).collect()
}

/// How many of these ids are right together, each but the first of its kind counting one, and how
/// many there are, all but the first.
fn joins(mut ids: Vec<&str>) -> (u64, u64) {
    let all = ids.len() as u64;
    ids.sort_unstable();
    ids.dedup();
    (all - ids.len() as u64, all - 1)
}

/// The channel of an id, which stands in front of `@`; its feed is behind.
fn channel_of(id: &str) -> &str {
    let channel = id.split('@').next().expect("it has a first part");
    LISTED_TWICE.iter().find(|(one, _)| *one == channel).map_or(channel, |(_, other)| other)
}

#[allow(clippy::cast_precision_loss, reason = "they are counts of some thousands")]
fn percent(part: u64, whole: u64) -> f64 {
    100.0 * part as f64 / whole as f64
}

/// Channels that iptv-org has under two ids: the first is the second.
const LISTED_TWICE: [(&str, &str); 3] = [
    ("FilmRiseForensicFiles.us", "ForensicFiles.us"),
    ("MST3K.us", "MysteryScienceTheater3000.us"),
    ("StingrayEverything80s.ca", "StingrayRememberthe80s.ca"),
];

/// Of 14,113 entries with guide ids, merged by names and countries alone: how many joins are right,
/// and how many of the right ones are found. A channel with n entries takes n - 1 joins.
///
/// What is missing are mostly regions, which have names of their own and one id: Russia 1 in 148
/// towns. Counted by pairs these are all that counts (148 entries make 10,878 of 28,403 pairs), so
/// that figure is printed and no more.
#[test]
fn precision_and_recall_on_iptv_org() {
    let rows = iptv_org();
    assert_eq!(rows.len(), 14_113);
    let candidate = |(id, (guide_id, name)): (u32, &(String, String))| {
        let facts = Facts { name, country: Country::of_guide_id(guide_id), ..Facts::default() };
        Candidate::new(SourceId(id), id, false, &facts)
    };
    let all: Vec<Candidate> = (0..).zip(&rows).map(candidate).collect();
    let merged = merge(&all, &Decisions::default());
    let channel = |id: &ChannelId| channel_of(&rows[id.0 as usize].0);
    let groups = || merged.groups.iter().map(|group| group.members.iter().map(channel).collect::<Vec<_>>());
    let (right, made) = groups().map(joins).fold((0, 0), |sum, it| (sum.0 + it.0, sum.1 + it.1));
    let (wanted, _) = joins(rows.iter().map(|(id, _)| channel_of(id)).collect());
    let pairs = |count: u64| count * count.saturating_sub(1) / 2;
    let pairs_of = |ids: &[&str]| -> u64 {
        let mut counts: HashMap<&str, u64> = HashMap::new();
        for id in ids {
            *counts.entry(id).or_default() += 1;
        }
        counts.into_values().map(pairs).sum()
    };
    let all_ids: Vec<&str> = all.iter().map(|it| channel(&it.channel)).collect();
    let (precision, recall) = (percent(right, made), percent(right, wanted));
    println!("joins: precision {precision:.2} % of {made}, recall {recall:.2} % of {wanted}");
    let right_pairs: u64 = groups().map(|ids| pairs_of(&ids)).sum();
    let made_pairs: u64 = groups().map(|ids| pairs(ids.len() as u64)).sum();
    let wanted_pairs = pairs_of(&all_ids);
    println!(
        "pairs: precision {:.2} % of {made_pairs}, recall {:.2} % of {wanted_pairs}",
        percent(right_pairs, made_pairs),
        percent(right_pairs, wanted_pairs),
    );
    for Group { members, .. } in &merged.groups {
        if let Some(other) = members.iter().find(|id| channel(id) != channel(&members[0])) {
            println!("wrong: {:?} and {:?}", rows[members[0].0 as usize], rows[other.0 as usize]);
        }
    }
    assert!(precision >= 99.7, "{precision}");
    assert!(recall >= 75.0, "{recall}");
}

proptest! {
    /// The order of the channels makes no difference, each is in one group, and decisions hold.
    #[test]
    fn groups_are_sound(
        rows in prop::collection::vec((0_u32..4, "[ab]{0,1}", "[AB]{0,1}"), 1..30),
        pairs in prop::collection::vec((0_u32..30, 0_u32..30, any::<bool>()), 0..6),
        rotation in 0_usize..30,
    ) {
        let mut all: Vec<Candidate> = (0..).zip(&rows).map(|(id, (playlist, guide_id, name))| {
            let url = format!("http://h/{id}");
            Candidate::new(SourceId(id), *playlist, false, &Facts { guide_id, name, url: &url, ..Facts::default() })
        }).collect();
        let mut decisions = Decisions::default();
        for (one, other, is_forced) in pairs {
            if let Some(pair) = Pair::new(SourceId(one), SourceId(other)) {
                decisions.decide(pair, Some(if is_forced { Decision::Force } else { Decision::Forbid }));
            }
        }
        let merged = merge(&all, &decisions);
        let rotation = rotation % all.len();
        all.rotate_left(rotation);
        prop_assert_eq!(&merge(&all, &decisions), &merged);
        let mut seen: Vec<ChannelId> = merged.groups.iter().flat_map(|group| group.members.clone()).collect();
        let count = seen.len();
        seen.sort_unstable();
        seen.dedup();
        prop_assert_eq!(seen.len(), count);
        let group_of = |id: ChannelId| merged.groups.iter().position(|group| group.members.contains(&id));
        for (pair, decision) in decisions.list() {
            let (one, other) = pair.channels();
            if decision == Decision::Forbid {
                prop_assert!(group_of(one).is_none() || group_of(one) != group_of(other));
            }
        }
    }
}

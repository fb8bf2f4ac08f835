//! What a refresh does: rules 1 to 8, each by its name, and properties.

#[path = "support/shelf.rs"]
mod shelf;

use forebay_core::lineup::identity::{
    Change, Group, GroupId, GroupRefresh, Held, Identity, Key, KnownGroup, MAX_GROUPS, MAX_LATE, Options,
    Refresh, Verdict,
};
use forebay_core::lineup::m3u::Document;
use forebay_core::lineup::{Entry, UnixTime};
use proptest::prelude::*;

use shelf::{DAY, Shelf, entry};

/// A list of a panel.
fn panel(host: &str, user: &str, numbers: impl IntoIterator<Item = u32>) -> Vec<Entry> {
    let entry =
        |at| entry("", &format!("Channel {at}"), &format!("{host}/live/{user}/secret-{user}/{at}.ts"));
    numbers.into_iter().map(entry).collect()
}

/// A list of addresses without a shape.
fn plain(host: &str, token: &str, numbers: impl IntoIterator<Item = u32>) -> Vec<Entry> {
    let entry =
        |at| entry(&format!("c{at}.uk"), &format!("Channel {at}"), &format!("{host}/{at}/index.m3u8{token}"));
    numbers.into_iter().map(entry).collect()
}

fn shuffled(mut entries: Vec<Entry>, seed: usize) -> Vec<Entry> {
    let length = entries.len();
    for at in 0..length {
        entries.swap(at, (at * 7919 + seed * 104_729) % length);
    }
    entries
}

fn held(reason: Held) -> Verdict {
    Verdict::Held(reason)
}

/// Rule 1: a channel that vanishes and returns is the same one, with everything that it had.
#[test]
fn rule_1_absent_sources_return() {
    let mut shelf = Shelf::default();
    let list = plain("http://h", "", 0..15_000);
    shelf.refresh(&list, 1);
    let before = shelf.rows.clone();
    let accepted = Options { is_accepted: true, ..Options::new(UnixTime::from_seconds(2 * DAY)) };
    let (verdict, counts) = shelf.refresh_with(&list[..200], Document::List, true, accepted);
    assert_eq!((verdict, counts.absent), (Verdict::Applied, 14_800));
    assert_eq!(shelf.present().len(), 200);
    let (verdict, counts) = shelf.refresh(&list, 20);
    assert_eq!((verdict, counts.returned, counts.added, counts.changed), (Verdict::Applied, 14_800, 0, 0));
    assert_eq!(shelf.rows, before);
}

#[test]
fn rule_1_absent_sources_are_kept_for_so_long() {
    let mut shelf = Shelf::default();
    let list = plain("http://h", "", 0..10);
    shelf.refresh(&list, 1);
    for (day, rows) in [(2, 10), (10, 10), (32, 10), (33, 9)] {
        shelf.refresh(&list[1..], day);
        assert_eq!(shelf.rows.len(), rows, "day {day}");
    }
    // Whoever returns after that is new, and its number is not given again.
    let (_, counts) = shelf.refresh(&list, 40);
    assert_eq!(counts.added, 1);
    assert!(shelf.rows.keys().all(|id| id.0 != 0));
}

/// Rule 2: hosts, users, passwords, tokens and schemes change, and no source is added or lost.
#[test]
fn rule_2_addresses_are_attributes() {
    for (old, new) in [
        (panel("http://h", "u", 0..5000), panel("https://other:8443", "v", 0..5000)),
        (plain("http://h", "?token=1", 0..5000), plain("https://other", "?token=2", 0..5000)),
        (plain("http://h", "", 0..5000), panel("http://h", "u", 0..5000)),
    ] {
        let mut shelf = Shelf::default();
        shelf.refresh(&old, 1);
        let names: Vec<_> = shelf.present().iter().map(|(id, name, _)| (*id, (*name).to_owned())).collect();
        let (verdict, counts) = shelf.refresh(&shuffled(new, 3), 2);
        if counts.added == 0 {
            assert_eq!((verdict, counts.absent, counts.changed), (Verdict::Applied, 0, 5000));
            let now: Vec<_> = shelf.present().iter().map(|(id, name, _)| (*id, (*name).to_owned())).collect();
            assert_eq!(names, now);
        } else {
            // A list of another shape is another list: it waits for an admin.
            assert_eq!(verdict, held(Held::TooManyGone { gone: 5000, of: 5000 }));
        }
    }
}

#[test]
fn rule_2_equal_keys_are_never_merged() {
    let mut shelf = Shelf::default();
    let list = [
        entry("a", "A", "http://h/1"),
        entry("a", "A", "http://h/2"),
        entry("a", "A", "http://h/2"),
        entry("", "A", "http://h/3"),
        entry("b", "A", "http://h/4"),
    ];
    shelf.refresh(&list, 1);
    let before = shelf.present().into_iter().map(|(id, _, url)| (id, url.to_owned())).collect::<Vec<_>>();
    assert_eq!(before.len(), 5);
    // In another order each keeps its address; with a new host, its order.
    for seed in 0..20 {
        let (_, counts) = shelf.refresh(&shuffled(list.to_vec(), seed), 2);
        assert_eq!((counts.added, counts.changed, counts.absent), (0, 0, 0), "seed {seed}");
    }
    let moved: Vec<Entry> = list
        .iter()
        .map(|it| {
            let mut moved = it.clone();
            moved.set_url(&it.url().replace("http://h/", "http://new/x"));
            moved
        })
        .collect();
    let (_, counts) = shelf.refresh(&moved, 3);
    assert_eq!((counts.added, counts.changed, counts.absent), (0, 5, 0));
    let after: Vec<_> = shelf.present().into_iter().map(|(id, _, url)| (id, url.to_owned())).collect();
    let expected: Vec<_> =
        before.iter().map(|(id, url)| (*id, url.replace("http://h/", "http://new/x"))).collect();
    assert_eq!(after, expected);
}

#[test]
fn a_newcomer_takes_no_place_of_a_source_with_its_own_address() {
    let mut shelf = Shelf::default();
    shelf.refresh(&[entry("a", "A", "http://h/1")], 1);
    shelf.refresh(&[entry("a", "A", "http://h/0"), entry("a", "A", "http://h/1")], 2);
    assert_eq!(shelf.present(), [(0, "A", "http://h/1"), (1, "A", "http://h/0")]);
}

#[test]
fn renamed_sources_are_the_same_where_two_of_three_agree() {
    let base = entry("a", "A", "http://h/1/x.m3u8");
    let table = [
        ("a new name", entry("a", "A HD", "http://h/1/x.m3u8"), true),
        ("a new guide id", entry("b", "A", "http://h/1/x.m3u8"), true),
        ("a new name and address, with a guide id of its own", entry("a", "A HD", "http://n/2/x.m3u8"), true),
        ("a new name and guide id", entry("b", "B", "http://h/1/x.m3u8"), false),
        ("a new guide id and address", entry("b", "A", "http://n/2/x.m3u8"), false),
    ];
    for (what, new, is_same) in table {
        let mut shelf = Shelf::default();
        let others = plain("http://h", "", 10..20);
        shelf.refresh(&[std::slice::from_ref(&base), &others[..]].concat(), 1);
        let (_, counts) = shelf.refresh(&[&others[..], &[new]].concat(), 2);
        assert_eq!(counts.added == 0 && counts.changed == 1, is_same, "{what}: {counts:?}");
    }
    // Of a panel the number counts: another name is a rename, another number another stream.
    let mut shelf = Shelf::default();
    let list = panel("http://h", "u", 0..10);
    shelf.refresh(&list, 1);
    let mut renamed = list.clone();
    renamed[3].set_title("Other");
    let (_, counts) = shelf.refresh(&renamed, 2);
    assert_eq!((counts.changed, counts.added), (1, 0));
}

/// Rule 3: an answer that is no list, an empty or a short one changes nothing, until an admin says
/// so.
#[test]
fn rule_3_bad_answers_are_held() {
    let list = plain("http://h", "", 0..100);
    let (now, mut shelf) = (Options::new(UnixTime::from_seconds(2 * DAY)), Shelf::default());
    shelf.refresh(&list, 1);
    let before = shelf.clone();
    let table = [
        (&list[..0], Document::Html, true, Some(Held::NotAList(Document::Html))),
        (&list[..0], Document::Json, true, Some(Held::NotAList(Document::Json))),
        (&list[..1], Document::HlsPlaylist, true, Some(Held::NotAList(Document::HlsPlaylist))),
        (&list[..0], Document::Other, true, Some(Held::NotAList(Document::Other))),
        (&list[..0], Document::Nothing, true, Some(Held::Empty)),
        (&list[..0], Document::EmptyList, true, Some(Held::Empty)),
        (&list[..0], Document::List, true, Some(Held::Empty)),
        (&list[..10], Document::List, true, Some(Held::TooManyGone { gone: 90, of: 100 })),
        (&list[..69], Document::List, true, Some(Held::TooManyGone { gone: 31, of: 100 })),
        (&list[..99], Document::List, false, Some(Held::CutShort)),
        (&list[..70], Document::List, true, None),
    ];
    for (entries, document, is_whole, expected) in table {
        let mut shelf = before.clone();
        let (verdict, _) = shelf.refresh_with(entries, document, is_whole, now);
        assert_eq!(
            verdict,
            expected.map_or(Verdict::Applied, Verdict::Held),
            "{document:?} of {}",
            entries.len()
        );
        assert_eq!(shelf == before, expected.is_some());
        let accepted = Options { is_accepted: true, ..now };
        let (verdict, _) = shelf.refresh_with(entries, document, is_whole, accepted);
        let is_acceptable = expected.is_none_or(Held::is_acceptable);
        assert_eq!(verdict == Verdict::Applied, is_acceptable, "{document:?} of {}", entries.len());
    }
    // The percentage is a setting.
    let strict = Options { max_loss_percent: 5, ..now };
    let (verdict, _) = before.clone().refresh_with(&list[..94], Document::List, true, strict);
    assert_eq!(verdict, held(Held::TooManyGone { gone: 6, of: 100 }));
}

/// Rule 5: the same list again writes nothing.
#[test]
fn rule_5_refreshing_again_writes_nothing() {
    let mut list = [panel("http://h", "u", 0..1000), plain("http://h", "", 0..1000)].concat();
    list.extend_from_within(..300);
    let mut shelf = Shelf::default();
    shelf.refresh(&list, 1);
    let writes = shelf.writes;
    for day in 2..5 {
        let (_, counts) = shelf.refresh(&list, day);
        assert_eq!(counts.unchanged, 2300);
    }
    assert_eq!(shelf.writes, writes);
}

/// Rule 6: the order of a list means nothing: each id keeps its name and address.
#[test]
fn rule_6_the_order_of_the_list_means_nothing() {
    let list = [panel("http://h", "u", 0..300), plain("http://h", "", 0..300)].concat();
    let mut shelf = Shelf::default();
    shelf.refresh(&list, 1);
    let before = shelf.clone();
    for seed in 0..100 {
        shelf.refresh(&shuffled(list.clone(), seed), 2);
        assert_eq!(shelf, before, "seed {seed}");
    }
}

/// Rule 7: groups have an identity; those that come back have the place that they had.
#[test]
fn rule_7_groups_keep_their_place() {
    let time = Some(UnixTime::from_seconds(DAY));
    let known =
        |id, name, absent_since| KnownGroup { id: GroupId(id), key: GroupRefresh::key(name), absent_since };
    let mut refresh =
        GroupRefresh::new([known(1, "News", None), known(2, "Sport", time), known(3, "Kids", None)]);
    let groups = ["Sport", "NEWS ", "Music", "new", "Music", "néws"].map(|name| refresh.observe(name));
    let news = Group::Known(GroupId(1));
    assert_eq!(groups, [Group::Known(GroupId(2)), news, Group::New(0), Group::New(1), Group::New(0), news]);
    assert_eq!(refresh.finish(), (vec![GroupId(3)], vec![GroupId(2)]));
}

#[test]
fn a_million_groups_are_too_many() {
    let mut refresh = GroupRefresh::new([]);
    for at in 0..1_000_000_u32 {
        refresh.observe(&format!("group {at}"));
    }
    assert_eq!(refresh.too_many(), 1_000_000 - MAX_GROUPS as u64);
    assert_eq!(refresh.observe("group 1"), Group::New(1));
}

#[test]
fn entries_that_cannot_be_told_have_a_limit() {
    let list = |host: &str| plain(host, "", 0..10_000);
    let mut shelf = Shelf::default();
    shelf.refresh(&list("http://h"), 1);
    let moved: Vec<Entry> = list("http://h")
        .into_iter()
        .map(|it| {
            let mut moved = it.clone();
            moved.set_url(&format!("{}?new", it.url()));
            moved
        })
        .collect();
    let (_, counts) = shelf.refresh(&moved, 2);
    assert_eq!((counts.changed, counts.added, counts.absent), (10_000, 0, 0));
    assert_eq!(counts.decided_early, 10_000 - MAX_LATE as u64);
}

#[test]
fn keys_are_stored_and_never_change() {
    let identity = Identity::of(&entry("BBCOne.uk", "BBC One", "http://h/1"));
    assert_eq!(Key::from_bytes(identity.key.to_bytes()), identity.key);
    let stream = Identity::of(&entry("BBCOne.uk", "BBC One", "http://h/live/u/p/17.ts"));
    // What a database holds must be found by the next version.
    assert_eq!(hex(identity.key), "dfa8f75272797cf822df15a752c68c02");
    assert_eq!(hex(stream.key), "239eeee6abef19c30000000000000000");
}

fn hex(key: Key) -> String {
    format!("{:032x}", u128::from_be_bytes(key.to_bytes()))
}

#[test]
fn a_hundred_thousand_equal_entries_take_linear_time() {
    let equal = vec![entry("a", "A", "http://h/1"); 100_000];
    let mut shelf = Shelf::default();
    shelf.refresh(&equal, 1);
    let (_, counts) = shelf.refresh(&equal, 2);
    assert_eq!((counts.unchanged, counts.added), (100_000, 0));
    let elsewhere = vec![entry("a", "A", "http://h/2"); 100_000];
    let (_, counts) = shelf.refresh(&elsewhere, 3);
    assert_eq!((counts.changed, counts.added, counts.absent), (100_000, 0, 0));
}

#[test]
fn changes_say_where_in_the_list_they_are() {
    let mut refresh = Refresh::new(Vec::new(), Options::new(UnixTime::from_seconds(DAY)));
    let mut positions = Vec::new();
    for entry in plain("http://h", "", 0..3) {
        refresh.observe(&entry, &mut |change| {
            if let Change::Added { position, .. } = change {
                positions.push(position);
            }
        });
    }
    assert_eq!(positions, [0, 1, 2]);
}

/// One step of a provider.
#[derive(Debug, Clone)]
enum Step {
    Shuffle(usize),
    Host(u8),
    Remove(usize),
    Restore,
    Rename(usize, u8),
    Add,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let step = prop_oneof![
        (0_usize..50).prop_map(Step::Shuffle),
        any::<u8>().prop_map(Step::Host),
        (0_usize..60).prop_map(Step::Remove),
        Just(Step::Restore),
        (0_usize..60, any::<u8>()).prop_map(|(at, name)| Step::Rename(at, name)),
        Just(Step::Add),
    ];
    prop::collection::vec(step, 1..20)
}

proptest! {
    /// Whatever a provider does, a stream's number has one id for ever, and each id one number.
    #[test]
    fn a_stream_has_one_id(steps in steps()) {
        let mut shelf = Shelf::default();
        let all: Vec<u32> = (0..60).collect();
        let (mut numbers, mut host, mut next) = (all.clone(), 0, 1000);
        let mut ids = std::collections::BTreeMap::new();
        let mut names: std::collections::BTreeMap<u32, String> = std::collections::BTreeMap::new();
        for (day, step) in (1..).zip(steps) {
            let mut seed = 0;
            match step {
                Step::Shuffle(by) => seed = by,
                Step::Host(new) => host = new,
                Step::Remove(at) => drop((numbers.len() > 40).then(|| numbers.remove(at % numbers.len()))),
                Step::Restore => numbers = [&all[..], &(1000..next).collect::<Vec<_>>()].concat(),
                Step::Rename(at, name) => drop(names.insert(numbers[at % numbers.len()], format!("New {name}"))),
                Step::Add => {
                    numbers.push(next);
                    next += 1;
                }
            }
            let url = |number| format!("http://h{host}/live/u{host}/p/{number}.ts");
            let name = |number| names.get(&number).cloned().unwrap_or_else(|| format!("Channel {number}"));
            let list: Vec<Entry> = numbers.iter().map(|&it| entry("", &name(it), &url(it))).collect();
            let (verdict, _) = shelf.refresh(&shuffled(list, seed), day);
            prop_assert_eq!(verdict, Verdict::Applied);
            let present = shelf.present();
            prop_assert_eq!(present.len(), numbers.len());
            for (id, _, url) in present {
                let number = url.rsplit('/').next().expect("it has a file").to_owned();
                prop_assert_eq!(*ids.entry(number).or_insert(id), id);
            }
        }
    }

    /// Any list again writes nothing, in any order; and nothing is merged.
    #[test]
    fn any_list_again_writes_nothing(
        entries in prop::collection::vec(("[ab]{0,1}", "[AB]{1}", "[12]{1}"), 1..40),
        seed in 0_usize..100,
    ) {
        let list: Vec<Entry> =
            entries.iter().map(|(id, name, path)| entry(id, name, &format!("http://h/{path}"))).collect();
        let mut shelf = Shelf::default();
        shelf.refresh(&list, 1);
        prop_assert_eq!(shelf.rows.len(), list.len());
        let before = shelf.clone();
        shelf.refresh(&shuffled(list, seed), 2);
        prop_assert_eq!(&shelf, &before);
    }
}

//! Whole readings of lists, in a real database: what a refresh must not do.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex as StdMutex;

use bytes::Bytes;
use forebay_core::lineup::edits::Edit;
use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::merge::{Decision, Pair};
use forebay_relay::input::Error as InputError;
use futures_util::stream;
use serde_json::{Value, json};
use tempfile::TempDir;

use super::rules::RuleDocument;
use super::*;
use crate::db::lineup::{Detail, Row};

/// A database with playlists that are uploaded.
struct House {
    lineup: Lineup,
    database: Database,
    /// What was put into force, one transaction after the other.
    changed: Arc<StdMutex<Vec<Changed>>>,
    _folder: TempDir,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path()).unwrap();
        let config = Config::parse("", Path::new("channels.toml")).unwrap();
        let changed: Arc<StdMutex<Vec<Changed>>> = Arc::default();
        let into = Arc::clone(&changed);
        let put: PutInForce = Arc::new(move |_, changed| into.lock().unwrap().push(changed.clone()));
        let config = InForce::new(Arc::new(config));
        let lineup = Lineup::new(database.clone(), config, put, Bus::new(), folder.path());
        Self { lineup, database, changed, _folder: folder }
    }

    async fn add(&self, settings: Value) -> PlaylistId {
        let Value::Object(fields) = settings else { panic!("an object") };
        self.lineup.create(Document::new(fields).unwrap()).await.unwrap().playlist.id
    }

    async fn take(&self, id: PlaylistId, list: &str) -> Result<Refreshed, Refusal> {
        let pieces: Vec<Result<Bytes, InputError>> = vec![Ok(Bytes::copy_from_slice(list.as_bytes()))];
        self.lineup.upload(id, stream::iter(pieces)).await
    }

    async fn applied(&self, id: PlaylistId, list: &str) -> Summary {
        match self.take(id, list).await {
            Ok(Refreshed::Applied(summary)) => *summary,
            other => panic!("{other:?}"),
        }
    }

    async fn held(&self, id: PlaylistId, list: &str) -> (String, bool) {
        let refusal = self.take(id, list).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Held(_)), "{refusal}");
        let held = self.lineup.get(id).await.unwrap().held.unwrap();
        (reason_of(&held).0, held.is_acceptable)
    }

    /// What lists show.
    async fn rows(&self) -> Vec<Row> {
        self.database.read(|connection| lineup::list(connection, None, 1_000_000)).await.unwrap()
    }

    /// All channels, whatever they are.
    async fn all(&self) -> Vec<Detail> {
        let page = self.lineup.channels(None, String::new(), None, 1_000_000).await.unwrap();
        page.channels.into_iter().map(|view| view.detail).collect()
    }

    async fn by_name(&self, name: &str) -> SourceId {
        self.all().await.into_iter().find(|it| it.row.name == name).expect("it is there").row.id
    }

    async fn edit(&self, channel: SourceId, edit: Edit) -> lineup::BatchId {
        self.lineup.edit(vec![ChannelEdit { channel, edit }]).await.unwrap()
    }

    fn last_changed(&self) -> Changed {
        let mut changed = self.changed.lock().unwrap().last().cloned().unwrap_or_default();
        for paths in [&mut changed.added, &mut changed.changed, &mut changed.removed] {
            paths.sort();
        }
        changed
    }

    /// Rows that were written since the database was opened.
    async fn written_rows(&self) -> u64 {
        self.database.write(|connection| Ok::<_, Error>(connection.total_changes())).await.unwrap()
    }
}

/// An entry of a list without a panel's address.
fn entry(name: &str, id: &str, group: &str, url: &str) -> String {
    format!("#EXTINF:-1 tvg-id=\"{id}\" group-title=\"{group}\",{name}\n{url}\n")
}

/// A list of a panel's streams: their numbers, named by them, in ten groups.
fn panel(numbers: impl IntoIterator<Item = u32>, host: &str, user: &str) -> String {
    let mut list = "#EXTM3U\n".to_owned();
    for number in numbers {
        let group = number % 10;
        writeln!(
            list,
            "#EXTINF:-1 tvg-id=\"c{number}.uk\" tvg-chno=\"{chno}\" group-title=\"Group {group}\",Channel {number}\n\
             {host}/live/{user}/secret/{number}.ts",
            chno = number + 100,
        )
        .unwrap();
    }
    list
}

const HOST: &str = "http://one.example:8080";

#[tokio::test]
async fn rule_1_a_channel_that_vanishes_and_returns_is_the_one_it_was() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let whole = panel(1..=3000, HOST, "u");
    assert_eq!(house.applied(id, &whole).await.added, 3000);
    for (at, channel) in house.rows().await.iter().step_by(30).enumerate() {
        house.edit(channel.id, Edit::Name(Some(format!("Mine {at}")))).await;
        house.edit(channel.id, Edit::Number(format!("{}", 5000 + at).parse().ok())).await;
    }
    let before = house.rows().await;
    assert_eq!(house.held(id, &panel(1..=40, HOST, "u")).await, ("too_many_gone".to_owned(), true));
    assert_eq!(house.rows().await, before, "a held list changes nothing");
    let Ok(Refreshed::Applied(summary)) = house.lineup.accept(id).await else { panic!("it can be accepted") };
    assert_eq!((summary.absent, house.rows().await.len()), (2960, 40));
    assert_eq!(house.lineup.get(id).await.unwrap().held, None);
    let back = house.applied(id, &whole).await;
    assert_eq!((back.added, back.returned), (0, 2960));
    assert_eq!(house.rows().await, before, "ids, numbers, names, addresses and places");
}

#[tokio::test]
async fn rule_2_another_host_user_password_and_scheme_change_no_channel() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, &panel(1..=200, HOST, "u")).await;
    let before = house.rows().await;
    let moved = house.applied(id, &panel(1..=200, "https://two.example", "somebody")).await;
    assert_eq!((moved.added, moved.absent, moved.changed), (0, 0, 200));
    assert_eq!(house.rows().await, before);
    let changed = house.last_changed();
    assert_eq!((changed.added.len(), changed.changed.len(), changed.removed.len()), (0, 200, 0));
    // The same of a list whose addresses are not a panel's: a token that changes every day.
    let other = house.add(json!({ "name": "B" })).await;
    let list = |day: &str| {
        let of = |at| entry(&format!("B{at}"), "", "G", &format!("http://{day}.example/c{at}?token={day}"));
        (0..50).map(of).collect::<String>()
    };
    house.applied(other, &list("monday")).await;
    let before = house.rows().await;
    let moved = house.applied(other, &list("tuesday")).await;
    assert_eq!((moved.added, moved.absent, moved.changed), (0, 0, 50));
    assert_eq!(house.rows().await, before);
}

#[tokio::test]
async fn rule_3_what_is_no_list_is_held_and_the_lineup_stays() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, &panel(1..=100, HOST, "u")).await;
    let before = house.rows().await;
    for (list, code, is_acceptable) in [
        ("<!DOCTYPE html><html>502 Bad Gateway</html>", "html", false),
        ("", "empty", true),
        ("#EXTM3U\n", "empty", true),
        ("[]", "json", false),
        ("curl: (7) Failed to connect", "no_list", false),
        (&panel(1..=10, HOST, "u"), "too_many_gone", true),
    ] {
        assert_eq!(house.held(id, list).await, (code.to_owned(), is_acceptable), "{code}");
        assert_eq!(house.rows().await, before, "{code}");
        house.lineup.discard(id).await.unwrap();
        assert_eq!(house.lineup.get(id).await.unwrap().held, None);
    }
    // It breaks off in the middle, at a place where it could end.
    let half = panel(1..=90, HOST, "u");
    let pieces = vec![Ok(Bytes::from(half)), Err(InputError::Broken("reset".to_owned()))];
    let refusal = house.lineup.upload(id, stream::iter(pieces)).await.unwrap_err();
    assert_eq!(refusal.to_string(), "the list is held: it broke off before its end");
    assert_eq!(house.rows().await, before);
    // What is no list cannot be accepted, and no held list means nothing to accept.
    house.held(id, "<html>").await;
    assert!(matches!(house.lineup.accept(id).await, Err(Refusal::Nothing(_))));
    house.lineup.discard(id).await.unwrap();
    assert!(matches!(house.lineup.discard(id).await, Err(Refusal::Nothing(_))));
    // A good list takes the place of one that was held.
    house.held(id, "").await;
    house.applied(id, &panel(1..=101, HOST, "u")).await;
    assert_eq!(house.lineup.get(id).await.unwrap().held, None);
}

#[tokio::test]
async fn rule_4_the_guide_id_that_a_user_set_stays() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, &entry("One", "theirs.uk", "G", "http://h/live/u/p/1.ts")).await;
    let one = house.by_name("One").await;
    house.edit(one, Edit::GuideId(Some("mine.uk".to_owned()))).await;
    for theirs in ["", "other.uk", "theirs.uk"] {
        house.applied(id, &entry("One", theirs, "G", "http://h/live/u/p/1.ts")).await;
        assert_eq!(house.rows().await[0].guide_id, "mine.uk");
    }
    house.edit(one, Edit::GuideId(None)).await;
    assert_eq!(house.rows().await[0].guide_id, "theirs.uk");
}

#[tokio::test]
async fn rule_5_the_same_list_again_writes_no_row() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let list = panel(1..=500, HOST, "u");
    house.applied(id, &list).await;
    let (before, version) = (house.written_rows().await, house.changed.lock().unwrap().len());
    assert!(matches!(house.take(id, &list).await, Ok(Refreshed::Unchanged)));
    assert_eq!(house.written_rows().await, before);
    // Of other bytes that say the same, only their mark is new.
    let summary = house.applied(id, &format!("{list}# bye\n")).await;
    assert_eq!((summary.added, summary.changed, summary.unchanged), (0, 0, 500));
    assert_eq!(house.written_rows().await - before, 1);
    assert_eq!(house.changed.lock().unwrap().len(), version, "nothing is put into force");
}

#[tokio::test]
async fn rule_6_an_address_means_the_same_channel_however_the_list_is_ordered() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let mut numbers: Vec<u32> = (1..=200).collect();
    let names = |rows: Vec<Row>| rows.into_iter().map(|it| (it.path, it.name)).collect::<BTreeMap<_, _>>();
    house.applied(id, &panel(numbers.clone(), HOST, "u")).await;
    let before = names(house.rows().await);
    for step in 1..=20 {
        numbers.rotate_left(step * 7 % 200);
        let middle = numbers.len() / 2;
        numbers[..middle].reverse();
        house.applied(id, &panel(numbers.clone(), HOST, "u")).await;
        assert_eq!(names(house.rows().await), before);
    }
}

#[tokio::test]
async fn rule_7_groups_keep_their_places() {
    let house = House::new();
    let id = house.add(json!({ "name": "A", "max_loss": 100 })).await;
    let list = |groups: &[&str]| {
        let of = |(at, group): (usize, &&str)| {
            entry(&format!("C {group}"), "", group, &format!("http://h/live/u/p/{}{at}.ts", group.len()))
        };
        groups.iter().enumerate().map(of).collect::<String>()
    };
    let order = |rows: Vec<Row>| rows.into_iter().map(|it| it.group_title).collect::<Vec<_>>();
    house.applied(id, &list(&["News", "Sports!", "Kids"])).await;
    let before = house.rows().await;
    house.applied(id, &list(&["Zoo"])).await;
    assert_eq!(order(house.rows().await), ["Zoo"]);
    house.applied(id, &list(&["Kids", "NEWS", "Zoo", "Sports!"])).await;
    assert_eq!(order(house.rows().await), ["News", "Sports!", "Kids", "Zoo"]);
    assert_eq!(house.rows().await[0].rank >> 32, before[0].rank >> 32);
}

#[tokio::test]
async fn rule_8_numbers_stay_until_a_user_or_a_rule_names_them() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, &panel(1..=50, HOST, "u")).await;
    let numbers = |rows: Vec<Row>| {
        rows.into_iter().map(|it| (it.id.0, it.number.unwrap().to_string())).collect::<BTreeMap<_, _>>()
    };
    let before = numbers(house.rows().await);
    assert_eq!(before.values().next().unwrap(), "101", "the provider's for a new channel");
    for step in 1..10 {
        let list = panel((1..=50).map(|at| (at * step) % 53 + 1).filter(|it| *it <= 50), HOST, "u");
        let _ = house.take(id, &list.replace("tvg-chno=\"1", "tvg-chno=\"9")).await;
    }
    house.applied(id, &panel((1..=55).rev(), HOST, "u")).await;
    let after = numbers(house.rows().await);
    assert!(before.iter().all(|(channel, number)| after.get(channel) == Some(number)));
    // A rule with a range moves those that it names, and no others.
    let rule = json!([{ "field": "group", "is": "Group 3", "action": "number", "from": 900, "until": 950 }]);
    let rules: Vec<RuleDocument> = serde_json::from_value(rule).unwrap();
    house.lineup.set_rules(id, rules).await.unwrap();
    for row in house.rows().await {
        let number = row.number.unwrap().major();
        assert_eq!((900..=950).contains(&number), row.group_title == "Group 3", "{row:?}");
    }
}

#[tokio::test]
async fn rule_9_names_and_numbers_come_of_the_attribute_that_the_playlist_says() {
    let list = "#EXTINF:-1 tvg-name=\"Good name\" channel-number=\"7\",raw_name_1\nhttp://h/live/u/p/1.ts\n\
                #EXTINF:-1 tvg-name=\"Only name\" ch-number=\"8.1\",\nhttp://h/live/u/p/2.ts\n";
    for (setting, names) in [("title", ["raw_name_1", "Only name"]), ("tvg-name", ["Good name", "Only name"])]
    {
        let house = House::new();
        let id = house.add(json!({ "name": "A", "name_from": setting })).await;
        house.applied(id, list).await;
        let rows = house.rows().await;
        assert_eq!(rows.iter().map(|it| &*it.name).collect::<Vec<_>>(), names);
        assert_eq!(rows.iter().map(|it| it.number.unwrap().to_string()).collect::<Vec<_>>(), ["7", "8.1"]);
    }
}

#[tokio::test]
async fn rule_10_lists_as_they_are_written_are_read() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let list = "\u{feff}#EXTM3U\r\n#EXTINF:-1 tvg-logo=\"http://l/?a=b&c=d\" group-title=\"News, and=more\",A, B\r\n\
                http://h/live/u/p/1.ts\r\n#EXTINF:0,- Dash\r\n#EXTGRP:Sport\r\nhttp://h/live/u/p/2.ts\r\n";
    house.applied(id, list).await;
    let rows = house.rows().await;
    let read: Vec<_> = rows.iter().map(|it| (&*it.name, &*it.group_title, &*it.logo)).collect();
    assert_eq!(read, [("A, B", "News, and=more", "http://l/?a=b&c=d"), ("- Dash", "Sport", "")]);
}

#[tokio::test]
async fn rule_11_films_and_episodes_are_counted_and_left_out() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let mut list = panel(1..=100, HOST, "u");
    for at in 0..500 {
        writeln!(list, "#EXTINF:-1,Film {at}\n{HOST}/movie/u/p/{at}.mkv").unwrap();
        writeln!(list, "#EXTINF:-1,Show S01E{at:02}\n{HOST}/series/u/p/{at}.mp4").unwrap();
    }
    let Summary { contents, added, .. } = house.applied(id, &list).await;
    assert_eq!((contents.live, contents.movies, contents.episodes, added), (100, 500, 500, 100));
    assert_eq!(house.all().await.len(), 100);
}

#[tokio::test]
async fn rule_12_only_the_channels_that_are_missing_are_ended() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, &panel(1..=100, HOST, "u")).await;
    let rows = house.rows().await;
    let path = |name: &str| rows.iter().find(|it| it.name == name).unwrap().path.clone();
    let list = panel(1..=95, HOST, "u").replace(",Channel 7\n", ",Renamed 7\n");
    house.applied(id, &list).await;
    let mut removed: Vec<_> = (96..=100).map(|at| path(&format!("Channel {at}"))).collect();
    removed.sort();
    let changed = house.last_changed();
    assert_eq!((changed.added, changed.changed, changed.removed), (vec![], vec![path("Channel 7")], removed));
    assert!(house.rows().await.iter().any(|it| it.name == "Renamed 7" && it.path == path("Channel 7")));
    // The playlist goes, and all of its channels.
    house.lineup.remove(id).await.unwrap();
    assert_eq!((house.last_changed().removed.len(), house.rows().await), (95, vec![]));
}

#[tokio::test]
async fn rule_13_merges_are_made_forbidden_forced_and_undone_and_last() {
    let house = House::new();
    let (a, b) = (house.add(json!({ "name": "A" })).await, house.add(json!({ "name": "B" })).await);
    let list = |host: &str, from: u32| {
        let of =
            |at: u32| entry(&format!("News {at}"), &format!("n{at}.uk"), "G", &format!("http://{host}/{at}"));
        (from..from + 20).map(of).collect::<String>()
    };
    house.applied(a, &list("a.example", 0)).await;
    let alone = house.rows().await;
    house.applied(b, &list("b.example", 5)).await;
    assert_eq!(house.rows().await.len(), 25, "fifteen are one");
    assert_eq!(house.lineup.merges().await.unwrap().len(), 15);
    assert_eq!(house.rows().await[..20], alone[..], "those of the first playlist lead");
    // Each has both sources, and those behind go on playing.
    let sources = |path: String| {
        house
            .database
            .read(move |connection| Ok::<_, Error>(lineup::find(connection, &path)?.map(|it| it.sources())))
    };
    let behind = house.all().await.into_iter().find(|it| it.leader.is_some()).unwrap();
    assert_eq!(sources(behind.row.path.clone()).await.unwrap(), Some(2));
    let merged = house.rows().await;
    // A pair is forbidden, and stays apart.
    let pair = Pair::new(behind.leader.unwrap(), behind.row.id).unwrap();
    assert_eq!(house.lineup.decide(pair, Some(Decision::Forbid)).await.unwrap(), None);
    for day in 0..10 {
        house.applied(b, &format!("{}#{day}\n", list(&format!("b{day}.example"), 5))).await;
        assert_eq!(house.rows().await.len(), 26, "day {day}");
    }
    assert_eq!(house.lineup.decide(pair, None).await.unwrap(), Some(Decision::Forbid));
    assert_eq!(house.rows().await, merged, "to undo gives what was before");
    // A pair is forced, whatever the names.
    let (one, other) = (house.by_name("News 0").await, house.by_name("News 24").await);
    house.lineup.decide(Pair::new(one, other).unwrap(), Some(Decision::Force)).await.unwrap();
    for day in 0..3 {
        house.applied(b, &format!("{}##{day}\n", list(&format!("c{day}.example"), 5))).await;
        assert_eq!(house.rows().await.len(), 24, "day {day}");
    }
    // The leader's own source goes: the channel stays, with the other's.
    let leader = merged.iter().find(|it| it.name == "News 7").unwrap().clone();
    let without = list("a.example", 0).replace(&entry("News 7", "n7.uk", "G", "http://a.example/7"), "");
    house.applied(a, &without).await;
    assert!(house.rows().await.contains(&leader));
    assert_eq!(sources(leader.path).await.unwrap(), Some(1));
}

#[tokio::test]
async fn rule_13_the_same_address_is_never_a_second_source() {
    let house = House::new();
    let (a, b) = (house.add(json!({ "name": "A" })).await, house.add(json!({ "name": "B" })).await);
    for id in [a, b] {
        house.applied(id, &entry("One", "one.uk", "G", "http://same.example/1")).await;
    }
    let path = house.rows().await[0].path.clone();
    let found =
        house.database.read(move |connection| lineup::find(connection, &path)).await.unwrap().unwrap();
    assert_eq!(found.sources(), 1);
}

#[tokio::test]
async fn rule_15_rules_have_one_engine_counts_and_warnings() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, &panel(1..=100, HOST, "u")).await;
    let rules: Vec<RuleDocument> = serde_json::from_value(json!([
        { "matches": "^Channel (?=1)", "action": "rename", "to": "Kanal " },
        { "field": "group", "is": "group 5", "action": "exclude" },
        { "matches": "(a+)+$b", "action": "exclude" },
        { "contains": "kanal", "action": "set_group", "to": "Kanäle" },
        { "field": "url", "contains": "/live/", "action": "set_adult" },
    ]))
    .unwrap();
    let preview = house.lineup.preview_rules(id, rules.clone()).await.unwrap();
    assert!(house.rows().await.iter().all(|it| it.name.starts_with("Channel ")), "a preview changes nothing");
    let matched: Vec<u64> = preview.rules.iter().map(|it| it.matched).collect();
    assert_eq!((preview.channels, preview.left_out, matched), (100, 10, vec![12, 10, 0, 12, 100]));
    assert_eq!(preview.warnings, [(2, "matches_nothing"), (4, "matches_all")]);
    assert_eq!(preview.examples[0], (0, "Channel 1".to_owned(), "Kanal 1".to_owned()));
    let effect = house.lineup.set_rules(id, rules).await.unwrap();
    assert_eq!(effect.rules, preview.rules);
    let rows = house.rows().await;
    assert_eq!(rows.len(), 90);
    assert!(
        rows.iter().all(|it| it.is_adult && (it.group_title == "Kanäle") == it.name.starts_with("Kanal "))
    );
    // They are applied to what comes later, too, and gone when they are.
    house.applied(id, &panel(1..=115, HOST, "u")).await;
    assert_eq!(house.rows().await.len(), 103);
    house.lineup.set_rules(id, Vec::new()).await.unwrap();
    assert!(house.rows().await.iter().all(|it| it.name.starts_with("Channel ") && !it.is_adult));
    let wrong = vec![RuleDocument { action: "jump".to_owned(), ..RuleDocument::default() }];
    assert!(matches!(house.lineup.set_rules(id, wrong).await, Err(Refusal::Rule(_))));
}

#[tokio::test]
async fn ten_thousand_edits_are_one_transaction_and_undone_at_once() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, &panel(1..=5000, HOST, "u")).await;
    let before = house.rows().await;
    let edits = |row: &Row| {
        [Edit::Group(Some("Mine".to_owned())), Edit::Hidden(Some(row.id.0.is_multiple_of(2)))]
            .map(|edit| ChannelEdit { channel: row.id, edit })
    };
    let batch = house.lineup.edit(before.iter().flat_map(edits).collect()).await.unwrap();
    let after = house.rows().await;
    assert_eq!(after.len(), 2500);
    assert!(after.iter().all(|it| it.group_title == "Mine"));
    assert_eq!(house.last_changed().removed.len(), 2500);
    house.lineup.undo(batch).await.unwrap();
    assert_eq!(house.rows().await, before);
    assert!(matches!(house.lineup.undo(batch).await, Err(Refusal::Nothing(_))));
    // One that cannot be made takes all others with it.
    let mut wrong: Vec<ChannelEdit> = before.iter().flat_map(edits).collect();
    wrong.push(ChannelEdit { channel: SourceId(999_999), edit: Edit::Hidden(Some(true)) });
    assert!(matches!(house.lineup.edit(wrong).await, Err(Refusal::UnknownChannel(_))));
    assert_eq!(house.rows().await, before);
}

/// Random edits between random refreshes, in small; `lineup_lasting` of the core has it in large.
#[tokio::test]
async fn edits_outlive_refreshes() {
    let house = House::new();
    let id = house.add(json!({ "name": "A", "max_loss": 100 })).await;
    let mut random = 17_u32;
    let mut next = |below: u32| {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 8) % below
    };
    house.applied(id, &panel(1..=120, HOST, "u")).await;
    let first: BTreeMap<_, _> = house.all().await.into_iter().map(|it| (it.row.id, it.row)).collect();
    let mut edited = BTreeMap::new();
    for day in 0..25_u32 {
        for _ in 0..8 {
            let channel = SourceId(next(120) + 1);
            let name = format!("Mine {day} {}", channel.0);
            house.edit(channel, Edit::Name(Some(name.clone()))).await;
            edited.insert(channel, name);
        }
        let skip = next(120);
        let numbers = (1..=120).filter(|at| at % 7 != skip % 7);
        let host = format!("http://h{day}.example");
        let _ = house.take(id, &panel(numbers, &host, "u").replace(",Channel", ",Kanal")).await;
        for Detail { row, .. } in house.all().await {
            let before = &first[&row.id];
            assert_eq!((&row.path, row.number, row.rank), (&before.path, before.number, before.rank));
            assert_eq!(edited.get(&row.id).unwrap_or(&row.name), &row.name, "day {day}");
        }
    }
}

#[tokio::test]
async fn a_playlist_is_read_by_one_at_a_time() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let never = stream::pending::<Result<Bytes, InputError>>();
    let mut first = Box::pin(house.lineup.upload(id, never));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    while house.lineup.readings(id).running.is_none() {
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(matches!(house.take(id, "").await, Err(Refusal::Running)));
    drop(first);
    house.applied(id, &panel(1..=5, HOST, "u")).await;
}

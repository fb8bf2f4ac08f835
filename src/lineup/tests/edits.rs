//! What users make of channels: rules and edits.

use forebay_core::lineup::edits::Edit;
use serde_json::{Value, json};

use super::*;
use crate::db::audit;
use crate::lineup::rules::RuleDocument;

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
    let effect = house.lineup.set_rules(id, rules, &Actor::Console).await.unwrap();
    assert_eq!(effect.rules, preview.rules);
    let rows = house.rows().await;
    assert_eq!(rows.len(), 90);
    assert!(
        rows.iter().all(|it| it.is_adult && (it.group_title == "Kanäle") == it.name.starts_with("Kanal "))
    );
    // They are applied to what comes later, too, and gone when they are.
    house.applied(id, &panel(1..=115, HOST, "u")).await;
    assert_eq!(house.rows().await.len(), 103);
    house.lineup.set_rules(id, Vec::new(), &Actor::Console).await.unwrap();
    assert!(house.rows().await.iter().all(|it| it.name.starts_with("Channel ") && !it.is_adult));
    let wrong = vec![RuleDocument { action: "jump".to_owned(), ..RuleDocument::default() }];
    assert!(matches!(house.lineup.set_rules(id, wrong, &Actor::Console).await, Err(Refusal::Rule(_))));
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
    let batch = house.lineup.edit(before.iter().flat_map(edits).collect(), &Actor::Console).await.unwrap();
    let after = house.rows().await;
    assert_eq!(after.len(), 2500);
    assert!(after.iter().all(|it| it.group_title == "Mine"));
    assert_eq!(house.last_changed().removed.len(), 2500);
    house.lineup.undo(batch, &Actor::Console).await.unwrap();
    assert_eq!(house.rows().await, before);
    assert!(matches!(house.lineup.undo(batch, &Actor::Console).await, Err(Refusal::Nothing(_))));
    // One that cannot be made takes all others with it.
    let mut wrong: Vec<ChannelEdit> = before.iter().flat_map(edits).collect();
    wrong.push(ChannelEdit { channel: SourceId(999_999), edit: Edit::Hidden(Some(true)) });
    assert!(matches!(house.lineup.edit(wrong, &Actor::Console).await, Err(Refusal::UnknownChannel(_))));
    assert_eq!(house.rows().await, before);
}

impl House {
    /// What can be undone last.
    async fn last_batch(&self) -> Option<lineup::BatchId> {
        self.database.read(lineup::last_batch).await.unwrap()
    }

    /// What the audit log says of the last change: before and after.
    async fn last_told(&self) -> [Option<Value>; 2] {
        let entries = self.database.read(|connection| audit::list(connection, None, 1)).await.unwrap();
        let entry = entries.into_iter().next().unwrap();
        [entry.before, entry.after]
    }
}

/// The names that are listed, in their order.
async fn names(house: &House) -> Vec<String> {
    house.rows().await.into_iter().map(|row| row.name).collect()
}

#[tokio::test]
async fn channels_moved_by_hand_stay_where_they_are_and_new_ones_come_last() {
    let house = House::new();
    let id = house.add(json!({ "name": "A", "max_loss": 100 })).await;
    let list = |names: &[&str]| {
        let of = |name: &&str| entry(name, "", "G", &format!("http://cdn.example/{name}"));
        entry("First", "", "Before", "http://cdn.example/first")
            + &names.iter().map(of).collect::<String>()
            + &entry("Last", "", "Behind", "http://cdn.example/last")
    };
    house.applied(id, &list(&["A", "B", "C", "D", "E"])).await;
    let [a, b, c, d] = [house.by_name("A"), house.by_name("B"), house.by_name("C"), house.by_name("D")];
    let (a, b, c, d) = (a.await, b.await, c.await, d.await);
    let before = house.rows().await;
    let moved = house.lineup.move_channels(vec![d, b], Some(a), &Actor::Console).await.unwrap();
    assert_eq!(names(&house).await, ["First", "D", "B", "A", "C", "E", "Last"]);
    assert_eq!(house.lineup.channel(d).await.unwrap().edits.list(), [Edit::Place(Some(1))]);
    // Those behind are left to the list, and go on being there.
    assert!(house.lineup.channel(house.by_name("E").await).await.unwrap().edits.is_empty());
    let arranged = house.rows().await;
    house.applied(id, &list(&["New", "E", "C", "B", "A", "D"])).await;
    assert_eq!(names(&house).await, ["First", "D", "B", "A", "C", "E", "New", "Last"]);
    // One that is missing comes back to its place.
    house.applied(id, &list(&["A", "D", "C"])).await;
    assert_eq!(names(&house).await, ["First", "D", "A", "C", "Last"]);
    house.applied(id, &list(&["A", "B", "C", "D", "E"])).await;
    assert_eq!(house.rows().await, arranged);

    // Further moves, of which the last ones are taken back.
    let end = house.lineup.move_channels(vec![d], None, &Actor::Console).await.unwrap();
    assert_eq!(names(&house).await, ["First", "B", "A", "C", "E", "D", "Last"]);
    house.lineup.undo(end, &Actor::Console).await.unwrap();
    assert_eq!(house.rows().await, arranged);
    // A channel that nothing was said of moves in front of those that have a place.
    let c_first = house.lineup.move_channels(vec![c], Some(d), &Actor::Console).await.unwrap();
    assert_eq!(names(&house).await, ["First", "C", "D", "B", "A", "E", "Last"]);
    house.lineup.undo(c_first, &Actor::Console).await.unwrap();
    house.lineup.undo(moved, &Actor::Console).await.unwrap();
    assert_eq!(house.rows().await, before);

    // What does not move changes nothing; a place that is taken back is the list's again.
    let batch = house.last_batch().await;
    let changes = || house.changed.lock().unwrap().len();
    let before = changes();
    let nothing = house.lineup.move_channels(vec![b], Some(c), &Actor::Console).await.unwrap_err();
    assert!(matches!(nothing, Refusal::Nothing("they stand there already")), "{nothing}");
    assert_eq!((house.last_batch().await, changes()), (batch, before));
    house.lineup.move_channels(vec![c], Some(a), &Actor::Console).await.unwrap();
    house.edit(c, Edit::Place(None)).await;
    assert_eq!(names(&house).await, ["First", "A", "B", "C", "D", "E", "Last"]);
}

#[tokio::test]
async fn what_is_not_of_one_group_is_not_moved() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, &panel(1..=20, HOST, "u")).await;
    let (one, eleven, two) = (
        house.by_name("Channel 1").await,
        house.by_name("Channel 11").await,
        house.by_name("Channel 2").await,
    );
    let before = house.rows().await;
    for (moved, in_front_of, expected) in [
        (vec![one, two], None, "channels[1]: it is in another group than the first one"),
        (vec![one], Some(two), "before: it is in another group than the channels"),
        (vec![one, eleven], Some(one), "before: it is one of the channels that are moved"),
        (vec![], None, "channels: there are none"),
    ] {
        let refused = house.lineup.move_channels(moved, in_front_of, &Actor::Console).await.unwrap_err();
        let Refusal::Fields(errors) = refused else { panic!("{refused}") };
        assert_eq!(errors[0].message, expected);
    }
    let unknown = house.lineup.move_channels(vec![SourceId(99)], None, &Actor::Console).await;
    assert!(matches!(unknown, Err(Refusal::UnknownChannel(SourceId(99)))));
    assert_eq!(house.rows().await, before);
}

#[tokio::test]
async fn a_move_places_no_more_channels_than_can_be_edited_at_once() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let of = |at| entry(&format!("C{at}"), "", "G", &format!("http://h.example/{at}"));
    house.applied(id, &(0..=MAX_EDITED).map(of).collect::<String>()).await;
    let last = house.by_name(&format!("C{MAX_EDITED}")).await;
    let [first, second] = [house.by_name("C0").await, house.by_name("C1").await];
    let refused = house.lineup.move_channels(vec![last], Some(first), &Actor::Console).await.unwrap_err();
    let Refusal::Fields(errors) = refused else { panic!("{refused}") };
    assert_eq!(errors[0].message, "channels: more than 100000 would get a place");
    assert_eq!(house.last_batch().await, None);
    house.lineup.move_channels(vec![last], Some(second), &Actor::Console).await.unwrap_err();
    // Those in front of the moved ones get places, those behind do not.
    house.lineup.move_channels(vec![second], Some(first), &Actor::Console).await.unwrap();
}

#[tokio::test]
async fn groups_moved_by_hand_stay_where_they_are_with_their_channels() {
    let house = House::new();
    let (a, b) =
        (house.add(json!({ "name": "A", "max_loss": 100 })).await, house.add(json!({ "name": "B" })).await);
    let list = |groups: &[&str]| {
        let of = |group: &&str| {
            let of =
                |at| entry(&format!("{group}{at}"), "", group, &format!("http://cdn.example/{group}{at}"));
            (1..=2).map(of).collect::<String>()
        };
        groups.iter().map(of).collect::<String>()
    };
    house.applied(a, &list(&["News", "Sport"])).await;
    house.applied(b, &list(&["Kids"])).await;
    let groups = async || {
        let rows = house.lineup.groups(None, 0, 100).await.unwrap();
        rows.into_iter().map(|row| (row.name, row.id)).collect::<Vec<_>>()
    };
    let [(_, news), (_, sport), (_, kids)] = groups().await[..] else { panic!("there are three") };
    // A channel that has a place keeps it.
    let sport2 = house.by_name("Sport2").await;
    house
        .lineup
        .move_channels(vec![sport2], Some(house.by_name("Sport1").await), &Actor::Console)
        .await
        .unwrap();
    let before = house.rows().await;
    assert_eq!(house.lineup.move_groups(vec![kids, sport], Some(news), &Actor::Console).await.unwrap(), 2);
    let moved = [kids.0, sport.0];
    let told = [
        json!({ "groups": moved, "places": [3, 2] }),
        json!({ "groups": moved, "places": [1, 2], "before": news.0 }),
    ];
    assert_eq!(house.last_told().await, told.map(Some));
    assert!(house.last_changed().is_reordered);
    let arranged = ["Kids1", "Kids2", "Sport2", "Sport1", "News1", "News2"];
    assert_eq!(names(&house).await, arranged);
    let page = house.lineup.groups(None, 1, 1).await.unwrap();
    assert_eq!((&*page[0].name, page[0].playlist, page[0].channels), ("Sport", a, 2));
    // Whatever the lists do next: a new group is the last one, and one that is gone comes back to its
    // place.
    house.applied(a, &list(&["New", "News"])).await;
    house.applied(a, &list(&["News", "New", "Sport"])).await;
    assert_eq!(names(&house).await[..6], arranged);
    assert_eq!(groups().await[3].0, "New");
    house.applied(a, &(list(&["News", "Sport"]) + "#\n")).await;
    // And back.
    assert_eq!(house.lineup.move_groups(vec![news, sport, kids], None, &Actor::Console).await.unwrap(), 4);
    assert_eq!(house.lineup.move_groups(vec![news, sport], Some(kids), &Actor::Console).await.unwrap(), 0);
    let kept =
        |rows: Vec<Row>| rows.into_iter().map(|row| (row.id, row.path, row.number)).collect::<Vec<_>>();
    assert_eq!(kept(house.rows().await), kept(before));
    let unknown = house.lineup.move_groups(vec![lineup::GroupId(99)], None, &Actor::Console).await;
    assert!(matches!(unknown, Err(Refusal::UnknownGroup(lineup::GroupId(99)))));
    let itself = house.lineup.move_groups(vec![news], Some(news), &Actor::Console).await;
    assert!(matches!(itself, Err(Refusal::Fields(_))));
}

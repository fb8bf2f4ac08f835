//! What users make of channels: rules and edits.

use forebay_core::lineup::edits::Edit;
use serde_json::json;

use super::*;
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

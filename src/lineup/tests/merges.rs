//! Channels that are one: of several playlists, and as users say.

use forebay_core::lineup::merge::{Decision, Pair};
use serde_json::json;

use super::*;

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

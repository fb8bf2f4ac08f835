//! What a refresh must not do: the rules by their numbers.

use std::collections::BTreeMap;

use forebay_core::lineup::edits::Edit;
use forebay_relay::events::Event;

use serde_json::json;

use super::*;
use crate::lineup::rules::RuleDocument;

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
    let Ok(Refreshed::Applied(summary)) = house.lineup.accept(id, &Actor::Console).await else {
        panic!("it can be accepted")
    };
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
        house.lineup.discard(id, &Actor::Console).await.unwrap();
        assert_eq!(house.lineup.get(id).await.unwrap().held, None);
    }
    // It breaks off in the middle, at a place where it could end.
    let half = panel(1..=90, HOST, "u");
    let pieces = vec![Ok(Bytes::from(half)), Err(InputError::Broken("reset".to_owned()))];
    let refusal = house.lineup.upload(id, stream::iter(pieces), &Actor::Console).await.unwrap_err();
    assert_eq!(refusal.to_string(), "the list is held: it broke off before its end");
    assert_eq!(house.rows().await, before);
    // A text that is not a list cannot be accepted, and nothing else is held.
    house.held(id, "<html>").await;
    assert!(matches!(house.lineup.accept(id, &Actor::Console).await, Err(Refusal::Nothing(_))));
    house.lineup.discard(id, &Actor::Console).await.unwrap();
    assert!(matches!(house.lineup.discard(id, &Actor::Console).await, Err(Refusal::Nothing(_))));
    // It is told once, however often the server sends it.
    let mut events = house.events.subscribe();
    for _ in 0..3 {
        house.held(id, "<html>").await;
    }
    house.held(id, "").await;
    house.events.publish(Event::PlaylistFailed { playlist: 99 });
    let mut told = Vec::new();
    while let Some(Event::PlaylistHeld { reason, .. }) = events.next().await {
        told.push(reason);
    }
    assert_eq!(told, ["html", "empty"]);
    // A good list takes the place of one that was held.
    house.held(id, "").await;
    house.applied(id, &panel(1..=101, HOST, "u")).await;
    assert_eq!(house.lineup.get(id).await.unwrap().held, None);
}

#[tokio::test]
async fn rule_4_the_guide_id_that_a_user_set_stays() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    house.applied(id, &entry("One", "theirs.uk", "G", "http://h.example/live/u/p/1.ts")).await;
    let one = house.by_name("One").await;
    house.edit(one, Edit::GuideId(Some("mine.uk".to_owned()))).await;
    for theirs in ["", "other.uk", "theirs.uk"] {
        house.applied(id, &entry("One", theirs, "G", "http://h.example/live/u/p/1.ts")).await;
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
            entry(
                &format!("C {group}"),
                "",
                group,
                &format!("http://h.example/live/u/p/{}{at}.ts", group.len()),
            )
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
    house.lineup.set_rules(id, rules, &Actor::Console).await.unwrap();
    for row in house.rows().await {
        let number = row.number.unwrap().major();
        assert_eq!((900..=950).contains(&number), row.group_title == "Group 3", "{row:?}");
    }
}

#[tokio::test]
async fn rule_9_names_and_numbers_come_of_the_attribute_that_the_playlist_says() {
    let list = "#EXTINF:-1 tvg-name=\"Good name\" channel-number=\"7\",raw_name_1\nhttp://h.example/live/u/p/1.ts\n\
                #EXTINF:-1 tvg-name=\"Only name\" ch-number=\"8.1\",\nhttp://h.example/live/u/p/2.ts\n";
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
                http://h.example/live/u/p/1.ts\r\n#EXTINF:0,- Dash\r\n#EXTGRP:Sport\r\nhttp://h.example/live/u/p/2.ts\r\n";
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
    house.lineup.remove(id, &Actor::Console).await.unwrap();
    assert_eq!((house.last_changed().removed.len(), house.rows().await), (95, vec![]));
}

/// Of rule 14 what there is without a guide: which programmes are shown for a channel is the user's
/// to say, whatever providers write. How guides are matched belongs to them.
#[tokio::test]
async fn rule_14_the_guide_mapping_of_a_user_outlives_every_list_and_decides_no_merge() {
    let house = House::new();
    let (a, b) = (house.add(json!({ "name": "A" })).await, house.add(json!({ "name": "B" })).await);
    let list = |host: &str, name: &str, id: &str| {
        entry("Other", "other.uk", "G", &format!("http://{host}/live/u/p/2.ts"))
            + &entry("More", "more.uk", "G", &format!("http://{host}/live/u/p/3.ts"))
            + &entry(name, id, "G", &format!("http://{host}/live/u/p/1.ts"))
    };
    house.applied(a, &list("a.example", "One", "one.uk")).await;
    let one = house.by_name("One").await;
    // The programmes of another channel, of which there is one in the next list.
    house.edit(one, Edit::GuideId(Some("two.uk".to_owned()))).await;
    house.edit(one, Edit::GracenoteId(Some("12345".to_owned()))).await;
    let mapping = |rows: Vec<Row>| {
        let row = rows.into_iter().find(|row| row.id == one)?;
        Some((row.guide_id, row.gracenote_id))
    };
    let mapped = Some(("two.uk".to_owned(), "12345".to_owned()));
    house.applied(b, &list("b.example", "Two", "two.uk")).await;
    assert_eq!(house.lineup.merges().await.unwrap().len(), 2, "One and Two are not one for the mapping");
    let rule = json!([{ "matches": "^", "action": "rename", "to": "UK: " }]);
    house.lineup.set_rules(a, serde_json::from_value(rule).unwrap(), &Actor::Console).await.unwrap();
    for (name, id) in [("One", ""), ("One HD", "one.uk"), ("Renamed", "else.uk"), ("One", "one.uk")] {
        house.applied(a, &list("a.example", name, id)).await;
        assert_eq!(mapping(house.rows().await), mapped, "{name} {id}");
    }
    // It is missing for a while.
    let without = entry("Other", "other.uk", "G", "http://a.example/live/u/p/2.ts")
        + &entry("More", "more.uk", "G", "http://a.example/live/u/p/3.ts");
    assert_eq!(house.held(a, &without).await.0, "too_many_gone");
    house.lineup.accept(a, &Actor::Console).await.unwrap();
    assert_eq!(mapping(house.rows().await), None);
    house.applied(a, &list("c.example", "One", "one.uk")).await;
    assert_eq!(mapping(house.rows().await), mapped);
    house.edit(one, Edit::GuideId(None)).await;
    assert_eq!(mapping(house.rows().await), Some(("one.uk".to_owned(), "12345".to_owned())));
}

#[tokio::test]
async fn a_playlist_is_read_by_one_at_a_time() {
    let house = House::new();
    let id = house.add(json!({ "name": "A" })).await;
    let never = stream::pending::<Result<Bytes, InputError>>();
    let mut first = Box::pin(house.lineup.upload(id, never, &Actor::Console));
    assert!(futures_util::poll!(first.as_mut()).is_pending());
    while house.lineup.readings(id).running.is_none() {
        assert!(futures_util::poll!(first.as_mut()).is_pending());
        tokio::task::yield_now().await;
    }
    assert!(matches!(house.take(id, "").await, Err(Refusal::Running)));
    drop(first);
    house.applied(id, &panel(1..=5, HOST, "u")).await;
}

//! Channels that are one: of several playlists, and as users say.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::GzDecoder;
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
    assert_eq!(house.lineup.decide(pair, Some(Decision::Forbid), &Actor::Console).await.unwrap(), None);
    for day in 0..10 {
        house.applied(b, &format!("{}#{day}\n", list(&format!("b{day}.example"), 5))).await;
        assert_eq!(house.rows().await.len(), 26, "day {day}");
    }
    assert_eq!(house.lineup.decide(pair, None, &Actor::Console).await.unwrap(), Some(Decision::Forbid));
    assert_eq!(house.rows().await, merged, "to undo gives what was before");
    // A pair is forced, whatever the names.
    let (one, other) = (house.by_name("News 0").await, house.by_name("News 24").await);
    house
        .lineup
        .decide(Pair::new(one, other).unwrap(), Some(Decision::Force), &Actor::Console)
        .await
        .unwrap();
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

/// The addresses of all sources of a channel, in the order in which they are tried.
async fn addresses(house: &House, name: &str) -> Vec<String> {
    let path = house.rows().await.into_iter().find(|row| row.name == name).unwrap().path;
    let found =
        house.database.read(move |connection| lineup::find(connection, &path)).await.unwrap().unwrap();
    let channel = found.channel(&house.lineup.0.config.get()).unwrap();
    channel.sources.iter().map(|source| source.url.expose().to_string()).collect()
}

/// Two accounts of one provider have the same number of a stream, and other providers have it, too.
const FURTHER: &str = "#EXTM3U\n\
    #EXTINF:-1 tvg-chno=\"1\" tvg-id=\"one.uk\" group-title=\"G\",One\n\
    http://a.example/live/joe/pw/7.ts\nhttp://a.example/live/jim/pw/7.ts\nhttp://b.example/live/ann/pw/7.ts\n\
    http://c.example/one\n\
    #EXTINF:-1 tvg-chno=\"2\" group-title=\"G\",Two\nhttp://a.example/live/joe/pw/8.ts\n\
    #EXTINF:-1 tvg-chno=\"3\" tvg-id=\"one.uk\" group-title=\"G\",One\nhttp://a.example/live/joe/pw/9.ts\n";

#[tokio::test]
async fn further_addresses_of_an_entry_are_its_sources_in_order() {
    for merge in [true, false] {
        let house = House::new();
        let id = house.add(json!({ "name": "A", "alternates": true, "merge": merge })).await;
        house.applied(id, FURTHER).await;
        let told = |rows: Vec<Row>| -> Vec<(String, String)> {
            let number = |row: &Row| row.number.map(|it| it.to_string()).unwrap_or_default();
            rows.iter().map(|row| (number(row), row.name.clone())).collect()
        };
        let expected = [("1", "One"), ("2", "Two"), ("3", "One")].map(|(a, b)| (a.to_owned(), b.to_owned()));
        assert_eq!(told(house.rows().await), expected, "variants of one name stay two channels");
        let four = [
            "http://a.example/live/joe/pw/7.ts",
            "http://a.example/live/jim/pw/7.ts",
            "http://b.example/live/ann/pw/7.ts",
            "http://c.example/one",
        ];
        assert_eq!(addresses(&house, "One").await, four);
        // Another reading changes nothing of it, and takes no numbers.
        house.applied(id, &format!("{FURTHER}#\n")).await;
        assert_eq!(addresses(&house, "One").await, four);
        let more =
            format!("{FURTHER}#EXTINF:-1 tvg-chno=\"4\" group-title=\"G\",Four\nhttp://four.example/4\n");
        house.applied(id, &more).await;
        assert_eq!(told(house.rows().await)[3], ("4".to_owned(), "Four".to_owned()));
    }
}

#[tokio::test]
async fn further_addresses_that_a_user_parts_stay_apart() {
    let house = House::new();
    let id = house.add(json!({ "name": "A", "alternates": true })).await;
    house.applied(id, FURTHER).await;
    let (leader, behind) = house.lineup.merges().await.unwrap().remove(0);
    let pair = Pair::new(leader, behind[2]).unwrap();
    house.lineup.decide(pair, Some(Decision::Forbid), &Actor::Console).await.unwrap();
    for day in 0..3 {
        house.applied(id, &format!("{FURTHER}#{day}\n")).await;
        assert_eq!(addresses(&house, "One").await.len(), 3, "day {day}");
        let numbers: Vec<_> = house.rows().await.into_iter().map(|row| row.number.unwrap().major()).collect();
        assert_eq!(numbers, [1, 4, 2, 3], "what stands alone has a number, and the others keep theirs");
    }
}

#[tokio::test]
async fn rule_13_what_would_be_merged_is_shown_before() {
    let house = House::new();
    let a = house.add(json!({ "name": "A" })).await;
    let b = house.add(json!({ "name": "B", "merge": false })).await;
    let list = |host: &str, from: u32| {
        let of =
            |at: u32| entry(&format!("News {at}"), &format!("n{at}.uk"), "G", &format!("http://{host}/{at}"));
        (from..from + 20).map(of).collect::<String>()
    };
    house.applied(a, &list("a.example", 0)).await;
    house.applied(b, &list("b.example", 5)).await;
    let (before, written) = (house.rows().await, house.written_rows().await);
    // The second playlist takes part: fifteen of its channels are those of the first.
    let take_part = MergeTrial { playlists: [(b, true)].into(), ..MergeTrial::default() };
    let preview = house.lineup.preview_merges(take_part.clone()).await.unwrap();
    assert_eq!((preview.listed_before, preview.listed, preview.changes), (40, 25, 15));
    let first = &preview.examples[0];
    assert_eq!((&*first.name, first.leader_name.as_deref()), ("News 5", Some("News 5")));
    // And so it is with one of them forbidden, and two others forced.
    let forbidden = Pair::new(first.leader.unwrap(), first.channel).unwrap();
    let forced = Pair::new(house.by_name("News 0").await, house.by_name("News 24").await).unwrap();
    let decisions = vec![(forbidden, Some(Decision::Forbid)), (forced, Some(Decision::Force))];
    let trial = MergeTrial { decisions, ..take_part };
    let preview = house.lineup.preview_merges(trial.clone()).await.unwrap();
    assert_eq!((preview.listed, preview.changes), (25, 15));
    assert_eq!((house.rows().await, house.written_rows().await), (before, written), "nothing is written");
    // What is done then is what was shown.
    for (pair, decision) in trial.decisions.clone() {
        house.lineup.decide(pair, decision, &Actor::Console).await.unwrap();
    }
    let merge = |old: &Document<PlaylistSpec>| old.merged(json!({ "merge": true }).as_object().unwrap());
    house.lineup.change(b, merge, &Actor::Console).await.unwrap();
    let merges = house.lineup.merges().await.unwrap();
    let made: BTreeMap<SourceId, SourceId> =
        merges.iter().flat_map(|(leader, members)| members.iter().map(|it| (*it, *leader))).collect();
    let shown: BTreeMap<SourceId, SourceId> =
        preview.examples.iter().map(|change| (change.channel, change.leader.unwrap())).collect();
    assert_eq!((made, house.rows().await.len()), (shown, 25));
    let again = house.lineup.preview_merges(trial).await.unwrap();
    assert_eq!((again.listed_before, again.listed, again.changes), (25, 25, 0));
    // Without the decisions it would be as in the first preview.
    let undo = MergeTrial { decisions: vec![(forbidden, None), (forced, None)], ..MergeTrial::default() };
    let preview = house.lineup.preview_merges(undo).await.unwrap();
    assert_eq!((preview.changes, preview.listed), (2, 25));
    // What is not there is said.
    let gone = MergeTrial { playlists: [(PlaylistId(9), true)].into(), ..MergeTrial::default() };
    assert!(matches!(house.lineup.preview_merges(gone).await, Err(Refusal::Unknown(PlaylistId(9)))));
    let nobody = Pair::new(SourceId(1), SourceId(999)).unwrap();
    let gone = MergeTrial { decisions: vec![(nobody, None)], ..MergeTrial::default() };
    assert!(matches!(house.lineup.preview_merges(gone).await, Err(Refusal::UnknownChannel(SourceId(999)))));
}

#[tokio::test]
async fn what_is_merely_alike_is_suggested_and_not_merged() {
    let house = House::new();
    let (a, b) = (house.add(json!({ "name": "A" })).await, house.add(json!({ "name": "B" })).await);
    let list = |host: &str, names: &[&str]| {
        names.iter().map(|name| entry(name, "", "G", &format!("http://{host}/{name}"))).collect::<String>()
    };
    house.applied(a, &list("a.example", &["Discovery Channel", "Discovery Chanel", "Eurosport"])).await;
    house
        .applied(b, &list("b.example", &["Discovery Chanell", "Eurosport", "Weather", "Discovery Science"]))
        .await;
    assert_eq!(house.lineup.merges().await.unwrap().len(), 1, "only the equal ones are one");
    let discovery = house.by_name("Discovery Channel").await;
    let found = house.lineup.suggest_merges(discovery).await.unwrap();
    let names: Vec<&str> = found.iter().map(|it| &*it.name).collect();
    assert_eq!((names[0], found[0].playlist), ("Discovery Chanell", b));
    assert!(found.is_sorted_by(|one, other| one.likeness >= other.likeness) && !names.contains(&"Weather"));
    // Neither those of its own list, nor what is one with it already.
    assert!(!names.contains(&"Discovery Chanel"), "{names:?}");
    let eurosport = house.by_name("Eurosport").await;
    assert_eq!(house.lineup.suggest_merges(eurosport).await.unwrap(), []);
    assert!(matches!(house.lineup.suggest_merges(SourceId(99)).await, Err(Refusal::UnknownChannel(_))));
}

/// Lists that the entries of iptv-org are dealt out to, one after the other. A list is one with
/// itself never, and most channels have a few entries side by side.
const LISTS: usize = 200;

/// Guide id and name of each entry of iptv-org that has a guide id.
fn iptv_org() -> Vec<(String, String)> {
    let mut text = String::new();
    let packed = include_bytes!("../../../core/tests/data/m3u/iptv-org_names.tsv.gz");
    GzDecoder::new(&packed[..]).read_to_string(&mut text).unwrap();
    let rows = text.lines().filter_map(|line| line.split_once('\t'));
    rows.filter(|(id, _)| !id.is_empty()).map(|(id, name)| (id.to_owned(), name.to_owned())).collect()
}

/// The channel of a guide id; what stands behind `@` is its feed. Some are listed under two.
fn channel_of(id: &str) -> &str {
    match id.split('@').next().unwrap() {
        "FilmRiseForensicFiles.us" => "ForensicFiles.us",
        "MST3K.us" => "MysteryScienceTheater3000.us",
        "StingrayEverything80s.ca" => "StingrayRememberthe80s.ca",
        channel => channel,
    }
}

/// How many joins of these channels are right, and how many there are: all but the first.
fn joins(mut channels: Vec<&str>) -> (u32, u32) {
    let all = u32::try_from(channels.len()).unwrap();
    channels.sort_unstable();
    channels.dedup();
    (all - u32::try_from(channels.len()).unwrap(), all - 1)
}

/// As `core/tests/lineup_merge.rs` has it of the pure part: by names and countries alone, for the
/// guide ids are the answer.
#[tokio::test]
#[ignore = "two hundred lists: make test-long"]
async fn precision_and_recall_on_iptv_org_in_a_database() {
    let (house, rows) = (House::new(), iptv_org());
    assert_eq!(rows.len(), 14_113);
    for list in 0..LISTS {
        let mut text = "#EXTM3U\n".to_owned();
        for (at, (id, name)) in rows.iter().enumerate().skip(list).step_by(LISTS) {
            let country = channel_of(id).rsplit_once('.').unwrap().1;
            writeln!(text, "#EXTINF:-1 tvg-country=\"{country}\",{name}\nhttp://l{list}.example/{at}")
                .unwrap();
        }
        let id = house.add(json!({ "name": format!("L{list}") })).await;
        house.applied(id, &text).await;
    }
    // What each channel is, by its address, which only this test knows.
    let channels = house.database.read(|connection| {
        let mut found = BTreeMap::new();
        for playlist in lineup::all_playlists(connection)? {
            lineup::for_each_entry(connection, playlist.id, |id, entry, _| {
                let place = entry.url().rsplit('/').next().unwrap().parse::<usize>().unwrap();
                found.insert(id, place);
                Ok::<_, Error>(())
            })?;
        }
        Ok::<_, Error>(found)
    });
    let channels = channels.await.unwrap();
    assert_eq!(channels.len(), rows.len());
    let channel = |id: &SourceId| channel_of(&rows[channels[id]].0);
    let (mut right, mut made) = (0, 0);
    for (leader, members) in house.lineup.merges().await.unwrap() {
        let of_group = joins(std::iter::once(&leader).chain(&members).map(channel).collect());
        right += of_group.0;
        made += of_group.1;
    }
    let (wanted, _) = joins(rows.iter().map(|(id, _)| channel_of(id)).collect());
    let [precision, recall] = [made, wanted].map(|of| 100.0 * f64::from(right) / f64::from(of));
    // Printed, for it is what the test is for.
    println!("joins: precision {precision:.2} % of {made}, recall {recall:.2} % of {wanted}");
    assert!(precision >= 99.7, "{precision}");
    assert!(recall >= 75.0, "{recall}");
}

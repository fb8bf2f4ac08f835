//! Random edits between random refreshes: no edit is lost, and ids, numbers and addresses stay.

use std::collections::BTreeMap;

use forebay_core::lineup::edits::{Edit, Edits};
use forebay_core::lineup::number::ChannelNumber;
use serde_json::json;

use super::*;
use crate::db::lineup::stored;

/// Streams of the provider, from 1.
const STREAMS: u32 = 150;

/// A small generator: the whole run follows from one number.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u32) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        u32::try_from((self.0 >> 33) % u64::from(limit)).unwrap()
    }
}

/// A provider that changes all that may change, and takes away less than a refresh would hold.
struct Provider {
    random: Random,
    day: u32,
}

impl Provider {
    fn list(&mut self) -> String {
        self.day += 1;
        let Self { random, day } = self;
        let mut numbers: Vec<u32> = (1..=STREAMS).collect();
        for at in (1..numbers.len()).rev() {
            numbers.swap(at, random.below(u32::try_from(at).unwrap() + 1) as usize);
        }
        numbers.truncate((STREAMS - random.below(STREAMS / 4)) as usize);
        let mut list = "#EXTM3U\n".to_owned();
        for number in numbers {
            let (name, group) = (random.below(3), random.below(4));
            let _ = write!(
                list,
                "#EXTINF:-1 tvg-id=\"c{number}.v{name}\" tvg-chno=\"{}\" tvg-logo=\"http://l/{name}\" \
                 group-title=\"Group {group}\",Name {name} of {number}\n\
                 http://h{day}.example/live/user{name}/p{day}/{number}.ts\n",
                random.below(1000) + 1
            );
        }
        list
    }
}

/// An edit of any field; some take one back.
fn edit(random: &mut Random) -> Edit {
    let is_set = random.below(5) > 0;
    let text = format!("Mine {}", random.below(100));
    let (text, flag) = (is_set.then_some(text), is_set.then_some(random.below(2) == 0));
    match random.below(9) {
        0 => Edit::Name(text),
        1 => Edit::Number(is_set.then(|| ChannelNumber::whole(5000 + random.below(5000)).unwrap())),
        2 => Edit::Group(text),
        3 => Edit::Logo(text),
        4 => Edit::GuideId(text),
        5 => Edit::GracenoteId(text),
        6 => Edit::Hidden(flag),
        7 => Edit::Adult(flag),
        _ => Edit::Place(is_set.then(|| random.below(1000))),
    }
}

/// What a channel is in the words of edits.
fn shown(channel: &Detail, edit: &Edit) -> Edit {
    let row = &channel.row;
    match edit {
        Edit::Name(_) => Edit::Name(Some(row.name.clone())),
        Edit::Number(_) => Edit::Number(row.number),
        Edit::Group(_) => Edit::Group(Some(row.group_title.clone())),
        Edit::Logo(_) => Edit::Logo(Some(row.logo.clone())),
        Edit::GuideId(_) => Edit::GuideId(Some(row.guide_id.clone())),
        Edit::GracenoteId(_) => Edit::GracenoteId(Some(row.gracenote_id.clone())),
        Edit::Hidden(_) => Edit::Hidden(Some(channel.hidden != lineup::Hidden::No)),
        Edit::Adult(_) => Edit::Adult(Some(row.is_adult)),
        // The lower half of a rank is for places, above those of the group before.
        Edit::Place(_) => {
            let low = u32::try_from(row.rank & 0xffff_ffff).unwrap();
            Edit::Place(low.checked_sub(lineup::MAX_PLACE))
        }
    }
}

async fn live_through(seed: u64, refreshes: u32, edits: u32) {
    let house = House::new();
    let id = house.add(json!({ "name": "A", "max_loss": 60 })).await;
    let mut provider = Provider { random: Random(seed), day: 0 };
    let mut random = Random(!seed);
    let mut known: BTreeMap<SourceId, (String, Option<ChannelNumber>)> = BTreeMap::new();
    let mut made: BTreeMap<SourceId, Edits> = BTreeMap::new();
    for day in 0..refreshes {
        house.applied(id, &provider.list()).await;
        let all = house.all().await;
        assert!(all.len() <= STREAMS as usize, "day {day}: no channel comes twice");
        for channel in &all {
            let row = &channel.row;
            let number = made.get(&row.id).map_or(row.number, |edits| {
                // Another number was given by a user, and may stay when that is taken back.
                edits
                    .list()
                    .iter()
                    .find_map(|edit| match edit {
                        Edit::Number(number) => *number,
                        _ => None,
                    })
                    .or(row.number)
            });
            let before = known.entry(row.id).or_insert_with(|| (row.path.clone(), row.number));
            assert_eq!(row.path, before.0, "day {day}");
            assert_eq!(row.number, number, "day {day}: {}", row.path);
            assert_eq!(row.number, before.1, "day {day}: {}", row.path);
            for edit in made.get(&row.id).map(Edits::list).unwrap_or_default() {
                assert_eq!(
                    shown(channel, &edit),
                    edit,
                    "day {day}: {} of {}",
                    stored(&edit).0 as u8,
                    row.path
                );
            }
        }
        let ids: Vec<SourceId> = all.iter().map(|channel| channel.row.id).collect();
        let batch: Vec<ChannelEdit> = (0..edits / refreshes)
            .map(|_| {
                let channel = ids[random.below(u32::try_from(ids.len()).unwrap()) as usize];
                ChannelEdit { channel, edit: edit(&mut random) }
            })
            .collect();
        for ChannelEdit { channel, edit } in &batch {
            made.entry(*channel).or_default().apply(edit.clone());
        }
        house.lineup.edit(batch, &Actor::Console).await.unwrap();
        // A number is what a user has set from then on.
        for channel in house.all().await {
            known.get_mut(&channel.row.id).unwrap().1 = channel.row.number;
        }
    }
    assert_eq!(known.len(), STREAMS as usize, "every stream was there once");
}

#[tokio::test]
async fn edits_outlive_refreshes() {
    live_through(17, 12, 120).await;
}

#[tokio::test]
#[ignore = "half a minute: make test-long"]
async fn a_thousand_edits_outlive_a_hundred_refreshes() {
    live_through(1, 100, 1000).await;
}

//! Groups of pictures of 8 s and more, as the defaults of encoders make them, and such that never
//! end: where viewers join and where HLS is cut.

#[path = "support/clip.rs"]
mod clip;
#[path = "support/muxer.rs"]
mod muxer;

use std::time::Duration;

use forebay_core::segmenter::{Segmenter, SequenceNumbers, Settings};
use forebay_core::store_index::{Limits, StoreIndex};
use forebay_core::time::{MediaTime, Pts};
use forebay_core::ts::packet::Bytes;
use forebay_core::ts::random_access::RandomAccess;
use forebay_core::ts::splice::Splice;
use forebay_core::ts::{Packet, Pid};

use clip::Clip;

const PICTURES_A_SECOND: usize = 25;

/// How far behind live viewers begin: the default.
const BURST: Duration = Duration::from_secs(2);

/// What viewers of one channel find while its pictures come.
#[derive(Debug, Default)]
struct Seen {
    /// By picture: what a viewer who joins there begins with, and how many pictures behind live.
    joins: Vec<Option<(RandomAccess, usize)>>,
    /// What each segment begins with, and how long it plays, in pictures.
    segments: Vec<(RandomAccess, usize)>,
}

/// Plays a channel with the default settings, on which only so many bytes are kept, from this
/// picture on.
fn watch(gop: usize, seconds: usize, bytes: u64, from: usize) -> Seen {
    let pictures = from + seconds * PICTURES_A_SECOND;
    let clip = Clip { start: Pts::new(900_000), pictures, gop, sizes: [3_000, 500], sound: 170 };
    let mut splice = Splice::new(None);
    let mut index = StoreIndex::new(Limits { span: Duration::from_secs(12), bytes });
    let segment = Duration::from_secs(4);
    let settings = Settings { segment, window: segment * 1000, bytes: 1 << 40 };
    let mut segmenter = Segmenter::new(settings, SequenceNumbers::default());
    let (mut points, mut seen) = (Vec::new(), Seen::default());
    let picture =
        |time: MediaTime| usize::try_from((time.ticks() - 900_000) / 3_600).expect("the first is 0");
    let mut shown = Vec::new();
    for packets in groups(&clip.mux(), from) {
        splice.push(&packets);
        let (output, new) = splice.output();
        let (base, position) = (index.head(), splice.position().unwrap_or_default());
        index.append(output.len(), new, position);
        for point in new {
            points.push((base + point.at as u64, *point));
            if segmenter.push(base + point.at as u64, *point) {
                shown.push(*segmenter.segments().last().expect("there is a new one"));
            }
        }
        let at = |offset: u64| points.iter().find(|(start, _)| *start == offset).expect("a point").1;
        seen.joins.push(index.edges(BURST).join.map(|join| {
            let point = at(join);
            (point.kind, picture(position) - picture(point.time))
        }));
        splice.clear(0);
    }
    for segment in shown {
        let entry = points.iter().find(|(start, _)| *start == segment.start).expect("a point").1.kind;
        seen.segments.push((entry, usize::try_from(segment.ticks / 3_600).expect("it plays")));
    }
    seen
}

/// The packets from one picture to the next, the first `skipped` pictures left out but for the
/// tables.
fn groups(packets: &[Bytes], skipped: usize) -> Vec<Vec<Bytes>> {
    let mut groups: Vec<Vec<Bytes>> = vec![Vec::new()];
    for bytes in packets {
        let packet = Packet::new(bytes);
        if packet.pid() == muxer::VIDEO && packet.starts_unit() {
            groups.push(Vec::new());
        }
        groups.last_mut().expect("there is one").push(*bytes);
    }
    let tables = |bytes: &Bytes| [Pid::PAT, muxer::MAP].contains(&Packet::new(bytes).pid());
    let first = groups[0].iter().copied().filter(tables).collect();
    std::iter::once(first).chain(groups.into_iter().skip(1 + skipped)).collect()
}

#[test]
fn who_joins_a_long_group_begins_at_its_key_picture() {
    for gop in [208, 250, 500, 600] {
        let seen = watch(gop, 90, 16 << 20, 0);
        let joins: Vec<(RandomAccess, usize)> = seen.joins.into_iter().skip(2).map(Option::unwrap).collect();
        assert!(
            joins.iter().all(|(entry, behind)| *entry == RandomAccess::Idr && *behind < gop + 50),
            "{gop}"
        );
        let segments: Vec<_> =
            seen.segments.iter().filter(|segment| **segment != (RandomAccess::Idr, gop)).collect();
        assert!(segments.is_empty() && seen.segments.len() >= 2, "{gop}: {segments:?}");
    }
}

#[test]
fn who_joins_a_group_that_never_ends_begins_within_reach() {
    let seen = watch(usize::MAX, 200, 16 << 20, 0);
    let joins: Vec<(RandomAccess, usize)> = seen.joins.into_iter().skip(2).map(Option::unwrap).collect();
    let key = joins.iter().take_while(|(entry, _)| *entry == RandomAccess::Idr).count();
    assert!((590..=620).contains(&key), "{key} pictures");
    // A mark every 8 s, and 2 s behind live.
    assert!(joins[key..].iter().all(|&(entry, behind)| entry == RandomAccess::Blind && behind <= 10 * 25));
    let (first, later) = seen.segments.split_first().expect("there are segments");
    assert_eq!(first.0, RandomAccess::Idr);
    assert!(
        later.len() > 15 && later.iter().all(|&(entry, length)| entry == RandomAccess::Blind && length < 250)
    );
}

#[test]
fn a_key_picture_that_is_too_far_back_to_be_kept_is_not_replaced_by_any_picture() {
    // Four seconds of a group of ten.
    let seen = watch(250, 60, 64_000 * 4 / 3, 0);
    let first = seen.joins.iter().position(Option::is_some).expect("somebody can join");
    assert!(seen.joins[first..].iter().flatten().all(|(entry, _)| *entry == RandomAccess::Idr));
    assert!(seen.joins[first..].iter().any(Option::is_none), "the group is longer than what is kept");
}

#[test]
fn a_source_that_is_met_in_a_long_group_is_shown_before_its_end() {
    let seen = watch(500, 90, 16 << 20, 10);
    let first = seen.joins.iter().position(Option::is_some).expect("somebody can join");
    assert!((170..220).contains(&first), "picture {first}");
    assert_eq!(seen.joins[first].map(|(entry, _)| entry), Some(RandomAccess::Blind));
    // From its first key picture on, only those count.
    assert!(seen.joins[492..].iter().flatten().all(|(entry, _)| *entry == RandomAccess::Idr));
    let later = seen.segments.iter().skip_while(|(entry, _)| *entry == RandomAccess::Blind);
    assert!(
        later.clone().count() >= 3 && later.into_iter().all(|segment| *segment == (RandomAccess::Idr, 500))
    );
}

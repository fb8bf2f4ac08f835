//! What a playlist may say, alone and after another.

use std::time::Duration;

use jiff::Timestamp;

use super::playlist::{Playlist, Segment};

/// What is demanded beyond the letter of RFC 8216, or not.
#[derive(Debug, Clone)]
#[expect(clippy::struct_excessive_bools, reason = "switches that can be set in any combination")]
pub struct Rules {
    /// How far EXTINF may be from the media time of the segment. 50 ms: more than a picture, which is what rounding and
    /// the order of pictures explain.
    pub extinf_tolerance: Duration,
    /// How far EXT-X-PROGRAM-DATE-TIME may be from what the segments before it come to, and from what it was before.
    pub date_tolerance: Duration,
    /// Longest step between decoding times of a track. 300 ms: muxers put up to a quarter of a second of sound into one
    /// PES packet.
    pub dts_gap: Duration,
    /// How much AAC may be missing or overlap between two PES packets, cuts included. 10 ms: half a frame.
    pub sound_gap: Duration,
    /// Content-Type of segments.
    pub segment_type: String,
    /// Whether the list may end.
    pub may_end: bool,
    /// Whether the playlist must list three target durations once something was removed (RFC 8216, 6.2.2).
    pub full_window: bool,
    /// Longest time between two changes of the playlist as multiples of the target duration. 1.5 by RFC 8216, 6.2.1.
    pub publication: f64,
    /// Whether every segment has to begin with PAT, PMT and a random access point.
    pub clean_starts: bool,
    /// Whether answers need `Access-Control-Allow-Origin`.
    pub cors: bool,
}

impl Default for Rules {
    fn default() -> Self {
        Self {
            extinf_tolerance: Duration::from_millis(50),
            date_tolerance: Duration::from_millis(50),
            dts_gap: Duration::from_millis(300),
            sound_gap: Duration::from_millis(10),
            segment_type: "video/mp2t".into(),
            may_end: false,
            full_window: true,
            publication: 1.5,
            clean_starts: true,
            cors: true,
        }
    }
}

/// What is wrong with one playlist.
pub(super) fn check_one(list: &Playlist, rules: &Rules, faults: &mut Vec<String>) {
    for segment in &list.segments {
        let rounded = (segment.duration + Duration::from_millis(500)).as_secs();
        if rounded > list.target {
            faults.push(format!(
                "EXTINF of segment {} is {:?}, over the target duration of {} s",
                segment.number, segment.duration, list.target
            ));
        }
        if segment.duration.is_zero() {
            faults.push(format!("segment {} has no duration", segment.number));
        }
    }
    if let Some(kind) = &list.playlist_type {
        faults.push(format!("EXT-X-PLAYLIST-TYPE is {kind}, which forbids a window that moves"));
    }
    if list.ended && !rules.may_end {
        faults.push("the playlist has ended".into());
    }
    for (segment, expected) in list.segments.iter().zip(dates(list)) {
        let (Some(stated), Some(expected)) = (segment.time, expected) else { continue };
        if distance(stated, expected) > rules.date_tolerance {
            let number = segment.number;
            faults.push(format!("the date of segment {number} is {stated}, and by EXTINF it is {expected}"));
        }
    }
}

/// The date of each segment as the ones before it have it, or by its own tag where they tell nothing.
fn dates(list: &Playlist) -> Vec<Option<Timestamp>> {
    let mut next = None;
    let date = |segment: &Segment| {
        let date = next.filter(|_| !segment.discontinuity).or(segment.time);
        next = segment.time.or(date).map(|date: Timestamp| date + segment.duration);
        date
    };
    list.segments.iter().map(date).collect()
}

fn distance(one: Timestamp, other: Timestamp) -> Duration {
    one.duration_until(other).unsigned_abs()
}

/// What is wrong with a playlist that came after another.
pub(super) fn check_next(before: &Playlist, list: &Playlist, rules: &Rules, faults: &mut Vec<String>) {
    let mut fault = |wrong: bool, text: &dyn Fn() -> String| {
        if wrong {
            faults.push(text());
        }
    };
    fault(list.sequence < before.sequence, &|| {
        format!("EXT-X-MEDIA-SEQUENCE went back from {} to {}", before.sequence, list.sequence)
    });
    fault(list.target != before.target, &|| {
        format!("EXT-X-TARGETDURATION changed from {} to {}", before.target, list.target)
    });
    fault(before.ended && !list.ended, &|| "EXT-X-ENDLIST vanished".into());
    let end = |list: &Playlist| list.sequence + list.segments.len() as u64;
    fault(end(list) < end(before), &|| {
        format!("the last segment was {} and is {}", end(before) - 1, end(list).saturating_sub(1))
    });
    let removed = || before.segments.iter().filter(|segment| segment.number < list.sequence);
    let before_dates = dates(before);
    let (was, is) = (before.discontinuity_sequence, list.discontinuity_sequence);
    fault(is < was, &|| format!("EXT-X-DISCONTINUITY-SEQUENCE went back from {was} to {is}"));
    for segment in &list.segments {
        if let Some(known) = before.segment(segment.number) {
            fault(!is_same(known, segment), &|| {
                format!("a listed segment changed from {known:?} to {segment:?}")
            });
        } else {
            let reused = before.segments.iter().find(|known| known.uri == segment.uri);
            fault(reused.is_some(), &|| {
                format!("segment {} has the URI of another: {}", segment.number, segment.uri)
            });
        }
    }
    for (segment, date) in list.segments.iter().zip(dates(list)) {
        let at = segment.number.checked_sub(before.sequence).and_then(|at| usize::try_from(at).ok());
        let known = at.and_then(|at| before_dates.get(at).copied().flatten());
        let (Some(known), Some(date)) = (known, date) else { continue };
        fault(distance(known, date) > rules.date_tolerance, &|| {
            format!("the date of segment {} changed from {known} to {date}", segment.number)
        });
    }
    let short = list.duration() < Duration::from_secs(3 * list.target);
    fault(rules.full_window && removed().next().is_some() && short && !list.ended, &|| {
        format!(
            "segments were removed, and {:?} are left at a target duration of {} s",
            list.duration(),
            list.target
        )
    });
}

fn is_same(one: &Segment, other: &Segment) -> bool {
    // EXT-X-DISCONTINUITY before the first segment may be left away, since EXT-X-DISCONTINUITY-SEQUENCE says the same, and
    // a date may be left to those before it.
    Segment { discontinuity: other.discontinuity, time: other.time, ..one.clone() } == *other
}

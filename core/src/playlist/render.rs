//! The text of a media playlist (RFC 8216, section 4.3).

use std::time::Duration;

use m3u8_rs::{MediaPlaylist, MediaPlaylistType, MediaSegment};

use crate::segmenter::Segment;
use crate::time::ticks_to_duration;

/// Durations in fractions of a second need it (section 7).
const VERSION: usize = 3;

/// What a playlist says of a channel.
#[derive(Debug, Clone, Copy)]
pub struct Listing<'a> {
    /// What no segment should be longer than, in seconds, rounded: see
    /// [`Segmenter::fix_target_duration`](crate::segmenter::Segmenter::fix_target_duration).
    pub target_duration: u64,
    /// How many discontinuities lie before the first segment.
    pub discontinuity_sequence: u64,
    /// The segments, at least one.
    pub segments: &'a [Segment],
    /// Whether nothing comes behind them: a player begins with the first one, and may seek.
    pub is_whole: bool,
}

impl Listing<'_> {
    /// The playlist. `prefix` and a segment's number and `.ts` make its address.
    pub fn render(&self, prefix: &str) -> String {
        let first = self.segments.first().map_or(0, |segment| segment.number);
        let segment = |(at, segment): (usize, &Segment)| MediaSegment {
            uri: format!("{prefix}{}.ts", segment.number),
            duration: seconds(segment.ticks),
            discontinuity: segment.is_discontinuous,
            // Of the others it follows from their durations.
            program_date_time: (at == 0 || segment.is_discontinuous)
                .then(|| chrono::DateTime::<chrono::Utc>::from(segment.wall).fixed_offset()),
            ..MediaSegment::default()
        };
        let playlist = MediaPlaylist {
            version: Some(VERSION),
            target_duration: self.target_duration,
            media_sequence: first,
            discontinuity_sequence: self.discontinuity_sequence,
            playlist_type: self.is_whole.then_some(MediaPlaylistType::Vod),
            end_list: self.is_whole,
            independent_segments: self.segments.iter().all(|segment| segment.is_independent),
            segments: self.segments.iter().enumerate().map(segment).collect(),
            ..MediaPlaylist::default()
        };
        let mut text = Vec::new();
        playlist.write_to(&mut text).expect("a vector takes all");
        let text = String::from_utf8(text).expect("of strings and numbers");
        with_zeros(&text, first, self.discontinuity_sequence)
    }
}

/// The library leaves out the numbers that are zero, as the standard allows; some players miss
/// them.
fn with_zeros(text: &str, media_sequence: u64, discontinuity_sequence: u64) -> String {
    let mut missing = String::new();
    if media_sequence == 0 {
        missing.push_str("#EXT-X-MEDIA-SEQUENCE:0\n");
    }
    if discontinuity_sequence == 0 {
        missing.push_str("#EXT-X-DISCONTINUITY-SEQUENCE:0\n");
    }
    let header = text.find("#EXT-X-TARGETDURATION").unwrap_or(text.len());
    [&text[..header], &missing, &text[header..]].concat()
}

/// Seconds to the microsecond.
#[expect(clippy::cast_possible_truncation, reason = "seven digits are enough for a segment")]
fn seconds(ticks: i64) -> f32 {
    let micros = ticks_to_duration(ticks).as_micros();
    Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)).as_secs_f64() as f32
}

#[cfg(test)]
mod tests {
    use std::time::SystemTime;

    use super::*;
    use crate::time::{MediaTime, WallClock};

    const SECOND: i64 = 90_000;

    fn segment(number: u64, ticks: i64, is_discontinuous: bool) -> Segment {
        let shown = MediaTime::new(number.cast_signed() * 4 * SECOND);
        let wall = clock().at(shown);
        Segment { number, start: 0, end: 0, shown, wall, ticks, is_discontinuous, is_independent: true }
    }

    fn listing(segments: &[Segment]) -> Listing<'_> {
        Listing { target_duration: 5, discontinuity_sequence: 0, segments, is_whole: false }
    }

    fn clock() -> WallClock {
        // 2026-01-02T03:04:05Z
        let wall = SystemTime::UNIX_EPOCH + Duration::from_secs(1_767_323_045);
        WallClock { media: MediaTime::new(8 * SECOND), wall }
    }

    #[test]
    fn a_playlist_says_what_players_need() {
        let mut segments = [segment(0, 4 * SECOND, false), segment(1, 360_360, false)];
        assert_eq!(
            listing(&segments).render("hls/segment_"),
            "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-INDEPENDENT-SEGMENTS\n#EXT-X-MEDIA-SEQUENCE:0\n\
             #EXT-X-DISCONTINUITY-SEQUENCE:0\n#EXT-X-TARGETDURATION:5\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:03:57.000Z\n#EXTINF:4,\nhls/segment_0.ts\n\
             #EXTINF:4.004,\nhls/segment_1.ts\n"
        );
        segments[1].is_independent = false;
        assert!(!listing(&segments).render("").contains("INDEPENDENT"));
    }

    #[test]
    fn a_playlist_that_is_whole_says_so() {
        let segments = [segment(7, 4 * SECOND, false), segment(8, 4 * SECOND, true)];
        let text = Listing { is_whole: true, ..listing(&segments) }.render("s");
        assert!(text.contains("#EXT-X-PLAYLIST-TYPE:VOD\n") && text.ends_with("#EXT-X-ENDLIST\n"), "{text}");
        assert!(text.contains("#EXT-X-DISCONTINUITY\n"), "{text}");
    }

    #[test]
    fn a_discontinuity_stands_before_its_segment_and_has_its_date() {
        let segments = [segment(7, 4 * SECOND, false), segment(8, 4 * SECOND, true)];
        let text = Listing { discontinuity_sequence: 3, ..listing(&segments) }.render("s");
        assert!(text.contains("#EXT-X-MEDIA-SEQUENCE:7\n#EXT-X-DISCONTINUITY-SEQUENCE:3\n"), "{text}");
        let end = "s7.ts\n#EXT-X-DISCONTINUITY\n#EXT-X-PROGRAM-DATE-TIME:2026-01-02T03:04:29.000Z\n#EXTINF:4,\ns8.ts\n";
        assert!(text.ends_with(end), "{text}");
    }
}

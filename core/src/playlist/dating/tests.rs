use chrono::DateTime;

use super::*;
use crate::playlist::model::{Media, Playlist, Variables};
use crate::playlist::parse::parse;

/// 2026-01-01T00:00:00Z.
const ZERO: i64 = 1_767_225_600_000;

#[test]
fn dates_are_read_as_servers_write_them() {
    for (text, millis) in [
        ("2026-01-01T00:00:00Z", Some(0)),
        ("2026-01-01T00:00:00.250Z", Some(250)),
        ("2026-01-01T01:00:00.250+01:00", Some(250)),
        ("2026-01-01T00:00:00.250+0000", Some(250)),
        ("2026-01-01T00:00:00.123456789Z", Some(123)),
        ("2025-12-31T23:00:00-01:00", Some(0)),
        ("2026-01-01T00:00:00", Some(0)),
        ("\"2026-01-01T00:00:00Z\"", Some(0)),
        ("2026-01-01 00:00:00Z", Some(0)),
        ("1969-12-31T23:59:59Z", None),
        ("2026-13-01T00:00:00Z", None),
        ("now", None),
        ("", None),
    ] {
        assert_eq!(Date::read(text).map(|date| date.millis() - ZERO), millis, "{text}");
    }
    assert_eq!(Date::read(&"2".repeat(100_000)), None);
}

fn media(text: &str) -> Media {
    let url = url::Url::parse("http://h/").unwrap();
    match parse(text.as_bytes(), &url, &Variables::default()) {
        Ok(Playlist::Media(media)) => media,
        other => panic!("{other:?}"),
    }
}

/// A list of segments of two seconds. A number before `|` is the date that is stated, in seconds,
/// and `d` is a discontinuity.
fn list(script: &str) -> Media {
    let line = |word: &str| match word {
        "d" => "#EXT-X-DISCONTINUITY\n".to_owned(),
        "-" => "#EXTINF:2,\ns\n".to_owned(),
        seconds => {
            let date =
                DateTime::from_timestamp_millis(ZERO + seconds.parse::<i64>().unwrap() * 1_000).unwrap();
            format!("#EXT-X-PROGRAM-DATE-TIME:{}\n#EXTINF:2,\ns\n", date.to_rfc3339())
        }
    };
    media(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:2\n{}", script.split(' ').map(line).collect::<String>()))
}

/// The dates of a list, in seconds, and how many of its parts have void ones.
fn dates(script: &str) -> (String, u64) {
    let media = list(script);
    let dates = media.segments.iter().map(|segment| match segment.date {
        Some(date) => ((date.millis() - ZERO) / 1_000).to_string(),
        None => "-".to_owned(),
    });
    (dates.collect::<Vec<_>>().join(" "), media.faults)
}

#[test]
fn dates_follow_from_those_that_are_stated() {
    for (script, expected, void) in [
        ("- - -", "- - -", 0),
        ("10 - -", "10 12 14", 0),
        ("- - 10", "6 8 10", 0),
        ("10 12 14", "10 12 14", 0),
        ("10 13 14", "10 13 14", 0),
        // Nothing follows beyond a discontinuity.
        ("10 - d - -", "10 12 - -", 0),
        ("- 10 d - 50", "8 10 48 50", 0),
        // They contradict one another.
        ("10 - 40 -", "- - - -", 1),
        ("10 10 10", "- - -", 1),
        ("10 5 d 20 - 5", "- - - - -", 2),
        ("10 12 d 20 5", "10 12 - -", 1),
    ] {
        assert_eq!(dates(script), (expected.to_owned(), void), "{script}");
    }
}

#[test]
fn dates_of_long_segments_may_be_less_exact() {
    let list = |second: u64| {
        media(&format!(
            "#EXTM3U\n#EXT-X-TARGETDURATION:6\n#EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:00Z\n#EXTINF:6,\ns\n\
             #EXT-X-PROGRAM-DATE-TIME:2026-01-01T00:00:{second:02}Z\n#EXTINF:6,\ns\n"
        ))
    };
    for (second, is_good) in [(6, true), (8, true), (3, true), (10, false), (2, false)] {
        assert_eq!(list(second).segments[1].date.is_some(), is_good, "{second} s");
    }
}

#[test]
fn a_segment_is_found_by_its_date() {
    let at = |script: &str, seconds: f64, slack: u64| {
        #[expect(clippy::cast_possible_truncation, reason = "a few seconds")]
        let date = Date::from_millis(ZERO + (seconds * 1_000.0) as i64);
        find(&list(script).segments, date, |_| Duration::from_millis(slack))
    };
    for (seconds, slack, expected) in [
        (10.0, 0, Some(0)),
        (11.9, 0, Some(0)),
        (12.0, 0, Some(1)),
        (11.4, 500, Some(0)),
        (11.6, 500, Some(1)),
        (9.0, 500, None),
        (9.6, 500, Some(0)),
        (15.9, 0, Some(2)),
        (15.9, 500, Some(3)),
        (16.0, 0, Some(3)),
        (16.4, 500, Some(3)),
        (16.6, 500, None),
        (1_000_000.0, 500, None),
    ] {
        assert_eq!(at("10 - -", seconds, slack), expected, "{seconds} s, {slack} ms");
    }
    assert_eq!(at("- -", 10.0, 500), None);
    assert_eq!(at("10 - d -", 14.0, 500), None, "what has no date may be anything");
    assert_eq!(at("10 - d 50", 51.0, 0), Some(2));
}

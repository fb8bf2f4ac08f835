//! Times of guides: instants, whatever zone they are written in.
//!
//! The zone of the machine is never asked. A time without a zone is UTC, as the format says, or in
//! the zone that the operator names for this guide. Where clocks are set back, a local time is
//! there twice: the first one is meant, unless the programme before has begun at it or later.

use std::fmt::Write as _;

use jiff::civil::DateTime;
use jiff::tz::{Offset, TimeZone};

use crate::lineup::UnixTime;

/// How the times of a guide are read.
#[derive(Debug, Clone, Default)]
pub struct Clock {
    /// The zone of times that name none; UTC unless given.
    pub zone: Option<TimeZone>,
    /// Seconds that are added to each time.
    pub shift: i64,
}

/// Zones that guides name by letters, in seconds ahead of UTC. `IST` is of three countries and
/// stays out.
const NAMED: [(&str, i32); 38] = [
    ("UTC", 0),
    ("GMT", 0),
    ("Z", 0),
    ("UT", 0),
    ("WET", 0),
    ("WEST", 3600),
    ("BST", 3600),
    ("CET", 3600),
    ("MET", 3600),
    ("CEST", 7200),
    ("MEST", 7200),
    ("EET", 7200),
    ("EEST", 10800),
    ("MSK", 10800),
    ("SAST", 7200),
    ("EST", -18000),
    ("EDT", -14400),
    ("CST", -21600),
    ("CDT", -18000),
    ("MST", -25200),
    ("MDT", -21600),
    ("PST", -28800),
    ("PDT", -25200),
    ("AKST", -32400),
    ("AKDT", -28800),
    ("HST", -36000),
    ("AST", -14400),
    ("ADT", -10800),
    ("NST", -12600),
    ("NDT", -9000),
    ("AEST", 36000),
    ("AEDT", 39600),
    ("ACST", 34200),
    ("ACDT", 37800),
    ("AWST", 28800),
    ("NZST", 43200),
    ("NZDT", 46800),
    ("JST", 32400),
];

impl Clock {
    /// The instant of `20260131183000 +0100` and the like: of shorter ones, of those with a zone by
    /// name, and of those that are written as in ISO 8601. `after` is what it comes behind, if
    /// anything.
    pub fn read(&self, text: &str, after: Option<UnixTime>) -> Option<UnixTime> {
        let (local, zone) = digits(text.trim())?;
        let seconds = match zone_of(zone) {
            Zone::Offset(offset) => offset.to_timestamp(local).ok()?.as_second(),
            Zone::Unknown if self.zone.is_none() => Offset::UTC.to_timestamp(local).ok()?.as_second(),
            Zone::Unknown => {
                let ambiguous = self.zone.as_ref()?.to_ambiguous_timestamp(local);
                // `after` was shifted already.
                let is_behind =
                    |seconds: i64| after.is_none_or(|after| seconds + self.shift > after.seconds());
                let first = ambiguous.compatible().ok()?.as_second();
                if ambiguous.is_ambiguous() && !is_behind(first) {
                    ambiguous.later().ok()?.as_second()
                } else {
                    first
                }
            }
        };
        Some(UnixTime::from_seconds(seconds.checked_add(self.shift)?))
    }
}

/// Writes a time as every player reads it: with a blank and the zone in digits, which is UTC.
pub fn write(out: &mut String, time: UnixTime) {
    let at = jiff::Timestamp::from_second(time.seconds()).expect("it is before 2107");
    let at = Offset::UTC.to_datetime(at);
    let _ = write!(
        out,
        "{:04}{:02}{:02}{:02}{:02}{:02} +0000",
        at.year(),
        at.month(),
        at.day(),
        at.hour(),
        at.minute(),
        at.second()
    );
}

/// The date and time in front, and what stands behind it.
fn digits(text: &str) -> Option<(DateTime, &str)> {
    let is_iso = text.as_bytes().get(4) == Some(&b'-');
    let (mut parts, mut count, mut end) = ([0_i32; 6], 0, text.len());
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'0'..=b'9' if count < 14 => {
                let part = if count < 4 { 0 } else { (count - 2) / 2 };
                parts[part] = parts[part] * 10 + i32::from(byte - b'0');
                count += 1;
            }
            b'-' if is_iso && count < 8 => {}
            b':' if is_iso => {}
            b'T' | b' ' if is_iso && count == 8 => {}
            _ => {
                end = at;
                break;
            }
        }
    }
    // A part has two digits, the year four.
    if count < 4 || count % 2 == 1 {
        return None;
    }
    let [year, month, day, hour, minute, second] = parts.map(|it| i16::try_from(it).unwrap_or(i16::MAX));
    let small = |value: i16, least: i16| i8::try_from(value.max(least)).ok();
    let (month, day) = (small(month, 1)?, small(day, 1)?);
    let (hour, minute, second) = (small(hour, 0)?, small(minute, 0)?, small(second, 0)?.min(59));
    // Some guides end a day at 24:00.
    let (hour, is_next) = if hour == 24 { (0, true) } else { (hour, false) };
    let local = DateTime::new(year, month, day, hour, minute, second, 0).ok()?;
    let local = if is_next { local.tomorrow().ok()? } else { local };
    let rest = &text[end..];
    let fraction = rest.strip_prefix('.').map(|rest| rest.trim_start_matches(|it: char| it.is_ascii_digit()));
    Some((local, fraction.unwrap_or(rest).trim()))
}

enum Zone {
    Offset(Offset),
    /// None is named, or one that nobody knows.
    Unknown,
}

fn zone_of(text: &str) -> Zone {
    let named = |seconds| Offset::from_seconds(seconds).map_or(Zone::Unknown, Zone::Offset);
    if let Some((_, seconds)) = NAMED.iter().find(|(name, _)| text.eq_ignore_ascii_case(name)) {
        return named(*seconds);
    }
    let text = text.strip_prefix("UTC").or_else(|| text.strip_prefix("GMT")).unwrap_or(text);
    // Some guides have a true minus (U+2212), as editors of texts write it.
    let (sign, digits) = match (text.strip_prefix('+'), text.strip_prefix(['-', '−'])) {
        (Some(digits), _) => (1, digits),
        (_, Some(digits)) => (-1, digits),
        _ => return Zone::Unknown,
    };
    let digits: String = digits.chars().filter(char::is_ascii_digit).take(4).collect();
    let number = |text: &str| text.parse::<i32>().unwrap_or(0);
    let (hours, minutes) = digits.split_at(digits.len().saturating_sub(2));
    match digits.len() {
        1 | 2 => named(sign * number(&digits) * 3600),
        3 | 4 => named(sign * (number(hours) * 3600 + number(minutes) * 60)),
        _ => Zone::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(clock: &Clock, text: &str) -> String {
        let mut out = String::new();
        match clock.read(text, None) {
            Some(time) => write(&mut out, time),
            None => out.push('-'),
        }
        out.trim_end_matches(" +0000").to_owned()
    }

    fn clock(zone: &str, shift: i64) -> Clock {
        Clock { zone: Some(TimeZone::get(zone).unwrap()), shift }
    }

    #[test]
    fn rule_16_times_are_instants_whatever_zone_they_are_in() {
        let utc = Clock::default();
        for (text, expected) in [
            ("20260131183000 +0000", "20260131183000"),
            ("20260131183000 +0130", "20260131170000"),
            ("20260131183000-0330", "20260131220000"),
            ("20260131183000 −0330", "20260131220000"),
            ("20260131183000 +01:00", "20260131173000"),
            ("20260731183000 BST", "20260731173000"),
            ("20260731183000 CEST", "20260731163000"),
            ("20260131183000", "20260131183000"),
            ("202601311830", "20260131183000"),
            ("2026013118 +0100", "20260131170000"),
            ("20260131", "20260131000000"),
            ("2026", "20260101000000"),
            ("2026-01-31T18:30:00+01:00", "20260131173000"),
            ("2026-01-31T18:30:00.000Z", "20260131183000"),
            ("20260131240000 +0000", "20260201000000"),
            ("20260131183060 +0000", "20260131183059"),
            ("20261331183000", "-"),
            ("202", "-"),
            ("tomorrow", "-"),
            ("", "-"),
        ] {
            assert_eq!(read(&utc, text), expected, "{text}");
        }
        let london = clock("Europe/London", 0);
        assert_eq!(read(&london, "20260731183000"), "20260731173000");
        assert_eq!(read(&london, "20260731183000 +0000"), "20260731183000", "it names its zone");
        assert_eq!(read(&london, "20260731183000 IST"), "20260731173000", "nobody knows which that is");
        assert_eq!(read(&clock("Europe/London", 5400), "20260731183000"), "20260731190000");
        assert_eq!(read(&clock("UTC", -5400), "20260731183000 +0000"), "20260731170000");
    }

    #[test]
    fn rule_16_local_times_that_are_there_twice_or_never() {
        let london = clock("Europe/London", 0);
        // 25 October 2026: at 02:00 BST it is 01:00 GMT.
        let mut starts = Vec::new();
        let mut after = None;
        for text in ["20261025003000", "20261025013000", "20261025013000", "20261025023000"] {
            after = london.read(text, after);
            let mut out = String::new();
            write(&mut out, after.unwrap());
            starts.push(out[8..12].to_owned());
        }
        assert_eq!(starts, ["2330", "0030", "0130", "0230"]);
        // 29 March 2026: at 01:00 GMT it is 02:00 BST.
        assert_eq!(read(&london, "20260329013000"), "20260329013000");
    }
}

//! The moment at which a player of Xtream Codes wants an archive to begin.

use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// The latest accepted start: no archive reaches as far, and sums with it do not overflow.
const MAX: i64 = 1 << 40;

/// Reads `2026-01-31:18-30` as seconds since 1970, by a clock that shows UTC. Players also write
/// `20260131-18`, seconds or minutes more or less, other characters between, and the seconds since
/// 1970 themselves.
pub fn start(text: &str) -> Option<i64> {
    let text = text.trim();
    let is_number = text.bytes().all(|byte| byte.is_ascii_digit());
    if is_number && (1..=11).contains(&text.len()) {
        return text.parse().ok();
    }
    let is_known = |char: char| char.is_ascii_digit() || "-:_ T/.Z".contains(char);
    if text.len() > 32 || !text.chars().all(is_known) {
        return None;
    }
    let digits: Vec<i8> =
        text.bytes().filter(u8::is_ascii_digit).map(|digit| (digit - b'0').cast_signed()).collect();
    let two = |at: usize| digits.get(at..at + 2).map(|pair| pair[0] * 10 + pair[1]);
    // Without minutes or hours it is the start of the hour or of the day.
    if !matches!(digits.len(), 8 | 10 | 12 | 14) {
        return None;
    }
    let year = i16::from(two(0)?) * 100 + i16::from(two(2)?);
    let time = |at| two(at).unwrap_or(0);
    let at = DateTime::new(year, two(4)?, two(6)?, time(8), time(10), time(12), 0).ok()?;
    let seconds = at.to_zoned(TimeZone::UTC).ok()?.timestamp().as_second();
    (0..MAX).contains(&seconds).then_some(seconds)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_ways_in_which_players_write_a_moment() {
        let half_past_six = Some(1_769_884_200);
        for (text, seconds) in [
            ("2026-01-31:18-30", half_past_six),
            ("2026-01-31:18-30-00", half_past_six),
            ("2026-01-31_18-30", half_past_six),
            ("2026-01-31 18:30:00", half_past_six),
            ("2026-01-31T18:30:00Z", half_past_six),
            ("202601311830", half_past_six),
            ("20260131183000", half_past_six),
            ("1769884200", half_past_six),
            ("20260131-18", Some(1_769_882_400)),
            ("2026-01-31", Some(1_769_817_600)),
            ("2026-02-30:18-30", None),
            ("2026-01-31:25-30", None),
            ("2026-01-31:1-30", None),
            ("1899-01-31:18-30", None),
            ("yesterday", None),
            ("", None),
        ] {
            assert_eq!(start(text), seconds, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_moment_comes_back_as_it_was_written(minutes in 0_i64..60_000_000) {
            let at = jiff::Timestamp::from_second(minutes * 60).unwrap();
            prop_assert_eq!(start(&at.strftime("%Y-%m-%d:%H-%M").to_string()), Some(minutes * 60));
        }

        #[test]
        fn whatever_is_written_is_a_moment_or_none(text in ".{0,40}") {
            if let Some(seconds) = start(&text) {
                prop_assert!((0..MAX).contains(&seconds));
            }
        }
    }
}

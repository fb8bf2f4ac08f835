//! `[stream.health]`, and `health` of a channel.

use std::ops::RangeInclusive;
use std::time::Duration;

use forebay_core::health::{MAX_JUMPS, Rules};

use super::super::file::{Count, HealthFile, TypedCount};
use super::super::units::{Limits, limits_ms};
use super::Resolver;

/// Less is what networks do.
const SLOW: Limits<Duration> = limits_ms(2_000, 60_000);
/// Less is the space between two packets of a slow source.
const MISSING: Limits<Duration> = limits_ms(1_000, 600_000);
/// Less is no two counts.
const SCRAMBLED: Limits<Duration> = limits_ms(500, 60_000);
/// Less is no two groups of pictures; more is longer than any notice.
const REPEATING: Limits<Duration> = limits_ms(1_000, 600_000);
/// Less is a held breath.
const FROZEN_PICTURE: Limits<Duration> = limits_ms(2_000, 3_600_000);
/// More is a whole multiplex.
const DAMAGED: RangeInclusive<u32> = 1..=10_000;
/// One alone is a programme that changes.
const ERRATIC_CLOCK: RangeInclusive<u32> = 2..=MAX_JUMPS;

impl Resolver<'_> {
    /// What `typed` says, over what `defaults` say.
    pub(super) fn health(&mut self, typed: &HealthFile, defaults: Rules) -> Rules {
        let HealthFile {
            slow,
            video_missing,
            audio_missing,
            scrambled,
            damaged,
            erratic_clock,
            repeating,
            frozen_picture,
            confirm_frozen: _, // is no rule
        } = typed;
        let mut time = |key, typed, limits, default| self.duration_or_off(key, typed, limits, default);
        Rules {
            slow: time("slow", slow, &SLOW, defaults.slow),
            video_missing: time("video_missing", video_missing, &MISSING, defaults.video_missing),
            audio_missing: time("audio_missing", audio_missing, &MISSING, defaults.audio_missing),
            scrambled: time("scrambled", scrambled, &SCRAMBLED, defaults.scrambled),
            repeating: time("repeating", repeating, &REPEATING, defaults.repeating),
            frozen_picture: time("frozen_picture", frozen_picture, &FROZEN_PICTURE, defaults.frozen_picture),
            damaged: self.count_or_off("damaged", damaged, &DAMAGED, defaults.damaged),
            erratic_clock: self.count_or_off(
                "erratic_clock",
                erratic_clock,
                &ERRATIC_CLOCK,
                defaults.erratic_clock,
            ),
        }
    }

    /// A number, or none where `"off"` stands for it; the default if there is neither.
    pub(super) fn count_or_off(
        &mut self,
        key: &str,
        typed: &Count,
        range: &RangeInclusive<u32>,
        default: Option<u32>,
    ) -> Option<u32> {
        let checked = self.checked(key, typed.as_ref(), |typed| match typed {
            TypedCount::Text(text) if text == "off" => Ok(None),
            TypedCount::Text(text) => Err(format!("\"{text}\" is neither a whole number nor \"off\"")),
            &TypedCount::Number(number) => match u32::try_from(number) {
                Ok(count) if range.contains(&count) => Ok(Some(count)),
                _ => {
                    let (start, end) = (range.start(), range.end());
                    Err(format!("{number} is out of range, expected {start} to {end}, or \"off\""))
                }
            },
        });
        checked.unwrap_or(default)
    }
}

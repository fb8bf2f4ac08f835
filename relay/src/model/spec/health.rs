//! `[stream.health]`, and `health` of a channel.

use std::ops::RangeInclusive;
use std::time::Duration;

use forebay_core::health::{MAX_JUMPS, Rules};

use super::checker::Checker;
use super::units::{CountText, DurationText, Limits, limits_ms};

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

crate::table! {
    /// The threshold of each rule, or `"off"`, as it was typed.
    pub struct HealthSpec {
        /// See [`Rules::slow`], and so on.
        slow: DurationText,
        /// See [`Rules::video_missing`].
        video_missing: DurationText,
        /// See [`Rules::audio_missing`].
        audio_missing: DurationText,
        /// See [`Rules::scrambled`].
        scrambled: DurationText,
        /// See [`Rules::damaged`].
        damaged: CountText,
        /// See [`Rules::erratic_clock`].
        erratic_clock: CountText,
        /// See [`Rules::repeating`].
        repeating: DurationText,
        /// See [`Rules::frozen_picture`].
        frozen_picture: DurationText,
        /// See [`Policy::confirm_frozen`](crate::model::Policy::confirm_frozen).
        confirm_frozen: bool,
    }
}

impl HealthSpec {
    /// What it says, over `defaults`.
    pub fn check(&self, checker: &mut Checker, defaults: Rules) -> Rules {
        let mut time = |key, typed: &Option<DurationText>, limits, default| {
            checker.duration_or_off(key, typed.as_ref(), limits, default)
        };
        let rules = Rules {
            slow: time("slow", &self.slow, &SLOW, defaults.slow),
            video_missing: time("video_missing", &self.video_missing, &MISSING, defaults.video_missing),
            audio_missing: time("audio_missing", &self.audio_missing, &MISSING, defaults.audio_missing),
            scrambled: time("scrambled", &self.scrambled, &SCRAMBLED, defaults.scrambled),
            repeating: time("repeating", &self.repeating, &REPEATING, defaults.repeating),
            frozen_picture: time(
                "frozen_picture",
                &self.frozen_picture,
                &FROZEN_PICTURE,
                defaults.frozen_picture,
            ),
            ..defaults
        };
        Rules {
            damaged: checker.count_or_off("damaged", self.damaged.as_ref(), &DAMAGED, defaults.damaged),
            erratic_clock: checker.count_or_off(
                "erratic_clock",
                self.erratic_clock.as_ref(),
                &ERRATIC_CLOCK,
                defaults.erratic_clock,
            ),
            ..rules
        }
    }
}

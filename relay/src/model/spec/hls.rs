//! `[hls]`.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::checker::Checker;
use super::units::{DurationText, Limits, SizeText, limits_ms};
use crate::model::Hls;

/// Shorter ones cost more requests than they save time; longer ones than key frames are apart help
/// nobody.
const SEGMENT: Limits<Duration> = limits_ms(500, 30_000);

/// No fewer than three target durations (RFC 8216, section 6.2.2); playlists of more are slow to
/// read for a set-top box.
const WINDOW: RangeInclusive<i64> = 3..=1000;

/// Less does not hold the least window at the bitrate of an HD channel.
const MAX_BYTES: Limits<u64> = Limits { min: 16 << 20, max: 64 << 30 };

crate::table! {
    /// How channels become HLS, as it was typed.
    pub struct HlsSpec {
        /// See [`Hls::segment`].
        segment: DurationText,
        /// See [`Hls::window`].
        window: i64,
        /// See [`Hls::max_bytes`].
        max_bytes: SizeText,
        /// A folder to keep things in.
        dir: String,
    }
}

impl HlsSpec {
    /// What it says, over the defaults. The folder is whoever's who reads the file.
    pub fn check(&self, checker: &mut Checker) -> Hls {
        let default = Hls::default();
        Hls {
            segment: checker.duration("segment", self.segment.as_ref(), &SEGMENT).unwrap_or(default.segment),
            window: checker.number_within("window", self.window.as_ref(), WINDOW).unwrap_or(default.window),
            max_bytes: checker
                .size("max_bytes", self.max_bytes.as_ref(), &MAX_BYTES)
                .unwrap_or(default.max_bytes),
        }
    }
}

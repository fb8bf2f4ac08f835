//! `[hls]`.

use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use super::super::Hls;
use super::super::file::{HlsFile, TypedSize};
use super::super::units::{Limits, limits_ms};
use super::Resolver;

/// Shorter ones cost more requests than they save time; longer ones than key frames are apart help nobody.
const SEGMENT: Limits<Duration> = limits_ms(500, 30_000);

/// No fewer than three target durations (RFC 8216, section 6.2.2); playlists of more are slow to read for a set-top box.
const WINDOW: RangeInclusive<i64> = 3..=1000;

/// Less does not hold the least window at the bitrate of an HD channel.
const MAX_BYTES: Limits<u64> = Limits { min: 16 << 20, max: 64 << 30 };

impl Resolver<'_> {
    /// How channels become HLS, and the folder for it.
    pub(super) fn hls(&mut self, typed: HlsFile) -> (Hls, PathBuf) {
        let HlsFile { segment, window, max_bytes, dir } = typed;
        let default = Hls::default();
        let hls = Hls {
            segment: self.duration("segment", &segment, &SEGMENT).unwrap_or(default.segment),
            window: self.number_within("window", &window, WINDOW).unwrap_or(default.window),
            max_bytes: self
                .checked("max_bytes", max_bytes.as_ref(), |bytes: &TypedSize| bytes.within(&MAX_BYTES))
                .unwrap_or(default.max_bytes),
        };
        let dir = self.words("dir", &dir).unwrap_or_else(|| "hls_cache".to_owned());
        (hls, self.folder.join(dir))
    }
}

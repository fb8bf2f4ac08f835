//! `[stream]`, and the same keys in a channel.

use std::sync::Arc;
use std::time::Duration;

use super::checker::Checker;
use super::health::HealthSpec;
use super::units::{DurationText, Limits, SizeText, limits_ms};
use crate::model::{Policy, UrlPattern};

// The shortest times let tests run fast; they are of little use on a real network.
const IDLE_TIMEOUT: Limits<Duration> = limits_ms(100, 86_400_000);
const CONNECT_TIMEOUT: Limits<Duration> = limits_ms(100, 60_000);
const STALL_TIMEOUT: Limits<Duration> = limits_ms(100, 60_000);
const START_TIMEOUT: Limits<Duration> = limits_ms(100, 120_000);
const BUFFER: Limits<Duration> = limits_ms(1_000, 600_000);
/// Less does not hold one group of pictures in HD; more is a slip, for it is memory for each open
/// channel.
const BUFFER_BYTES: Limits<u64> = Limits { min: 1 << 20, max: 4 << 30 };
const BURST: Limits<Duration> = limits_ms(100, 60_000);
/// Less than a group of pictures starves viewers; more than an hour is a film.
const READ_AHEAD: Limits<Duration> = limits_ms(1_000, 3_600_000);
const VIEWER_TIMEOUT: Limits<Duration> = limits_ms(100, 600_000);
/// Less is what playlists reach back to anyway; more is a recording.
const TIMESHIFT: Limits<Duration> = limits_ms(60_000, 7 * 86_400_000);
const TIMESHIFT_BYTES: Limits<u64> = Limits { min: 16 << 20, max: 4 << 40 };
const HEDGE: Limits<Duration> = limits_ms(100, 60_000);
/// Less tells nothing of a source's health; after more a source that works might as well be pinned.
const RETURN_AFTER: Limits<Duration> = limits_ms(1_000, 3_600_000);
/// A provider has a handful of notices; each pattern is tried on each redirect.
const MAX_SLATE_URLS: usize = 32;

crate::table! {
    /// The times and sizes by which a channel is run, as they were typed: one field for each key of
    /// `[stream]`.
    pub struct PolicySpec {
        /// See [`Policy::idle_timeout`], and so on.
        idle_timeout: DurationText,
        /// See [`Policy::connect_timeout`].
        connect_timeout: DurationText,
        /// See [`Policy::stall_timeout`].
        stall_timeout: DurationText,
        /// See [`Policy::start_timeout`].
        start_timeout: DurationText,
        /// See [`Policy::buffer`].
        buffer: DurationText,
        /// See [`Policy::buffer_bytes`].
        buffer_bytes: SizeText,
        /// See [`Policy::burst`].
        burst: DurationText,
        /// See [`Policy::read_ahead`].
        read_ahead: DurationText,
        /// See [`Policy::viewer_timeout`].
        viewer_timeout: DurationText,
        /// See [`Policy::max_viewers`].
        max_viewers: i64,
        /// See [`Policy::timeshift`].
        timeshift: DurationText,
        /// See [`Policy::timeshift_bytes`].
        timeshift_bytes: SizeText,
        /// See [`Policy::hedge`].
        hedge: DurationText,
        /// See [`Policy::return_after`].
        return_after: DurationText,
        /// See [`Policy::keep_alive`].
        keep_alive: bool,
        /// See [`Policy::slate`].
        slate: bool,
        /// See [`Channel::slate_urls`](crate::model::Channel::slate_urls).
        slate_urls: Vec<String>,
        /// What sources are judged by.
        health: HealthSpec,
    }
}

impl PolicySpec {
    /// What it says, over `defaults`.
    pub fn check(&self, checker: &mut Checker, defaults: &Policy) -> Policy {
        let before = checker.count();
        let health = self.health.clone().unwrap_or_default();
        let rules = checker.within("health", |checker| health.check(checker, defaults.health));
        let mut time = |key, typed: &Option<DurationText>, limits, default| {
            checker.duration(key, typed.as_ref(), limits).unwrap_or(default)
        };
        let policy = Policy {
            idle_timeout: time("idle_timeout", &self.idle_timeout, &IDLE_TIMEOUT, defaults.idle_timeout),
            connect_timeout: time(
                "connect_timeout",
                &self.connect_timeout,
                &CONNECT_TIMEOUT,
                defaults.connect_timeout,
            ),
            stall_timeout: time("stall_timeout", &self.stall_timeout, &STALL_TIMEOUT, defaults.stall_timeout),
            start_timeout: time("start_timeout", &self.start_timeout, &START_TIMEOUT, defaults.start_timeout),
            buffer: time("buffer", &self.buffer, &BUFFER, defaults.buffer),
            burst: time("burst", &self.burst, &BURST, defaults.burst),
            read_ahead: time("read_ahead", &self.read_ahead, &READ_AHEAD, defaults.read_ahead),
            viewer_timeout: time(
                "viewer_timeout",
                &self.viewer_timeout,
                &VIEWER_TIMEOUT,
                defaults.viewer_timeout,
            ),
            buffer_bytes: checker
                .size("buffer_bytes", self.buffer_bytes.as_ref(), &BUFFER_BYTES)
                .unwrap_or(defaults.buffer_bytes),
            max_viewers: checker
                .number("max_viewers", self.max_viewers.as_ref(), u32::MAX.into())
                .or(defaults.max_viewers),
            timeshift: checker
                .duration("timeshift", self.timeshift.as_ref(), &TIMESHIFT)
                .or(defaults.timeshift),
            timeshift_bytes: checker
                .size("timeshift_bytes", self.timeshift_bytes.as_ref(), &TIMESHIFT_BYTES)
                .unwrap_or(defaults.timeshift_bytes),
            hedge: checker.duration_or_off("hedge", self.hedge.as_ref(), &HEDGE, defaults.hedge),
            return_after: checker.duration_or_off(
                "return_after",
                self.return_after.as_ref(),
                &RETURN_AFTER,
                defaults.return_after,
            ),
            keep_alive: self.keep_alive.unwrap_or(defaults.keep_alive),
            slate: self.slate.unwrap_or(defaults.slate),
            health: rules,
            confirm_frozen: health.confirm_frozen.unwrap_or(defaults.confirm_frozen),
            // `[hls]` stands once for all channels.
            hls: defaults.hls,
        };
        // At the key that this table says; with neither of
        // them the fault is the defaults', and told there.
        let place = match (&self.burst, &self.buffer) {
            (Some(_), _) => Some("burst"),
            (None, Some(_)) => Some("buffer"),
            (None, None) => None,
        };
        // After another fault the values are defaults, and a second message would mislead.
        if let Some(place) = place.filter(|_| policy.burst >= policy.buffer && checker.count() == before) {
            let [burst, buffer] = [policy.burst, policy.buffer].map(humantime::format_duration);
            checker.fault(place, format!("burst ({burst}) must be shorter than buffer ({buffer})"));
        }
        policy
    }

    /// The patterns, where the key is there; those that are none are errors and left out.
    pub fn check_slate_urls(&self, checker: &mut Checker) -> Option<Arc<[UrlPattern]>> {
        let typed = self.slate_urls.as_ref()?;
        if typed.len() > MAX_SLATE_URLS {
            checker.fault("slate_urls", format!("slate_urls: more than {MAX_SLATE_URLS}"));
        }
        Some(checker.list("slate_urls", typed, str::parse::<UrlPattern>).into())
    }
}

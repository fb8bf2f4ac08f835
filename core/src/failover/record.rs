//! How one source has done.

use std::time::Duration;

use super::{Loss, SourceId};
use crate::time::Moment;

/// How long a source must have been live to be trusted again, and its cool-down after its first
/// failure.
pub const PROBATION: Duration = Duration::from_secs(10);

/// The longest cool-down. It doubles from [`PROBATION`] with each failure, so that the channel
/// returns less and less often to a source that comes and goes.
pub const MAX_COOLDOWN: Duration = Duration::from_mins(5);

/// The cool-down of a source that an admin has skipped.
pub const SKIPPED_COOLDOWN: Duration = Duration::from_mins(5);

/// The cool-down of a source whose provider had no connection to spare: one may become free at any
/// time.
pub const NO_CONNECTION_COOLDOWN: Duration = Duration::from_secs(1);

/// The failures of a source are forgiven when it has not failed for so long: viewers may never have
/// stayed long enough for it to be [`STEADY`](super::STEADY). Far longer than any cool-down.
pub const FORGIVEN_AFTER: Duration = Duration::from_hours(1);

/// How long a source that was found lossy is not probed, the first time. It doubles each time.
pub const LOSSY_FOR: Duration = Duration::from_mins(10);

/// The longest time for which a lossy source is not probed.
pub const MAX_LOSSY_FOR: Duration = Duration::from_hours(4);

/// Doublings beyond this make no time longer, and would overflow.
const MAX_DOUBLINGS: u32 = 16;

/// The record of a source.
#[derive(Debug, Clone, Copy)]
pub(super) struct Record {
    pub(super) source: SourceId,
    /// An admin has forbidden the source.
    pub(super) is_disabled: bool,
    /// Failures in a row, as long as the last one is recent: see [`Record::recent_failures`].
    failures: u32,
    failed_at: Moment,
    pub(super) cooldown_until: Option<Moment>,
    /// How many times the channel had left any source when it left this one last.
    pub(super) left_at: u64,
    /// How often in a row the source was found lossy.
    lossy: u32,
    /// Until when the source is not probed, since it was found lossy.
    pub(super) lossy_until: Option<Moment>,
    /// The source was left last, or not even opened, since its provider had no connection to spare.
    pub(super) waits_for_slot: bool,
}

impl Record {
    /// The record of a source of which nothing is known.
    pub(super) fn new(source: SourceId) -> Self {
        Self {
            source,
            is_disabled: false,
            failures: 0,
            failed_at: Moment::ZERO,
            cooldown_until: None,
            left_at: 0,
            lossy: 0,
            lossy_until: None,
            waits_for_slot: false,
        }
    }

    pub(super) fn is_cooling_down(&self, now: Moment) -> bool {
        self.cooldown_until.is_some_and(|until| until > now)
    }

    pub(super) fn recent_failures(&self, now: Moment) -> u32 {
        if now.since(self.failed_at) < FORGIVEN_AFTER { self.failures } else { 0 }
    }

    /// Whether the last failure is so recent that its cool-down lasts, whatever else is known.
    pub(super) fn failed_recently(&self, now: Moment) -> bool {
        now.since(self.failed_at) < self.cooldown(now)
    }

    /// The cool-down that follows the last failure.
    fn cooldown(&self, now: Moment) -> Duration {
        match self.recent_failures(now) {
            0 => Duration::ZERO,
            failures => doubled(PROBATION, failures).min(MAX_COOLDOWN),
        }
    }

    /// The source was left, as the channel's departure of this number. `has_broken_off` is whether
    /// it broke off a moment ago and was being reopened.
    pub(super) fn cool_down(&mut self, now: Moment, loss: Loss, departure: u64, has_broken_off: bool) {
        self.left_at = departure;
        self.waits_for_slot = loss == Loss::NoConnection;
        let span = match loss {
            Loss::NoConnection => NO_CONNECTION_COOLDOWN,
            Loss::Late if !has_broken_off => PROBATION,
            Loss::Skipped => SKIPPED_COOLDOWN,
            // Opened so soon only for want of another, it fails for the same reason. Counting that
            // as one more failure would keep a lone source away for minutes.
            _ if self.failed_recently(now) => PROBATION,
            Loss::Late | Loss::Undelivered | Loss::Ended | Loss::Stalled | Loss::Unhealthy => {
                self.failures = self.recent_failures(now) + 1;
                self.failed_at = now;
                self.cooldown(now)
            }
        };
        // The longer one wins: a skip of five minutes is not cut short by a loss in between.
        self.cooldown_until = self.cooldown_until.max(Some(now + span));
    }

    /// The source loses packets all the time: it is not probed again for a while.
    pub(super) fn note_lossy(&mut self, now: Moment) {
        // One that has been clean since, or unknown for long, begins anew.
        let is_forgiven = self.lossy_until.is_none_or(|until| now.since(until) >= FORGIVEN_AFTER);
        self.lossy = if is_forgiven { 1 } else { self.lossy + 1 };
        self.lossy_until = Some(now + doubled(LOSSY_FOR, self.lossy).min(MAX_LOSSY_FOR));
    }

    /// Whether the source was found lossy lately, so that it must prove to be clean.
    pub(super) fn was_lossy(&self, now: Moment) -> bool {
        self.lossy_until.is_some_and(|until| now.since(until) < FORGIVEN_AFTER)
    }

    /// The source was live for so long that its failures no longer count.
    pub(super) fn forgive(&mut self) {
        self.failures = 0;
    }

    /// An admin wants the source first: whatever speaks against it is forgotten.
    pub(super) fn pardon(&mut self) {
        self.failures = 0;
        self.cooldown_until = None;
        self.lossy_until = None;
    }
}

/// `first` for the first time, and twice as long each time after.
fn doubled(first: Duration, times: u32) -> Duration {
    first * 2u32.pow((times - 1).min(MAX_DOUBLINGS))
}

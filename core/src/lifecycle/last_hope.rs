//! A source that takes long, where there is no other to try: it is waited for, since asking anew
//! would only take longer.

use super::line::Line;
use super::{Attempt, Lifecycle, Loss, Reason};
use crate::time::Moment;

impl Lifecycle {
    /// When a line fails, and how. What is on air is borne no longer than usual where another one
    /// shows pictures; and a trial of the only source is waited for as long as a start may take.
    pub(super) fn deadline(&self, line: &Line) -> Option<(Moment, Reason, Loss)> {
        let is_on_air = self.air.is_some_and(|air| air.attempt == line.attempt);
        let is_replaceable = is_on_air && self.rival.is_some_and(|(rival, _)| rival.shows_since().is_some());
        let (at, reason, loss) = line.deadline(is_replaceable)?;
        let is_trial = self.trial.is_some_and(|trial| trial.attempt == line.attempt);
        let waits_until = match reason {
            // Another one may be well again, or get a connection, at any time: it is not kept
            // waiting.
            _ if !is_trial || !self.failover.is_only_one() => at,
            Reason::ConnectTimeout | Reason::NoPicture if self.starts_until.is_some() => self.starts_until?,
            // In a gap, what was just live is asked anew soon; else it has as long as a start.
            Reason::ConnectTimeout if !line.is_reopened(&self.times) => at + self.times.start,
            _ => at,
        };
        Some((waits_until.max(at), reason, loss))
    }

    /// Data comes of an attempt, if no packets yet: they get its time for connecting once more. A
    /// source that drips must not keep viewers from another one, so beside others it gets twice
    /// that time in all, within its share of the time for the start.
    pub(super) fn handle_life(&mut self, now: Moment, attempt: Attempt) {
        let (longest, is_last_hope) = (self.picture_timeout(), self.is_last_hope(attempt));
        if let Some(line) = self.line(attempt) {
            let longest = if is_last_hope { longest } else { longest.min(line.connect() * 2) };
            line.live(now, longest);
        }
    }

    /// Whether this is a trial instead of which nothing could be opened.
    pub(super) fn is_last_hope(&self, attempt: Attempt) -> bool {
        self.trial.is_some_and(|trial| trial.attempt == attempt) && self.failover.is_only_one()
    }
}

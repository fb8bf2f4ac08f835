//! A source that takes long, where there is no other to try: it is waited for, since asking anew would only take longer.

use super::line::Line;
use super::{Attempt, Lifecycle, Loss, Reason};
use crate::time::Moment;

impl Lifecycle {
    /// When a line fails, and how. What is on air is borne no longer than usual where another one shows pictures; and a trial for which there is no
    /// substitute is waited for until there is one, or as long as a start may take.
    pub(super) fn deadline(&self, line: &Line) -> Option<(Moment, Reason, Loss)> {
        let is_on_air = self.air.is_some_and(|air| air.attempt == line.attempt);
        let is_replaceable = is_on_air && self.rival.is_some_and(|(rival, _)| rival.shows_since().is_some());
        let (at, reason, loss) = line.deadline(is_replaceable)?;
        let is_alone = self.rival.is_none() && self.trial.is_some_and(|trial| trial.attempt == line.attempt);
        let waits_until = match reason {
            _ if !is_alone => at,
            Reason::ConnectTimeout | Reason::NoPicture if self.starts_until.is_some() => self.starts_until?,
            // In a gap, what was just live is asked anew soon; else it has as long as a start.
            Reason::ConnectTimeout if !line.is_reopened(&self.times) => at + self.times.start,
            _ => at,
        };
        let other_at = self.failover.alternative(at).map_or(waits_until, |(_, other_at)| other_at);
        Some((waits_until.min(other_at).max(at), reason, loss))
    }

    /// Whether this is a trial beside which nothing is open, and instead of which nothing could be opened now.
    pub(super) fn is_last_hope(&self, now: Moment, attempt: Attempt) -> bool {
        let is_trial = self.trial.is_some_and(|trial| trial.attempt == attempt);
        is_trial && self.rival.is_none() && self.failover.beside(now).is_none()
    }
}

//! The only source of a channel, while it takes long: the channel waits for it, since asking anew
//! would only take longer.

use super::attempt::Attempt;
use super::{AttemptId, Lifecycle, Loss, Reason};
use crate::time::Moment;

impl Lifecycle {
    /// When an attempt fails, and how. The active source gets no extra patience if a standby shows
    /// pictures. A candidate that is the only source has as long as a start may take.
    pub(super) fn deadline(&self, attempt: &Attempt) -> Option<(Moment, Reason, Loss)> {
        let open = self.open()?;
        let standby_shows = || open.standby.is_some_and(|standby| standby.attempt.shows_since().is_some());
        let is_replaceable = self.is_active(attempt.id) && standby_shows();
        let (at, reason, loss) = attempt.deadline(is_replaceable)?;
        let waits_until = match reason {
            // Another source may recover, or get a connection, at any time, and is not kept
            // waiting.
            _ if !self.is_last_hope(attempt.id) => at,
            Reason::ConnectTimeout | Reason::NoPicture if open.starts_until.is_some() => open.starts_until?,
            // In an outage, a source that was just active is asked anew soon. Any other has as long
            // as a start may take.
            Reason::ConnectTimeout if !attempt.is_reopened => at + self.times.start,
            _ => at,
        };
        Some((waits_until.max(at), reason, loss))
    }

    /// Data of an attempt arrives, but no packets yet: they get the time for connecting once more.
    /// A source that drips must not keep viewers from another one. So if there are others, it gets
    /// twice that time in all, within its share of the time for the start.
    pub(super) fn handle_life(&mut self, now: Moment, id: AttemptId) {
        let (longest, is_last_hope) = (self.picture_timeout(), self.is_last_hope(id));
        let attempt = self.listed(id);
        let longest = if is_last_hope { longest } else { longest.min(attempt.connect() * 2) };
        attempt.live(now, longest);
    }

    /// Whether this is a candidate, and no other source could be opened.
    pub(super) fn is_last_hope(&self, id: AttemptId) -> bool {
        let is_candidate = self.candidate().is_some_and(|candidate| candidate.id == id);
        is_candidate && self.failover.is_only_one()
    }
}

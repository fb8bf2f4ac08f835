//! A source that takes long, where there is no other to try: it is waited for, since asking anew
//! would only take longer.

use super::line::Line;
use super::{Attempt, Lifecycle, Loss, Reason};
use crate::time::Moment;

impl Lifecycle {
    /// When an attempt fails, and how. The active source is borne no longer than usual where a
    /// standby shows pictures. A candidate that is the only source is waited for as long as a start
    /// may take.
    pub(super) fn deadline(&self, line: &Line) -> Option<(Moment, Reason, Loss)> {
        let open = self.open()?;
        let standby_shows = || open.standby.is_some_and(|standby| standby.line.shows_since().is_some());
        let is_replaceable = self.is_active(line.attempt) && standby_shows();
        let (at, reason, loss) = line.deadline(is_replaceable)?;
        let waits_until = match reason {
            // Another one may be well again, or get a connection, at any time: it is not kept
            // waiting.
            _ if !self.is_last_hope(line.attempt) => at,
            Reason::ConnectTimeout | Reason::NoPicture if open.starts_until.is_some() => open.starts_until?,
            // In a gap, what was just active is asked anew soon; else it has as long as a start.
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
        let line = self.listed(attempt);
        let longest = if is_last_hope { longest } else { longest.min(line.connect() * 2) };
        line.live(now, longest);
    }

    /// Whether this is a candidate instead of which nothing could be opened.
    pub(super) fn is_last_hope(&self, attempt: Attempt) -> bool {
        let is_candidate = self.candidate().is_some_and(|candidate| candidate.attempt == attempt);
        is_candidate && self.failover.is_only_one()
    }
}

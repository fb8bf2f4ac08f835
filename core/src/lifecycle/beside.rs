//! The standby: a source that is open beside the active one, or beside the candidate.

use std::time::Duration;

use super::line::Line;
use super::state::{Aim, Stage, Standby};
use super::{Action, Attempt, HEDGE_IN_GAP, Lifecycle, PROBE_PAUSE, Purpose, Reason, SourceId};
use crate::failover::{Loss, PROBATION};
use crate::time::Moment;

impl Lifecycle {
    /// What to open beside, why, and when: nothing while nobody watches.
    pub(super) fn next_beside(&self) -> Option<(SourceId, Aim, Moment)> {
        let open = self.open().filter(|open| open.standby.is_none() && self.is_watched())?;
        let (aim, other) = match open.stage {
            Stage::Active(active) => self.next_beside_active(active, open.pauses.probes_from),
            Stage::Candidate(candidate) => (Aim::Hedge, self.failover.alternative(candidate.hedges_from?)),
            Stage::Pause(_) => return None,
        };
        other.map(|(source, at)| (source, aim, at))
    }

    /// The same for an active source: not before `from`, where that is not urgent.
    fn next_beside_active(&self, active: Line, from: Moment) -> (Aim, Option<(SourceId, Moment)>) {
        if self.failover.is_disabled(active.source) {
            return (Aim::Swap, self.failover.alternative(from));
        }
        let probe = self.failover.soonest(from, |source| self.is_worth_a_probe(active, source));
        let spare = self.suspects_at(active).and_then(|at| self.failover.alternative(at));
        match spare {
            Some((_, at)) if probe.is_none_or(|(_, probes_at)| at < probes_at) => (Aim::Hedge, spare),
            _ => (Aim::Probe, probe),
        }
    }

    /// When the active source has stood still for so long that it may be on its way to fail, and
    /// another is opened to be there then.
    fn suspects_at(&self, active: Line) -> Option<Moment> {
        let after = self.times.hedge?.min(self.times.stall / 2);
        Some((active.lasts_until()? + after).max(self.open()?.pauses.spares_from))
    }

    /// The active source moves: nothing needs to be there for its end.
    pub(super) fn end_needless_spare(&mut self, now: Moment) {
        if self.opened().standby.is_some_and(|standby| standby.aim == Aim::Hedge) {
            self.close_standby(now, Reason::Replaced);
            self.opened().pauses.spares_from = now + PROBE_PAUSE;
        }
    }

    /// Whether `source` should replace the active one after a successful probe: if the active one
    /// is unhealthy or constantly lossy, or `source` is preferred and `return_after` is set, or an
    /// admin pinned it.
    fn is_worth_a_probe(&self, active: Line, source: SourceId) -> bool {
        let returns = self.times.return_after.is_some() || self.failover.is_pinned(source);
        let is_bad =
            active.is_ailing || active.losses.are_constant() && !self.failover.is_pinned(active.source);
        source != active.source && (is_bad || (returns && self.failover.is_preferred(source)))
    }

    /// Whether the active source is only there until there is another.
    fn is_unwanted(&self, active: Line) -> bool {
        active.is_ailing || self.failover.is_disabled(active.source)
    }

    /// How long a probed source must show pictures before it becomes active.
    pub(super) fn proof(&self) -> Duration {
        self.times.return_after.unwrap_or(PROBATION)
    }

    /// When a candidate that begins now is hedged.
    pub(super) fn hedge_at(&self, now: Moment) -> Option<Moment> {
        let after = self.times.hedge?;
        Some(now + if self.is_starting() { after } else { after.min(HEDGE_IN_GAP) })
    }

    /// A candidate that is wanted more than a short gap is hedged no sooner than at a start.
    pub(super) fn delay_hedge(&mut self, now: Moment) {
        let hedges_from = self.times.hedge.map(|after| now + after);
        if let Stage::Candidate(candidate) = &mut self.opened().stage {
            candidate.hedges_from = hedges_from;
        }
    }

    pub(super) fn open_standby(&mut self, source: SourceId, aim: Aim) {
        let purpose = if aim == Aim::Probe { Purpose::Probe } else { Purpose::Hedge };
        let line = self.attempt(source, self.times.connect, purpose);
        self.opened().standby = Some(Standby { line, aim });
    }

    /// The standby is no more, if it is this attempt.
    pub(super) fn take_standby(&mut self, now: Moment, attempt: Attempt, loss: Loss) -> Option<Standby> {
        let standby = self.opened().standby_of(attempt)?;
        // One that failed is avoided: another one may be there.
        let hedges_from = if loss == Loss::NoSlot { self.hedge_at(now) } else { Some(now) };
        let open = self.opened();
        open.standby = None;
        open.pauses.probes_from = now + PROBE_PAUSE;
        if let Stage::Candidate(candidate) = &mut open.stage {
            candidate.hedges_from = hedges_from;
        }
        self.failover.avoid(now, standby.line.source, loss);
        Some(standby)
    }

    /// Opens another one instead of a standby that was to replace the active source, if that is
    /// only there until there is one.
    pub(super) fn open_another(&mut self, now: Moment, aim: Aim) -> bool {
        let is_unwanted = self.active().is_some_and(|active| self.is_unwanted(active));
        let is_needed = matches!(aim, Aim::Relief | Aim::Swap) && is_unwanted && self.is_watched();
        let other = self.failover.beside(now).filter(|_| is_needed);
        if let Some(other) = other {
            self.open_standby(other, aim);
        }
        other.is_some()
    }

    pub(super) fn close_standby(&mut self, now: Moment, reason: Reason) {
        let open = self.opened();
        if let Some(standby) = open.standby.take() {
            open.pauses.probes_from = now + PROBE_PAUSE;
            self.actions.push_back(Action::Close { attempt: standby.line.attempt, reason });
        }
    }

    /// The order of the sources or the times have changed: a source may be probed to which the
    /// channel is not to return any more.
    pub(super) fn end_needless_probe(&mut self, now: Moment) {
        let Some(open) = self.open() else { return };
        if let (Some(active), Some(Standby { line, aim: Aim::Probe })) = (open.stage.active(), open.standby)
            && !self.is_worth_a_probe(active, line.source)
        {
            self.close_standby(now, Reason::Replaced);
        }
    }
}

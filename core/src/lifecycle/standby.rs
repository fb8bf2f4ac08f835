//! The standby: a source that is open beside the active one, or beside the candidate.

use std::time::Duration;

use super::attempt::Attempt;
use super::state::{Aim, Stage, Standby};
use super::{Action, AttemptId, HEDGE_IN_OUTAGE, Lifecycle, PROBE_PAUSE, Purpose, Reason, SourceId};
use crate::failover::{Loss, PROBATION};
use crate::time::Moment;

impl Lifecycle {
    /// Which standby to open, why, and when: none while the channel has no readers.
    pub(super) fn next_standby(&self) -> Option<(SourceId, Aim, Moment)> {
        let open = self.open().filter(|open| open.standby.is_none() && self.is_watched())?;
        let (aim, other) = match open.stage {
            Stage::Active(active) => self.next_standby_of_active(active, open.pauses.probes_from),
            Stage::Candidate(candidate) => (Aim::Hedge, self.failover.alternative(candidate.hedges_from?)),
            Stage::Pause(_) => return None,
        };
        other.map(|(source, at)| (source, aim, at))
    }

    /// The same beside an active source: not before `from` if that is not urgent.
    fn next_standby_of_active(&self, active: Attempt, from: Moment) -> (Aim, Option<(SourceId, Moment)>) {
        // A forbidden source plays on only until another shows a picture, and needs no proof of
        // that one.
        if self.failover.is_disabled(active.source) {
            return (Aim::Swap, self.failover.alternative(from));
        }
        let probe = self.failover.soonest(from, |source| self.is_worth_a_probe(active, source));
        let hedge = self.suspects_at(active).and_then(|at| self.failover.alternative(at));
        // Whichever may begin sooner: only one standby fits beside the active source.
        match hedge {
            Some((_, at)) if probe.is_none_or(|(_, probes_at)| at < probes_at) => (Aim::Hedge, hedge),
            _ => (Aim::Probe, probe),
        }
    }

    /// When the active source will have stood still for so long that it may fail, and a hedge is
    /// opened to be ready then.
    fn suspects_at(&self, active: Attempt) -> Option<Moment> {
        // At half the time of a stall at the latest, so that the hedge has the other half to get
        // ready.
        let after = self.times.hedge?.min(self.times.stall / 2);
        Some((active.lasts_until()? + after).max(self.open()?.pauses.hedges_from))
    }

    /// The active source moves on: a hedge against its failure is not needed.
    pub(super) fn end_needless_hedge(&mut self, now: Moment) {
        if self.opened().standby.is_some_and(|standby| standby.aim == Aim::Hedge) {
            self.close_standby(now, Reason::Replaced);
            // A source that stands still again and again must not cost a connection each time.
            self.opened().pauses.hedges_from = now + PROBE_PAUSE;
        }
    }

    /// Whether `source` should replace the active one after a successful probe: if the active one
    /// is unhealthy or constantly lossy, or `source` is preferred and `return_after` is set, or an
    /// admin pinned it.
    fn is_worth_a_probe(&self, active: Attempt, source: SourceId) -> bool {
        let returns = self.times.return_after.is_some() || self.failover.is_pinned(source);
        let is_bad =
            // An admin who pins a lossy source wants it all the same.
            active.is_unhealthy || active.losses.are_constant() && !self.failover.is_pinned(active.source);
        source != active.source && (is_bad || (returns && self.failover.is_preferred(source)))
    }

    /// Whether the active source only stays until there is another.
    fn is_unwanted(&self, active: Attempt) -> bool {
        active.is_unhealthy || self.failover.is_disabled(active.source)
    }

    /// How long a probed source must show pictures before it becomes active.
    pub(super) fn proof(&self) -> Duration {
        self.times.return_after.unwrap_or(PROBATION)
    }

    /// When a candidate that begins now is hedged.
    pub(super) fn hedge_at(&self, now: Moment) -> Option<Moment> {
        let after = self.times.hedge?;
        // At a start, the players' buffers are not running dry, and each hedge costs a connection.
        Some(now + if self.is_starting() { after } else { after.min(HEDGE_IN_OUTAGE) })
    }

    /// The candidate is worth an outage: it is hedged no sooner than at a start.
    pub(super) fn delay_hedge(&mut self, now: Moment) {
        let hedges_from = self.times.hedge.map(|after| now + after);
        if let Stage::Candidate(candidate) = &mut self.opened().stage {
            candidate.hedges_from = hedges_from;
        }
    }

    pub(super) fn open_standby(&mut self, source: SourceId, aim: Aim) {
        // A relief and a swap are claimed like a hedge: they take no connection from other
        // channels.
        let purpose = if aim == Aim::Probe { Purpose::Probe } else { Purpose::Hedge };
        let attempt = self.begin_attempt(source, self.times.connect, purpose);
        self.opened().standby = Some(Standby { attempt, aim });
    }

    /// Removes the standby, which is lost, if it is this attempt.
    pub(super) fn take_standby(&mut self, now: Moment, id: AttemptId, loss: Loss) -> Option<Standby> {
        let standby = self.opened().standby_of(id)?;
        // A standby that failed cools down, so another one may be tried at once.
        // One without a connection is asked again no sooner than usual: it would have none.
        let hedges_from = if loss == Loss::NoConnection { self.hedge_at(now) } else { Some(now) };
        let open = self.opened();
        open.standby = None;
        open.pauses.probes_from = now + PROBE_PAUSE;
        if let Stage::Candidate(candidate) = &mut open.stage {
            candidate.hedges_from = hedges_from;
        }
        self.failover.cool_down(now, standby.attempt.source, loss);
        Some(standby)
    }

    /// Opens another standby instead of one that was to replace the active source, if the active
    /// source only stays until there is another.
    pub(super) fn open_another(&mut self, now: Moment, aim: Aim) -> bool {
        let is_unwanted = self.active().is_some_and(|active| self.is_unwanted(active));
        let is_needed = matches!(aim, Aim::Relief | Aim::Swap) && is_unwanted && self.is_watched();
        let other = self.failover.eligible_standby(now).filter(|_| is_needed);
        if let Some(other) = other {
            self.open_standby(other, aim);
        }
        other.is_some()
    }

    pub(super) fn close_standby(&mut self, now: Moment, reason: Reason) {
        let open = self.opened();
        if let Some(standby) = open.standby.take() {
            open.pauses.probes_from = now + PROBE_PAUSE;
            self.actions.push_back(Action::Close { attempt: standby.attempt.id, reason });
        }
    }

    /// The order of the sources or the times have changed: closes a probe of a source to which the
    /// channel would not return any more.
    pub(super) fn end_needless_probe(&mut self, now: Moment) {
        let Some(open) = self.open() else { return };
        if let (Some(active), Some(Standby { attempt, aim: Aim::Probe })) =
            (open.stage.active(), open.standby)
            && !self.is_worth_a_probe(active, attempt.source)
        {
            self.close_standby(now, Reason::Replaced);
        }
    }
}

//! What is open beside the source on air, or beside the trial.

use std::time::Duration;

use super::line::Line;
use super::{Action, Attempt, HEDGE_IN_GAP, Lifecycle, PROBE_PAUSE, Purpose, Reason, SourceId};
use crate::failover::{Loss, PROBATION};
use crate::time::Moment;

/// Why something is open beside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Aim {
    /// The first with a picture wins; beside what is on air, it takes over when that fails.
    Hedge,
    /// It must prove itself first.
    Probe,
    /// Something is wrong with what is on air, where it goes with its first picture. If there is no slot beside, the other makes room, but
    /// not again and again.
    Relief,
    /// An admin wants it instead of what is on air, where it goes with its first picture; if there is no slot beside, the other makes room.
    Swap,
}

impl Lifecycle {
    /// What to open beside, why, and when: nothing while nobody watches.
    pub(super) fn next_beside(&self) -> Option<(SourceId, Aim, Moment)> {
        if self.rival.is_some() || self.lingers_until.is_some() {
            return None;
        }
        let failover = &self.failover;
        let (aim, other) = match (self.air, self.trial) {
            (Some(air), _) if failover.is_disabled(air.source) => {
                (Aim::Swap, failover.alternative(self.probes_from))
            }
            (Some(air), _) => {
                let probe = failover.soonest(self.probes_from, |source| self.is_worth_a_probe(air, source));
                let spare = self.suspects_at(air).and_then(|at| failover.alternative(at));
                match (probe, spare) {
                    (probe, Some((_, at))) if probe.is_none_or(|(_, probes_at)| at < probes_at) => {
                        (Aim::Hedge, spare)
                    }
                    (probe, _) => (Aim::Probe, probe),
                }
            }
            (None, Some(_)) => (Aim::Hedge, failover.alternative(self.hedges_from?)),
            (None, None) => return None,
        };
        other.map(|(source, at)| (source, aim, at))
    }

    /// When what is on air has stood still for so long that it may be on its way to fail, and another is opened to be there then.
    fn suspects_at(&self, air: Line) -> Option<Moment> {
        let after = self.times.hedge?.min(self.times.stall / 2);
        Some((air.lasts_until()? + after).max(self.spares_from))
    }

    /// What is on air moves: nothing needs to be there for its end.
    pub(super) fn end_needless_spare(&mut self, now: Moment) {
        if self.rival.is_some_and(|(_, aim)| aim == Aim::Hedge) {
            self.close_rival(now, Reason::Replaced);
            self.spares_from = now + PROBE_PAUSE;
        }
    }

    /// Whether the channel is to change from what is on air to `source` once that has proved itself. Where it does not return by itself, what
    /// is ailing is left nevertheless, and what an admin has pinned is returned to.
    fn is_worth_a_probe(&self, air: Line, source: SourceId) -> bool {
        let returns = self.times.return_after.is_some() || self.failover.is_pinned(source);
        source != air.source && (air.is_ailing || (returns && self.failover.is_preferred(source)))
    }

    /// Whether what is on air is only there until there is another.
    pub(super) fn is_unwanted(&self, air: Line) -> bool {
        air.is_ailing || self.failover.is_disabled(air.source)
    }

    /// How long what is probed must show pictures before it goes on air.
    pub(super) fn proof(&self) -> Duration {
        self.times.return_after.unwrap_or(PROBATION)
    }

    /// When a trial that begins now is hedged.
    pub(super) fn hedge_at(&self, now: Moment) -> Option<Moment> {
        let after = self.times.hedge?;
        Some(now + if self.starts_until.is_some() { after } else { after.min(HEDGE_IN_GAP) })
    }

    pub(super) fn open_rival(&mut self, source: SourceId, aim: Aim) {
        let purpose = if aim == Aim::Probe { Purpose::Probe } else { Purpose::Hedge };
        let line = self.open(source, self.times.connect, purpose);
        self.rival = Some((line, aim));
    }

    /// What is open beside is no more, if it is this attempt.
    pub(super) fn take_rival(&mut self, now: Moment, attempt: Attempt, loss: Loss) -> Option<(Line, Aim)> {
        let rival = self.rival.take_if(|(line, _)| line.attempt == attempt)?;
        self.probes_from = now + PROBE_PAUSE;
        // One that failed is avoided: another one may be there.
        self.hedges_from = if loss == Loss::NoSlot { self.hedge_at(now) } else { Some(now) };
        self.failover.avoid(now, rival.0.source, loss);
        Some(rival)
    }

    /// Opens another instead of one that was to take the place of what is on air, if that is only there until there is one.
    pub(super) fn open_another(&mut self, now: Moment, aim: Aim) -> bool {
        let is_needed =
            matches!(aim, Aim::Relief | Aim::Swap) && self.air.is_some_and(|air| self.is_unwanted(air));
        let is_watched = self.lingers_until.is_none();
        let other = if is_needed && is_watched { self.failover.beside(now) } else { None };
        if let Some(other) = other {
            self.open_rival(other, aim);
        }
        other.is_some()
    }

    pub(super) fn close_rival(&mut self, now: Moment, reason: Reason) {
        if let Some((line, _)) = self.rival.take() {
            self.probes_from = now + PROBE_PAUSE;
            self.actions.push_back(Action::Close { attempt: line.attempt, reason });
        }
    }

    /// The order of the sources or the times have changed: a source may be probed to which the channel is not to return any more.
    pub(super) fn end_needless_probe(&mut self, now: Moment) {
        if let (Some(air), Some((line, Aim::Probe))) = (self.air, self.rival)
            && !self.is_worth_a_probe(air, line.source)
        {
            self.close_rival(now, Reason::Replaced);
        }
    }
}

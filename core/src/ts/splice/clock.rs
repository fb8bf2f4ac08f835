//! The source's clock: what is done with it where it jumps, stands still, or is waited with.

use super::{ANNOUNCED_JUMP, BACKWARD_JUMP, FORWARD_JUMP, Gate, PATIENCE, Splice};
use crate::time::{Pcr, Pts, duration_to_ticks};
use crate::ts::stream::Class;

/// A clock that stands still while the stamps go on by so much is none, in ticks: references are up
/// to 100 ms apart (2.7.2).
const STANDS: i64 = 90_000;

/// How far the stamps of a usual source are ahead of its clock, in ticks: 0.7 s.
const USUAL_LEAD: i64 = 63_000;

/// A clock that stands still while the stamps go on, as encoders and multiplexers make that mistake
/// it.
#[derive(Debug, Default)]
pub(super) struct Stillness {
    /// How far the stamps were ahead of the clock when it moved last, in ticks.
    lead: Option<i64>,
}

impl Stillness {
    /// By how much the clock, now that the stamps are ahead of it by `lead`, is behind what it
    /// would be if it went on with them.
    fn lag(&mut self, lead: i64, has_moved: bool) -> i64 {
        // A clock that moves is right again at once: nothing is remembered of its lag.
        if has_moved {
            self.lead = Some(lead);
            return 0;
        }
        let before = *self.lead.get_or_insert(lead);
        // The first lead may be measured long after the clock stopped: the usual one bounds it.
        if lead - before > STANDS { lead - before.min(USUAL_LEAD) } else { 0 }
    }
}

impl Splice {
    /// The source's clock says `pcr`.
    pub(super) fn handle_clock(&mut self, pcr: Pcr, is_announced: bool) {
        if !std::mem::replace(&mut self.lull.motion.has_clock, true)
            && let Gate::Closed { since } = &mut self.gate
        {
            *since = None; // counted in stamps so far, which are another clock
        }
        if let Some(last) = self.source.pcr {
            let ticks = pcr.since(last) / 300;
            let is_pause = self.lull.pause.handle_clock(ticks);
            // A jump that the source admits is believed sooner.
            let ahead = if is_announced { ANNOUNCED_JUMP } else { FORWARD_JUMP };
            if !(-BACKWARD_JUMP..=ahead).contains(&ticks) && !is_pause {
                self.counts.clock_jumps += 1;
                let was_open = self.is_open();
                // The picture on hand may be the last one before the jump: it is judged when it is
                // whole.
                self.close_gate(self.source.reference);
                // Sound alone depends on no picture before it, and may wait for its next entry.
                if was_open && self.has_pictures() {
                    self.gate = Gate::Jumped;
                }
            }
        }
        let has_moved = self.source.pcr.replace(pcr) != Some(pcr);
        let stamps = self.source.reference.and_then(|reference| self.source.inputs[reference].last);
        let lag = stamps.map_or(0, |stamps| self.lull.standing.lag(stamps.since(pcr.base()), has_moved));
        self.timeline.set_clock_lag(lag);
        self.wait(pcr.base());
    }

    /// Whether the reference is video.
    fn has_pictures(&self) -> bool {
        self.source.reference.is_some_and(|index| self.source.inputs[index].class == Some(Class::Video))
    }

    /// Notes, while the gate is closed, when the waiting began. Where video is announced and not a
    /// packet of it comes, sound takes its place; video that comes and cannot be read, since it is
    /// scrambled, is no reason for that.
    pub(super) fn wait(&mut self, now: Pts) {
        let Gate::Closed { since } = &mut self.gate else { return };
        let waited = now.since(*since.get_or_insert(now));
        let is_silent = |index: usize| !self.source.inputs[index].has_come;
        if waited > duration_to_ticks(PATIENCE) && self.source.reference.is_some_and(is_silent) {
            let sound = self
                .source
                .inputs
                .iter()
                .position(|input| input.class == Some(Class::Audio) && input.last.is_some());
            self.source.reference = sound.or(self.source.reference);
        }
    }
}

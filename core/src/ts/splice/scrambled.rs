//! Sources that are passed on scrambled, where players descramble.
//!
//! Nothing in their PES packets can be read, and so nothing in them can be moved. All of such a
//! source passes with its own stamps and its own clock, and a step that this makes in the clock is
//! announced. The clock stands in for stamps that cannot be read. Packets of conditional access
//! (CAT, EMM, ECM) pass as they are, from the first picture on; the last of those before it stand
//! in front of it.

use std::collections::VecDeque;
use std::time::Duration;

use super::Splice;
use super::writer::Writer;
use crate::time::Pcr;
use crate::ts::packet::{Bytes, Packet};

/// How long a scrambled source without any `random_access_indicator` may send pictures until one
/// counts as a random access point: groups are shorter, and nothing tells where they begin.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// Packets of conditional access before the first picture that are kept: ECM come up to ten times a
/// second, for each of a few systems.
const MAX_EARLY: usize = 64;

/// What is done with what is scrambled.
#[derive(Debug, Default)]
pub(super) struct Scrambled {
    /// Whether it passes.
    pub(super) passes: bool,
    /// Packets of conditional access that came while the gate was closed; the oldest make room.
    early: VecDeque<Bytes>,
}

impl Scrambled {
    /// Another source begins.
    pub(super) fn begin(&mut self) {
        self.early.clear();
    }

    /// Sends the packets of conditional access that came before the picture which is sent next.
    pub(super) fn send_early(&mut self, writer: &mut Writer) {
        for packet in self.early.drain(..) {
            writer.write_information(&packet);
        }
    }
}

impl Splice {
    /// Has what is scrambled pass, with all that players need to descramble it.
    pub fn pass_scrambled(&mut self, passes: bool) {
        self.scrambled.passes = passes;
    }

    /// Stamps of the PES packet of a stream that cannot be read are taken from the clock.
    pub(super) fn stand_in(&mut self, index: usize) {
        let pes = &mut self.source.inputs[index].pes;
        if !self.scrambled.passes || !pes.is_unreadable() {
            return;
        }
        pes.stand_in(pes.first_pcr().or(self.source.pcr).map(Pcr::base));
        // The step to the source's own clock is one that viewers have not seen yet.
        let was_moved = self.timeline.offset() != 0;
        if self.timeline.pass_as_is() && was_moved && self.is_open() {
            self.writer.announce_break();
        }
    }

    /// Takes a packet of conditional access.
    pub(super) fn handle_access(&mut self, packet: Packet<'_>) {
        // What is on a PID that the viewers know as something else would be taken for that.
        let is_taken = self.source.program.as_ref().is_some_and(|program| program.uses(packet.pid()));
        if !self.scrambled.passes || is_taken {
            return;
        }
        if self.is_open() {
            return self.writer.write_information(packet.bytes());
        }
        let early = &mut self.scrambled.early;
        if early.len() == MAX_EARLY {
            early.pop_front();
        }
        early.push_back(*packet.bytes());
    }
}

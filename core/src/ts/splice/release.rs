//! What becomes of a PES packet once it is complete: it opens the gate, is sent, or is dropped.

use std::time::Duration;

use super::timeline::Beginning;
use super::{BACKWARD_JUMP, FORWARD_JUMP, Gate, Joint, MAX_EARLY, PATIENCE, Slot, Splice, scrambled, scte35};
use crate::time::{Pcr, Pts, duration_to_ticks};
use crate::ts::demux::Continuity;
use crate::ts::packet::{self, Packet};
use crate::ts::random_access::{Entry, Verdict};
use crate::ts::stream::{Class, Codec};

/// Sound-only channels: a random access point at most this often, since each carries PAT and PMT.
const SOUND_ENTRY_EVERY: Duration = Duration::from_millis(500);

/// Sound may begin this much before the sound of the last source ends: less than a frame of any codec.
const OVERLAP: i64 = 900;

/// What would begin further back than this runs by a clock of its own, and so does sound that is further from its pictures.
const MAX_OVERLAP: i64 = 10 * 90_000;

impl Splice {
    /// The PES packet of a slot is complete: it is sent, or dropped, or waits for the first slice
    /// of its picture.
    pub(super) fn release(&mut self, index: usize) {
        if !self.slots[index].unit.awaits_slice() {
            self.release_whole(index);
        }
    }

    /// Sends or drops what a slot holds, whatever may belong to it and is yet to come.
    pub(super) fn release_whole(&mut self, index: usize) {
        self.stand_in(index);
        let is_reference = self.reference == Some(index);
        if is_reference && self.continues(index) {
            return self.release_rest(index);
        }
        let mut has_jumped = is_reference && self.gate == Gate::Jumped;
        if let Some(time) = self.slots[index].unit.decode_time() {
            let before = self.slots[index].last.replace(time);
            // Sound that goes on is progress, too: pictures may stand still for long. The health of
            // a source is another matter.
            let is_sound = self.slots[index].class == Some(Class::Audio);
            let goes_on = self.slots[index].goes_on(time);
            self.motion.stamps |= goes_on && (is_reference || is_sound || !self.is_open());
            if is_sound {
                self.pause.handle_sound(before.map_or(0, |before| time.since(before)));
            }
            if is_reference && self.is_open() && !self.runs_on(index, before, time) {
                self.counts.clock_jumps += 1;
                self.close_gate(Some(index));
                has_jumped = true;
            }
            if !self.motion.has_clock && (is_reference || is_sound) {
                self.wait(time);
            }
        }
        let entry = if is_reference { self.entry(index) } else { None };
        let was_closed = !self.is_open();
        let opens_at = self.slots[index].unit.presentation_time();
        if was_closed && let Some(entry) = entry {
            self.anchor(index, entry);
        } else if has_jumped {
            self.go_on(index);
        }
        if self.is_open() && (is_reference || self.fits(index)) {
            self.send(index, entry);
            if was_closed {
                self.send_early(opens_at);
            }
        } else if !self.is_open() && self.slots[index].class == Some(Class::Audio) {
            self.keep_early(index);
        } else {
            self.drop_unit(index);
        }
    }

    /// Whether the PES packet of the reference slot belongs to the picture before: it begins none,
    /// and has no other stamp.
    fn continues(&self, index: usize) -> bool {
        let Slot { unit, last, .. } = &self.slots[index];
        unit.begins_no_picture() && unit.decode_time().is_none_or(|time| *last == Some(time))
    }

    /// The PES packet of the reference slot goes where its picture went.
    fn release_rest(&mut self, index: usize) {
        if self.is_open() {
            self.kept_alive = 0;
            self.write(index, false);
        } else {
            self.drop_unit(index);
        }
    }

    fn drop_unit(&mut self, index: usize) {
        self.counts.units_dropped += 1;
        self.slots[index].unit.clear();
    }

    /// Remembers the PES packet of a slot in case that a picture before it turns out to be the first one.
    fn keep_early(&mut self, index: usize) {
        let slot = &mut self.slots[index];
        if slot.early.len() == MAX_EARLY {
            slot.early.pop_front();
            self.counts.units_dropped += 1;
        }
        let next = slot.unit.successor();
        slot.early.push_back(std::mem::replace(&mut slot.unit, next));
    }

    /// Sends the sound that belongs to the first picture, which is shown at `time`, and came before all of that had.
    fn send_early(&mut self, time: Option<Pts>) {
        for index in 0..self.slots.len() {
            while let Some(early) = self.slots[index].early.pop_front() {
                let current = std::mem::replace(&mut self.slots[index].unit, early);
                if self.plays_on(index, time) && self.fits(index) {
                    self.send(index, None);
                } else {
                    self.counts.units_dropped += 1;
                }
                self.slots[index].unit = current;
            }
        }
    }

    /// Whether the sound in a slot goes on after `time`, and is not late by the clock.
    fn plays_on(&mut self, index: usize, time: Option<Pts>) -> bool {
        let clock = self.source_pcr.map(Pcr::base);
        let unit = &mut self.slots[index].unit;
        let (Some(begins), Some(time)) = (unit.decode_time(), time) else { return false };
        let ends = begins.shifted(unit.sound_duration().unwrap_or(0));
        ends.since(time) > 0 && clock.is_none_or(|clock| begins.since(clock) > 0)
    }

    /// Whether the picture at `time` goes on from the one `before`, and does not jump. No picture
    /// is left out: others need it. One that is decoded no later than what was sent is decoded a
    /// tick behind that.
    fn runs_on(&mut self, index: usize, before: Option<Pts>, time: Pts) -> bool {
        let placed = self.placed(time);
        let behind = self.sent(index).map_or(-1, |(last, _)| last.since(placed));
        let slot = &mut self.slots[index];
        let ticks = before.map_or(1, |before| time.since(before));
        let is_pause = self.pause.handle_picture(ticks);
        // Some encoders send no decoding times, and so presentation times that step back a few pictures.
        slot.order.has_decode_stamps |= slot.unit.has_decode_stamp();
        let has_order = slot.order.has_decode_stamps;
        let is_late = behind >= 0 && (has_order || ticks == 0);
        slot.order.late = if is_late { behind + 1 } else { 0 };
        // Late ones come together more and more: better one step.
        let is_step = (-BACKWARD_JUMP..=FORWARD_JUMP).contains(&ticks) || is_pause;
        is_step && !(has_order && behind > BACKWARD_JUMP)
    }

    /// What makes the PES packet of the reference slot a random access point, if anything does.
    fn entry(&self, index: usize) -> Option<Entry> {
        let slot = &self.slots[index];
        let time = slot.unit.decode_time();
        let since_last = |time: Pts| self.last_entry.map(|last| self.placed(time).since(last));
        if slot.class != Some(Class::Video) {
            let is_due = |ticks: i64| ticks < 0 || ticks >= duration_to_ticks(SOUND_ENTRY_EVERY);
            let is_entry = !self.is_open() || since_last(time?).is_none_or(is_due);
            return (is_entry && time.is_some()).then_some(Entry::Audio);
        }
        let verdict = slot.unit.verdict();
        if let Verdict::Entry(entry) = verdict {
            return Some(entry);
        }
        let is_scrambled = slot.unit.is_scrambled();
        if is_scrambled && !self.scrambled.passes {
            return None;
        }
        if is_scrambled && slot.unit.is_hinted() {
            return Some(Entry::Hint);
        }
        if self.patience == Some(0) && !self.is_open() {
            return Some(Entry::Blind);
        }
        let time = time.or_else(|| self.source_pcr.map(Pcr::base))?;
        let waited = match self.gate {
            Gate::Open => since_last(time)?,
            Gate::Closed { since } => time.since(since?),
            Gate::Jumped => return None,
        };
        let has_sets = matches!(verdict, Verdict::Refresh | Verdict::ParametersOnly);
        let usual = match verdict {
            _ if is_scrambled => duration_to_ticks(scrambled::PATIENCE),
            _ if has_sets => duration_to_ticks(PATIENCE),
            _ => duration_to_ticks(PATIENCE) * 2,
        };
        let is_awaited =
            self.is_open() && verdict != Verdict::Refresh && self.groups.go_on(self.placed(time));
        (waited > self.patience.unwrap_or(usual) && !is_awaited).then_some(Entry::Blind)
    }

    /// The source goes on air with the PES packet of the reference slot.
    fn anchor(&mut self, index: usize, entry: Entry) {
        let Slot { unit, lead, .. } = &self.slots[index];
        let time = unit.decode_time();
        // A clock that is not where it should be by these stamps was sent before they jumped.
        let has_jumped = |pcr: Pcr| {
            lead.zip(time).is_some_and(|(lead, time)| (time.since(pcr.base()) - lead).abs() > FORWARD_JUMP)
        };
        self.source_pcr.take_if(|pcr| has_jumped(*pcr));
        let pcr = unit.first_pcr().or(self.source_pcr);
        let is_closed = matches!(entry, Entry::Idr | Entry::Audio);
        let shown = if is_closed { unit.presentation_time() } else { time };
        let sent = self.sent(index).map(|(last, _)| last);
        let is_splice = self.timeline.anchor(Beginning { time, shown, pcr, sent });
        if is_splice {
            self.counts.splices += 1;
            self.joint = self.joint.max(Joint::Spliced);
            self.writer.announce_break();
        }
        self.gate = Gate::Open;
    }

    /// Opens the gate for a picture that is no random access point, behind a jump: it needs those
    /// before, which have been sent. If anything of them is lost, the next random access point is
    /// waited for.
    fn go_on(&mut self, index: usize) {
        let Slot { unit, .. } = &self.slots[index];
        let (false, Some(time), Some((last, _))) = (unit.is_broken(), unit.decode_time(), self.sent(index))
        else {
            self.gate = Gate::Closed { since: None };
            return;
        };
        self.gate = Gate::Open;
        let step = self.placed(time).since(last);
        if !(1..=FORWARD_JUMP).contains(&step) {
            self.timeline.go_on(time);
            self.counts.splices += 1;
        }
        self.writer.announce_break();
    }

    /// Whether the PES packet of a slot comes after what its track has sent. Behind a splice that is asked of every stream, and of
    /// sound always.
    fn fits(&mut self, index: usize) -> bool {
        if self.timeline.is_as_is() {
            return true; // nothing is known of what it overlaps
        }
        let is_sound = self.slots[index].class == Some(Class::Audio);
        if is_sound {
            self.bridge(index);
        }
        let slot = &self.slots[index];
        let (Some(time), Some((last, end))) = (slot.unit.decode_time(), self.sent(index)) else {
            return true;
        };
        if slot.is_placed && !is_sound {
            return true;
        }
        let time = time.shifted(self.timeline.offset() + slot.shift);
        let overlap = end.since(time) - OVERLAP;
        let is_clear = slot.is_placed || !is_sound || overlap <= 0;
        if !is_clear && self.slots[index].unit.skip_sound(overlap) {
            return true;
        }
        // What else is further away than any overlap is no overlap but runs by a clock of its own.
        time.since(last) > 0 && is_clear || !is_sound && time.since(last) < -MAX_OVERLAP
    }

    /// Keeps sound with the pictures that jumps without them: it goes on where it was. If they follow, as they do where the source jumps and
    /// the sound came first, that is a new beginning for all.
    fn bridge(&mut self, index: usize) {
        let reference = self.reference.and_then(|reference| self.slots[reference].last);
        let sent = self.sent(index);
        let slot = &mut self.slots[index];
        let (Some(time), Some(reference)) = (slot.unit.decode_time(), reference) else { return };
        let lead = time.since(reference);
        let before = slot.lead.replace(lead).unwrap_or(lead);
        let (time, picture) =
            (time.shifted(self.timeline.offset()), reference.shifted(self.timeline.offset()));
        let has_jumped = if slot.is_placed {
            let step = sent.map_or(0, |(last, _)| time.shifted(slot.shift).since(last));
            (lead - before).abs() > FORWARD_JUMP && !(-BACKWARD_JUMP..=FORWARD_JUMP).contains(&step)
        } else {
            lead.abs() > MAX_OVERLAP
        };
        if has_jumped {
            let end = sent.map(|(_, end)| end).filter(|end| slot.is_placed || end.since(picture) > 0);
            slot.shift = end.unwrap_or(picture).since(time);
        }
    }

    /// When a picture at `time`, by the source, is on the output timeline.
    fn placed(&self, time: Pts) -> Pts {
        time.shifted(self.timeline.offset())
    }

    /// When the last PES packet that was sent of a slot's track is decoded, and when it ends, on the output timeline.
    fn sent(&self, index: usize) -> Option<(Pts, Pts)> {
        let track = self.program.as_ref()?.tracks.get(self.slots[index].track)?;
        track.last.zip(track.end)
    }

    /// Sends the PES packet of a slot.
    fn send(&mut self, index: usize, entry: Option<Entry>) {
        let Some(program) = &mut self.program else { return };
        self.kept_alive = 0;
        let slot = &mut self.slots[index];
        let is_picture = self.reference == Some(index) && slot.class == Some(Class::Video);
        let track = &mut program.tracks[slot.track];
        let offset = self.timeline.offset() + slot.shift;
        let time = slot.unit.decode_time().map(|time| time.shifted(offset + slot.order.late));
        let shown = slot.unit.presentation_time().map(|shown| shown.shifted(offset));
        if self.reference == Some(index)
            && let Some(time) = time
        {
            self.timeline.advance(time, shown.filter(|shown| shown.since(time) > 0).unwrap_or(time));
            let clock = slot.unit.first_pcr().or(self.source_pcr);
            slot.lead = clock.zip(slot.last).map(|(clock, last)| last.since(clock.base())).or(slot.lead);
        }
        if let Some(time) = time {
            if slot.class == Some(Class::Audio) && self.reference != Some(index) {
                self.timeline.advance_sound(time);
            }
            let duration = if slot.class == Some(Class::Audio) { slot.unit.sound_duration() } else { None };
            track.advance(time, duration);
        }
        let position = self.timeline.position().unwrap_or_default();
        let shown = position.shifted(shown.zip(time).map_or(0, |(shown, time)| shown.since(time).max(0)));
        if let Some(entry) = entry {
            self.counts.entries += 1;
            self.last_entry = time.or(self.last_entry);
            if let (Some(time), false) = (time, entry == Entry::Blind) {
                self.groups.handle_key(time);
            }
            self.cuts.handle_entry(position, shown);
            let joint = std::mem::take(&mut self.joint);
            self.writer.mark(entry, position, shown, joint);
            self.scrambled.send_early(&mut self.writer);
        } else if is_picture && self.cuts.is_at(position, shown) {
            self.writer.cut(position, shown);
        }
        // A random access point has just had the tables sent: a clock that is found in this very packet is not to have them sent again.
        let has_clock = self.motion.has_clock || entry.is_some() && slot.unit.first_pcr().is_some();
        if self.reference == Some(index)
            && let Some(time) = time
        {
            if !has_clock {
                self.writer.handle_clock(time);
            }
            if entry.is_none() {
                self.writer.handle_stamp(time);
            }
        }
        self.write(index, entry.is_some());
    }

    /// Writes the packets of a slot, its stamps moved; the first one is marked where it begins a
    /// random access point.
    fn write(&mut self, index: usize, is_entry: bool) {
        let Some(program) = &mut self.program else { return };
        let slot = &mut self.slots[index];
        let track = &mut program.tracks[slot.track];
        let late = if self.timeline.is_as_is() { 0 } else { slot.order.late };
        let (mut packets, breaks) = slot.unit.take(self.timeline.stamp_offset(slot.shift), late);
        let mut next_breaks = breaks.iter().peekable();
        for (at, bytes) in packets.iter_mut().enumerate() {
            if next_breaks.next_if(|&&next| next == at).is_some() && (at > 0 || slot.is_placed) {
                track.counter = track.counter.wrapping_add(1);
                self.counts.continuity_errors += 1;
            }
            // What is scrambled cannot be cut: a packet is descrambled as a whole.
            let is_cut = at == 0 && is_entry && !Packet::new(bytes).is_scrambled();
            if is_cut && !packet::set_mark(bytes, packet::Mark::RandomAccess) {
                let [mut first, second] = packet::split_for_marks(bytes);
                packet::set_mark(&mut first, packet::Mark::RandomAccess);
                self.writer.write(&mut first, track, &mut self.timeline);
                *bytes = second;
            }
            self.writer.write(bytes, track, &mut self.timeline);
        }
        slot.is_placed = true;
        slot.unit.put_back(packets, breaks);
    }

    /// Sends a packet that is no part of a PES packet that is being put together.
    pub(super) fn pass(&mut self, index: usize, packet: Packet<'_>, continuity: Continuity) {
        let (true, Some(program)) = (self.is_open(), &mut self.program) else { return };
        let slot = &mut self.slots[index];
        let track = &mut program.tracks[slot.track];
        if continuity == Continuity::Broken && slot.is_placed {
            track.counter = track.counter.wrapping_add(1);
            self.counts.continuity_errors += 1;
        }
        slot.is_placed |= packet.has_payload();
        let mut bytes = *packet.bytes();
        if track.codec == Some(Codec::Scte35) && self.timeline.stamp_offset(0) != 0 {
            scte35::shift(&mut bytes, self.timeline.stamp_offset(0));
        }
        self.writer.write(&mut bytes, track, &mut self.timeline);
    }
}

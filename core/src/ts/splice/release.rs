//! What becomes of a PES packet once it is complete: it opens the gate, is sent, or is dropped.
//!
//! Three cases move stamps. The drawings show pictures (`v`, key pictures `V`) and sound (`a`) in
//! the order of decoding:
//!
//! ```text
//! another source      v v v v V v v v    its first random access point goes behind the last
//!                     a a a a   a a a    picture, and its sound behind the last sound
//!
//! a jump of the clock v v v v   v v v    the next whole picture goes on where the last one was;
//!                     a a a a   a a a    if any was lost, the next random access point does
//!
//! sound jumps alone   v v v v v v v v    the pictures stay, and that stream alone is shifted, so
//!                     a a a a   a a a    that it goes on where it was
//! ```

use std::time::Duration;

use super::streams::InputStream;
use super::timeline::Beginning;
use super::{
    BACKWARD_JUMP, Boundary, FORWARD_JUMP, Gate, HAS_PROGRAM, MAX_EARLY, PATIENCE, Splice, scrambled, scte35,
};
use crate::assumption::broken;
use crate::time::{Pcr, Pts, duration_to_ticks};
use crate::ts::demux::Continuity;
use crate::ts::packet::{self, Packet};
use crate::ts::random_access::{RandomAccess, Verdict};
use crate::ts::stream::{Class, Codec};

/// Sound-only channels: a random access point at most this often, since each carries PAT and PMT.
const SOUND_ENTRY_EVERY: Duration = Duration::from_millis(500);

/// Sound may begin this much before the sound of the last source ends: less than a frame of any
/// codec.
const OVERLAP: i64 = 900;

/// A stream that would begin further back than this runs by a clock of its own, and so does sound
/// that is further away from its pictures.
const MAX_OVERLAP: i64 = 10 * 90_000;

/// The last PES packet that was sent on a track, on the output timeline.
#[derive(Debug, Clone, Copy)]
struct Sent {
    decoded: Pts,
    ends: Pts,
}

impl Splice {
    /// The PES packet of a stream is complete: it is sent, or dropped, or waits for the first slice
    /// of its picture.
    pub(super) fn release(&mut self, index: usize) {
        if !self.source.inputs[index].pes.awaits_slice() {
            self.release_whole(index);
        }
    }

    /// Sends or drops what a stream holds, whatever may belong to it and is yet to come.
    pub(super) fn release_whole(&mut self, index: usize) {
        self.stand_in(index);
        let is_reference = self.source.reference == Some(index);
        if is_reference && self.continues(index) {
            return self.release_rest(index);
        }
        let mut has_jumped = is_reference && self.gate == Gate::Jumped;
        if let Some(time) = self.source.inputs[index].pes.decode_time() {
            let before = self.source.inputs[index].last.replace(time);
            // Sound that goes on is progress, too, since pictures may stand still for long. Whether
            // such a source is healthy is judged elsewhere.
            let is_sound = self.source.inputs[index].class == Some(Class::Audio);
            let goes_on = self.source.inputs[index].goes_on(time);
            // While the gate is closed any stream counts: a source that sends but cannot be shown
            // yet is alive.
            self.lull.motion.stamps |= goes_on && (is_reference || is_sound || !self.is_open());
            if is_sound {
                self.lull.pause.handle_sound(before.map_or(0, |before| time.since(before)));
            }
            if is_reference && self.is_open() && !self.follow_picture(index, before, time) {
                self.counts.clock_jumps += 1;
                self.close_gate(Some(index));
                has_jumped = true;
            }
            // Without a clock, only the stamps tell how long the gate has been closed.
            if !self.lull.motion.has_clock && (is_reference || is_sound) {
                self.wait(time);
            }
        }
        let random_access = if is_reference { self.random_access(index) } else { None };
        let was_closed = !self.is_open();
        // Asked before the packet is sent, which empties it.
        let opens_at = self.source.inputs[index].pes.presentation_time();
        if was_closed && let Some(random_access) = random_access {
            self.anchor(index, random_access);
        } else if has_jumped {
            self.go_on(index);
        }
        if self.is_open() && (is_reference || self.make_fit(index)) {
            self.send(index, random_access);
            if was_closed {
                self.send_early(opens_at);
            }
        } else if !self.is_open() && self.source.inputs[index].class == Some(Class::Audio) {
            self.keep_early(index);
        } else {
            self.drop_unit(index);
        }
    }

    /// Whether the PES packet of the reference stream belongs to the picture before: it begins
    /// none, and has no other stamp.
    fn continues(&self, index: usize) -> bool {
        let InputStream { pes, last, .. } = &self.source.inputs[index];
        pes.begins_no_picture() && pes.decode_time().is_none_or(|time| *last == Some(time))
    }

    /// The PES packet of the reference stream goes where its picture went.
    fn release_rest(&mut self, index: usize) {
        if self.is_open() {
            self.lull.kept_alive = 0;
            self.write(index, false);
        } else {
            self.drop_unit(index);
        }
    }

    fn drop_unit(&mut self, index: usize) {
        self.counts.units_dropped += 1;
        self.source.inputs[index].pes.clear();
    }

    /// Remembers a PES packet of sound, in case that a picture before it turns out to be the first.
    fn keep_early(&mut self, index: usize) {
        let input = &mut self.source.inputs[index];
        if input.early.len() == MAX_EARLY {
            input.early.pop_front();
            self.counts.units_dropped += 1;
        }
        let next = input.pes.successor();
        input.early.push_back(std::mem::replace(&mut input.pes, next));
    }

    /// Sends the sound that belongs to the first picture, which is shown at `time`, and that
    /// arrived before that picture was whole.
    fn send_early(&mut self, time: Option<Pts>) {
        for index in 0..self.source.inputs.len() {
            while let Some(early) = self.source.inputs[index].early.pop_front() {
                // The functions below act on the stream's present PES packet.
                let current = std::mem::replace(&mut self.source.inputs[index].pes, early);
                if self.plays_on(index, time) && self.make_fit(index) {
                    self.send(index, None);
                } else {
                    self.counts.units_dropped += 1;
                }
                self.source.inputs[index].pes = current;
            }
        }
    }

    /// Whether the sound in a stream goes on after `time`, and is not late by the clock.
    fn plays_on(&mut self, index: usize, time: Option<Pts>) -> bool {
        let clock = self.source.pcr.map(Pcr::base);
        let pes = &mut self.source.inputs[index].pes;
        let (Some(begins), Some(time)) = (pes.decode_time(), time) else { return false };
        let ends = begins.shifted(pes.sound_duration().unwrap_or(0));
        // A sound that is already due by the clock would arrive too late in every player.
        ends.since(time) > 0 && clock.is_none_or(|clock| begins.since(clock) > 0)
    }

    /// Notes the picture at `time`, and returns whether it goes on from the one `before` without a
    /// jump. No picture is left out, since others need it: a picture that would be decoded no later
    /// than the last one sent is decoded a tick after that.
    fn follow_picture(&mut self, index: usize, before: Option<Pts>, time: Pts) -> bool {
        let placed = self.placed(time);
        let behind = self.sent(index).map_or(-1, |sent| sent.decoded.since(placed));
        let input = &mut self.source.inputs[index];
        let ticks = before.map_or(1, |before| time.since(before));
        let is_pause = self.lull.pause.handle_picture(ticks);
        // Some encoders send presentation times only, which step back by a few pictures: those say
        // nothing about the order of decoding.
        input.order.has_decode_stamps |= input.pes.has_decode_stamp();
        let has_order = input.order.has_decode_stamps;
        let is_late = behind >= 0 && (has_order || ticks == 0);
        input.order.late = if is_late { behind + 1 } else { 0 };
        // Late pictures bunch up more and more until the source catches up: one jump is better.
        let is_step = (-BACKWARD_JUMP..=FORWARD_JUMP).contains(&ticks) || is_pause;
        is_step && !(has_order && behind > BACKWARD_JUMP)
    }

    /// What makes the PES packet of the reference stream a random access point, if anything does.
    fn random_access(&self, index: usize) -> Option<RandomAccess> {
        let input = &self.source.inputs[index];
        let time = input.pes.decode_time();
        let since_last = |time: Pts| self.entries.last.map(|last| self.placed(time).since(last));
        if input.class != Some(Class::Video) {
            let is_due = |ticks: i64| ticks < 0 || ticks >= duration_to_ticks(SOUND_ENTRY_EVERY);
            // A clock that went back since the last point makes the distance negative: a point is
            // due then.
            let is_entry = !self.is_open() || since_last(time?).is_none_or(is_due);
            return (is_entry && time.is_some()).then_some(RandomAccess::Audio);
        }
        let verdict = input.pes.verdict();
        if let Verdict::RandomAccess(random_access) = verdict {
            return Some(random_access);
        }
        let is_scrambled = input.pes.is_scrambled();
        // Where nothing scrambled passes, players cannot descramble, and see nothing from here on.
        if is_scrambled && !self.scrambled.passes {
            return None;
        }
        if is_scrambled && input.pes.is_hinted() {
            return Some(RandomAccess::Hint);
        }
        // The scout waited in vain for anything better, so the first picture held is taken.
        if self.patience == Some(0) && !self.is_open() {
            return Some(RandomAccess::Blind);
        }
        let time = time.or_else(|| self.source.pcr.map(Pcr::base))?;
        let waited = match self.gate {
            Gate::Open => since_last(time)?,
            Gate::Closed { since } => time.since(since?),
            // Behind a jump only a whole picture goes on, and `go_on` decides that.
            Gate::Jumped => return None,
        };
        let has_sets = matches!(verdict, Verdict::Refresh | Verdict::ParametersOnly);
        let usual = match verdict {
            // Nothing tells where groups begin in what is scrambled; waiting longer would not find
            // more.
            _ if is_scrambled => duration_to_ticks(scrambled::PATIENCE),
            _ if has_sets => duration_to_ticks(PATIENCE),
            // Without even parameter sets a decoder may show nothing, so it is the very last
            // resort.
            _ => duration_to_ticks(PATIENCE) * 2,
        };
        // Where there have been key pictures, the next one is likely to come: a lesser picture now
        // would show viewers damage for nothing.
        let is_awaited =
            self.is_open() && verdict != Verdict::Refresh && self.entries.groups.go_on(self.placed(time));
        (waited > self.patience.unwrap_or(usual) && !is_awaited).then_some(RandomAccess::Blind)
    }

    /// Puts the source on the output timeline, and opens the gate with the PES packet of the
    /// reference stream.
    fn anchor(&mut self, index: usize, random_access: RandomAccess) {
        let InputStream { pes, lead, .. } = &self.source.inputs[index];
        let time = pes.decode_time();
        // A clock that is not where it should be by these stamps was sent before they jumped.
        let has_jumped = |pcr: Pcr| {
            lead.zip(time).is_some_and(|(lead, time)| (time.since(pcr.base()) - lead).abs() > FORWARD_JUMP)
        };
        // Else the output clock would be moved by the size of the jump.
        self.source.pcr.take_if(|pcr| has_jumped(*pcr));
        let pcr = pes.first_pcr().or(self.source.pcr);
        // Pictures behind an open group's key picture may be shown before it: then only its
        // decoding time is sure to be the first.
        let is_closed = matches!(random_access, RandomAccess::Idr | RandomAccess::Audio);
        let shown = if is_closed { pes.presentation_time() } else { time };
        let sent = self.sent(index).map(|sent| sent.decoded);
        let is_splice = self.timeline.anchor(Beginning { time, shown, pcr, sent });
        if is_splice {
            self.counts.splices += 1;
            self.entries.boundary = self.entries.boundary.max(Boundary::Spliced);
            self.writer.announce_break();
        }
        self.gate = Gate::Open;
    }

    /// Opens the gate for a picture that is no random access point, behind a jump: it needs those
    /// before, which have been sent. If anything of them is lost, the next random access point is
    /// waited for.
    fn go_on(&mut self, index: usize) {
        let InputStream { pes, .. } = &self.source.inputs[index];
        let (false, Some(time), Some(sent)) = (pes.is_broken(), pes.decode_time(), self.sent(index)) else {
            self.gate = Gate::Closed { since: None };
            return;
        };
        self.gate = Gate::Open;
        // The new stamps may already follow closely, when only the clock has jumped: nothing is
        // moved then.
        let step = self.placed(time).since(sent.decoded);
        if !(1..=FORWARD_JUMP).contains(&step) {
            self.timeline.go_on(time);
            self.counts.splices += 1;
        }
        self.writer.announce_break();
    }

    /// Returns whether the PES packet of a stream can follow what its track has sent, after moving
    /// or cutting its sound if that helps. Behind a splice every stream is asked, and sound always.
    fn make_fit(&mut self, index: usize) -> bool {
        if self.timeline.is_as_is() {
            return true; // nothing is known of what it overlaps
        }
        let is_sound = self.source.inputs[index].class == Some(Class::Audio);
        if is_sound {
            self.shift_lone_sound(index);
        }
        let input = &self.source.inputs[index];
        let (Some(time), Some(sent)) = (input.pes.decode_time(), self.sent(index)) else {
            return true;
        };
        if input.is_placed && !is_sound {
            return true;
        }
        let time = time.shifted(self.timeline.offset() + input.shift);
        let overlap = sent.ends.since(time) - OVERLAP;
        // Pictures are never cut. Of sound, only what would play twice is cut, in whole frames.
        let is_clear = input.is_placed || !is_sound || overlap <= 0;
        if !is_clear && self.source.inputs[index].pes.skip_sound(overlap) {
            return true;
        }
        let step = time.since(sent.decoded);
        // Subtitles and data further back than any overlap run by a clock of their own.
        let has_own_clock = !is_sound && step < -MAX_OVERLAP;
        step > 0 && is_clear || has_own_clock
    }

    /// Shifts sound that jumps while its pictures do not, so that it goes on where it was. If the
    /// pictures jump later, the source has jumped and only sent its sound first: that is a new
    /// beginning for all streams.
    fn shift_lone_sound(&mut self, index: usize) {
        let reference = self.source.reference.and_then(|reference| self.source.inputs[reference].last);
        let sent = self.sent(index);
        let input = &mut self.source.inputs[index];
        let (Some(time), Some(reference)) = (input.pes.decode_time(), reference) else { return };
        let lead = time.since(reference);
        let before = input.lead.replace(lead).unwrap_or(lead);
        let (time, picture) =
            (time.shifted(self.timeline.offset()), reference.shifted(self.timeline.offset()));
        // Once it plays, sound has jumped if both its distance to the pictures and its own step say
        // so: either alone also changes when pictures are reordered or sound is lost.
        let has_jumped = if input.is_placed {
            let step = sent.map_or(0, |sent| time.shifted(input.shift).since(sent.decoded));
            (lead - before).abs() > FORWARD_JUMP && !(-BACKWARD_JUMP..=FORWARD_JUMP).contains(&step)
        } else {
            lead.abs() > MAX_OVERLAP
        };
        if has_jumped {
            // Behind the sound that was sent, if that is still playing; else beside the picture of
            // now.
            let end = sent.map(|sent| sent.ends).filter(|end| input.is_placed || end.since(picture) > 0);
            input.shift = end.unwrap_or(picture).since(time);
        }
    }

    /// When a picture at `time`, by the source, is on the output timeline.
    fn placed(&self, time: Pts) -> Pts {
        time.shifted(self.timeline.offset())
    }

    /// The last PES packet that was sent on a stream's track.
    fn sent(&self, index: usize) -> Option<Sent> {
        let track = self.source.program.as_ref()?.tracks.get(self.source.inputs[index].track)?;
        Some(Sent { decoded: track.last?, ends: track.end? })
    }

    /// Sends the PES packet of a stream.
    fn send(&mut self, index: usize, random_access: Option<RandomAccess>) {
        let Some(program) = &mut self.source.program else { return broken(HAS_PROGRAM) };
        self.lull.kept_alive = 0;
        let input = &mut self.source.inputs[index];
        let is_picture = self.source.reference == Some(index) && input.class == Some(Class::Video);
        let track = &mut program.tracks[input.track];
        let offset = self.timeline.offset() + input.shift;
        let time = input.pes.decode_time().map(|time| time.shifted(offset + input.order.late));
        let shown = input.pes.presentation_time().map(|shown| shown.shifted(offset));
        if self.source.reference == Some(index)
            && let Some(time) = time
        {
            self.timeline.advance(time, shown.filter(|shown| shown.since(time) > 0).unwrap_or(time));
            let clock = input.pes.first_pcr().or(self.source.pcr);
            input.lead = clock.zip(input.last).map(|(clock, last)| last.since(clock.base())).or(input.lead);
        }
        if let Some(time) = time {
            if input.class == Some(Class::Audio) && self.source.reference != Some(index) {
                self.timeline.advance_sound(time);
            }
            let duration = if input.class == Some(Class::Audio) { input.pes.sound_duration() } else { None };
            track.advance(time, duration);
        }
        let position = self.timeline.position().unwrap_or_default();
        let shown = position.shifted(shown.zip(time).map_or(0, |(shown, time)| shown.since(time).max(0)));
        if let Some(random_access) = random_access {
            self.counts.entries += 1;
            // An entry without a stamp must not make the next one due at once.
            self.entries.last = time.or(self.entries.last);
            // A blind point says nothing about how far apart key pictures are.
            if let (Some(time), false) = (time, random_access == RandomAccess::Blind) {
                self.entries.groups.handle_key(time);
            }
            self.cuts.handle_entry(position, shown);
            let boundary = std::mem::take(&mut self.entries.boundary);
            self.writer.note_access_point(random_access, position, shown, boundary);
            // Players need the keys before the first picture that is locked with them.
            self.scrambled.send_early(&mut self.writer);
        } else if is_picture && self.cuts.is_at(position, shown) {
            self.writer.cut(position, shown);
        }
        // A random access point has just sent the tables: a clock in this very packet must not send
        // them again.
        let has_clock =
            self.lull.motion.has_clock || random_access.is_some() && input.pes.first_pcr().is_some();
        if self.source.reference == Some(index)
            && let Some(time) = time
        {
            if !has_clock {
                self.writer.handle_clock(time);
            }
            // Points have written the tables already; only others can be late.
            if random_access.is_none() {
                self.writer.handle_stamp(time);
            }
        }
        self.write(index, random_access.is_some());
    }

    /// Writes the packets of a stream, its stamps moved; the first one is marked where it begins a
    /// random access point.
    fn write(&mut self, index: usize, is_entry: bool) {
        let Some(program) = &mut self.source.program else { return broken(HAS_PROGRAM) };
        let input = &mut self.source.inputs[index];
        let track = &mut program.tracks[input.track];
        // A stamp that is written into scrambled bytes would destroy them.
        let late = if self.timeline.is_as_is() { 0 } else { input.order.late };
        let (mut packets, breaks) = input.pes.take(self.timeline.stamp_offset(input.shift), late);
        let mut next_breaks = breaks.iter().peekable();
        for (at, bytes) in packets.iter_mut().enumerate() {
            // A gap in front of a stream's first packet is between two sources, and no loss.
            if next_breaks.next_if(|&&next| next == at).is_some() && (at > 0 || input.is_placed) {
                // One number is left out, so that decoders see the loss and conceal it.
                track.counter = track.counter.wrapping_add(1);
                self.counts.continuity_errors += 1;
            }
            // What is scrambled cannot be cut: a packet is descrambled as a whole.
            let is_cut = at == 0 && is_entry && !Packet::new(bytes).is_scrambled();
            // No room for the flag: ExoPlayer takes an I picture that is no IDR only if the flag
            // stands there. So the packet is split in two.
            if is_cut && !packet::set_mark(bytes, packet::Mark::RandomAccess) {
                let [mut first, second] = packet::split_for_marks(bytes);
                packet::set_mark(&mut first, packet::Mark::RandomAccess);
                self.writer.write(&mut first, track, &mut self.timeline);
                *bytes = second;
            }
            self.writer.write(bytes, track, &mut self.timeline);
        }
        input.is_placed = true;
        // The memory is reused: a video stream would otherwise allocate for every picture.
        input.pes.put_back(packets, breaks);
    }

    /// Sends a packet that is no part of a PES packet that is being put together.
    pub(super) fn pass(&mut self, index: usize, packet: Packet<'_>, continuity: Continuity) {
        if !self.is_open() {
            return;
        }
        let Some(program) = &mut self.source.program else { return broken(HAS_PROGRAM) };
        let input = &mut self.source.inputs[index];
        let track = &mut program.tracks[input.track];
        if continuity == Continuity::Broken && input.is_placed {
            track.counter = track.counter.wrapping_add(1);
            self.counts.continuity_errors += 1;
        }
        input.is_placed |= packet.has_payload();
        let mut bytes = *packet.bytes();
        // Cues name times of the programme; all other sections that pass have none.
        if track.codec == Some(Codec::Scte35) && self.timeline.stamp_offset(0) != 0 {
            scte35::shift(&mut bytes, self.timeline.stamp_offset(0));
        }
        self.writer.write(&mut bytes, track, &mut self.timeline);
    }
}

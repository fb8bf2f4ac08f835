//! The one output timeline: how far a source's stamps are moved, and where the output has got to.

use super::Splice;
use crate::time::{MediaTime, Pcr, Pts, Unwrapped};

/// The distance to the next picture where only one has been seen: a frame at 25 Hz.
const DEFAULT_STEP: i64 = 3_600;

/// The longest distance between pictures that is believed to be one picture's duration.
const MAX_STEP: i64 = 90_000;

/// A clock that would have to wait longer than this (in ticks of 27 MHz) for the last one sent has
/// nothing to do with its own stamps.
const MAX_WAIT: i64 = 10 * 27_000_000;

/// The furthest that sound counts as ahead of the pictures, in ticks: still pictures last for
/// minutes.
const MAX_BEYOND: i64 = 10 * 60 * 90_000;

/// Where a source becomes active, by its own stamps.
#[derive(Debug, Clone, Copy)]
pub(super) struct Beginning {
    /// When its first picture is decoded.
    pub(super) time: Option<Pts>,
    /// Before when nothing of it is shown: the first picture itself, or where pictures that follow
    /// it may be shown before it, its decoding.
    pub(super) shown: Option<Pts>,
    /// Its clock.
    pub(super) pcr: Option<Pcr>,
    /// What its track was sent last.
    pub(super) sent: Option<Pts>,
}

/// The output timeline of a channel.
#[derive(Debug)]
pub(super) struct Timeline {
    /// Added to every stamp of the source, in ticks of 90 kHz.
    offset: i64,
    /// All of the source passes with its own stamps and clock: see [`scrambled`](super::scrambled).
    is_as_is: bool,
    /// Added to its clock beside, where that stands still.
    clock_lag: i64,
    last_pcr: Option<Pcr>,
    /// Decoding time of the last reference PES packet sent, and the distance from the one before.
    last_time: Option<Pts>,
    step: i64,
    /// The latest time at which anything sent on the reference is shown.
    last_shown: Option<Pts>,
    line: Unwrapped,
    position: Option<MediaTime>,
    /// Decoding time of the last sound sent beside the reference.
    last_sound: Option<Pts>,
}

impl Splice {
    /// Decoding time of the last reference PES packet sent, on the output timeline.
    pub fn position(&self) -> Option<MediaTime> {
        self.timeline.position()
    }

    /// How far what was sent has got on the output timeline, by the reference or by sound beside
    /// it: pictures may stand still for long.
    pub fn reached(&self) -> Option<MediaTime> {
        self.timeline.reached()
    }
}

impl Timeline {
    pub(super) fn new() -> Self {
        Self {
            offset: 0,
            is_as_is: false,
            clock_lag: 0,
            last_pcr: None,
            last_time: None,
            step: DEFAULT_STEP,
            last_shown: None,
            line: Unwrapped::default(),
            position: None,
            last_sound: None,
        }
    }

    /// From the stamps of the source on hand to the output timeline, in ticks of 90 kHz.
    pub(super) fn offset(&self) -> i64 {
        self.offset
    }

    /// Added to the stamps of a stream that is moved by `shift` beside, as they go out.
    pub(super) fn stamp_offset(&self, shift: i64) -> i64 {
        if self.is_as_is { 0 } else { self.offset + shift }
    }

    /// Added to the clock of the source on hand, in ticks of 27 MHz.
    pub(super) fn clock_offset(&self) -> i64 {
        if self.is_as_is { 0 } else { (self.offset + self.clock_lag) * 300 }
    }

    /// Whether stamps and clock of the source on hand are its own.
    pub(super) fn is_as_is(&self) -> bool {
        self.is_as_is
    }

    /// Has the source on hand pass with its own stamps and clock; false when it does already.
    pub(super) fn pass_as_is(&mut self) -> bool {
        !std::mem::replace(&mut self.is_as_is, true)
    }

    /// Another source begins.
    pub(super) fn begin(&mut self) {
        self.is_as_is = false;
    }

    /// The clock of the source on hand is behind its stamps by so many ticks of 90 kHz, since it
    /// stands still.
    pub(super) fn set_clock_lag(&mut self, ticks: i64) {
        self.clock_lag = ticks;
    }

    /// Decoding time of the last reference PES packet sent, unwrapped.
    pub(super) fn position(&self) -> Option<MediaTime> {
        self.position
    }

    /// The same of the reference or of sound beside it, whichever is further on.
    pub(super) fn reached(&self) -> Option<MediaTime> {
        let beyond = |sound: Pts, time| sound.since(time).clamp(0, MAX_BEYOND);
        let ahead = self.last_sound.zip(self.last_time).map_or(0, |(sound, time)| beyond(sound, time));
        Some(self.position?.shifted(ahead))
    }

    /// Puts a source behind what was sent; false when nothing was, and the first source's own
    /// stamps become the timeline.
    ///
    /// Its first picture is decoded after the last one was, and shown after all of them were: a
    /// source that broke off leaves pictures that are shown later than the last one is decoded.
    /// Where the clock would then go back, since this source is sent longer ahead of its stamps
    /// than the last one was, everything moves on until it does not: players lose their clock when
    /// it goes back, and not when a picture stands for longer.
    pub(super) fn anchor(&mut self, Beginning { time, shown, pcr, sent }: Beginning) -> bool {
        if self.last_time.is_none() && self.last_pcr.is_none() {
            return false;
        }
        // Sound that was ahead of the pictures may be all that comes now.
        let last_time = self.last_time.map(|last| sent.filter(|sent| sent.since(last) > 0).unwrap_or(last));
        if let (Some(time), Some(last)) = (time, last_time) {
            self.offset = last.shifted(self.step).since(time);
            // Reordered pictures of the last source may still be shown after the first new one.
            if let (Some(shown), Some(last)) = (shown, self.last_shown.take()) {
                let early = last.shifted(self.step).since(shown.shifted(self.offset));
                // More than a second would be a stamp in error, and a wait that viewers notice.
                self.offset += early.clamp(0, MAX_STEP);
            }
        } else if let (Some(pcr), Some(last)) = (pcr, self.last_pcr) {
            self.offset = last.base().shifted(self.step).since(pcr.base());
        }
        if let (Some(pcr), Some(last)) = (pcr, self.last_pcr) {
            let behind = last.since(pcr.shifted(self.offset * 300));
            // Further behind it is no usual lead, and to move everything by it would stop the
            // picture.
            if (0..MAX_WAIT).contains(&behind) {
                // Rounded up: even one tick of 27 MHz back is a step back.
                self.offset += behind / 300 + 1;
            }
        }
        true
    }

    /// Puts the picture at `time`, by a source whose stamps have jumped, a step behind the last
    /// one.
    pub(super) fn go_on(&mut self, time: Pts) {
        if let Some(last) = self.last_time {
            self.offset = last.shifted(self.step).since(time);
        }
    }

    /// Notes that a reference PES packet was sent that is decoded and shown at these output times.
    pub(super) fn advance(&mut self, time: Pts, shown: Pts) {
        if let Some(last) = self.last_time {
            let step = time.since(last);
            if (1..=MAX_STEP).contains(&step) {
                self.step = step;
            }
        }
        self.last_time = Some(time);
        // Reordering makes the times of showing go back and forth; the end is the latest of them.
        if self.last_shown.is_none_or(|last| shown.since(last) > 0) {
            self.last_shown = Some(shown);
        }
        self.position = Some(self.line.place(time));
    }

    /// Notes that sound beside the reference was sent that is decoded at this output time.
    pub(super) fn advance_sound(&mut self, time: Pts) {
        self.last_sound = Some(time);
    }

    /// Notes that the output clock said `pcr`; returns how far that is from what it said before, in
    /// ticks of 27 MHz. Damage and bad multiplexers make steps back.
    pub(super) fn advance_clock(&mut self, pcr: Pcr) -> i64 {
        self.last_pcr.replace(pcr).map_or(0, |last| pcr.since(last))
    }
}

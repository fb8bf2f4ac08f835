//! What is known of a file when a segment is read: where it is cut, and what its streams are like.

use super::nal::Sets;
use crate::time::Pts;
use crate::ts::packet::Pid;
use crate::ts::stream::Codec;

/// Stamps of sound may be off by this and still be meant for the same moment, in thousandths of a
/// second.
const SLACK: i64 = 2;

/// What is farther from the key frame in front, in ticks of 90 kHz, belongs to another clock: the
/// longest segment that is made, and what sound and pictures may be apart.
pub(super) const FAR: i64 = 600 * 90_000;

/// How a file is read in parts.
#[derive(Debug)]
pub(in crate::index) struct Layout {
    /// From one packet to the next.
    pub(super) stride: usize,
    /// Where the packets end.
    pub(super) end: u64,
    pub(super) marks: Vec<Mark>,
    /// In the order of the film's tracks; the one that decides comes first.
    pub(super) streams: Vec<Stream>,
}

/// A key frame with which a segment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Mark {
    /// Where its first packet lies.
    pub(super) at: u64,
    /// When it is shown and decoded, as its clock says.
    pub(super) shown: Pts,
    pub(super) decoded: Pts,
    /// When it is shown in the film, in ticks of 90 kHz.
    pub(super) time: i64,
}

/// A stream.
#[derive(Debug, Clone)]
pub(super) struct Stream {
    pub(super) pid: Pid,
    pub(super) codec: Codec,
    /// Sets that are outside of samples.
    pub(super) sets: Sets,
    pub(super) timescale: u32,
    /// How long a frame of sound is, in units of the timescale, and where the grid of frames
    /// begins in the film.
    pub(super) frame: u32,
    pub(super) origin: i64,
}

impl Mark {
    /// The time in the film of a stamp of the same clock, in ticks of 90 kHz; `None` of one of
    /// another.
    pub(super) fn place(&self, stamp: Pts) -> Option<i64> {
        let since = stamp.since(self.shown);
        (since.abs() < FAR).then(|| self.time + since)
    }
}

impl Stream {
    /// A time of the film in units of the stream's timescale: of sound, on the grid of its frames
    /// as far as stamps allow.
    pub(super) fn ticks(&self, time: i64) -> i64 {
        let own = super::super::film::convert(time, 90_000, self.timescale);
        let frame = i64::from(self.frame);
        if frame == 0 {
            return own;
        }
        let line = self.origin + (own - self.origin + frame / 2).div_euclid(frame) * frame;
        let slack = SLACK * i64::from(self.timescale) / 1000;
        if (own - line).abs() <= slack { line } else { own }
    }
}

impl Layout {
    pub(in crate::index) fn memory(&self) -> usize {
        size_of_val(&self.marks[..]) + size_of_val(&self.streams[..]) + size_of::<Self>()
    }
}

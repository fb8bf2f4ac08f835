//! The layout of a transport stream, for reading a segment: where it is cut, and what its
//! streams are like.

use super::super::scale::convert;
use crate::time::Pts;
use crate::ts::packet::Pid;
use crate::ts::stream::Codec;

/// Stamps of sound may be off by this and still be meant for the same moment, in thousandths of a
/// second.
const SLACK: i64 = 2;

/// A time farther from the key frame in front, in ticks of 90 kHz, belongs to another clock: the
/// longest segment that is made, and what sound and pictures may be apart.
pub(in crate::index) const FAR: i64 = 600 * 90_000;

/// Parameter sets that stand in front of pictures and are put outside of them in MP4.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Sets(pub(in crate::index) Vec<Vec<u8>>);

/// How a file is read in parts.
#[derive(Debug)]
pub(in crate::index) struct Layout {
    /// From one packet to the next.
    pub(in crate::index) stride: usize,
    /// Where the packets end.
    pub(in crate::index) end: u64,
    pub(in crate::index) marks: Vec<Mark>,
    /// In the order of the film's tracks; the one that decides comes first.
    pub(in crate::index) streams: Vec<Stream>,
}

/// A key frame with which a segment begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) struct Mark {
    /// Where its first packet lies.
    pub(in crate::index) at: u64,
    /// When it is shown and decoded, as its clock says.
    pub(in crate::index) shown: Pts,
    pub(in crate::index) decoded: Pts,
    /// When it is shown in the film, in ticks of 90 kHz.
    pub(in crate::index) time: i64,
}

/// A stream.
#[derive(Debug, Clone)]
pub(in crate::index) struct Stream {
    pub(in crate::index) pid: Pid,
    pub(in crate::index) codec: Codec,
    /// Sets that are outside of samples.
    pub(in crate::index) sets: Sets,
    pub(in crate::index) timescale: u32,
    /// How long a frame of sound is, in units of the timescale, and where the grid of frames
    /// begins in the film.
    pub(in crate::index) frame: u32,
    pub(in crate::index) origin: i64,
}

impl Mark {
    /// The time in the film of a stamp of the same clock, in ticks of 90 kHz; `None` of one of
    /// another.
    pub(in crate::index) fn place(&self, stamp: Pts) -> Option<i64> {
        let since = stamp.since(self.shown);
        (since.abs() < FAR).then(|| self.time + since)
    }
}

impl Stream {
    /// A time of the film in units of the stream's timescale: of sound, on the grid of its frames
    /// as far as stamps allow.
    pub(in crate::index) fn ticks(&self, time: i64) -> i64 {
        let own = convert(time, 90_000, self.timescale);
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

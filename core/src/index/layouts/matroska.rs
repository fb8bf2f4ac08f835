//! The layout of a Matroska file, for reading a segment: its clock, where it is cut, and what
//! its tracks are like.

/// The unit in which a file counts, in nanoseconds.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct Clock(pub(in crate::index) u64);

/// Stamps may be off by this and still be meant for the same moment, in thousandths of a second:
/// they are rounded, those of lists of key frames once more.
const SLACK: i64 = 2;

/// Frames of sound shorter than this, in thousandths of a second, are not told apart by stamps.
const SHORTEST: i64 = 8;

/// How a file is read in parts.
#[derive(Debug)]
pub(in crate::index) struct Layout {
    pub(in crate::index) clock: Clock,
    /// The number of the track that decides where to cut.
    pub(in crate::index) reference: u64,
    /// Where the clusters begin and end.
    pub(in crate::index) begin: u64,
    pub(in crate::index) end: u64,
    pub(in crate::index) marks: Vec<Mark>,
    /// In the order of the film's tracks.
    pub(in crate::index) streams: Vec<Stream>,
    pub(in crate::index) texts: Vec<Text>,
}

/// A key frame with which a segment begins.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct Mark {
    /// In the file's own units.
    pub(in crate::index) time: i64,
    /// Where its cluster begins in the file, and how far into its content the block lies, where
    /// that is known.
    pub(in crate::index) cluster: u64,
    pub(in crate::index) relative: Option<u64>,
}

/// A track.
#[derive(Debug, Clone)]
pub(in crate::index) struct Stream {
    pub(in crate::index) number: u64,
    pub(in crate::index) timescale: u32,
    /// Taken from every time, in units of the timescale: by so much decoders are late.
    pub(in crate::index) late: i64,
    pub(in crate::index) timing: Timing,
}

/// A track of text.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) struct Text {
    pub(in crate::index) number: u64,
    pub(in crate::index) coding: TextCoding,
}

/// How text is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::index) enum TextCoding {
    /// `S_TEXT/UTF8`: as `SubRip` has it.
    Plain,
    /// `S_TEXT/ASS` and `S_TEXT/SSA`: behind other fields, with codes in braces.
    Styled,
}

/// How times are found, in units of a track's timescale.
#[derive(Debug, Clone, Copy)]
pub(in crate::index) enum Timing {
    Pictures {
        /// How much earlier they are decoded than the one that is shown in their turn.
        reordering: i64,
        /// How long one is shown that has no other behind it.
        last: u32,
    },
    Sound {
        /// How long a frame is; 0 where frames differ.
        frame: u32,
        /// Where the grid of frames begins.
        origin: i64,
    },
}

impl Clock {
    /// A time of the file in units of `timescale`, rounded to the nearest.
    pub(in crate::index) fn ticks(self, time: i64, timescale: u32) -> i64 {
        const NANOS: i128 = 1_000_000_000;
        let scaled = i128::from(time) * i128::from(self.0) * i128::from(timescale);
        i64::try_from((2 * scaled + NANOS).div_euclid(2 * NANOS)).unwrap_or(i64::MAX / 4)
    }

    /// The timescale in which the file's own units are whole, if there is one.
    pub(in crate::index) fn timescale(self) -> u32 {
        const OTHER: u32 = 90_000;
        if 1_000_000_000 % self.0 != 0 {
            return OTHER;
        }
        u32::try_from(1_000_000_000 / self.0)
            .ok()
            .filter(|scale| (100..=1_000_000).contains(scale))
            .unwrap_or(OTHER)
    }

    /// Whether a key frame at `time` is that of a mark at `mark`, or behind it.
    pub(in crate::index) fn reaches(self, time: i64, mark: i64) -> bool {
        let slack = SLACK * 1_000_000 / i64::try_from(self.0).unwrap_or(i64::MAX).max(1);
        time.saturating_add(slack) >= mark
    }
}

impl Stream {
    /// When a frame of a block of this time is shown.
    pub(in crate::index) fn time(&self, clock: Clock, time: i64) -> i64 {
        let own = clock.ticks(time, self.timescale) - self.late;
        match self.timing {
            Timing::Sound { frame, origin } => self.on_grid(own, frame.into(), origin),
            Timing::Pictures { .. } => own,
        }
    }

    /// When the last of the `frames` of a block has been shown, which begins at `time` and may tell
    /// how long it lasts.
    pub(in crate::index) fn end(&self, clock: Clock, time: i64, frames: usize, told: Option<u64>) -> i64 {
        let frames = i64::try_from(frames).unwrap_or(1);
        let told = told.and_then(|duration| i64::try_from(duration).ok());
        let span = match (self.timing, told) {
            (Timing::Sound { frame, .. }, _) if frame > 0 => i64::from(frame) * frames,
            (_, Some(told)) => clock.ticks(told, self.timescale),
            (Timing::Pictures { last, .. }, None) => last.into(),
            (Timing::Sound { .. }, None) => 0,
        };
        self.time(clock, time).saturating_add(span)
    }

    /// The next line of the grid, unless that is farther than rounding goes.
    fn on_grid(&self, own: i64, frame: i64, origin: i64) -> i64 {
        let thousandth = i64::from(self.timescale) / 1000;
        if frame < SHORTEST * thousandth || frame == 0 {
            return own;
        }
        let line = origin + (own - origin + frame / 2).div_euclid(frame) * frame;
        if own.abs_diff(line) <= (SLACK * thousandth).unsigned_abs() { line } else { own }
    }
}

impl Layout {
    pub(in crate::index) fn memory(&self) -> usize {
        size_of_val(&self.marks[..]) + size_of_val(&self.streams[..]) + size_of::<Self>()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sound_stands_on_the_grid_of_its_frames() {
        let clock = Clock(1_000_000);
        let stream = |origin| Stream {
            number: 1,
            timescale: 44_100,
            late: 0,
            timing: Timing::Sound { frame: 1024, origin },
        };
        // Stamps of frames of 23.22 ms as a muxer rounds them, for an hour.
        for frame in 0_i64..155_000 {
            let stamp = (frame * 1024 * 1000 + 22_050) / 44_100;
            assert_eq!(stream(0).time(clock, stamp), frame * 1024, "{frame}");
        }
        // Ten milliseconds beside the grid there is a gap.
        assert_eq!(stream(0).time(clock, 23 + 10), 1455);
    }

    #[test]
    fn times_are_rounded_to_the_nearest() {
        assert_eq!(Clock(1_000_000).ticks(1001, 90_000), 90_090);
        assert_eq!(Clock(1_000_000).ticks(-3, 48_000), -144);
        assert_eq!(Clock(333_333).ticks(3, 1000), 1);
        assert_eq!((Clock(1_000_000).timescale(), Clock(333_333).timescale()), (1000, 90_000));
        assert!(Clock(1_000_000).reaches(998, 1000) && !Clock(1_000_000).reaches(997, 1000));
        assert!(Clock(1_000_000_000).reaches(1, 1) && !Clock(1_000_000_000).reaches(0, 1));
    }
}

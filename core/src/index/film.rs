//! A film: what an index knows of it.

use std::time::Duration;

use super::cursor::{Descriptions, Place};
use super::entry::Kind;

/// Units in a second of the times that are told to others.
const MICROS: i128 = 1_000_000;

/// Bytes that describe a sample in a fragment, at most: duration, size, flags, offset, and a run of
/// its own.
const DESCRIPTION: u64 = 16 + 20;

/// Bytes of a fragment's head besides.
const HEAD: u64 = 200;

/// How much earlier than the film a track may end, in hundredths of a second.
const EARLY: i64 = 10;

/// What is known of a file: its tracks, and where each is cut into segments.
///
/// Neither the samples nor what describes them is kept. A [`SampleReader`](super::SampleReader)
/// reads the little that describes one segment.
#[derive(Debug, Clone)]
pub struct Film {
    pub(super) length: u64,
    /// The one that decides where to cut comes first.
    pub(super) tracks: Vec<Track>,
    /// When segments begin, in units of the first track's timescale. The first is the film's begin.
    pub(super) cuts: Vec<i64>,
    /// When the last sample has been shown, of all tracks and of the first.
    pub(super) end: i64,
    pub(super) first_end: i64,
    pub(super) is_interleaved: bool,
    pub(super) left_out: Vec<String>,
}

/// One track.
#[derive(Debug, Clone)]
pub struct Track {
    /// Pictures or sound.
    pub kind: Kind,
    /// As in `CODECS` (RFC 6381).
    pub codec: String,
    /// ISO 639-2, unless it is undetermined.
    pub language: Option<String>,
    /// Units in a second, not zero.
    pub timescale: u32,
    /// Pixels across and down, as the picture is shown; zero of sound.
    pub size: (u32, u32),
    /// Channels of sound; zero of pictures.
    pub channels: u16,
    /// The sample entries as they are sent, and how many they are.
    pub(crate) entries: (u8, Vec<u8>),
    /// The matrix by which the picture is turned (ISO/IEC 14496-12, 8.3.2).
    pub(crate) matrix: Vec<u8>,
    /// What is added to every time of decoding, in units of the timescale, so that none is
    /// negative.
    pub(crate) delay: i64,
    /// What an edit list takes away again: where in these times the film begins.
    pub(crate) begins: i64,
    pub(super) descriptions: Descriptions,
    /// Where each segment begins, and the end of the last.
    pub(super) marks: Vec<Place>,
}

/// Bits a second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Rates {
    /// Of the segment with the most, what describes its samples included at its largest.
    pub peak: u64,
    /// Of all segments.
    pub average: u64,
}

impl Film {
    /// The tracks; the one that decides where segments begin is the first.
    pub fn tracks(&self) -> &[Track] {
        &self.tracks
    }

    /// Bytes of the file.
    pub fn length(&self) -> u64 {
        self.length
    }

    /// How many segments there are: at least one.
    pub fn segments(&self) -> usize {
        self.cuts.len()
    }

    /// Codecs of tracks that cannot be offered in parts, while others can.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// Whether picture and sound lie side by side in the file, so that a segment of all tracks is
    /// one range of it.
    pub fn is_interleaved(&self) -> bool {
        self.is_interleaved
    }

    /// When segment `n` begins, and with it all before have ended; at [`Self::segments`] it is the
    /// end of the film. In microseconds on the film's own clock, rounded down.
    pub fn begin(&self, n: usize) -> u64 {
        let ticks = self.cuts.get(n).copied().unwrap_or(self.end);
        let micros = i128::from(ticks) * MICROS / i128::from(self.tracks[0].timescale);
        u64::try_from(micros).unwrap_or(0)
    }

    /// When segment `n` of the first track begins, in units of its timescale; at
    /// [`Self::segments`], the end of that track.
    pub(crate) fn cut(&self, n: usize) -> i64 {
        self.cuts.get(n).copied().unwrap_or(self.first_end)
    }

    /// How long segment `n` is. The durations of all are that of the film.
    pub fn duration(&self, n: usize) -> Duration {
        Duration::from_micros(self.begin(n + 1).saturating_sub(self.begin(n)))
    }

    /// How long the film is, from the first thing that is shown.
    pub fn total(&self) -> Duration {
        Duration::from_micros(self.begin(self.segments()).saturating_sub(self.begin(0)))
    }

    /// The longest segment.
    pub fn longest(&self) -> Duration {
        (0..self.segments()).map(|n| self.duration(n)).max().unwrap_or_default()
    }

    /// Until when the last sample of a track is held, if segment `n` has it and the film goes on
    /// without the track: some players play no further than where every track has something. In
    /// units of the track's timescale, on the clock of the segments that are sent.
    pub(crate) fn held_until(&self, track: usize, n: usize) -> Option<i64> {
        let track = &self.tracks[track];
        let all = track.marks[self.segments()].samples;
        let has_last = track.marks[n].samples < all && track.marks[n + 1].samples == all;
        let end = convert(self.end, self.tracks[0].timescale, track.timescale).saturating_add(track.begins);
        let early = end.saturating_sub(track.decode_begin(self.segments()));
        (has_last && early > EARLY * i64::from(track.timescale) / 100).then_some(end)
    }

    /// The rates of these tracks together, by their numbers in [`Self::tracks`].
    pub fn rates(&self, tracks: &[usize]) -> Rates {
        let rate = |bytes: u64, span: Duration| {
            u64::try_from(u128::from(bytes) * 8_000_000 / span.as_micros().max(1)).unwrap_or(u64::MAX)
        };
        let mut all = 0;
        let mut peak = 0;
        for n in 0..self.segments() {
            let bytes: u64 = tracks.iter().map(|&track| self.tracks[track].bytes(n)).sum();
            all += bytes;
            peak = peak.max(rate(bytes + HEAD, self.duration(n)));
        }
        Rates { peak, average: rate(all, self.total()) }
    }

    /// Bytes of memory that it takes.
    pub fn memory(&self) -> usize {
        let of =
            |track: &Track| size_of_val(&track.marks[..]) + track.entries.1.capacity() + size_of::<Track>();
        let fragments = self.tracks[0].descriptions.fragments.len() * 16;
        self.tracks.iter().map(of).sum::<usize>() + size_of_val(&self.cuts[..]) + fragments
    }
}

impl Track {
    /// When its first sample of segment `n` is decoded, in units of its timescale, on the clock of
    /// the segments that are sent.
    pub(crate) fn decode_begin(&self, n: usize) -> i64 {
        self.marks[n].decode.saturating_add(self.delay)
    }

    /// How many samples segment `n` has of it.
    pub fn samples(&self, n: usize) -> u32 {
        self.marks[n + 1].samples.saturating_sub(self.marks[n].samples)
    }

    /// How many bytes segment `n` has of it, with what describes them at most.
    fn bytes(&self, n: usize) -> u64 {
        let payload = self.marks[n + 1].bytes.saturating_sub(self.marks[n].bytes);
        payload + u64::from(self.samples(n)) * DESCRIPTION
    }

    pub(super) fn payload(&self, n: usize) -> u64 {
        self.marks[n + 1].bytes.saturating_sub(self.marks[n].bytes)
    }
}

/// A time in units of `from` as one in units of `to`, rounded to the nearest.
pub(super) fn convert(time: i64, from: u32, to: u32) -> i64 {
    let (from, to) = (i128::from(from), i128::from(to));
    let time = (2 * i128::from(time) * to + from).div_euclid(2 * from);
    i64::try_from(time).unwrap_or(if time < 0 { i64::MIN / 4 } else { i64::MAX / 4 })
}

//! A film: what an index knows of it.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::cursor::{Descriptions, Place};
use super::entry::Kind;
use super::layouts::{matroska, transport};
use super::scale::convert;

/// The most bytes and samples of one segment. A film without key frames would be one.
pub(super) const MAX_SEGMENT: u64 = 1 << 30;
pub(super) const MAX_SAMPLES: u32 = 1 << 19;

/// The most bytes of a segment that is put together in memory.
pub(super) const MAX_MADE: u64 = 1 << 26;

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
    pub(super) left_out: Vec<String>,
    pub(super) texts: Vec<TextTrack>,
    pub(super) zero: Zero,
    pub(super) form: Form,
}

/// Where in the times of the segments that are sent the film begins. It is the same for all tracks,
/// at the latest of their own beginnings: some players know nothing of edit lists, and would take
/// picture and sound to be apart by the difference.
#[derive(Debug, Clone, Copy)]
pub(super) struct Zero {
    ticks: i64,
    timescale: u32,
}

/// What kind of file it is, and what of it is needed to read a segment.
#[derive(Debug, Clone)]
pub(super) enum Form {
    /// MP4: what is needed is known of each track.
    Movie,
    Matroska(Arc<matroska::Layout>),
    Transport(Arc<transport::Layout>),
}

/// How much of a track is in each segment.
#[derive(Debug, Clone)]
pub(super) enum Shares {
    /// All samples were counted.
    Counted {
        descriptions: Descriptions,
        /// Where each segment begins, and the end of the last.
        marks: Vec<Place>,
    },
    /// The file tells where segments lie, and not what is in them.
    Estimated {
        /// Bytes of each segment.
        bytes: Vec<u64>,
        /// How long a frame of sound is, in units of the timescale: sound is cut in front of a
        /// frame. 1 of pictures.
        frame: u32,
        /// The first segment with anything of it.
        first: usize,
    },
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
    /// Added to every time of decoding, in units of the timescale, so that none is
    /// negative.
    pub(crate) delay: i64,
    /// Where in these times the film begins.
    pub(crate) begins: i64,
    pub(super) shares: Shares,
}

/// Subtitles in the file, as text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TextTrack {
    /// ISO 639-2, unless it is undetermined.
    pub language: Option<String>,
    /// What people call it.
    pub title: Option<String>,
    /// Whether it is for those parts alone that nobody would understand without.
    pub is_forced: bool,
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

    /// The subtitles in the file that are text.
    pub fn texts(&self) -> &[TextTrack] {
        &self.texts
    }

    /// Whether its segments are put together in memory.
    pub fn is_put_together(&self) -> bool {
        matches!(self.form, Form::Transport(_))
    }

    /// Codecs of tracks that cannot be offered in parts, while others can.
    pub fn left_out(&self) -> &[String] {
        &self.left_out
    }

    /// When segment `n` begins, and with it all before have ended; at [`Self::segments`] it is the
    /// end of the film. In microseconds on the film's own clock, rounded down.
    pub fn begin(&self, n: usize) -> u64 {
        let ticks = self.cuts.get(n).copied().unwrap_or(self.end);
        let micros = i128::from(ticks) * MICROS / i128::from(self.tracks[0].timescale);
        // A time before the film's zero is its beginning.
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

    /// The same, beginning no earlier in the times of its segments than `film`: players go from one
    /// to the other.
    #[must_use]
    pub fn begun_with(self, film: &Self) -> Self {
        // The later one, or a player that goes from one film to the other would meet negative
        // times.
        Self { zero: self.zero.later(film.zero), ..self }
    }

    /// Where the film begins in the times of a track's segments, in units of its timescale: what an
    /// edit list takes away.
    pub(crate) fn zero_on(&self, track: usize) -> i64 {
        let track = &self.tracks[track];
        convert(self.zero.ticks, self.zero.timescale, track.timescale).max(track.begins)
    }

    /// How much later the samples of a track are sent than their own times say, which begin at
    /// [`Track::begins`].
    pub(crate) fn held_back(&self, track: usize) -> i64 {
        self.zero_on(track) - self.tracks[track].begins
    }

    /// When segment `n` begins on the clock of a track, in units of its timescale.
    pub(crate) fn begin_on(&self, track: usize, n: usize) -> i64 {
        let ticks = self.cuts.get(n).copied().unwrap_or(self.end);
        convert(ticks, self.tracks[0].timescale, self.tracks[track].timescale)
    }

    /// When the first sample that segment `n` has of a track is decoded, in units of the track's
    /// timescale, on the track's own clock, which begins at [`Track::begins`]; segments are sent
    /// later by [`Self::held_back`].
    pub(crate) fn decode_begin(&self, track: usize, n: usize) -> i64 {
        let from = &self.tracks[track];
        match &from.shares {
            Shares::Counted { marks, .. } => marks[n].decode.saturating_add(from.delay),
            Shares::Estimated { frame, .. } => {
                // Sound of the segment before goes on until a frame begins behind the cut.
                let begin = self.begin_on(track, n).saturating_add(from.begins);
                // The first segment begins with what there is, wherever its first frame lies.
                let frame = if n == 0 { 1 } else { i64::from(*frame) };
                begin.saturating_add(frame - 1).div_euclid(frame).saturating_mul(frame)
            }
        }
    }

    /// Until when the last sample of a track is held, if segment `n` has it and the film goes on
    /// without the track: some players play no further than where every track has something. In
    /// units of the track's timescale, on the track's own clock, which begins at
    /// [`Track::begins`]; segments are sent later by [`Self::held_back`].
    pub(crate) fn held_until(&self, track: usize, n: usize) -> Option<i64> {
        let (number, track) = (track, &self.tracks[track]);
        let Shares::Counted { marks, .. } = &track.shares else { return None };
        let all = marks[self.segments()].samples;
        let has_last = marks[n].samples < all && marks[n + 1].samples == all;
        let end = convert(self.end, self.tracks[0].timescale, track.timescale).saturating_add(track.begins);
        // A few hundredths are the end of a frame, and no player stops for those.
        let early = end.saturating_sub(self.decode_begin(number, self.segments()));
        (has_last && early > EARLY * i64::from(track.timescale) / 100).then_some(end)
    }

    /// The rates of these tracks together, by their numbers in [`Self::tracks`].
    pub fn rates(&self, tracks: &[usize]) -> Rates {
        // A segment of no length would divide by nothing.
        let rate = |bytes: u64, span: Duration| {
            u64::try_from(u128::from(bytes) * 8_000_000 / span.as_micros().max(1)).unwrap_or(u64::MAX)
        };
        let mut all = 0;
        let mut peak = 0;
        for n in 0..self.segments() {
            let bytes: u64 = tracks.iter().map(|&track| self.tracks[track].bytes(n)).sum();
            all += bytes;
            // The head of a fragment is sent with each segment, however short that is.
            peak = peak.max(rate(bytes + HEAD, self.duration(n)));
        }
        Rates { peak, average: rate(all, self.total()) }
    }

    /// Bytes of memory that it takes.
    pub fn memory(&self) -> usize {
        let of = |track: &Track| track.shares.memory() + track.entries.1.capacity() + size_of::<Track>();
        let form = match &self.form {
            Form::Movie => 0,
            Form::Matroska(layout) => layout.memory(),
            Form::Transport(layout) => layout.memory(),
        };
        let fragments = match &self.tracks[0].shares {
            Shares::Counted { descriptions, .. } => descriptions.fragments.len() * 16,
            Shares::Estimated { .. } => 0,
        };
        self.tracks.iter().map(of).sum::<usize>() + size_of_val(&self.cuts[..]) + fragments + form
    }
}

impl Zero {
    pub(super) fn of(tracks: &[Track]) -> Self {
        let own = tracks.iter().map(|track| Self { ticks: track.begins, timescale: track.timescale });
        own.reduce(Self::later).expect("a film has a track")
    }

    fn later(self, other: Self) -> Self {
        // Multiplied crosswise: the scales differ, and rounding would make equal ones differ.
        let scaled = |a: Self, b: Self| i128::from(a.ticks) * i128::from(b.timescale);
        if scaled(self, other) < scaled(other, self) { other } else { self }
    }
}

impl Shares {
    fn memory(&self) -> usize {
        match self {
            Self::Counted { marks, .. } => size_of_val(&marks[..]),
            Self::Estimated { bytes, .. } => size_of_val(&bytes[..]),
        }
    }
}

impl Track {
    /// How many samples segment `n` has of it; `None` where the file does not tell without being
    /// read.
    pub fn samples(&self, n: usize) -> Option<u32> {
        match &self.shares {
            Shares::Counted { marks, .. } => Some(marks[n + 1].samples.saturating_sub(marks[n].samples)),
            Shares::Estimated { .. } => None,
        }
    }

    /// Whether segment `n` is known to have nothing of it.
    pub fn is_empty(&self, n: usize) -> bool {
        match &self.shares {
            Shares::Counted { .. } => self.samples(n) == Some(0),
            Shares::Estimated { first, .. } => n < *first,
        }
    }

    /// How many bytes segment `n` has of it, with what describes them at most.
    fn bytes(&self, n: usize) -> u64 {
        self.payload(n) + self.samples(n).map_or(0, |samples| u64::from(samples) * DESCRIPTION)
    }

    pub(super) fn payload(&self, n: usize) -> u64 {
        match &self.shares {
            Shares::Counted { marks, .. } => marks[n + 1].bytes.saturating_sub(marks[n].bytes),
            Shares::Estimated { bytes, .. } => bytes[n],
        }
    }
}

/// The bytes of each segment that each track is likely to have, where segments lie between these
/// places of the file. `rates` are bytes in a thousand seconds, the first not needed, and `span` is
/// how long a segment is, in thousandths of a second.
///
/// # Errors
/// When a segment is larger than `most`.
pub(super) fn shares(
    places: &[u64],
    most: u64,
    rates: &[u64],
    span: impl Fn(usize) -> i64,
) -> Result<Vec<Vec<u64>>, Error> {
    let mut all = vec![Vec::with_capacity(places.len()); rates.len()];
    for (n, pair) in places.windows(2).enumerate() {
        // The file says where segments lie; one without key frames would be the whole file.
        let whole = pair[1].saturating_sub(pair[0]);
        if whole > most {
            return Err(Error::TooLarge { what: "bytes between two key frames", limit: most });
        }
        let span = u128::try_from(span(n)).unwrap_or(0);
        let of_rate = |rate: u64| {
            let bytes = u128::from(rate) * span / 1_000_000;
            // What is estimated of a track must not be more than the segment has.
            u64::try_from(bytes).unwrap_or(u64::MAX).min(whole)
        };
        let others: u64 = rates.iter().skip(1).map(|&rate| of_rate(rate)).sum();
        // The pictures have what is left, and not less than some of it.
        all[0].push(whole.saturating_sub(others).max(whole / 8));
        for (bytes, &rate) in all.iter_mut().zip(rates).skip(1) {
            bytes.push(of_rate(rate));
        }
    }
    Ok(all)
}

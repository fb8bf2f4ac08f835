//! A segment: what describes its samples, and where they lie.

use std::ops::Range;

use super::boxes::{boxed, put, versioned};
use super::init::number;
use crate::index::{Film, Kind, Sample, Samples};

/// How much of a segment may be what no track needs, and what describes that samples lie apart, for
/// its samples to be sent as they lie in the file: a fiftieth.
const MOST_WASTE: u64 = 50;

/// Bytes between two samples that are rather sent than left out: heads of blocks.
const GAP: u64 = 128;

/// Bytes that say where a run of samples lies.
const RUN: u64 = 20;

/// Flags of samples (ISO/IEC 14496-12, 8.8.3.1): one depends on none, or on others.
const IS_SYNC: u32 = 0x0200_0000;
const IS_NO_SYNC: u32 = 0x0101_0000;

/// Flags of `tfhd` and `trun`: which fields there are.
const DURATION: u32 = 0x100;
const SIZE: u32 = 0x200;
const FLAGS: u32 = 0x400;
const OFFSET: u32 = 0x800;
const FIRST_FLAGS: u32 = 0x04;
const DATA_OFFSET: u32 = 0x01;

/// A segment as it is sent: the head, and behind it these ranges of the file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Segment {
    /// `styp`, `moof` and the beginning of `mdat`, or all of it.
    pub head: Vec<u8>,
    /// What else is in `mdat`.
    pub ranges: Vec<Range<u64>>,
}

impl Segment {
    /// Bytes of all of it.
    pub fn length(&self) -> u64 {
        let payload: u64 = self.ranges.iter().map(|range| range.end - range.start).sum();
        self.head.len() as u64 + payload
    }
}

/// The samples of a track, and where in the payload they lie.
struct Part<'a> {
    track: usize,
    samples: &'a [Sample],
    /// When the last of them ends, if that is later than it says.
    held_until: Option<i64>,
    runs: Vec<Run>,
}

/// Samples that lie behind each other.
struct Run {
    samples: Range<usize>,
    /// In bytes from the beginning of the payload.
    at: u64,
}

/// The segment `n` of these tracks, of which it has these samples. What does not lie in the file is
/// in the head.
pub fn fragment(film: &Film, n: usize, tracks: &[usize], samples: &Samples) -> Segment {
    let mut segment = described(film, n, tracks, &samples.tracks);
    if let Some(payload) = &samples.payload {
        let place = |at: u64| usize::try_from(at).expect("it is in memory");
        for range in std::mem::take(&mut segment.ranges) {
            segment.head.extend_from_slice(&payload[place(range.start)..place(range.end)]);
        }
    }
    segment
}

fn described(film: &Film, n: usize, tracks: &[usize], samples: &[Vec<Sample>]) -> Segment {
    // Those of one description are one track fragment.
    let parts = || {
        tracks.iter().copied().zip(samples).flat_map(|(track, samples)| {
            let of_one = samples.chunk_by(|a, b| a.description == b.description);
            of_one.map(move |samples| (track, samples))
        })
    };
    let (runs, ranges) = match as_they_lie(samples) {
        Some(ranges) => {
            let places = Places::new(&ranges);
            (parts().map(|(_, samples)| runs_of(samples, |sample| places.of(sample.at))).collect(), ranges)
        }
        None => gathered(parts().map(|(_, samples)| samples)),
    };
    let mut parts: Vec<Part<'_>> = parts()
        .zip::<Vec<Vec<Run>>>(runs)
        .map(|((track, samples), runs)| Part { track, samples, held_until: None, runs })
        .collect();
    for &track in tracks {
        if let Some(last) = parts.iter_mut().rfind(|part| part.track == track) {
            // The last part alone holds on: before it, the next sample says when one ends.
            last.held_until = film.held_until(track, n);
        }
    }
    let payload: u64 = ranges.iter().map(|range| range.end - range.start).sum();
    let head = write_head(film, n, &parts, payload);
    Segment { head, ranges }
}

/// Of a segment of pictures the key frame alone, which is shown as long as the segment.
pub fn key_picture(mut samples: Samples) -> Samples {
    for track in &mut samples.tracks {
        let (Some(&first), Some(last)) = (track.first(), track.last()) else { continue };
        let span = last.decode.saturating_add(last.duration.into()).saturating_sub(first.decode);
        *track = vec![Sample { duration: u32::try_from(span).unwrap_or(first.duration), ..first }];
    }
    samples
}

/// The ranges of the file that have all samples in its own order, if little else is in them.
fn as_they_lie(tracks: &[Vec<Sample>]) -> Option<Vec<Range<u64>>> {
    let mut all: Vec<&Sample> = tracks.iter().flatten().filter(|sample| sample.size > 0).collect();
    // By place: tracks lie interleaved, and one request should read them together.
    all.sort_unstable_by_key(|sample| sample.at);
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let (mut payload, mut sent) = (0, 0);
    for sample in all {
        payload += u64::from(sample.size);
        match ranges.last_mut() {
            // Samples that overlap are in no file that anybody wrote.
            Some(range) if sample.at < range.end => return None,
            Some(range) if sample.at - range.end <= GAP => {
                sent += sample.end() - range.end;
                range.end = sample.end();
            }
            _ => {
                sent += u64::from(sample.size);
                ranges.push(sample.at..sample.end());
            }
        }
    }
    let runs: usize = tracks.iter().map(|samples| runs_of(samples, |sample| sample.at).len()).sum();
    // The first run of each track is there in any case.
    let apart = runs.saturating_sub(tracks.len()) as u64 * RUN;
    (!ranges.is_empty() && sent - payload + apart <= payload / MOST_WASTE).then_some(ranges)
}

/// Where in a payload that is put together from ranges of the file its bytes are: the ranges, each
/// with its place.
struct Places(Vec<(Range<u64>, u64)>);

impl Places {
    fn new(ranges: &[Range<u64>]) -> Self {
        let mut next = 0;
        let place = |range: &Range<u64>| {
            let at = next;
            next += range.end - range.start;
            (range.clone(), at)
        };
        Self(ranges.iter().map(place).collect())
    }

    /// The place of a byte of the file; the nearest of one that is in no range.
    fn of(&self, at: u64) -> u64 {
        let behind = self.0.partition_point(|(range, _)| range.start <= at);
        let (range, place) = &self.0[behind.saturating_sub(1)];
        place + at.clamp(range.start, range.end) - range.start
    }
}

/// Samples behind each other are one run. `place` says where in the payload a sample lies.
fn runs_of(samples: &[Sample], place: impl Fn(&Sample) -> u64) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for (index, sample) in samples.iter().enumerate() {
        match runs.last_mut() {
            Some(run) if samples[index - 1].end() == sample.at => run.samples.end = index + 1,
            _ => runs.push(Run { samples: index..index + 1, at: place(sample) }),
        }
    }
    runs
}

/// All samples of a track behind those of the one before: one run for each, and the ranges that are
/// put together.
fn gathered<'a>(tracks: impl Iterator<Item = &'a [Sample]>) -> (Vec<Vec<Run>>, Vec<Range<u64>>) {
    let mut ranges: Vec<Range<u64>> = Vec::new();
    let (mut runs, mut at) = (Vec::new(), 0);
    for samples in tracks {
        runs.push(vec![Run { samples: 0..samples.len(), at }]);
        for sample in samples.iter().filter(|sample| sample.size > 0) {
            at += u64::from(sample.size);
            match ranges.last_mut() {
                Some(range) if range.end == sample.at => range.end = sample.end(),
                _ => ranges.push(sample.at..sample.end()),
            }
        }
    }
    (runs, ranges)
}

fn write_head(film: &Film, n: usize, parts: &[Part<'_>], payload: u64) -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, *b"styp", |out| out.extend(b"msdh\0\0\0\0msdhmsixcmfsiso6"));
    let moof = out.len();
    // Where the offsets stand that are known when the head is.
    let mut offsets: Vec<(usize, u64)> = Vec::new();
    boxed(&mut out, *b"moof", |out| {
        versioned(out, *b"mfhd", 0, 0, |out| put(out, [u32::try_from(n + 1).unwrap_or(u32::MAX)]));
        for part in parts {
            boxed(out, *b"traf", |out| part.write(film, out, &mut offsets));
        }
    });
    let size = u32::try_from(payload + 8).expect("a segment has a limit of bytes");
    put(&mut out, [size]);
    out.extend(b"mdat");
    // Offsets count from the beginning of `moof`, and its size is known only now.
    let begins = (out.len() - moof) as u64;
    for (at, offset) in offsets {
        let offset = u32::try_from(begins + offset).expect("a segment has a limit of bytes");
        out[at..at + 4].copy_from_slice(&offset.to_be_bytes());
    }
    out
}

impl Part<'_> {
    fn write(&self, film: &Film, out: &mut Vec<u8>, offsets: &mut Vec<(usize, u64)>) {
        const BASE_IS_MOOF: u32 = 0x02_0000;
        const DESCRIPTION: u32 = 0x02;
        let track = &film.tracks()[self.track];
        let durations: Vec<u32> =
            (0..self.samples.len()).map(|index| self.duration(index, track.delay)).collect();
        let others = if track.kind == Kind::Video { IS_NO_SYNC } else { IS_SYNC };
        let has_durations = durations.iter().any(|&duration| duration != durations[0]);
        let has_offsets = self.samples.iter().any(|sample| sample.offset != 0);
        let description = u32::from(self.samples[0].description);
        let fixed = BASE_IS_MOOF | DESCRIPTION | 0x08 | 0x20;
        versioned(out, *b"tfhd", 0, fixed, |out| {
            put(out, [number(self.track), description, durations[0], others]);
        });
        versioned(out, *b"tfdt", 1, 0, |out| {
            let later = track.delay.saturating_add(film.held_back(self.track));
            let decode = self.samples[0].decode.saturating_add(later);
            out.extend(u64::try_from(decode).unwrap_or(0).to_be_bytes());
        });
        for run in &self.runs {
            let flag = |sample: &Sample| if sample.is_sync { IS_SYNC } else { others };
            let samples = &self.samples[run.samples.clone()];
            let first = flag(&samples[0]);
            // The first sample may differ alone, which costs four bytes and not four for each.
            let has_flags = samples[1..].iter().any(|sample| flag(sample) != others);
            let mut flags = DATA_OFFSET | SIZE;
            flags |= if has_durations { DURATION } else { 0 } | if has_offsets { OFFSET } else { 0 };
            flags |= match (has_flags, first == others) {
                (true, _) => FLAGS,
                (false, false) => FIRST_FLAGS,
                (false, true) => 0,
            };
            // Version 1 has offsets with a sign.
            versioned(out, *b"trun", 1, flags, |out| {
                put(out, [u32::try_from(samples.len()).expect("a segment has a limit of samples")]);
                offsets.push((out.len(), run.at));
                put(out, [0]);
                if flags & FIRST_FLAGS != 0 {
                    put(out, [first]);
                }
                for (sample, &duration) in samples.iter().zip(&durations[run.samples.clone()]) {
                    let fields = [
                        (DURATION, duration),
                        (SIZE, sample.size),
                        (FLAGS, flag(sample)),
                        (OFFSET, sample.offset.cast_unsigned()),
                    ];
                    put(
                        out,
                        fields.into_iter().filter(|(field, _)| flags & field != 0).map(|(_, value)| value),
                    );
                }
            });
        }
    }

    /// Until the next one is decoded: where the file has a gap, that is later than this one says.
    fn duration(&self, index: usize, delay: i64) -> u32 {
        let sample = &self.samples[index];
        let next = self.samples.get(index + 1).map(|next| next.decode);
        let end = next.or_else(|| Some(self.held_until?.saturating_sub(delay)));
        let span = end.map(|end| end.saturating_sub(sample.decode));
        span.and_then(|span| u32::try_from(span).ok()).unwrap_or(sample.duration)
    }
}

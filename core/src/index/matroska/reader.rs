//! The samples of one segment.

use std::sync::Arc;

use super::super::film::MAX_SAMPLES;
use super::super::layouts::matroska::{Layout, Stream, Timing};
use super::super::source::{Pause, Source};
use super::super::{Error, Sample};
use super::walk::{Block, Walk};

/// Reads what lies between two key frames.
#[derive(Debug)]
pub(in crate::index) struct Reader {
    layout: Arc<Layout>,
    n: usize,
    walk: Walk,
    phase: Phase,
    tracks: Vec<Collected>,
    /// When the key frame behind the segment is shown, or what is shown before it and decoded
    /// behind it, in units of the reference's timescale.
    next_shown: Option<i64>,
    samples: u32,
}

/// Where in the file the walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Phase {
    /// In front of the segment's key frame.
    Before,
    Inside,
    /// In the next segment, in which sound of this one may lie.
    Behind,
}

/// The frames found of a track.
#[derive(Debug)]
struct Collected {
    stream: usize,
    is_begun: bool,
    is_done: bool,
    samples: Vec<Sample>,
}

impl Reader {
    /// Of segment `n`, and these of the layout's streams.
    pub(in crate::index) fn new(layout: &Arc<Layout>, n: usize, tracks: &[usize]) -> Self {
        let mark = layout.marks[n];
        let walk = if n == 0 {
            // What lies in front of the first key frame is sound of the first segment.
            Walk::new(layout.begin, None, layout.end)
        } else {
            Walk::new(mark.cluster, mark.relative, layout.end)
        };
        let collected =
            |&stream: &usize| Collected { stream, is_begun: false, is_done: false, samples: Vec::new() };
        Self {
            layout: Arc::clone(layout),
            n,
            walk,
            phase: if n == 0 { Phase::Inside } else { Phase::Before },
            tracks: tracks.iter().map(collected).collect(),
            next_shown: None,
            samples: 0,
        }
    }

    /// Goes on until all samples are known: those of each track.
    pub(in crate::index) fn run(&mut self, source: &mut Source) -> Result<Vec<Vec<Sample>>, Pause> {
        while let Some(block) = self.walk.next(source)? {
            self.turn(&block);
            if self.is_done() {
                break;
            }
            if self.phase != Phase::Before {
                self.take(&block)?;
            }
        }
        let layout = Arc::clone(&self.layout);
        let next = self.next_shown;
        let tracks = std::mem::take(&mut self.tracks).into_iter();
        Ok(tracks.map(|track| finish(&layout, &layout.streams[track.stream], track.samples, next)).collect())
    }

    /// A key frame of the reference may begin this segment or the next.
    fn turn(&mut self, block: &Block) {
        if block.track != self.layout.reference || !block.is_key {
            return;
        }
        let reaches = |n: usize| {
            self.layout.marks.get(n).is_some_and(|mark| self.layout.clock.reaches(block.time, mark.time))
        };
        match self.phase {
            Phase::Before if reaches(self.n) => self.phase = Phase::Inside,
            Phase::Inside if reaches(self.n + 1) => self.phase = Phase::Behind,
            // Sound does not lie farther away.
            Phase::Behind if reaches(self.n + 2) => {
                self.tracks.iter_mut().for_each(|track| track.is_done = true);
            }
            _ => {}
        }
    }

    fn is_done(&self) -> bool {
        self.phase == Phase::Behind && self.tracks.iter().all(|track| track.is_done)
    }

    fn take(&mut self, block: &Block) -> Result<(), Pause> {
        let layout = &self.layout;
        let is_wanted = |track: &&mut Collected| layout.streams[track.stream].number == block.track;
        let Some(track) = self.tracks.iter_mut().find(is_wanted) else { return Ok(()) };
        let stream = &layout.streams[track.stream];
        let time = stream.time(layout.clock, block.time);
        // When a segment begins on the clock of the track.
        let begin =
            |n: usize| layout.marks.get(n).map(|mark| layout.clock.ticks(mark.time, stream.timescale));
        let is_reference = block.track == layout.reference;
        match self.phase {
            Phase::Behind if is_reference => {
                // Pictures that are shown before the key frame and decoded behind it come at once.
                let is_first = self.next_shown.is_none();
                track.is_done = !is_first && Some(time) > self.next_shown
                    || matches!(stream.timing, Timing::Sound { .. });
                self.next_shown = Some(self.next_shown.map_or(time, |next| next.min(time)));
                return Ok(());
            }
            Phase::Behind => {
                track.is_done |= begin(self.n + 1).is_some_and(|begin| time >= begin);
                if track.is_done {
                    return Ok(());
                }
            }
            _ if is_reference => {
                track.is_begun |= block.is_key;
            }
            _ => track.is_begun |= self.n == 0 || begin(self.n).is_some_and(|begin| time >= begin),
        }
        if !track.is_begun {
            return Ok(());
        }
        let frames = block.frames.all();
        self.samples += u32::try_from(frames.len()).expect("a block has 256 frames at most");
        if self.samples > MAX_SAMPLES {
            let limit = MAX_SAMPLES.into();
            return Err(Error::TooLarge { what: "samples between two key frames", limit }.into());
        }
        push(track, stream, block, time, layout);
        Ok(())
    }
}

/// Adds the frames of a block. When they are decoded is settled when all are known.
fn push(track: &mut Collected, stream: &Stream, block: &Block, time: i64, layout: &Layout) {
    let frames = block.frames.all();
    let told = block.duration.and_then(|duration| i64::try_from(duration).ok());
    let count = i64::try_from(frames.len()).expect("a block has 256 frames at most");
    let told = told.map(|duration| layout.clock.ticks(duration, stream.timescale) / count);
    let duration = match stream.timing {
        Timing::Sound { frame, .. } if frame > 0 => frame,
        Timing::Sound { .. } => told.and_then(|told| u32::try_from(told).ok()).unwrap_or(0),
        Timing::Pictures { last, .. } => last,
    };
    let mut decode = time;
    for range in frames {
        let size = u32::try_from(range.end - range.start).unwrap_or(u32::MAX);
        track.samples.push(Sample {
            decode,
            offset: 0,
            duration,
            size,
            at: range.start,
            description: 1,
            is_sync: block.is_key,
        });
        decode += i64::from(duration);
    }
}

/// Settles when each sample is decoded and how long it lasts. `next` is what is shown first of the
/// next segment.
fn finish(layout: &Layout, stream: &Stream, mut samples: Vec<Sample>, next: Option<i64>) -> Vec<Sample> {
    if let Timing::Pictures { reordering, .. } = stream.timing {
        let mut shown: Vec<i64> = samples.iter().map(|sample| sample.decode).collect();
        shown.sort_unstable();
        shown.extend(next.filter(|_| stream.number == layout.reference));
        for (index, sample) in samples.iter_mut().enumerate() {
            let decode = shown[index] - reordering;
            sample.offset = i32::try_from(sample.decode - decode).unwrap_or(0);
            sample.decode = decode;
            let span = shown.get(index + 1).map(|next| next - shown[index]);
            sample.duration = span.and_then(|span| u32::try_from(span).ok()).unwrap_or(sample.duration);
        }
        return samples;
    }
    for index in 0..samples.len() {
        let span = samples.get(index + 1).map(|next| next.decode - samples[index].decode);
        let before = if index > 0 { samples[index - 1].duration } else { 0 };
        let sample = &mut samples[index];
        if sample.duration == 0 {
            sample.duration = span.and_then(|span| u32::try_from(span).ok()).unwrap_or(before);
        }
    }
    samples
}

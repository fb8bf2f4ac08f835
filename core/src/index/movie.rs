//! Reads an MP4 file once, and tells what a film it is.

use std::sync::Arc;
use std::time::Duration;

use super::Error;
use super::cursor::{Cursor, Descriptions, Place};
use super::cuts::{Cutter, Follower, Found, MAX_SEGMENTS, Tail};
use super::edits;
use super::entry::{Entry, Kind};
use super::film::{Film, Form, MAX_SAMPLES, MAX_SEGMENT, Shares, Track, Zero};
use super::fragments::Defaults;
use super::outline::{Described, Outline, number, timescale};
use super::scale::convert;
use super::source::{Pause, Source};

/// A film that begins later than this, in seconds, is taken for a piece of a recording whose clock
/// was not set back.
const LATE: i64 = 10;

/// Makes a [`Film`] of an MP4 file.
#[derive(Debug)]
pub(super) struct MovieIndexer {
    /// How long segments are to be.
    segment: Duration,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Outline(Outline),
    Reference(Box<Reference>),
    Others(Box<Others>),
    /// The film or an error was told.
    Done,
}

/// A track on its way to be one of a film.
#[derive(Debug)]
struct Draft {
    entry: Entry,
    timescale: u32,
    language: Option<String>,
    size: (u32, u32),
    channels: u16,
    matrix: Vec<u8>,
    /// Added to its times, in units of its timescale.
    shift: i64,
    descriptions: Descriptions,
}

/// The track that decides is walked.
#[derive(Debug)]
struct Reference {
    /// Those that may still decide, the one at hand first.
    candidates: Vec<Draft>,
    others: Vec<Draft>,
    left_out: Vec<String>,
    cursor: Cursor,
    cutter: Cutter,
}

/// The tracks that follow are walked.
#[derive(Debug)]
struct Others {
    reference: Draft,
    cuts: Vec<Found>,
    /// The end of the track that decides, and when that is.
    end: (Place, i64),
    is_trimmed: bool,
    left: std::vec::IntoIter<Draft>,
    walking: Option<(Draft, Cursor, Follower)>,
    done: Vec<(Draft, Follower, Place)>,
    left_out: Vec<String>,
}

impl MovieIndexer {
    /// For segments that are about so long.
    pub(super) fn new(segment: Duration) -> Self {
        Self { segment, stage: Stage::Outline(Outline::default()) }
    }

    /// Goes on until the film is known.
    pub(super) fn run(&mut self, source: &mut Source) -> Result<Film, Pause> {
        loop {
            match &mut self.stage {
                Stage::Outline(outline) => outline.run(source)?,
                Stage::Reference(reference) => reference.run(source, self.segment)?,
                Stage::Others(others) => others.run(source, self.segment)?,
                Stage::Done => {}
            }
            self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Outline(outline) => Stage::Reference(Box::new(Reference::new(outline, self.segment)?)),
                Stage::Reference(reference) => Stage::Others(Box::new(reference.into_others())),
                Stage::Others(others) => return Ok(others.into_film(source.length())?),
                Stage::Done => unreachable!("nobody goes on behind the end"),
            };
        }
    }
}

impl Draft {
    /// The track, if it has pictures or sound.
    fn new(
        track: Described,
        outline: &Outline,
        fragments: &Arc<[super::outline::Extent]>,
    ) -> Result<Option<Self>, Error> {
        let Some(entry) = Entry::parse(&track.entries, track.handler)? else { return Ok(None) };
        let is_wide = track.header.first() == Some(&1);
        // The wide header has times of 64 bits in front (ISO/IEC 14496-12, 8.3.2).
        let id = number(&track.header, if is_wide { 20 } else { 12 });
        // Behind times, reserved fields, layer and volume: the matrix, then the size.
        let fixed = if is_wide { 52 } else { 40 };
        let size = |at| number(&track.header, fixed + 36 + at) >> 16;
        // A scale of 0 would divide by nothing.
        let timescale = timescale(&track.media).max(1);
        let descriptions = Descriptions {
            track: id,
            entries: entry.count,
            tables: track.tables,
            defaults: Defaults::find(&outline.defaults, id),
            fragments: Arc::clone(fragments),
        };
        Ok(Some(Self {
            channels: if entry.kind == Kind::Audio {
                u16::try_from(number(&entry.bytes, 8 + 16) >> 16).unwrap_or(0)
            } else {
                0
            },
            timescale,
            language: language(&track.media),
            size: (size(0), size(4)),
            matrix: track.header.get(fixed..fixed + 36).unwrap_or_default().to_vec(),
            shift: edits::shift(&track.edits, timescale, outline.timescale),
            descriptions,
            entry,
        }))
    }

    fn cursor(&self) -> Cursor {
        Cursor::new(&self.descriptions, Place::first())
    }

    fn ticks(&self, span: Duration) -> i64 {
        i64::try_from(span.as_micros() * u128::from(self.timescale) / 1_000_000).unwrap_or(i64::MAX)
    }

    /// The track, of a film whose zero is `zero` on its clock.
    fn into_track(self, zero: i64, marks: Vec<Place>) -> Track {
        let shift = self.shift.saturating_sub(zero);
        // Times of decoding must not be negative in `tfdt`, which has no sign.
        let delay = shift.max(0);
        Track {
            kind: self.entry.kind,
            codec: self.entry.codec,
            language: self.language,
            timescale: self.timescale,
            size: self.size,
            channels: self.channels,
            entries: (self.entry.count, self.entry.bytes),
            matrix: self.matrix,
            delay,
            begins: delay - shift,
            shares: Shares::Counted { descriptions: self.descriptions, marks },
        }
    }
}

impl Reference {
    fn new(mut outline: Outline, segment: Duration) -> Result<Self, Error> {
        let fragments = Arc::from(std::mem::take(&mut outline.fragments));
        let (mut video, mut audio, mut left_out, mut refused) = (Vec::new(), Vec::new(), Vec::new(), None);
        for track in std::mem::take(&mut outline.tracks) {
            let is_video = track.handler == *b"vide";
            match Draft::new(track, &outline, &fragments) {
                Ok(Some(draft)) if is_video => video.push(draft),
                Ok(Some(draft)) => audio.push(draft),
                Ok(None) => {}
                // A film without its pictures is none; one without one of its sounds may be.
                Err(error) => match (error, is_video) {
                    (Error::Codec(codec), false) => left_out.push(codec),
                    (error, _) => refused = Some(error),
                },
            }
        }
        if let (Some(error), true) = (refused, video.is_empty()) {
            return Err(error);
        }
        let (mut candidates, others) = if video.is_empty() { (audio, Vec::new()) } else { (video, audio) };
        if candidates.is_empty() {
            return Err(left_out.pop().map_or(Error::NoTrack, Error::Codec));
        }
        // Of sound alone, all tracks are offered: the first decides.
        let others = if candidates[0].entry.kind == Kind::Audio { candidates.split_off(1) } else { others };
        let (cursor, cutter) = begin(&candidates[0], segment);
        Ok(Self { candidates, others, left_out, cursor, cutter })
    }

    fn run(&mut self, source: &mut Source, segment: Duration) -> Result<(), Pause> {
        loop {
            while let Some(sample) = self.cursor.next(source)? {
                self.cutter.handle_sample(&sample, &self.cursor);
                // Within the walk, so that a hostile file stops it early.
                limit(self.cutter.cuts.len())?;
            }
            if !self.cutter.cuts.is_empty() {
                return Ok(());
            }
            // A track without samples decides nothing: the next one does, or the sound.
            self.candidates.remove(0);
            if self.candidates.is_empty() {
                if self.others.is_empty() {
                    return Err(Error::NoSamples.into());
                }
                self.candidates.push(self.others.remove(0));
            }
            (self.cursor, self.cutter) = begin(&self.candidates[0], segment);
        }
    }

    fn into_others(mut self) -> Others {
        let (mut reference, mut cutter) = (self.candidates.swap_remove(0), self.cutter);
        let first = cutter.cuts[0].time;
        if first < 0 {
            // The film begins with the key frame in front of where it was to begin.
            for cut in &mut cutter.cuts {
                cut.time -= first;
            }
            cutter.end -= first;
            for draft in &mut self.others {
                draft.shift -= convert(first, reference.timescale, draft.timescale);
            }
            reference.shift -= first;
        }
        Others {
            end: (self.cursor.place(), cutter.end),
            reference,
            cuts: cutter.cuts,
            is_trimmed: cutter.is_trimmed,
            left: self.others.into_iter(),
            walking: None,
            done: Vec::new(),
            left_out: self.left_out,
        }
    }
}

fn begin(draft: &Draft, segment: Duration) -> (Cursor, Cutter) {
    (draft.cursor(), Cutter::new(draft.ticks(segment), draft.shift))
}

impl Others {
    fn run(&mut self, source: &mut Source, segment: Duration) -> Result<(), Pause> {
        loop {
            if let Some((_, cursor, follower)) = &mut self.walking {
                while let Some(sample) = cursor.next(source)? {
                    follower.handle_sample(&sample, cursor);
                    limit(follower.cuts())?;
                }
            }
            if let Some((draft, cursor, follower)) = self.walking.take() {
                self.finish(draft, &cursor, follower);
            }
            let Some(draft) = self.left.next() else { return Ok(()) };
            let follower = self.follow(&draft, segment);
            let cursor = draft.cursor();
            self.walking = Some((draft, cursor, follower));
        }
    }

    fn follow(&self, draft: &Draft, segment: Duration) -> Follower {
        let convert = |time| convert(time, self.reference.timescale, draft.timescale);
        // The first sound goes on where the pictures end, if it is longer; others are cut as it is.
        let tail = Tail { begins: convert(self.end.1), target: draft.ticks(segment) };
        let tail = self.done.is_empty().then_some(tail);
        Follower::new((draft.shift, draft.timescale), &self.cuts, convert, self.is_trimmed, tail)
    }

    /// A track has come to its end. One without samples is none.
    fn finish(&mut self, draft: Draft, cursor: &Cursor, follower: Follower) {
        if follower.first.is_none() {
            return;
        }
        let place = self.end.0;
        let scale = self.reference.timescale;
        let added: Vec<Found> = follower
            .added(self.cuts.len())
            .iter()
            .map(|&bound| Found { time: convert(bound, draft.timescale, scale), place })
            .collect();
        self.cuts.extend(added);
        self.done.push((draft, follower, cursor.place()));
    }

    fn into_film(self, length: u64) -> Result<Film, Error> {
        let scale = self.reference.timescale;
        let mut cuts: Vec<i64> = self.cuts.iter().map(|cut| cut.time).collect();
        let mut marks: Vec<Place> = self.cuts.iter().map(|cut| cut.place).collect();
        let (mut begin, mut end) = (cuts[0], self.end.1);
        let mut leads = false;
        for (draft, follower, _) in &self.done {
            let here = |time| convert(time, draft.timescale, scale);
            if follower.leads() {
                leads = true;
                begin = begin.min(follower.first.map_or(begin, here).max(0));
            }
            end = end.max(here(follower.end));
        }
        if leads {
            cuts.insert(0, begin);
            marks.insert(0, marks[0]);
        }
        let zero = if begin > LATE * i64::from(scale) { begin } else { 0 };
        for cut in &mut cuts {
            *cut -= zero;
        }
        let count = cuts.len();
        marks.push(self.end.0);
        let mut tracks = vec![self.reference.into_track(zero, marks)];
        for (draft, follower, end) in self.done {
            let zero = convert(zero, scale, draft.timescale);
            tracks.push(draft.into_track(zero, follower.marks(leads, count, end)));
        }
        check(&tracks, count)?;
        let (end, first_end, left_out) = (end - zero, self.end.1 - zero, self.left_out);
        let (zero, texts, form) = (Zero::of(&tracks), Vec::new(), Form::Movie);
        Ok(Film { length, tracks, cuts, end, first_end, left_out, texts, zero, form })
    }
}

/// Times that are told in hostile files would make any number of segments.
fn limit(segments: usize) -> Result<(), Error> {
    if segments <= MAX_SEGMENTS {
        return Ok(());
    }
    Err(Error::TooLarge { what: "segments", limit: MAX_SEGMENTS as u64 })
}

/// No segment is larger than what is sent at once.
fn check(tracks: &[Track], segments: usize) -> Result<(), Error> {
    for n in 0..segments {
        if tracks.iter().map(|track| track.payload(n)).sum::<u64>() > MAX_SEGMENT {
            return Err(Error::TooLarge { what: "bytes between two key frames", limit: MAX_SEGMENT });
        }
        if tracks.iter().any(|track| track.samples(n) > Some(MAX_SAMPLES)) {
            return Err(Error::TooLarge {
                what: "samples between two key frames",
                limit: MAX_SAMPLES.into(),
            });
        }
    }
    Ok(())
}

/// Of a `mdhd` box: three letters of five bits each.
fn language(media: &[u8]) -> Option<String> {
    let at = if media.first() == Some(&1) { 32 } else { 20 };
    let code = number(media, at) >> 16;
    let letter = |shift: u32| char::from_u32(0x60 + (code >> shift & 0x1F)).filter(char::is_ascii_lowercase);
    let text: String = [letter(10)?, letter(5)?, letter(0)?].iter().collect();
    Some(text).filter(|text| text != "und")
}

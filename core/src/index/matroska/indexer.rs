//! Makes a film of a file.

use std::time::Duration;

use super::super::Error;
use super::super::cuts::{LEAD, MAX_SEGMENTS};
use super::super::film::{Film, Form, MAX_SEGMENT, TextTrack, Zero, shares};
use super::super::layouts::matroska::{Clock, Layout, Mark, Stream, Text, TextCoding};
use super::super::scale::convert;
use super::super::source::{Pause, Source};
use super::codec::coded;
use super::ebml::{Element, element, leaf};
use super::head::{self, CuePoint, Encoding, TrackHead, TrackKind};
use super::probed::Probed;
use super::walk::{CLUSTER, Walk};
use crate::segmenter::is_nearest;

const SEGMENT: u32 = 0x1853_8067;
const SEEK_HEAD: u32 = 0x114D_9B74;
const INFO: u32 = 0x1549_A966;
const TRACKS: u32 = 0x1654_AE6B;
const CUES: u32 = 0x1C53_BB6B;
const CUE_POINT: u32 = 0xBB;

/// Blocks of the beginning that are looked at, to know how tracks are coded and how deep pictures
/// are reordered: some seconds of them.
const MAX_PROBE: usize = 6000;

/// Blocks and clusters that are walked where there is no list of key frames: a day of them.
const MAX_SCAN: usize = 1 << 23;

/// Makes a [`Film`] of a Matroska file.
#[derive(Debug)]
pub(in crate::index) struct Indexer {
    segment: Duration,
    stage: Stage,
    found: Found,
}

#[derive(Debug)]
enum Stage {
    /// The head of the file, at this place.
    Top(u64),
    /// The content of the segment, from this place on.
    Head(u64),
    /// The beginning of the media.
    Probe(Walk, usize),
    /// The list of key frames, or its place.
    Cues {
        at: u64,
        end: Option<u64>,
    },
    /// The clusters, one after the other.
    Scan(Walk, usize),
    /// The media behind the last cut.
    Tail(Walk),
    Done,
}

/// The findings so far.
#[derive(Debug)]
struct Found {
    clock: Clock,
    /// Where the content of the segment begins and ends.
    begin: u64,
    end: u64,
    cues: Option<u64>,
    clusters: u64,
    heads: Vec<TrackHead>,
    left_out: Vec<String>,
    texts: Vec<Text>,
    named_texts: Vec<TextTrack>,
    /// The one that decides comes first, once they are settled.
    probed: Vec<Probed>,
    streams: Vec<Stream>,
    marks: Vec<Mark>,
    last_key: i64,
    /// Blocks behind the last cut.
    tail: usize,
}

impl Indexer {
    /// For segments that are about so long.
    pub(in crate::index) fn new(segment: Duration) -> Self {
        let found = Found {
            clock: Clock(1_000_000),
            begin: 0,
            end: 0,
            cues: None,
            clusters: 0,
            heads: Vec::new(),
            left_out: Vec::new(),
            texts: Vec::new(),
            named_texts: Vec::new(),
            probed: Vec::new(),
            streams: Vec::new(),
            marks: Vec::new(),
            last_key: 0,
            tail: 0,
        };
        Self { segment, stage: Stage::Top(0), found }
    }

    /// Goes on until the film is known.
    pub(in crate::index) fn run(&mut self, source: &mut Source) -> Result<Film, Pause> {
        loop {
            let next = match &mut self.stage {
                Stage::Top(at) => self.found.top(source, at)?,
                Stage::Head(at) => self.found.head(source, at)?,
                Stage::Probe(walk, blocks) => self.found.probe(source, walk, blocks)?,
                Stage::Cues { at, end } => self.found.cues(source, at, end, self.segment)?,
                Stage::Scan(walk, blocks) => self.found.scan(source, walk, blocks, self.segment)?,
                Stage::Tail(walk) => {
                    self.found.tail(source, walk)?;
                    Stage::Done
                }
                Stage::Done => unreachable!("nobody goes on behind the end"),
            };
            self.stage = next;
            if matches!(self.stage, Stage::Done) {
                let length = source.length();
                return Ok(self.found.film(length)?);
            }
        }
    }
}

impl Found {
    /// Finds the segment, which has everything.
    fn top(&mut self, source: &mut Source, at: &mut u64) -> Result<Stage, Pause> {
        loop {
            let length = source.length();
            // No segment: it is another kind of file.
            let Some(found) = element(source, *at, length)? else { return Err(Error::NoMovie.into()) };
            if found.id == SEGMENT {
                (self.begin, self.end) = (found.body, found.end.min(length));
                return Ok(Stage::Head(found.body));
            }
            *at = found.end;
        }
    }

    /// Reads what stands in front of the first cluster.
    fn head(&mut self, source: &mut Source, at: &mut u64) -> Result<Stage, Pause> {
        while let Some(found) = element(source, *at, self.end)? {
            match found.id {
                CLUSTER => break,
                SEEK_HEAD => self.cues = head::cues_position(leaf(source, &found)?).or(self.cues),
                INFO => self.clock = Clock(head::scale(leaf(source, &found)?)),
                TRACKS => self.heads = head::tracks(leaf(source, &found)?),
                CUES => self.cues = Some(found.at - self.begin),
                // Void elements and tags may stand anywhere.
                _ => {}
            }
            *at = found.end;
        }
        // From here on, the media is walked cluster by cluster.
        self.clusters = *at;
        self.choose()?;
        Ok(Stage::Probe(Walk::new(self.clusters, None, self.end), 0))
    }

    /// Tells tracks that may be offered from those that may not.
    fn choose(&mut self) -> Result<(), Error> {
        for head in std::mem::take(&mut self.heads) {
            match head.kind() {
                TrackKind::Video | TrackKind::Audio => self.probed.push(Probed::new(head)),
                TrackKind::Subtitle => match (text_coding(&head), &head.encoding) {
                    // Compressed or encrypted text would have to be undone for each line; that is
                    // not offered.
                    (Some(coding), Encoding::Plain) => {
                        self.texts.push(Text { number: head.number, coding });
                        let (language, title, is_forced) = (head.language, head.title, head.is_forced);
                        self.named_texts.push(TextTrack { language, title, is_forced });
                    }
                    _ => self.left_out.push(named(&head)),
                },
                TrackKind::Other => {}
            }
        }
        if self.probed.is_empty() { Err(Error::NoTrack) } else { Ok(()) }
    }

    /// Looks at the beginning of the media: all tracks are to be seen, and some pictures.
    fn probe(&mut self, source: &mut Source, walk: &mut Walk, blocks: &mut usize) -> Result<Stage, Pause> {
        // The limit ends a file in which one track never comes.
        while *blocks < MAX_PROBE && !self.is_probed() {
            let Some(block) = walk.next(source)? else { break };
            *blocks += 1;
            if let Some(track) = self.probed.iter_mut().find(|track| track.head.number == block.track) {
                track.handle_block(&block);
            }
        }
        self.settle()?;
        Ok(match self.cues {
            // The place is told from the beginning of the segment, as Matroska counts.
            Some(at) => Stage::Cues { at: self.begin.saturating_add(at), end: None },
            None => self.scan_from_begin(),
        })
    }

    fn is_probed(&self) -> bool {
        self.probed.iter().all(Probed::is_known)
    }

    /// Chooses what is offered, and what of that decides.
    fn settle(&mut self) -> Result<(), Error> {
        let mut refused = None;
        let (tracks, left_out) = (std::mem::take(&mut self.probed), &mut self.left_out);
        for mut track in tracks {
            if track.first.is_none() {
                continue; // a track without samples is none
            }
            match coded(&track.head, &track.begin) {
                Ok(coded) => {
                    track.coded = Some(coded);
                    self.probed.push(track);
                }
                // A film without its pictures is none; one without one of its sounds may be.
                Err(error) if track.head.kind() == TrackKind::Video => refused = Some(error),
                Err(Error::Codec(codec)) => left_out.push(codec),
                Err(error) => refused = Some(error),
            }
        }
        let is_video = |track: &Probed| track.head.kind() == TrackKind::Video;
        let with_pictures = self.probed.iter().position(is_video);
        if let (Some(error), None) = (refused, with_pictures) {
            return Err(error);
        }
        if self.probed.is_empty() {
            return Err(self.left_out.pop().map_or(Error::NoSamples, Error::Codec));
        }
        // Pictures first, and of several the first alone.
        if let Some(first) = with_pictures {
            let reference = self.probed.remove(first);
            self.probed.retain(|track| !is_video(track));
            self.probed.insert(0, reference);
        }
        self.streams = self.probed.iter().map(|track| track.stream(self.clock)).collect();
        let reference = &self.probed[0];
        let is_shown = reference.head.kind() == TrackKind::Video;
        // Pictures begin with the first that can be decoded.
        let begin = if is_shown { reference.shown.first().copied() } else { reference.first };
        let Some(time) = begin else { return Err(Error::NoSamples) };
        self.marks.push(Mark { time, cluster: self.clusters, relative: None });
        self.last_key = time;
        Ok(())
    }

    /// Reads the list of key frames, one after the other.
    fn cues(
        &mut self,
        source: &mut Source,
        at: &mut u64,
        end: &mut Option<u64>,
        segment: Duration,
    ) -> Result<Stage, Pause> {
        loop {
            let Some(limit) = *end else {
                let list = element(source, *at, self.end)?;
                // The place may be wrong in a file that was cut or repaired.
                let Some(list) = list.filter(|list| list.id == CUES) else {
                    return Ok(self.scan_from_begin());
                };
                (*at, *end) = (list.body, Some(list.end.min(self.end)));
                continue;
            };
            // A point that runs over the list is a damaged one.
            let point: Option<Element> = element(source, *at, limit)?.filter(|point| point.end <= limit);
            let Some(point) = point else { break };
            if point.id == CUE_POINT {
                let track = self.probed[0].head.number;
                if let Some(found) = head::cue_point(leaf(source, &point)?, track) {
                    self.handle_cue(found, segment)?;
                }
            }
            *at = point.end;
        }
        // A list that names nothing but the beginning says nothing of a long film.
        Ok(if self.marks.len() > 1 { self.tail_walk() } else { self.scan_from_begin() })
    }

    fn handle_cue(&mut self, cue: CuePoint, segment: Duration) -> Result<(), Error> {
        let cluster = self.begin.saturating_add(cue.cluster);
        // A place behind the end is that of a file that is not all there.
        if cluster < self.end {
            self.handle_key(Mark { time: cue.time, cluster, relative: cue.relative }, segment)?;
        }
        Ok(())
    }

    /// A key frame behind those before: a cut, if it is the nearest to where one is wanted.
    fn handle_key(&mut self, mark: Mark, segment: Duration) -> Result<(), Error> {
        let last = self.marks.last().expect("the first picture is a mark").time;
        let target = i64::try_from(segment.as_nanos() / u128::from(self.clock.0)).unwrap_or(i64::MAX);
        let (elapsed, gop) = (mark.time - last, mark.time - self.last_key);
        // In front of what was there, it is one that was found already.
        if gop <= 0 {
            return Ok(());
        }
        self.last_key = mark.time;
        if elapsed > 0 && is_nearest(elapsed, gop, target) {
            self.marks.push(mark);
        }
        if self.marks.len() > MAX_SEGMENTS {
            return Err(Error::TooLarge { what: "segments", limit: MAX_SEGMENTS as u64 });
        }
        Ok(())
    }

    fn scan_from_begin(&mut self) -> Stage {
        // The list may have named some cuts before it turned out to be useless.
        self.marks.truncate(1);
        self.last_key = self.marks[0].time;
        Stage::Scan(Walk::new(self.clusters, None, self.end), 0)
    }

    /// Looks for key frames at the beginnings of clusters, and within those that begin otherwise.
    fn scan(
        &mut self,
        source: &mut Source,
        walk: &mut Walk,
        blocks: &mut usize,
        segment: Duration,
    ) -> Result<Stage, Pause> {
        let number = self.probed[0].head.number;
        while let Some(block) = walk.next(source)? {
            *blocks += 1;
            if *blocks > MAX_SCAN {
                let what = "blocks in a file without a list of key frames";
                return Err(Error::TooLarge { what, limit: MAX_SCAN as u64 }.into());
            }
            if block.track == number && block.is_key {
                let (cluster, relative) = walk.place(block.at);
                self.handle_key(Mark { time: block.time, cluster, relative: Some(relative) }, segment)?;
                // One key frame is enough of each: the rest of a cluster would have to be read for
                // nothing.
                walk.skip_cluster();
            }
        }
        Ok(self.tail_walk())
    }

    /// The media behind the last cut tells when the film ends.
    fn tail_walk(&self) -> Stage {
        let last = self.marks.last().expect("the first picture is a mark");
        Stage::Tail(Walk::new(last.cluster, None, self.end))
    }

    fn tail(&mut self, source: &mut Source, walk: &mut Walk) -> Result<(), Pause> {
        while let Some(block) = walk.next(source)? {
            self.tail += 1;
            if self.tail > MAX_SCAN {
                let what = "blocks behind the last key frame";
                return Err(Error::TooLarge { what, limit: MAX_SCAN as u64 }.into());
            }
            let tracks = self.probed.iter_mut().zip(&self.streams);
            for (track, stream) in tracks.filter(|(track, _)| track.head.number == block.track) {
                let frames = block.frames.all().len();
                let end = stream.end(self.clock, block.time, frames, block.duration);
                track.end = track.end.max(end);
            }
        }
        Ok(())
    }

    /// The film, of which everything is known.
    fn film(&mut self, length: u64) -> Result<Film, Error> {
        self.lead_in();
        let (clock, marks, streams) = (self.clock, std::mem::take(&mut self.marks), &self.streams);
        let scale = streams[0].timescale;
        let zero = |stream: &Stream| clock.ticks(marks[0].time, stream.timescale);
        let cuts: Vec<i64> =
            marks.iter().map(|mark| clock.ticks(mark.time, scale) - zero(&streams[0])).collect();
        let ends = self.probed.iter().zip(streams).map(|(track, stream)| {
            // A track that has ended before the last cut ends there at the latest.
            let end = if track.end == i64::MIN { zero(stream) } else { track.end };
            convert(end - zero(stream), stream.timescale, scale)
        });
        let ends: Vec<i64> = ends.collect();
        let last = cuts.last().copied().unwrap_or(0);
        // At least one unit, or the last segment would have no length.
        let end = ends.iter().copied().max().unwrap_or(0).max(last + 1);
        let rates = self.probed.iter().map(|track| track.rate(clock)).collect::<Vec<_>>();
        let place = |mark: &Mark| mark.cluster.saturating_add(mark.relative.unwrap_or(0));
        let places: Vec<u64> = marks.iter().map(place).chain([self.end]).collect();
        let bytes = shares(&places, MAX_SEGMENT, &rates, |n| {
            let next = cuts.get(n + 1).copied().unwrap_or(end);
            convert(next - cuts[n], scale, 1000)
        })?;
        // Sound alone may stand in front of the first picture.
        let first = usize::from(marks.len() > 1 && marks[0].time < self.probed[0].first_shown());
        let mut tracks = Vec::new();
        for ((track, stream), bytes) in self.probed.drain(..).zip(streams).zip(bytes) {
            let first = if tracks.is_empty() { first } else { 0 };
            tracks.push(track.into_track(clock, stream, zero(stream), bytes, first));
        }
        let layout = Layout {
            clock,
            reference: streams[0].number,
            begin: self.clusters,
            end: self.end,
            marks,
            streams: streams.clone(),
            texts: std::mem::take(&mut self.texts),
        };
        let texts = std::mem::take(&mut self.named_texts);
        let (first_end, left_out) = (ends[0].max(last + 1), std::mem::take(&mut self.left_out));
        let form = Form::Matroska(layout.into());
        let zero = Zero::of(&tracks);
        Ok(Film { length, tracks, cuts, end, first_end, left_out, texts, zero, form })
    }

    /// Sound that begins much earlier than the pictures is a segment of its own.
    fn lead_in(&mut self) {
        let first = self.marks[0];
        let lead = |track: &Probed| track.first.map(|time| time - track.late(self.clock));
        let Some(begin) = self.probed.iter().skip(1).filter_map(lead).min() else { return };
        let nanos = i128::from(first.time - begin) * i128::from(self.clock.0);
        if nanos >= i128::from(LEAD) * 10_000_000 {
            self.marks.insert(0, Mark { time: begin, cluster: self.clusters, relative: None });
        }
    }
}

/// How a track of text is written; `None` of pictures, and of what nobody writes.
fn text_coding(head: &TrackHead) -> Option<TextCoding> {
    match head.codec.as_str() {
        "S_TEXT/UTF8" => Some(TextCoding::Plain),
        "S_TEXT/ASS" | "S_TEXT/SSA" | "S_ASS" | "S_SSA" => Some(TextCoding::Styled),
        _ => None,
    }
}

/// What a track that is not offered is called.
fn named(head: &TrackHead) -> String {
    match &head.language {
        Some(language) => format!("{} ({language})", head.codec),
        None => head.codec.clone(),
    }
}

//! Makes a film of a file.

use std::sync::Arc;
use std::time::Duration;

use super::super::Error;
use super::super::cuts::MAX_SEGMENTS;
use super::super::entry::Kind;
use super::super::film::{Film, Form, MAX_MADE, Shares, Track, Zero, shares};
use super::super::layouts::transport::{FAR, Layout, Mark, Stream};
use super::super::scale::convert;
use super::super::source::{Lane, Pause, Source};
use super::codec::{Coded, is_picture, is_sound, pictures, sound};
use super::keys::Keys;
use super::packets::Packets;
use super::sound::Frames;
use crate::remux::access_unit;
use crate::segmenter::is_nearest;
use crate::time::Pts;
use crate::ts::demux::{Demux, Role};
use crate::ts::packet::{Packet, Pid};
use crate::ts::pes::Header;
use crate::ts::random_access::{Scan, Verdict};
use crate::ts::stream::{Class, Codec, language};

/// Bytes that are read at once: several groups of pictures of television.
const STRETCH: u64 = 128 * 1024;

/// Bytes in which a programme, its key frames and its sound have to be seen: a minute of
/// television.
const MAX_HEAD: u64 = 64 << 20;

/// Bytes of a stream's PES packet that are put together to see how it is coded.
const MAX_PES: usize = 4 << 20;

/// Key frames farther apart than this, in ticks of 90 kHz, are on two clocks.
const JUMP: i64 = 60 * 90_000;

/// Makes a [`Film`] of a transport stream.
#[derive(Debug)]
pub(in crate::index) struct Indexer {
    /// In ticks of 90 kHz.
    segment: i64,
    stride: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    Head(Box<Head>),
    Cuts(Box<Cuts>),
    Done,
}

/// The beginning of the file, up to where all streams are known.
#[derive(Debug)]
struct Head {
    at: u64,
    demux: Demux,
    streams: Vec<Found>,
    left_out: Vec<String>,
    /// The first key frame.
    first: Option<Mark>,
}

/// A stream of the programme.
#[derive(Debug)]
struct Found {
    /// Its place in the map.
    index: usize,
    pid: Pid,
    codec: Codec,
    language: Option<String>,
    pes: Vec<u8>,
    pes_at: u64,
    is_hinted: bool,
    coded: Option<Coded>,
    /// Of sound, when its first frame behind the first key frame is shown.
    first: Option<Pts>,
    bytes: u64,
}

/// Key frames are looked for.
#[derive(Debug)]
struct Cuts {
    streams: Vec<Found>,
    left_out: Vec<String>,
    marks: Vec<Mark>,
    keys: Keys,
    at: u64,
    search: Search,
    /// The key frame before, and the longest way from one to the next so far.
    last_key: i64,
    gop: i64,
    /// Bytes of the whole stream in a second, as far as is known.
    rate: u64,
    /// Bytes in which those of each stream were counted.
    head: u64,
}

/// How key frames are looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Search {
    /// One after the other.
    Through,
    /// Where the next cut should be.
    Ahead,
}

impl Indexer {
    /// For segments that are about so long.
    pub(in crate::index) fn new(segment: Duration, stride: usize) -> Self {
        let segment = i64::try_from(segment.as_micros() * 9 / 100).unwrap_or(i64::MAX);
        let head =
            Head { at: 0, demux: Demux::new(None), streams: Vec::new(), left_out: Vec::new(), first: None };
        Self { segment, stride, stage: Stage::Head(Box::new(head)) }
    }

    /// Goes on until the film is known.
    pub(in crate::index) fn run(&mut self, source: &mut Source) -> Result<Film, Pause> {
        loop {
            match &mut self.stage {
                Stage::Head(head) => head.run(source, self.stride)?,
                Stage::Cuts(cuts) => cuts.run(source, self.stride, self.segment)?,
                Stage::Done => unreachable!("nobody goes on behind the end"),
            }
            self.stage = match std::mem::replace(&mut self.stage, Stage::Done) {
                Stage::Head(head) => Stage::Cuts(Box::new(head.into_cuts()?)),
                Stage::Cuts(cuts) => return Ok(cuts.into_film(source.length(), self.stride)?),
                Stage::Done => unreachable!("nobody goes on behind the end"),
            };
        }
    }
}

/// The stretch of the file at `at`.
fn stretch(source: &mut Source, at: u64) -> Result<&[u8], Pause> {
    let size = STRETCH.min(source.length().saturating_sub(at));
    source.get(Lane::Boxes, at, usize::try_from(size).expect("it is short"), at + size)
}

impl Head {
    fn run(&mut self, source: &mut Source, stride: usize) -> Result<(), Pause> {
        while self.at < source.length().min(MAX_HEAD) && !self.is_known() {
            let from = self.at;
            let bytes = stretch(source, from)?;
            let mut packets = Packets::new(bytes, stride);
            for (place, packet) in packets.by_ref() {
                self.take(from + place as u64, Packet::new(packet));
            }
            let passed = packets.passed() as u64;
            self.at = if passed == 0 { u64::MAX } else { from + passed };
        }
        if self.at >= source.length() {
            // Of a short file, all is known now.
            (0..self.streams.len()).for_each(|place| self.finish(place));
        }
        Ok(())
    }

    fn is_known(&self) -> bool {
        let is_seen =
            |stream: &Found| stream.coded.is_some() && (is_picture(stream.codec) || stream.first.is_some());
        self.first.is_some() && self.streams.iter().all(is_seen)
    }

    fn take(&mut self, at: u64, packet: Packet<'_>) {
        let index = match self.demux.handle_packet(packet) {
            (Role::Changed, _) => return self.handle_map(),
            (Role::Stream(index), _) if !packet.is_scrambled() => index,
            _ => return,
        };
        let Some(place) = self.streams.iter().position(|stream| stream.index == index) else { return };
        let stream = &mut self.streams[place];
        let Some(payload) = packet.payload() else { return };
        if self.first.is_some() {
            stream.bytes += payload.len() as u64;
        }
        if packet.starts_unit() {
            self.finish(place);
            let stream = &mut self.streams[place];
            (stream.pes_at, stream.is_hinted) = (at, packet.hints_random_access());
            stream.pes.extend_from_slice(payload);
        } else if !stream.pes.is_empty() && stream.pes.len() < MAX_PES {
            stream.pes.extend_from_slice(payload);
        }
    }

    /// A PES packet is complete, if there is one.
    fn finish(&mut self, place: usize) {
        let has_pictures = self.streams.iter().any(|stream| is_picture(stream.codec));
        let is_reference = place == self.reference();
        let stream = &mut self.streams[place];
        let pes = std::mem::take(&mut stream.pes);
        let Some(header) = Header::parse(&pes) else { return };
        let is_key = stream.look(&header, pes.get(header.payload_at..).unwrap_or_default());
        let begins =
            is_reference && self.first.is_none() && (is_key || !has_pictures) && stream.coded.is_some();
        if let (true, Some(shown), Some(decoded)) = (begins, header.pts, header.decode_time()) {
            self.first = Some(Mark { at: stream.pes_at, shown, decoded, time: 0 });
            for other in self.streams.iter_mut().filter(|stream| is_picture(stream.codec) || has_pictures) {
                other.first = None;
            }
        }
    }

    /// The stream that decides.
    fn reference(&self) -> usize {
        self.streams.iter().position(|stream| is_picture(stream.codec)).unwrap_or(0)
    }

    fn handle_map(&mut self) {
        // The first map counts: another programme behind it is another film.
        let Some(map) = self.demux.program().filter(|_| self.first.is_none()) else { return };
        let (mut streams, mut left_out) = (Vec::new(), Vec::new());
        for (index, named) in map.streams.iter().enumerate() {
            let codec = Codec::of(named);
            let letters = language(&named.descriptors).filter(|letters| letters != b"und");
            let letters = letters.and_then(|letters| String::from_utf8(letters.to_ascii_lowercase()).ok());
            if is_picture(codec) || is_sound(codec) {
                streams.push(Found {
                    index,
                    pid: named.pid,
                    codec,
                    language: letters,
                    pes: Vec::new(),
                    pes_at: 0,
                    is_hinted: false,
                    coded: None,
                    first: None,
                    bytes: 0,
                });
            } else if !matches!(codec.class(), Class::Data | Class::Sections) {
                let language = letters.map_or_else(String::new, |letters| format!(" ({letters})"));
                left_out.push(format!("{codec}{language}"));
            }
        }
        (self.streams, self.left_out) = (streams, left_out);
    }

    fn into_cuts(mut self) -> Result<Cuts, Error> {
        // A film without its pictures is none.
        let is_film = self.streams.iter().any(|stream| is_picture(stream.codec));
        if let (false, Some(codec)) = (is_film, self.left_out.iter().find(|name| name.contains("video"))) {
            return Err(Error::Codec(codec.clone()));
        }
        let Some(first) = self.first else {
            let is_scrambled = self.demux.counts().scrambled > 0;
            let named = self.left_out.pop().or_else(|| Some(self.streams.first()?.codec.to_string()));
            return Err(match (is_scrambled, named) {
                (true, _) => Error::Encrypted,
                (_, Some(codec)) if !is_film => Error::Codec(codec),
                (_, None) => Error::NoTrack,
                _ => Error::NoSamples,
            });
        };
        let reference = self.reference();
        let mut streams = std::mem::take(&mut self.streams);
        let first_stream = streams.remove(reference);
        let mut kept = vec![first_stream];
        for stream in streams {
            if stream.coded.is_some() && stream.first.is_some() && !is_picture(stream.codec) {
                kept.push(stream);
            } else if stream.bytes > 0 {
                self.left_out.push(stream.codec.to_string());
            }
        }
        Ok(Cuts {
            keys: Keys::new(kept[0].codec, is_film),
            streams: kept,
            left_out: self.left_out,
            marks: vec![first],
            at: first.at,
            search: Search::Through,
            last_key: 0,
            gop: 0,
            rate: 0,
            head: self.at.min(MAX_HEAD).saturating_sub(first.at).max(1),
        })
    }
}

impl Found {
    /// Looks at a whole PES packet; whether it is a key frame.
    fn look(&mut self, header: &Header, content: &[u8]) -> bool {
        if is_picture(self.codec) {
            let is_key =
                matches!(Scan::new(self.codec, self.is_hinted).push(content), Verdict::RandomAccess(_));
            if is_key && self.coded.is_none() {
                self.coded = pictures(self.codec, content).ok();
            }
            return is_key;
        }
        if self.coded.is_none() {
            // Frames that are followed by another are frames.
            let places = 0..content.len().min(16 * 1024);
            let found = places.into_iter().find_map(|at| {
                let (length, _) = access_unit(self.codec, &content[at..])?;
                let next = content.get(at + length..).unwrap_or_default();
                (next.is_empty() || access_unit(self.codec, next).is_some() || next.len() < length)
                    .then(|| sound(self.codec, &content[at..]))?
            });
            self.coded = found.and_then(Result::ok);
        }
        if self.first.is_none() {
            let first = &mut self.first;
            Frames::new(self.codec).push(header.pts, content, |frame| {
                first.get_or_insert(frame.shown);
            });
        }
        false
    }
}

impl Cuts {
    fn run(&mut self, source: &mut Source, stride: usize, segment: i64) -> Result<(), Pause> {
        let pid = self.streams[0].pid;
        while self.at < source.length() {
            let from = self.at;
            let bytes = stretch(source, from)?;
            let mut packets = Packets::new(bytes, stride);
            let mut jump = None;
            for (place, packet) in packets.by_ref() {
                let packet = Packet::new(packet);
                if packet.pid() != pid || packet.is_damaged() {
                    continue;
                }
                if let Some(key) = self.keys.push(from + place as u64, packet) {
                    jump = self.handle_key(key, segment)?;
                    if jump.is_some() {
                        break;
                    }
                }
            }
            let passed = packets.passed() as u64;
            match jump {
                // What lies up to there is not read.
                Some(to) => {
                    self.at = to;
                    self.keys.reset();
                }
                None if passed == 0 => break,
                None => self.at = from + passed,
            }
            if self.at >= source.length() && self.search == Search::Ahead {
                // The end is nearer than the next cut: what lies before it is read after all.
                self.go_back();
            }
        }
        Ok(())
    }

    /// Looks through what was left out.
    fn go_back(&mut self) {
        self.search = Search::Through;
        let last = self.marks.last().expect("the first key frame is one");
        (self.at, self.last_key) = (last.at, last.time);
        self.keys.reset();
    }

    /// A key frame; where to go on, if not behind it.
    fn handle_key(&mut self, key: Mark, segment: i64) -> Result<Option<u64>, Error> {
        let last = *self.marks.last().expect("the first key frame is one");
        if key.at <= last.at {
            return Ok(None);
        }
        let since = key.shown.since(last.shown);
        match self.search {
            Search::Ahead => {
                // It is where it should be, or the clock has jumped or the rate has changed.
                if !(segment / 2..2 * segment).contains(&since) {
                    self.go_back();
                    return Ok(Some(self.at));
                }
                self.cut(Mark { time: last.time + since, ..key })?;
                Ok(self.ahead(&key, segment))
            }
            Search::Through => {
                let time = last.time + since;
                let gop = time - self.last_key;
                if !(0..JUMP).contains(&gop) {
                    // Another clock: the film goes on behind what was shown.
                    self.keys.begin(&key);
                    let shown = self.keys.span.clamp(1, 90_000);
                    self.cut(Mark { time: self.last_key + self.gop.max(shown), ..key })?;
                    return Ok(None);
                }
                self.last_key = time;
                self.gop = self.gop.max(gop);
                if time > last.time && is_nearest(time - last.time, gop, segment) {
                    let bytes = key.at - last.at;
                    self.rate = bytes * 90_000 / (time - last.time).unsigned_abs().max(1);
                    self.cut(Mark { time, ..key })?;
                    return Ok(self.ahead(&key, segment));
                }
                Ok(None)
            }
        }
    }

    fn cut(&mut self, mark: Mark) -> Result<(), Error> {
        if self.marks.len() > MAX_SEGMENTS {
            return Err(Error::TooLarge { what: "segments", limit: MAX_SEGMENTS as u64 });
        }
        self.last_key = mark.time;
        self.marks.push(mark);
        Ok(())
    }

    /// Where the next cut should be, less a group of pictures; `None` where that is too near for a
    /// leap.
    fn ahead(&mut self, key: &Mark, segment: i64) -> Option<u64> {
        let wait = (segment - self.gop * 3 / 4).max(0).unsigned_abs();
        let leap = u64::try_from(u128::from(self.rate) * u128::from(wait) / 90_000).unwrap_or(0);
        // Without pictures there is nothing to be looked for: all is read.
        if leap < 2 * STRETCH || !is_picture(self.streams[0].codec) {
            self.search = Search::Through;
            return None;
        }
        self.search = Search::Ahead;
        Some(key.at.saturating_add(leap))
    }

    fn into_film(self, length: u64, stride: usize) -> Result<Film, Error> {
        let last = self.marks.last().expect("the first key frame is one");
        // What came last was read through.
        let shown = self.keys.latest.and_then(|pts| last.place(pts)).unwrap_or(last.time).max(last.time);
        let span = if (1..90_000).contains(&self.keys.span) { self.keys.span } else { 3600 };
        let end = shown + span;
        let first = self.marks[0];
        let cuts: Vec<i64> = self.marks.iter().map(|mark| mark.time).collect();
        let scale = |coded: &Coded| if coded.rate > 0 { coded.rate } else { 90_000 };
        let streams: Vec<Stream> = self
            .streams
            .iter()
            .map(|stream| {
                let coded = stream.coded.as_ref().expect("only what is known is kept");
                let begins = stream.first.map_or(0, |pts| pts.since(first.shown));
                Stream {
                    pid: stream.pid,
                    codec: stream.codec,
                    sets: coded.sets.clone(),
                    timescale: scale(coded),
                    frame: if coded.frame > 0 { coded.frame } else { u32::try_from(span).unwrap_or(3600) },
                    origin: convert(begins, 90_000, scale(coded)),
                }
            })
            .collect();
        let places: Vec<u64> = self.marks.iter().map(|mark| mark.at).chain([length]).collect();
        let rate = |stream: &Found| {
            let all = u128::from(stream.bytes) * u128::from(self.rate) * 1000 / u128::from(self.head);
            u64::try_from(all).unwrap_or(u64::MAX)
        };
        let rates: Vec<u64> = self.streams.iter().map(rate).collect();
        let reference = streams[0].timescale;
        let bytes = shares(&places, MAX_MADE, &rates, |n| {
            convert(cuts.get(n + 1).copied().unwrap_or(end) - cuts[n], 90_000, 1000)
        })?;
        let to_reference = |time: i64| convert(time, 90_000, reference);
        let mut tracks = Vec::new();
        for ((found, stream), bytes) in self.streams.into_iter().zip(&streams).zip(bytes) {
            let coded = found.coded.expect("only what is known is kept");
            let is_video = coded.entry.kind == Kind::Video;
            // Earlier than shown, the first picture is decoded; sound may begin in front of it.
            let early = if is_video {
                first.shown.since(first.decoded).clamp(0, FAR)
            } else {
                (-stream.origin).max(0)
            };
            tracks.push(Track {
                kind: coded.entry.kind,
                codec: coded.entry.codec,
                language: found.language,
                timescale: stream.timescale,
                size: coded.size,
                channels: coded.channels,
                entries: (coded.entry.count, coded.entry.bytes),
                matrix: Vec::new(),
                delay: early,
                begins: early,
                shares: Shares::Estimated { bytes, frame: if is_video { 1 } else { stream.frame }, first: 0 },
            });
        }
        let layout = Layout { stride, end: length, marks: self.marks, streams };
        let zero = Zero::of(&tracks);
        Ok(Film {
            length,
            tracks,
            cuts: cuts.into_iter().map(to_reference).collect(),
            end: to_reference(end),
            first_end: to_reference(end),
            left_out: self.left_out,
            texts: Vec::new(),
            zero,
            form: Form::Transport(Arc::new(layout)),
        })
    }
}

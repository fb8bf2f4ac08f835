//! What an HLS source may send besides one transport stream, as one transport stream.
//!
//! Sources send fragmented MP4, bare frames of sound, and sound as a rendition of its own; players
//! of a relay's output know one transport stream. [`cover`] finds a picture that hides a segment,
//! [`sniff`] says what a segment is, and a [`Remuxer`] takes segments of one or two renditions,
//! already decrypted, and gives packets that the splice stage takes like those of any source.
//! Elementary streams pass bit by bit, apart from what a container says in other words: start codes
//! and parameter sets in front of pictures, headers in front of frames of AAC.
//!
//! - **The source's timeline is kept**, moved by one constant, so that the clock, which runs ahead,
//!   does not wrap where it begins at zero. At a discontinuity, [`Remuxer::reset`] begins another.
//! - **With an audio rendition, everything goes out in the order of its decoding**, whichever
//!   rendition comes first and wherever its segments end. What one is ahead of the other is held
//!   back, up to a limit of time and bytes; then the other is no longer waited for.
//! - **What is damaged is left out** and told as an error; what is whole in the same segment
//!   passes.

mod audio_stream;
mod cover;
mod error;
mod id3;
pub(crate) mod language;
mod merge;
pub(crate) mod mp4;
mod mux;
mod packed;
mod sniff;
#[cfg(test)]
mod tests;
mod transport;

pub use self::audio_stream::{AudioStream, find_frames};
pub use self::cover::{Cover, Format, MAX_COVER, cover};
pub use self::error::{Error, Reason};
pub use self::id3::{length as id3_length, whole as id3_whole};
pub use self::merge::{Extent, Pairing};
pub(crate) use self::packed::access_unit;
pub use self::sniff::{Content, sniff};

use std::time::Duration;

use self::merge::Merge;
use self::mux::{Item, Mux};
use crate::time::{MediaTime, Pts};
use crate::ts::packet::Bytes;
use crate::ts::packet::Pid;
use crate::ts::pes;
use crate::ts::psi::PmtStream;
use crate::ts::stream::{Class, Codec};

/// Added to every time, in ticks of 90 kHz: 2 s, more than the clock runs ahead and any
/// edit list takes away.
pub const SHIFT: i64 = 180_000;

/// Whose bytes they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rendition {
    /// The variant's own: pictures, and mostly sound.
    Main,
    /// Sound that comes by a playlist of its own (`EXT-X-MEDIA`).
    Audio,
}

/// Counts over a remuxer's life.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// PES packets that went out without the other rendition, which had been waited for too long.
    pub unmatched: u64,
    /// PES packets of the audio rendition that were left out: in front of the main rendition's
    /// beginning, or too late.
    pub out_of_time: u64,
}

/// Turns the segments of one or two renditions into one transport stream.
///
/// After each call, the output is taken with [`Remuxer::output`] and [`Remuxer::clear`]. What is
/// held besides is limited.
#[derive(Debug)]
pub struct Remuxer {
    /// Whether an audio rendition comes.
    has_audio: bool,
    /// The audio rendition's language, where the playlist names it.
    language: Option<[u8; 3]>,
    sides: [Side; 2],
    merge: Merge,
    mux: Mux,
    counts: Counts,
}

/// One rendition.
#[derive(Debug, Default)]
struct Side {
    reader: Option<Reader>,
    /// Its streams, and where they are in the output.
    declared: Vec<PmtStream>,
    streams: Vec<Option<usize>>,
    /// The time of what came last: that of what has none.
    last: Option<MediaTime>,
}

/// What a rendition's segments are.
#[derive(Debug)]
enum Reader {
    Transport(Box<transport::Reader>),
    Fmp4(mp4::Reader),
    Packed(packed::Reader),
}

/// What a reader finds.
#[derive(Debug)]
enum Found {
    /// From here on the rendition has these streams. A PID of 0x1FFF asks for none.
    Streams(Vec<PmtStream>),
    Pes(Pes),
}

/// A PES packet, or a packet of a stream of sections.
#[derive(Debug)]
struct Pes {
    /// Its index among the streams that were told last.
    stream: usize,
    /// When it is decoded, [`SHIFT`] added; `None` of what has no time.
    time: Option<Pts>,
    /// Whether it is a picture that a decoder can start with.
    is_entry: bool,
    bytes: Vec<u8>,
}

impl Remuxer {
    /// A remuxer of a main rendition that has everything.
    pub fn new() -> Self {
        Self {
            has_audio: false,
            language: None,
            sides: [Side::default(), Side::default()],
            merge: Merge::default(),
            mux: Mux::new(),
            counts: Counts::default(),
        }
    }

    /// A remuxer of a main and an audio rendition, whose language the playlist gives as a tag of
    /// RFC 5646.
    pub fn with_audio(language: Option<&str>) -> Self {
        Self { has_audio: true, language: language.and_then(language::three_letters), ..Self::new() }
    }

    /// Takes an initialisation segment (`EXT-X-MAP`); the same as before changes nothing. Of a
    /// transport stream it holds PAT and PMT.
    ///
    /// # Errors
    /// When it cannot be read, or announces what cannot be carried. The rendition goes on as
    /// before.
    pub fn set_init(&mut self, rendition: Rendition, bytes: &[u8]) -> Result<(), Error> {
        let error = |reason| Error { rendition, reason };
        match sniff(bytes) {
            Content::Fmp4 => {
                let reader = &mut self.sides[rendition as usize].reader;
                // Lists name the same one for each segment: a new reader would lose its place.
                if matches!(reader, Some(Reader::Fmp4(reader)) if reader.is_of(bytes)) {
                    return Ok(());
                }
                let new = mp4::Reader::new(bytes).map_err(error)?;
                // What the former reader holds belongs to the former tracks.
                self.finish_rendition(rendition);
                self.sides[rendition as usize].reader = Some(Reader::Fmp4(new));
                Ok(())
            }
            Content::TransportStream { .. } => self.push(rendition, bytes),
            other => Err(error(Reason::NotMedia(other))),
        }
    }

    /// Takes a segment, or any number of whole fragments.
    ///
    /// # Errors
    /// When any of it cannot be used. What can be has been taken: see [`Reason::is_lasting`].
    pub fn push(&mut self, rendition: Rendition, bytes: &[u8]) -> Result<(), Error> {
        let outcome = self.take(rendition, bytes);
        // Even when something failed: what is whole of a damaged segment passes.
        self.write(false);
        outcome.map_err(|reason| Error { rendition, reason })
    }

    fn take(&mut self, rendition: Rendition, bytes: &[u8]) -> Result<(), Reason> {
        let content = sniff(bytes);
        if content == Content::Fmp4 && mp4::has_init(bytes) {
            self.set_init(rendition, bytes).map_err(|error| error.reason)?;
        }
        let is_other = match (&self.sides[rendition as usize].reader, content) {
            (Some(Reader::Transport(_)), Content::TransportStream { .. })
            | (Some(Reader::Fmp4(_)), Content::Fmp4)
            | (Some(Reader::Packed(_)), Content::PackedAudio(_)) => false,
            (_, Content::TransportStream { .. } | Content::PackedAudio(_)) => true,
            // Nothing can be read of fragments without their initialisation.
            (_, Content::Fmp4) => return Err(Reason::NoInit),
            (_, other) => return Err(Reason::NotMedia(other)),
        };
        if is_other {
            self.finish_rendition(rendition);
            self.sides[rendition as usize].reader = Some(match content {
                Content::PackedAudio(_) => Reader::Packed(packed::Reader::default()),
                _ => Reader::Transport(Box::new(transport::Reader::new(rendition == Rendition::Audio))),
            });
        }
        // Packed sound without a time begins where the picture does.
        let begin = self.merge.begin().map_or_else(|| stamp(0), mux::wrapped);
        let mut found = Vec::new();
        let outcome = match (&mut self.sides[rendition as usize].reader, content) {
            (Some(Reader::Transport(reader)), Content::TransportStream { at }) => {
                reader.push(bytes, at, &mut found)
            }
            (Some(Reader::Fmp4(reader)), Content::Fmp4) => reader.push(bytes, &mut found),
            (Some(Reader::Packed(reader)), Content::PackedAudio(codec)) => {
                reader.push(bytes, codec, begin, &mut found)
            }
            _ => Ok(()),
        };
        // Before the outcome is told, since what was found in front of the fault is good.
        self.accept(rendition, found);
        outcome
    }

    /// The audio rendition is in this language from now on, as in RFC 5646.
    pub fn set_language(&mut self, language: Option<&str>) {
        self.language = language.and_then(language::three_letters);
    }

    /// From now on the renditions go together like this. At least so much of what is held back goes
    /// out at once.
    pub fn set_pairing(&mut self, pairing: Pairing, least: Duration) {
        self.merge.set_pairing(pairing, least);
        self.write(false);
    }

    /// What was fetched of a rendition and is held back is void: it comes from elsewhere from now
    /// on.
    pub fn discard(&mut self, rendition: Rendition) {
        // First the reader: what it holds is of the same place as what is dropped.
        self.begin_side(rendition);
        self.merge.discard(rendition, |stream| self.mux.rendition(stream) == rendition);
    }

    /// The audio rendition does not follow what came of it. What of that is of another timeline is
    /// left out.
    pub fn break_audio(&mut self) {
        self.finish_rendition(Rendition::Audio);
        self.begin_side(Rendition::Audio);
        self.merge.break_off(Rendition::Audio, |stream| self.mux.rendition(stream) == Rendition::Audio);
    }

    /// What has come of the main and of the audio rendition since the timeline began.
    pub fn extents(&self) -> [Option<Extent>; 2] {
        self.merge.extents()
    }

    /// Up to where the output goes on the same line.
    pub fn passed(&self) -> Option<MediaTime> {
        self.merge.passed()
    }

    /// Another timeline begins (`EXT-X-DISCONTINUITY`). What came is complete and goes out;
    /// programme and counters go on.
    pub fn reset(&mut self) {
        // Before anything is reset: what is held is on the former line.
        self.finish();
        self.begin_side(Rendition::Main);
        self.begin_side(Rendition::Audio);
        self.merge.reset();
        self.mux.reset();
    }

    /// Nothing of a rendition goes on.
    fn begin_side(&mut self, rendition: Rendition) {
        let side = &mut self.sides[rendition as usize];
        side.last = None;
        match &mut side.reader {
            Some(Reader::Transport(reader)) => reader.reset(),
            Some(Reader::Fmp4(reader)) => reader.reset(),
            Some(Reader::Packed(reader)) => reader.reset(),
            None => {}
        }
    }

    /// What came is complete: everything that is held goes out.
    pub fn finish(&mut self) {
        self.finish_rendition(Rendition::Main);
        self.finish_rendition(Rendition::Audio);
        self.write(true);
    }

    /// What is put together of a rendition is complete.
    fn finish_rendition(&mut self, rendition: Rendition) {
        let mut found = Vec::new();
        if let Some(Reader::Transport(reader)) = &mut self.sides[rendition as usize].reader {
            reader.finish(&mut found);
        }
        self.accept(rendition, found);
    }

    /// The output since the last [`Remuxer::clear`]: whole packets.
    pub fn output(&self) -> &[u8] {
        self.mux.output()
    }

    /// Empties the output, and keeps at most `kept` bytes of memory for the next.
    pub fn clear(&mut self, kept: usize) {
        self.mux.clear(kept);
    }

    /// Counts over the remuxer's life.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Memory that it takes, in bytes: what is held back, and the output.
    pub fn memory(&self) -> usize {
        self.merge.held() + self.mux.memory()
    }

    /// Takes what a reader found.
    fn accept(&mut self, rendition: Rendition, found: Vec<Found>) {
        if self.sides[rendition as usize].last.is_none() {
            // What has no time may come in front of everything that has one.
            let first = found.iter().find_map(|found| match found {
                Found::Pes(pes) => pes.time,
                Found::Streams(_) => None,
            });
            self.sides[rendition as usize].last = first.map(|time| self.merge.place(time));
        }
        for found in found {
            match found {
                Found::Streams(streams) => self.declare(rendition, streams),
                Found::Pes(pes) => {
                    let side = &mut self.sides[rendition as usize];
                    // Streams that found no room in the map are left out.
                    let Some(&Some(stream)) = side.streams.get(pes.stream) else { continue };
                    let time = pes.time.map(|time| self.merge.place(time)).or(side.last);
                    let Some(time) = time else { continue };
                    side.last = Some(time);
                    let item = Item { stream, time, is_entry: pes.is_entry, bytes: pes.bytes };
                    self.merge.push(rendition, item);
                }
            }
        }
    }

    /// A rendition has other streams from here on.
    fn declare(&mut self, rendition: Rendition, mut streams: Vec<PmtStream>) {
        if let (Rendition::Audio, Some(language)) = (rendition, self.language) {
            for stream in &mut streams {
                set_language(stream, language);
            }
        }
        // Told again and again, the same streams must not push out what is held.
        if self.sides[rendition as usize].declared == streams {
            return;
        }
        self.sides[rendition as usize].declared.clone_from(&streams);
        if self.merge.holds(|stream| self.mux.rendition(stream) == rendition) {
            // What is held of it belongs to the streams that there were.
            self.write(true);
        }
        self.sides[rendition as usize].streams = self.mux.declare(rendition, &streams);
    }

    /// Writes what may go out: everything, or what no rendition has to be waited for.
    fn write(&mut self, everything: bool) {
        let awaits = self.has_audio && !everything;
        while let Some(item) = self.merge.pop(awaits, &mut self.counts) {
            let is_audio = self.mux.rendition(item.stream) == Rendition::Audio;
            // By the clock as it stands now: each item that is written moves it.
            if is_audio && merge::is_out_of_time(item.time, self.merge.begin(), self.mux.clock()) {
                self.counts.out_of_time += 1;
            } else {
                self.mux.write(&item);
            }
        }
    }
}

impl Default for Remuxer {
    fn default() -> Self {
        Self::new()
    }
}

impl Pes {
    /// A PES packet of these times without its content.
    fn new(stream: usize, codec: Codec, shown: Pts, decoded: Pts) -> Self {
        let stream_id = match codec {
            Codec::Aac | Codec::MpegAudio => 0xC0,
            _ if codec.class() == Class::Video => 0xE0,
            _ => 0xBD, // private_stream_1
        };
        let bytes = pes::header(stream_id, shown, decoded);
        Self { stream, time: Some(decoded), is_entry: false, bytes }
    }

    /// A packet of a stream of sections.
    fn section(stream: usize, packet: &Bytes) -> Self {
        Self { stream, time: None, is_entry: false, bytes: packet.to_vec() }
    }
}

/// A time of a source, in ticks of 90 kHz from its zero, as it is sent.
fn stamp(ticks: i128) -> Pts {
    let wrapped = ticks.rem_euclid(i128::from(Pts::WRAP));
    Pts::new(u64::try_from(wrapped).unwrap_or(0)).shifted(SHIFT)
}

/// How a map names a stream of one of the codecs that are remuxed.
fn stream_of(codec: Codec, language: Option<[u8; 3]>) -> PmtStream {
    let (stream_type, registration) = match codec {
        Codec::H264 => (0x1B, None),
        Codec::Hevc => (0x24, Some(b"HEVC")),
        Codec::MpegAudio => (0x03, None),
        // Types that ATSC gives, which the splice reads back without a descriptor.
        Codec::Ac3 => (0x81, Some(b"AC-3")),
        Codec::Eac3 => (0x87, Some(b"EAC3")),
        _ => (0x0F, None),
    };
    let mut descriptors = Vec::new();
    if let Some(registration) = registration {
        descriptors.extend([0x05, 4]);
        descriptors.extend(registration);
    }
    let mut stream = PmtStream { stream_type, pid: Pid::NULL, descriptors };
    if let (Some(language), Class::Audio) = (language, codec.class()) {
        set_language(&mut stream, language);
    }
    stream
}

/// Gives a stream an ISO 639 language descriptor (ISO/IEC 13818-1, 2.6.18), in place of what it
/// has.
fn set_language(stream: &mut PmtStream, [a, b, c]: [u8; 3]) {
    const TAG: u8 = 0x0A;
    let mut kept = Vec::new();
    let mut rest = &stream.descriptors[..];
    while let Some((&[tag, length], tail)) = rest.split_first_chunk::<2>() {
        let size = (2 + usize::from(length)).min(rest.len());
        if tag != TAG {
            kept.extend_from_slice(&rest[..size]);
        }
        rest = &tail[size - 2..];
    }
    // Only one language may stand there: players take the first they find.
    kept.extend([TAG, 4, a, b, c, 0]);
    stream.descriptors = kept;
}

//! One elementary stream of a surveyed programme.

use super::clock::Tally;
use super::report::{Gop, Spread, Stream, Video};
use crate::time::{MediaTime, Pts, TICKS_PER_SECOND, Unwrapped};
use crate::ts::codec_headers::{AudioFormat, VideoFormat};
use crate::ts::demux::Continuity;
use crate::ts::packet::{PACKET_SIZE, Packet};
use crate::ts::pes::{self, Header};
use crate::ts::psi::PmtStream;
use crate::ts::random_access::{RandomAccess, Scan, Verdict};
use crate::ts::stream::{self, Class, Codec};

/// How much of a PES packet is kept to be read: several times what reaches to the end of the
/// parameter sets.
const MAX_HEAD: usize = 8 * 1024;

/// How much of a PES packet an audio frame header is looked for in: more than one frame of most
/// codecs.
const AUDIO_HEAD: usize = 2 * 1024;

/// The longest time from one picture to the next that is no jump.
const MAX_STEP: i64 = 5 * TICKS_PER_SECOND;

/// A second in ticks.
const SECOND: u64 = TICKS_PER_SECOND.unsigned_abs();

/// An elementary stream, followed.
#[derive(Debug)]
pub(super) struct Track {
    pub(super) stream: PmtStream,
    pub(super) tally: Tally,
    codec: Codec,
    continuity_errors: u64,
    units: u64,
    /// The PES packet on hand from its beginning, as far as it is still of interest.
    head: Vec<u8>,
    header: Option<Header>,
    /// What is looked for in the PES packet on hand.
    reading: Reading,
    line: Unwrapped,
    pts: Option<(MediaTime, MediaTime)>,
    pictures: Pictures,
    video: Option<VideoFormat>,
    audio: Option<AudioFormat>,
}

#[derive(Debug)]
enum Reading {
    /// Nothing more.
    Nothing,
    /// The PES header.
    Header,
    /// The first slice.
    Picture(Scan),
    /// The first frame header.
    Sound,
}

impl Track {
    pub(super) fn new(stream: PmtStream) -> Self {
        Self {
            codec: Codec::of(&stream),
            stream,
            tally: Tally::default(),
            continuity_errors: 0,
            units: 0,
            head: Vec::new(),
            header: None,
            reading: Reading::Nothing,
            line: Unwrapped::default(),
            pts: None,
            pictures: Pictures::default(),
            video: None,
            audio: None,
        }
    }

    /// Takes a packet.
    #[inline]
    pub(super) fn push(&mut self, packet: Packet<'_>, continuity: Continuity) {
        self.tally.add(1);
        self.continuity_errors += u64::from(continuity == Continuity::Broken);
        if continuity == Continuity::Repeated {
            return; // a copy
        }
        if packet.starts_unit() {
            self.begin_unit(packet);
        }
        if !matches!(self.reading, Reading::Nothing) {
            self.read(packet);
        }
    }

    fn begin_unit(&mut self, packet: Packet<'_>) {
        self.finish_unit();
        self.head.clear();
        self.header = None;
        let is_readable = self.codec.class() != Class::Sections && !packet.is_scrambled();
        self.reading = match self.codec.class() {
            _ if !is_readable => Reading::Nothing,
            Class::Video => Reading::Picture(Scan::new(self.codec, packet.hints_random_access())),
            Class::Audio if self.audio.is_none() => Reading::Sound,
            _ => Reading::Header,
        };
        self.units += 1;
    }

    /// No more of this PES packet comes: what is known of it must do.
    pub(super) fn finish_unit(&mut self) {
        if let Reading::Sound = self.reading {
            self.find_sound();
        }
        self.reading = Reading::Nothing;
    }

    fn read(&mut self, packet: Packet<'_>) {
        let Some(payload) = packet.payload() else { return };
        let at = self.head.len();
        // The rest of a large picture says nothing more, and is not kept.
        self.head.extend_from_slice(&payload[..payload.len().min(MAX_HEAD - at)]);
        if self.header.is_none() {
            self.header = Header::parse(&self.head);
            match self.header {
                Some(header) => self.handle_header(header),
                // A header is never longer: there is none.
                None if self.head.len() >= pes::MAX_HEADER => self.reading = Reading::Nothing,
                None => {}
            }
        }
        let Some(Header { payload_at, .. }) = self.header else { return };
        match &mut self.reading {
            Reading::Nothing => {}
            Reading::Header => self.reading = Reading::Nothing,
            Reading::Sound if self.head.len() >= payload_at + AUDIO_HEAD => self.finish_unit(),
            Reading::Sound => {}
            Reading::Picture(scan) => {
                // Only the elementary stream is scanned: what is in front of it is the PES header.
                let from = payload_at.saturating_sub(at).min(payload.len());
                match scan.push(&payload[from..]) {
                    Verdict::Undecided => return,
                    Verdict::RandomAccess(entry) => self.pictures.handle_entry(entry),
                    _ => {}
                }
                // Broadcasts change size on the way: every set of parameters counts.
                let format =
                    self.head.get(payload_at..).and_then(|stream| VideoFormat::find(self.codec, stream));
                // A picture without a set of its own has that of the ones before.
                self.video = format.or_else(|| self.video.take());
                self.reading = Reading::Nothing;
            }
        }
    }

    fn handle_header(&mut self, header: Header) {
        if let Some(pts) = header.pts {
            let place = self.line.place(pts);
            let (low, high) = self.pts.unwrap_or((place, place));
            self.pts = Some((low.min(place), high.max(place)));
        }
        if self.codec.class() == Class::Video {
            self.pictures.advance(header.decode_time());
        }
    }

    fn find_sound(&mut self) {
        if let Some(header) = self.header {
            self.audio =
                self.head.get(header.payload_at..).and_then(|stream| AudioFormat::find(self.codec, stream));
        }
    }

    /// The time from the first stamp to the last, in ticks of 90 kHz.
    pub(super) fn span(&self) -> u64 {
        self.pts.map_or(0, |(low, high)| (high.ticks() - low.ticks()).unsigned_abs())
    }

    /// What is known; the clock ran for `ticks` of 27 MHz.
    pub(super) fn report(&self, ticks: u64) -> Stream {
        let pending = match (&self.reading, self.header) {
            (Reading::Sound, Some(header)) => self.head.get(header.payload_at..),
            _ => None,
        };
        let class = self.codec.class();
        Stream {
            pid: self.stream.pid,
            codec: self.codec,
            class,
            language: stream::language(&self.stream.descriptors),
            packets: self.tally.count(),
            bitrate: bitrate(
                self.tally.measured(ticks > 0),
                if ticks > 0 { ticks } else { 300 * self.span() },
            ),
            continuity_errors: self.continuity_errors,
            units: self.units,
            pts: self.pts,
            video: (class == Class::Video).then(|| self.pictures.report(self.video.clone())),
            audio: self.audio.clone().or_else(|| AudioFormat::find(self.codec, pending?)),
        }
    }
}

/// Bits per second of `packets` in `ticks` of 27 MHz.
pub(super) fn bitrate(packets: u64, ticks: u64) -> Option<u64> {
    let bits = u128::from(packets) * 8 * PACKET_SIZE as u128;
    u64::try_from((bits * 27_000_000).checked_div(u128::from(ticks))?).ok()
}

/// The pictures of a video stream.
#[derive(Debug, Default)]
struct Pictures {
    /// The decoding time of the picture on hand.
    time: Option<Pts>,
    /// Steps from one decoding time to the next, and their sum in ticks.
    steps: u64,
    total: u64,
    /// Pictures and ticks since the last random access point; `None` before the first, and behind a
    /// jump.
    gop: Option<(u64, u64)>,
    lengths: Sum,
    seconds: Sum,
    entries: Vec<(RandomAccess, u64)>,
}

impl Pictures {
    /// A picture begins.
    fn advance(&mut self, time: Option<Pts>) {
        if let Some((pictures, _)) = &mut self.gop {
            *pictures += 1;
        }
        let Some(time) = time else { return };
        let Some(last) = self.time.replace(time) else { return };
        let step = time.since(last);
        if (1..=MAX_STEP).contains(&step) {
            self.steps += 1;
            self.total += step.unsigned_abs();
            if let Some((_, ticks)) = &mut self.gop {
                *ticks += step.unsigned_abs();
            }
        } else if step != 0 {
            // A step of zero is a picture in two PES packets; this is a jump, and no group.
            self.gop = None;
        }
    }

    /// The picture on hand is a random access point.
    fn handle_entry(&mut self, entry: RandomAccess) {
        match self.entries.iter_mut().find(|(kind, _)| *kind == entry) {
            Some((_, count)) => *count += 1,
            None => self.entries.push((entry, 1)),
        }
        if let Some((pictures, ticks)) = self.gop.replace((0, 0)) {
            self.lengths.add(real(pictures));
            self.seconds.add(real(ticks) / real(SECOND));
        }
    }

    fn report(&self, format: Option<VideoFormat>) -> Video {
        // Divided by nothing it is no number, and is not reported then.
        let rate = real(self.steps) * real(SECOND) / real(self.total);
        let gop = self.lengths.spread().zip(self.seconds.spread());
        Video {
            format,
            frame_rate: (self.total > 0).then_some(rate),
            entries: self.entries.clone(),
            gop: gop.map(|(pictures, seconds)| Gop { pictures, seconds }),
        }
    }
}

/// Sums up values.
#[derive(Debug, Default)]
struct Sum {
    count: u64,
    total: f64,
    range: Option<(f64, f64)>,
}

impl Sum {
    fn add(&mut self, value: f64) {
        let (min, max) = self.range.unwrap_or((value, value));
        self.range = Some((min.min(value), max.max(value)));
        self.count += 1;
        self.total += value;
    }

    fn spread(&self) -> Option<Spread> {
        self.range.map(|(min, max)| Spread { min, mean: self.total / real(self.count), max })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts and ticks of a stream stay far below 2^52: 1,500 years"
)]
fn real(value: u64) -> f64 {
    value as f64
}

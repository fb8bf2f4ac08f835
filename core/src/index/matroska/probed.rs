//! A track as the beginning of a file shows it.

use super::super::entry::Kind;
use super::super::film::{Shares, Track};
use super::super::layouts::matroska::{Clock, Stream, Timing};
use super::codec::Coded;
use super::head::{TrackHead, TrackKind};
use super::walk::{BEGIN, Block};

/// Pictures of the beginning by which the reordering is known, if a key frame follows.
const PICTURES: usize = 100;

/// A track, and what of it is in the file's beginning.
#[derive(Debug)]
pub(super) struct Probed {
    pub(super) head: TrackHead,
    pub(super) coded: Option<Coded>,
    /// How its first frame begins; of pictures, the first key frame.
    pub(super) begin: [u8; BEGIN],
    /// When the first and the last block begin, in the file's own units.
    pub(super) first: Option<i64>,
    last: i64,
    bytes: u64,
    /// Of pictures, when each is shown, in the order of decoding from the first key frame on.
    pub(super) shown: Vec<i64>,
    keys: usize,
    /// When the last frame of the film has been shown, in units of its timescale.
    pub(super) end: i64,
}

impl Probed {
    pub(super) fn new(head: TrackHead) -> Self {
        Self {
            head,
            coded: None,
            begin: [0; BEGIN],
            first: None,
            last: 0,
            bytes: 0,
            shown: Vec::new(),
            keys: 0,
            end: i64::MIN,
        }
    }

    /// Whether it has been seen, and of pictures how deep they are reordered.
    pub(super) fn is_known(&self) -> bool {
        // Reordering shows only with a second key frame; an odd file without one is looked at for
        // longer.
        let is_deep = self.head.kind() != TrackKind::Video
            || self.keys > 1 && self.shown.len() > PICTURES
            || self.shown.len() > 4 * PICTURES;
        self.first.is_some() && is_deep
    }

    /// By how much a decoder is late, in the file's own units.
    pub(super) fn late(&self, clock: Clock) -> i64 {
        i64::try_from(self.head.delay / clock.0).unwrap_or(0)
    }

    pub(super) fn handle_block(&mut self, block: &Block) {
        let is_video = self.head.kind() == TrackKind::Video;
        if self.first.is_none() || is_video && block.is_key && self.keys == 0 {
            self.begin = block.begin;
        }
        self.keys += usize::from(block.is_key);
        self.first = Some(self.first.map_or(block.time, |first| first.min(block.time)));
        self.last = self.last.max(block.time);
        self.bytes += block.frames.all().iter().map(|frame| frame.end - frame.start).sum::<u64>();
        // Pictures in front of it cannot be decoded, and have no place in the order.
        if is_video && self.keys > 0 {
            self.shown.push(block.time);
        }
    }

    /// When the first picture that can be decoded is shown.
    pub(super) fn first_shown(&self) -> i64 {
        self.shown.first().copied().or(self.first).unwrap_or(0)
    }

    pub(super) fn stream(&self, clock: Clock) -> Stream {
        let nanos = |nanos: u64, scale: u32| {
            // Rounded to the nearest: rounding down would add up over a film.
            let ticks = (u128::from(nanos) * u128::from(scale) + 500_000_000) / 1_000_000_000;
            u32::try_from(ticks).unwrap_or(0)
        };
        let coded = self.coded.as_ref().expect("only what is coded in a known way is settled");
        let (timescale, timing) = if coded.entry.kind == Kind::Video {
            let scale = clock.timescale();
            let mut sorted = self.shown.clone();
            sorted.sort_unstable();
            let later = sorted.iter().zip(&self.shown).map(|(sorted, shown)| sorted - shown);
            let reordering = clock.ticks(later.max().unwrap_or(0).max(0), scale);
            let usual = match sorted[..] {
                [first, .., last] => {
                    let others = i64::try_from(sorted.len() - 1).expect("few are looked at");
                    clock.ticks(last - first, scale) / others
                }
                // With one picture nothing tells how long it lasts.
                _ => i64::from(scale) / 25,
            };
            let last = self
                .head
                .frame
                .map(|frame| nanos(frame, scale))
                .or_else(|| u32::try_from(usual).ok())
                .unwrap_or(0);
            (scale, Timing::Pictures { reordering, last })
        } else {
            let told = self.head.frame.map_or(0, |frame| nanos(frame, coded.rate));
            let frame = if coded.frame > 0 { coded.frame } else { told };
            (coded.rate, Timing::Sound { frame, origin: 0 })
        };
        let mut stream = Stream {
            number: self.head.number,
            timescale,
            late: nanos(self.head.delay, timescale).into(),
            timing,
        };
        // The clock of sound begins where its first frame does.
        let first = self.first.map_or(0, |first| clock.ticks(first, timescale) - stream.late);
        if let Timing::Sound { origin, .. } = &mut stream.timing {
            *origin = first;
        }
        stream
    }

    /// Bytes in a thousand seconds.
    pub(super) fn rate(&self, clock: Clock) -> u64 {
        let span = i128::from(self.last - self.first.unwrap_or(0)) * i128::from(clock.0);
        let millis = u128::try_from(span / 1_000_000).unwrap_or(0).max(1);
        u64::try_from(u128::from(self.bytes) * 1_000_000 / millis).unwrap_or(u64::MAX)
    }

    /// The track, of a film whose zero is `zero` on its clock, with so many bytes in each segment
    /// and none in front of segment `first`.
    pub(super) fn into_track(
        self,
        clock: Clock,
        stream: &Stream,
        zero: i64,
        bytes: Vec<u64>,
        first: usize,
    ) -> Track {
        let coded = self.coded.expect("only what is coded in a known way is settled");
        let (begins, frame) = match stream.timing {
            Timing::Pictures { reordering, .. } => (reordering, 1),
            Timing::Sound { frame, .. } => {
                let first = self.first.map_or(zero, |first| stream.time(clock, first));
                // Sound that begins before the film's zero is sent from the zero on.
                ((zero - first).max(0), frame.max(1))
            }
        };
        let is_video = coded.entry.kind == Kind::Video;
        let channels = if is_video { 0 } else { self.head.channels };
        Track {
            kind: coded.entry.kind,
            codec: coded.entry.codec,
            language: self.head.language.clone(),
            timescale: stream.timescale,
            size: if is_video { self.head.shown().0 } else { (0, 0) },
            channels,
            entries: (coded.entry.count, coded.entry.bytes),
            matrix: Vec::new(),
            delay: begins - zero,
            begins,
            shares: Shares::Estimated { bytes, frame, first },
        }
    }
}

//! Fragmented MP4 (RFC 8216, 3.3; CMAF, ISO/IEC 23000-19) as PES packets.
//!
//! The initialisation segment says how tracks are coded ([`init`]), fragments say where samples lie
//! and when they are shown ([`fragment`]); pictures become a byte stream ([`nal`]) and AAC gets
//! headers ([`aac`]).

mod aac;
pub(crate) mod boxes;
mod fragment;
mod init;
mod nal;
#[cfg(test)]
mod tests;

use self::fragment::Sample;
use self::init::{Coding, Init, Track, ticks};
use super::{Found, Pes, Reason, stamp};
use crate::ts::pes;
use crate::ts::stream::Codec;

/// Bytes of PES packets that a byte of a segment may become, behind the first [`ROOM`]: the
/// smallest frames of sound are a few bytes, and are announced with as many.
const MOST_PER_BYTE: usize = 4;
/// See [`MOST_PER_BYTE`].
const ROOM: usize = 1 << 20;

/// Bytes for start codes, a delimiter and parameter sets, so that few pictures are moved in memory.
const ROOM_PER_PICTURE: usize = 256;

/// The rendition's fragments, one segment after the other.
#[derive(Debug)]
pub(super) struct Reader {
    init: Init,
    /// Whether the streams have been told.
    is_told: bool,
    /// Of each track, when it goes on, in units of its timescale.
    next: Vec<u64>,
    /// Of each track, how far decoding is moved forward of its times, in the same units: some count
    /// from a decoding time that is later than the showing, which a transport stream cannot say.
    ahead: Vec<i64>,
}

/// Whether `bytes` hold an initialisation segment.
pub(super) fn has_init(bytes: &[u8]) -> bool {
    boxes::child(bytes, *b"moov").is_some()
}

impl Reader {
    /// A reader of what comes behind an initialisation segment.
    pub(super) fn new(init: &[u8]) -> Result<Self, Reason> {
        let init = Init::parse(init)?;
        let tracks = init.tracks.len();
        Ok(Self { init, is_told: false, next: vec![0; tracks], ahead: vec![0; tracks] })
    }

    /// Whether `init` says what the one at hand says.
    pub(super) fn is_of(&self, init: &[u8]) -> bool {
        Init::parse(init).is_ok_and(|init| init == self.init)
    }

    /// A new timeline begins.
    pub(super) fn reset(&mut self) {
        self.next.fill(0);
        self.ahead.fill(0);
    }

    /// Takes a segment.
    pub(super) fn push(&mut self, segment: &[u8], found: &mut Vec<Found>) -> Result<(), Reason> {
        if !std::mem::replace(&mut self.is_told, true) {
            found.push(Found::Streams(self.init.tracks.iter().map(|track| track.stream.clone()).collect()));
        }
        let mut samples = Vec::new();
        let outcome = fragment::read(segment, &self.init, &mut self.next, &mut samples);
        for sample in &samples {
            let ahead = &mut self.ahead[sample.track];
            *ahead = (*ahead).max(sample.offset.saturating_neg());
        }
        let mut damage = None;
        let mut room = MOST_PER_BYTE * segment.len() + ROOM;
        for sample in samples.iter().filter(|sample| !sample.data.is_empty()) {
            let track = &self.init.tracks[sample.track];
            let written = pes(track, sample, self.ahead[sample.track]).filter(|pes| pes.bytes.len() <= room);
            if let Some(pes) = written {
                room -= pes.bytes.len();
                found.push(Found::Pes(pes));
            } else {
                let what = "a sample is not what its track says";
                damage = damage.or(Some(Reason::Damaged { what, at: sample.at }));
            }
        }
        outcome?;
        damage.map_or(Ok(()), Err)
    }
}

/// The PES packet of a sample; `None` of one that is damaged.
fn pes(track: &Track, sample: &Sample<'_>, ahead: i64) -> Option<Pes> {
    let at = |time: i128| stamp(ticks(time + track.shift, track.timescale));
    let time = i128::from(sample.time);
    let (shown, decoded) = (at(time + i128::from(sample.offset)), at(time - i128::from(ahead)));
    let mut pes = Pes::new(sample.track, Codec::of(&track.stream), shown, decoded);
    pes.bytes.reserve(sample.data.len() + ROOM_PER_PICTURE);
    match &track.coding {
        Coding::Video(nal) => pes.is_entry = nal.write(sample.data, sample.is_sync, &mut pes.bytes)?,
        Coding::Aac(adts) => {
            pes.bytes.extend(adts.header(sample.data.len())?);
            pes.bytes.extend_from_slice(sample.data);
        }
        Coding::Framed => pes.bytes.extend_from_slice(sample.data),
    }
    pes::set_length(&mut pes.bytes);
    Some(pes)
}

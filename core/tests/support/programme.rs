//! A programme whose content is another in each picture, made picture by picture, with what goes
//! wrong in it.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "programmes are hours long, and a field is masked where it is cast"
)]

use forebay_core::time::{Pcr, Pts};
use forebay_core::ts::packet::{self, Bytes};
use forebay_core::ts::psi::{Pat, Pmt, PmtStream, packetize};
use forebay_core::ts::{Packet, Pid};

use super::muxer::{AUDIO, FRAME, MAP, PICTURE, VIDEO, packets, pes};

/// Ticks by which the clock is behind the decoding time of what comes with it.
const DELAY: i64 = 63_000;

/// Pictures from one IDR to the next, where nothing else is said: a second.
pub(crate) const GOP: u64 = 25;

/// What the next 40 ms of a programme are like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shot {
    /// What the picture shows and the sound says: the same number is the same content. `None` sends
    /// nothing of it.
    pub(crate) picture: Option<u64>,
    pub(crate) sound: Option<u64>,
    /// The picture is a random access point.
    pub(crate) is_entry: bool,
    /// Bytes of it.
    pub(crate) size: usize,
    /// The map announces pictures, and sound.
    pub(crate) announced: [bool; 2],
    pub(crate) is_scrambled: bool,
    /// By how much clock and stamps are moved, in ticks.
    pub(crate) clock: i64,
    pub(crate) stamps: i64,
    /// So many packets of it are lost, and so many damaged.
    pub(crate) lost: usize,
    pub(crate) damaged: usize,
}

/// A shot of a good programme: the `number`th picture.
pub(crate) fn shot(number: u64) -> Shot {
    let is_entry = number.is_multiple_of(GOP);
    Shot {
        picture: Some(number),
        sound: Some(number),
        is_entry,
        // As much as it varies in a real one.
        size: if is_entry { 3000 } else { 500 } + (mix(number) % 400) as usize,
        announced: [true; 2],
        is_scrambled: false,
        clock: 0,
        stamps: 0,
        lost: 0,
        damaged: 0,
    }
}

/// Makes a programme.
pub(crate) struct Programme {
    start: Pts,
    pictures: i64,
    frames: i64,
    counters: Box<[u8; Pid::COUNT]>,
}

impl Programme {
    pub(crate) fn new(start: Pts) -> Self {
        Self { start, pictures: 0, frames: 0, counters: Box::new([0; Pid::COUNT]) }
    }

    /// The packets of the next 40 ms.
    pub(crate) fn next(&mut self, shot: &Shot) -> Vec<Bytes> {
        let at = PICTURE * self.pictures;
        self.pictures += 1;
        let dts = self.start.shifted(at);
        let mut out = Vec::new();
        if shot.is_entry {
            out.extend(tables(shot.announced));
        }
        if let Some(content) = shot.picture {
            let clock = Pcr::new(dts.shifted(shot.clock - DELAY).ticks() * 300);
            let dts = dts.shifted(shot.stamps);
            let unit = pes(0xE0, dts.shifted(PICTURE), Some(dts), &access_unit(shot, content));
            out.extend(packets(VIDEO, &unit, Some(clock)));
        }
        for frame in 0.. {
            if FRAME * self.frames >= at + PICTURE {
                break;
            }
            let pts = self.start.shifted(FRAME * self.frames + shot.stamps);
            self.frames += 1;
            if let Some(content) = shot.sound {
                // A frame of silence has no number of its own.
                let number = if content == SILENCE { content } else { content << 8 | frame };
                out.extend(packets(AUDIO, &pes(0xC0, pts, None, &noise(number, 150)), None));
            }
        }
        for (index, bytes) in out.iter_mut().enumerate() {
            let pid = Packet::new(bytes).pid();
            let counter = &mut self.counters[pid.index()];
            packet::set_continuity(bytes, *counter);
            *counter = counter.wrapping_add(1);
            if shot.is_scrambled && [VIDEO, AUDIO].contains(&pid) {
                bytes[3] |= 0x80;
            }
            if index < shot.damaged {
                bytes[1] |= 0x80;
            }
        }
        // The last ones: each is sound or the end of a picture.
        out.truncate(out.len() - shot.lost.min(out.len()));
        out
    }
}

/// The sound of nothing.
pub(crate) const SILENCE: u64 = u64::MAX;

fn tables([video, audio]: [bool; 2]) -> Vec<Bytes> {
    let stream = |stream_type, pid| PmtStream { stream_type, pid, descriptors: Vec::new() };
    let pat = Pat { transport_stream_id: 1, version: 0, programs: vec![(1, MAP)] };
    let streams =
        video.then(|| stream(0x1B, VIDEO)).into_iter().chain(audio.then(|| stream(0x0F, AUDIO))).collect();
    let map = Pmt { program: 1, version: 0, pcr_pid: VIDEO, descriptors: Vec::new(), streams };
    [packetize(&pat.render(), Pid::PAT), packetize(&map.render(), MAP)].concat()
}

/// An H.264 access unit as far as a scanner reads it: delimiter, parameter sets in front of an IDR,
/// one slice.
fn access_unit(shot: &Shot, content: u64) -> Vec<u8> {
    const DELIMITER: &[u8] = &[0, 0, 0, 1, 9, 0xF0];
    const SETS: &[u8] = &[0, 0, 1, 0x67, 0x4d, 0x40, 0x0c, 0, 0, 1, 0x68, 0xef, 0xbc];
    const IDR: &[u8] = &[0, 0, 1, 0x65, 0x88];
    const P_SLICE: &[u8] = &[0, 0, 1, 0x41, 0b1001_1000];
    let head = if shot.is_entry { [DELIMITER, SETS, IDR].concat() } else { [DELIMITER, P_SLICE].concat() };
    [head, noise(content, shot.size)].concat()
}

/// Bytes without pattern that are no start code and no sync byte.
fn noise(number: u64, size: usize) -> Vec<u8> {
    (0..size as u64).map(|index| 0x80 | mix(number << 20 | index) as u8).collect()
}

/// A number without pattern for each number (the finaliser of `MurmurHash3`).
pub(crate) fn mix(number: u64) -> u64 {
    let number = (number ^ number >> 33).wrapping_mul(0xff51_afd7_ed55_8ccd);
    let number = (number ^ number >> 33).wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    number ^ number >> 33
}

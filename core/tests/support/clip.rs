//! A synthetic clip of video and sound that can be looped without a discontinuity.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a clip is seconds long, and a field is masked where it is cast"
)]

use forebay_core::time::{Pcr, Pts};
use forebay_core::ts::packet::{self, Bytes};
use forebay_core::ts::psi::{Pat, Pmt, PmtStream, packetize};
use forebay_core::ts::{Packet, Pid};

use super::muxer::{AUDIO, FRAME, MAP, PICTURE, VIDEO, packets, pes};

/// Ticks by which the clock is behind the decoding time of what comes with it: 0.7 s.
const DELAY: i64 = 63_000;

/// What the clip is like.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clip {
    /// Decoding time of the first picture.
    pub(crate) start: Pts,
    /// Pictures; each has a clock reference, which makes one every 40 ms.
    pub(crate) pictures: usize,
    /// Pictures from one IDR to the next.
    pub(crate) gop: usize,
    /// Bytes in an IDR picture and in any other, headers left out.
    pub(crate) sizes: [usize; 2],
    /// Bytes in an audio frame.
    pub(crate) sound: usize,
}

impl Clip {
    /// The packets, PAT and PMT in front of every IDR.
    pub(crate) fn mux(&self) -> Vec<Bytes> {
        let stream = |stream_type, pid| PmtStream { stream_type, pid, descriptors: Vec::new() };
        let pat = Pat { transport_stream_id: 1, version: 0, programs: vec![(1, MAP)] };
        let streams = vec![stream(0x1B, VIDEO), stream(0x0F, AUDIO)];
        let map = Pmt { program: 1, version: 0, pcr_pid: VIDEO, descriptors: Vec::new(), streams };
        let mut tables = packetize(&pat.render(), Pid::PAT);
        tables.extend(packetize(&map.render(), MAP));

        let mut out = Vec::new();
        let mut counters = [0; Pid::COUNT];
        let mut put = |mut bytes: Bytes| {
            let counter = &mut counters[Packet::new(&bytes).pid().index()];
            packet::set_continuity(&mut bytes, *counter);
            *counter = counter.wrapping_add(1);
            out.push(bytes);
        };
        let mut frames = 0;
        for picture in 0..self.pictures {
            let at = PICTURE * picture as i64;
            let is_idr = picture % self.gop == 0;
            if is_idr {
                tables.iter().copied().for_each(&mut put);
            }
            let dts = self.start.shifted(at);
            let size = self.sizes[usize::from(!is_idr)];
            let unit = pes(0xE0, dts.shifted(PICTURE), Some(dts), &access_unit(is_idr, size));
            let clock = Pcr::new(dts.shifted(-DELAY).ticks() * 300 + 7);
            packets(VIDEO, &unit, Some(clock)).into_iter().for_each(&mut put);
            while FRAME * frames < at + PICTURE {
                let unit = pes(0xC0, self.start.shifted(FRAME * frames), None, &filler(self.sound));
                packets(AUDIO, &unit, None).into_iter().for_each(&mut put);
                frames += 1;
            }
        }
        out
    }
}

/// An H.264 access unit as far as a scanner reads it: delimiter, parameter sets in front of an IDR,
/// one slice.
fn access_unit(is_idr: bool, size: usize) -> Vec<u8> {
    const DELIMITER: &[u8] = &[0, 0, 0, 1, 9, 0xF0];
    /// What libx264 wrote for 320x180 at 25 Hz.
    const SETS: &[u8] = b"\0\0\0\x01\x67\x4d\x40\x0c\xec\xa0\xa0\xcf\xcf\x80\x88\0\0\x03\0\x08\0\0\x03\x01\x90\x78\xa1\x4c\xb0\
        \0\0\0\x01\x68\xef\xbc\x80";
    const IDR: &[u8] = &[0, 0, 1, 0x65, 0x88];
    const P_SLICE: &[u8] = &[0, 0, 1, 0x41, 0b1001_1000];
    let head = if is_idr { [DELIMITER, SETS, IDR].concat() } else { [DELIMITER, P_SLICE].concat() };
    [head, filler(size)].concat()
}

/// Bytes that are no start code and no sync byte.
fn filler(size: usize) -> Vec<u8> {
    (0..size).map(|index| 0x80 | (index * 37 % 113) as u8).collect()
}

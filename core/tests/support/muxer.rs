//! A tiny muxer: a synthetic clip of video and sound that can be looped without a seam.
#![allow(
    clippy::cast_possible_truncation,
    clippy::cast_possible_wrap,
    reason = "a clip is seconds long, and a field is masked where it is cast"
)]

use forebay_core::time::{Pcr, Pts};
use forebay_core::ts::packet::{self, Bytes, PACKET_SIZE};
use forebay_core::ts::pes::write_stamp;
use forebay_core::ts::psi::{Pat, Pmt, PmtStream, packetize};
use forebay_core::ts::{Packet, Pid};

pub(crate) const VIDEO: Pid = Pid::new(0x100);
pub(crate) const AUDIO: Pid = Pid::new(0x101);
pub(crate) const MAP: Pid = Pid::new(0x1000);

/// Ticks of 90 kHz from one picture to the next: 25 Hz.
pub(crate) const PICTURE: i64 = 3600;
/// Ticks of 90 kHz from one audio frame to the next: 1024 samples at 48 kHz.
pub(crate) const FRAME: i64 = 1920;

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

/// An H.264 access unit as far as a scanner reads it: delimiter, parameter sets in front of an IDR, one slice.
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

/// A PES packet. Video's length is left open, as it is in broadcasts.
pub(crate) fn pes(stream_id: u8, pts: Pts, dts: Option<Pts>, content: &[u8]) -> Vec<u8> {
    let mut stamps = write_stamp(pts, if dts.is_some() { 0x30 } else { 0x20 }).to_vec();
    stamps.extend(dts.iter().flat_map(|dts| write_stamp(*dts, 0x10)));
    let length = if stream_id == 0xE0 { 0 } else { 3 + stamps.len() + content.len() };
    let mut out = vec![0, 0, 1, stream_id];
    out.extend((length as u16).to_be_bytes());
    out.extend([0x80, if dts.is_some() { 0xC0 } else { 0x80 }, stamps.len() as u8]);
    out.extend(stamps);
    out.extend(content);
    out
}

/// Cuts a PES packet into packets of `pid`, the first with `clock`, the last stuffed.
pub(crate) fn packets(pid: Pid, unit: &[u8], clock: Option<Pcr>) -> Vec<Bytes> {
    let mut out = Vec::new();
    let mut rest = unit;
    while !rest.is_empty() {
        let is_first = out.is_empty();
        let field: &[u8] = if is_first && clock.is_some() { &[7, 0x10, 0, 0, 0, 0, 0, 0] } else { &[] };
        let room = PACKET_SIZE - 4 - field.len();
        let (content, tail) = rest.split_at(room.min(rest.len()));
        rest = tail;
        let mut bytes = [0xFF; PACKET_SIZE];
        let stuffing = room - content.len();
        let has_field = !field.is_empty() || stuffing > 0;
        bytes[..4].copy_from_slice(&[packet::SYNC_BYTE, 0, 0, if has_field { 0x30 } else { 0x10 }]);
        bytes[1] = if is_first { 0x40 } else { 0 };
        packet::set_pid(&mut bytes, pid);
        bytes[4..4 + field.len()].copy_from_slice(field);
        if has_field {
            bytes[4] = (PACKET_SIZE - 5 - content.len()) as u8;
            if field.is_empty() && stuffing > 1 {
                bytes[5] = 0;
            }
        }
        bytes[PACKET_SIZE - content.len()..].copy_from_slice(content);
        if let Some(clock) = clock.filter(|_| is_first) {
            packet::shift_clock(&mut bytes, clock.ticks().cast_signed());
        }
        out.push(bytes);
    }
    out
}

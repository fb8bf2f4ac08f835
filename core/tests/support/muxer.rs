//! A tiny muxer: PES packets, and the packets that carry them.
#![allow(clippy::cast_possible_truncation, reason = "a field is masked where it is cast")]

use forebay_core::time::{Pcr, Pts};
use forebay_core::ts::Pid;
use forebay_core::ts::packet::{self, Bytes, PACKET_SIZE};
use forebay_core::ts::pes::write_stamp;

pub(crate) const VIDEO: Pid = Pid::new(0x100);
pub(crate) const AUDIO: Pid = Pid::new(0x101);
pub(crate) const MAP: Pid = Pid::new(0x1000);

/// Ticks of 90 kHz from one picture to the next: 25 Hz.
pub(crate) const PICTURE: i64 = 3600;
/// Ticks of 90 kHz from one audio frame to the next: 1024 samples at 48 kHz.
pub(crate) const FRAME: i64 = 1920;

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

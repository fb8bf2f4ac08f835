//! A programme map for a source that sends none, guessed from its PES packets.
//!
//! Some servers pass on the elementary streams of a programme and neither PAT nor PMT. Players that
//! look into the packets can play that, so a relay must. Only streams whose codec shows itself in
//! the first bytes of a PES packet are found: H.264, HEVC, MPEG-2 video, MPEG audio, AAC and AC-3.

use std::time::Duration;

use super::codec_headers::AudioFrame;
use super::packet::{Packet, Pid};
use super::pes::Header;
use super::psi::{Pmt, PmtStream};
use super::stream::{Class, Codec};
use crate::time::{Pts, duration_to_ticks};

/// Media time for which a map is waited for. The standard wants one every half second at least (TR
/// 101 290, 1.5).
const PATIENCE: Duration = Duration::from_millis(1500);

/// PIDs that are looked at: more than the streams of one programme.
const MAX_CANDIDATES: usize = 32;

/// The number of the guessed programme.
const PROGRAM: u16 = 1;

/// What is known so far.
#[derive(Debug, Default)]
pub(super) struct Guess {
    candidates: Vec<Candidate>,
    clock_pid: Option<Pid>,
}

#[derive(Debug)]
struct Candidate {
    pid: Pid,
    codec: Option<Codec>,
    /// The stamp of its first PES packet.
    first: Option<Pts>,
}

impl Guess {
    /// Takes a packet that no map names. Gives the map and its PID once the source has gone on long
    /// enough without one.
    pub(super) fn push(&mut self, packet: Packet<'_>) -> Option<(Pmt, Pid)> {
        if self.clock_pid.is_none() && packet.pcr().is_some() {
            self.clock_pid = Some(packet.pid());
        }
        if !packet.starts_unit() || packet.is_scrambled() {
            return None;
        }
        let payload = packet.payload()?;
        let header = Header::parse(payload)?;
        let known = self.candidates.iter().position(|candidate| candidate.pid == packet.pid());
        let index = known.unwrap_or(self.candidates.len());
        if known.is_none() {
            if self.candidates.len() == MAX_CANDIDATES {
                return None;
            }
            self.candidates.push(Candidate { pid: packet.pid(), codec: None, first: None });
        }
        let candidate = &mut self.candidates[index];
        let stream = payload.get(header.payload_at..).unwrap_or_default();
        candidate.codec = candidate.codec.or_else(|| codec_of(header.stream_id, stream));
        let time = header.decode_time()?;
        let first = *candidate.first.get_or_insert(time);
        let is_over = time.since(first) >= duration_to_ticks(PATIENCE);
        if is_over { self.map() } else { None }
    }

    /// The map of all streams whose codec is known, pictures first; `None` while there are none.
    fn map(&self) -> Option<(Pmt, Pid)> {
        let known = self.candidates.iter().filter_map(|candidate| Some((candidate.pid, candidate.codec?)));
        let mut known: Vec<(Pid, Codec)> = known.collect();
        known.sort_by_key(|&(pid, codec)| (codec.class() != Class::Video, pid));
        let streams: Vec<PmtStream> = known
            .into_iter()
            .map(|(pid, codec)| PmtStream { stream_type: stream_type(codec), pid, descriptors: Vec::new() })
            .collect();
        let pcr_pid = self.clock_pid.unwrap_or(Pid::NULL);
        let is_free = |pid: &Pid| *pid != pcr_pid && streams.iter().all(|stream| stream.pid != *pid);
        let map_pid = (0x1000..0x1100).map(Pid::new).find(is_free)?;
        (!streams.is_empty()).then_some((
            Pmt { program: PROGRAM, version: 0, pcr_pid, descriptors: Vec::new(), streams },
            map_pid,
        ))
    }
}

/// The codec of a PES packet of this `stream_id`, from the beginning of its elementary stream.
fn codec_of(stream_id: u8, stream: &[u8]) -> Option<Codec> {
    match stream_id {
        0xE0..=0xEF => video_codec(stream),
        0xC0..=0xDF if stream.starts_with(&[0x56, 0xE0]) => Some(Codec::AacLatm),
        0xC0..=0xDF => [Codec::Aac, Codec::MpegAudio]
            .into_iter()
            .find(|&codec| AudioFrame::parse(codec, stream).is_some()),
        // private_stream_1 and extended_stream_id
        0xBD | 0xFD if stream.starts_with(&[0x0B, 0x77]) => {
            // `bsid` tells them apart (ETSI TS 102 366, E.1.3.1.6).
            let is_enhanced = stream.get(5).is_some_and(|byte| byte >> 3 > 10);
            Some(if is_enhanced { Codec::Eac3 } else { Codec::Ac3 })
        }
        _ => None,
    }
}

/// The codec of pictures, from the start codes that only one codec has.
fn video_codec(stream: &[u8]) -> Option<Codec> {
    let codes = stream.windows(5).filter(|window| window[..3] == [0, 0, 1]);
    codes.map(|window| (window[3], window[4])).find_map(|code| match code {
        // Sequence header, group of pictures (ISO/IEC 13818-2, 6.2.1).
        (0xB3 | 0xB8, _) => Some(Codec::Mpeg2Video),
        // VPS, SPS, PPS, access unit delimiter of layer 0 (ITU-T H.265, 7.3.1.2).
        (0x40 | 0x42 | 0x44 | 0x46, 1) => Some(Codec::Hevc),
        // Access unit delimiter; SPS and PPS, whose `nal_ref_idc` is not 0 (ITU-T H.264, 7.4.1).
        (0x09 | 0x27 | 0x28 | 0x47 | 0x48 | 0x67 | 0x68, _) => Some(Codec::H264),
        _ => None,
    })
}

/// The `stream_type` that a map has for a codec that can be guessed.
const fn stream_type(codec: Codec) -> u8 {
    match codec {
        Codec::Mpeg2Video => 0x02,
        Codec::H264 => 0x1B,
        Codec::Hevc => 0x24,
        Codec::MpegAudio => 0x03,
        Codec::AacLatm => 0x11,
        Codec::Ac3 => 0x81,
        Codec::Eac3 => 0x87,
        _ => 0x0F,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::time::Pcr;
    use crate::ts::packet::{Bytes, PACKET_SIZE, SYNC_BYTE, write_pcr};
    use crate::ts::pes;

    /// A packet that begins a PES packet with `content`, and a clock where there is one.
    fn packet(pid: u16, stream_id: u8, time: u64, clock: Option<u64>, content: &[u8]) -> Bytes {
        let mut packet = [0xFF; PACKET_SIZE];
        let [high, low] = pid.to_be_bytes();
        packet[..4].copy_from_slice(&[SYNC_BYTE, 0x40 | high, low, 0x30]);
        packet[4] = 7;
        packet[5] = if clock.is_some() { 0x10 } else { 0 };
        if let Some(clock) = clock {
            write_pcr(&mut packet[6..12], Pcr::new(clock * 300));
        }
        let stamp = Pts::new(time);
        let unit = [&pes::header(stream_id, stamp, stamp)[..], content].concat();
        packet[12..12 + unit.len()].copy_from_slice(&unit);
        packet
    }

    const AUD: &[u8] = &[0, 0, 0, 1, 9, 0xF0, 0, 0, 1, 0x67, 0x42];
    const ADTS: &[u8] = &[0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x5F, 0xFC, 0x21];

    #[test]
    fn streams_are_found_once_no_map_has_come_for_long() {
        let mut guess = Guess::default();
        let mut push = |bytes: &Bytes| guess.push(Packet::new(bytes));
        let mut found = None;
        for second in 0..3 {
            let time = 90_000 * second;
            assert_eq!(found, None);
            found = push(&packet(0x101, 0xC0, time, None, ADTS))
                .or_else(|| push(&packet(0x100, 0xE0, time, Some(time), AUD)))
                .or(found);
        }
        let (map, map_pid) = found.unwrap();
        let streams: Vec<_> =
            map.streams.iter().map(|stream| (stream.pid.value(), stream.stream_type)).collect();
        assert_eq!(streams, [(0x100, 0x1B), (0x101, 0x0F)]);
        assert_eq!((map.pcr_pid, map_pid), (Pid::new(0x100), Pid::new(0x1000)));
    }

    #[test]
    fn codecs_show_themselves() {
        let cases: [(u8, &[u8], Option<Codec>); 8] = [
            (0xE0, AUD, Some(Codec::H264)),
            (0xE0, &[0, 0, 0, 1, 0x46, 1, 0x50], Some(Codec::Hevc)),
            (0xE0, &[0, 0, 1, 0xB3, 0x2D, 2], Some(Codec::Mpeg2Video)),
            (0xE0, &[0, 0, 1, 0x41, 0x9A], None),
            (0xC0, ADTS, Some(Codec::Aac)),
            (0xC0, &[0xFF, 0xFD, 0xA4, 0x04], Some(Codec::MpegAudio)),
            (0xBD, &[0x0B, 0x77, 0x9D, 0x83, 0x0C, 0x40], Some(Codec::Ac3)),
            (0xBE, &[0xFF; 20], None),
        ];
        for (stream_id, stream, codec) in cases {
            assert_eq!(codec_of(stream_id, stream), codec, "{stream_id:02x} {stream:02x?}");
        }
    }

    #[test]
    fn what_is_unknown_makes_no_map() {
        let mut guess = Guess::default();
        for second in 0..10 {
            let bytes = packet(0x100, 0xE0, 90_000 * second, None, &[1, 2, 3]);
            assert_eq!(guess.push(Packet::new(&bytes)), None);
        }
        // Nor do more PIDs than are looked at take more memory.
        for pid in 0x200..0x400 {
            guess.push(Packet::new(&packet(pid, 0xE0, 0, None, AUD)));
        }
        assert_eq!(guess.candidates.len(), MAX_CANDIDATES);
    }
}

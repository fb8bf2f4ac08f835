//! Plays a clip in an endless loop whose seam cannot be seen in any header field.

use std::collections::BTreeMap;
use std::time::Duration;

use super::behaviour::{Defect, Playout, ticks_90k};
use crate::ts::{NULL_PID, PACKET_SIZE, PesHeader, SYNC_BYTE, write_pcr, write_timestamp};
use crate::ts::{Packet, read_timestamp};

/// Null packets come this far apart in a drip.
const DRIP: Duration = Duration::from_millis(250);

/// One connection's position in the loop.
#[derive(Debug)]
pub(super) struct Player {
    playout: Playout,
    /// Where the loop began for this connection, in 27 MHz ticks from the start of the clip.
    origin_27m: u64,
    /// Next packet of the clip.
    next: usize,
    /// How often the clip has been played to its end.
    rounds: u64,
    counters: BTreeMap<u16, u8>,
    sent: u64,
    drips: u32,
    frozen: Frozen,
}

/// The last time stamps sent.
#[derive(Debug, Default)]
struct Frozen {
    pcr: Option<u64>,
    /// PTS and DTS by PID.
    stamps: BTreeMap<u16, (u64, u64)>,
}

impl Player {
    pub(super) fn new(playout: &Playout) -> Self {
        let late = playout.live_since.map_or(Duration::ZERO, |since| since.elapsed());
        let origin_27m = ticks_90k(playout.start_at + late) * 300;
        let length = playout.clip.length_27m();
        let next = playout.clip.packet_at(origin_27m % length);
        Self {
            playout: playout.clone(),
            origin_27m,
            next,
            rounds: origin_27m / length,
            counters: BTreeMap::new(),
            sent: 0,
            drips: 0,
            frozen: Frozen::default(),
        }
    }

    /// The bytes that are due when `elapsed` has passed since the answer began.
    pub(super) fn take(&mut self, elapsed: Duration) -> Vec<u8> {
        let mut out = Vec::new();
        let defects: Vec<Defect> =
            self.playout.defects.iter().filter(|(at, _)| *at <= elapsed).map(|(_, defect)| *defect).collect();
        if defects.contains(&Defect::NullsOnly) {
            let since = self.playout.defects.iter().find(|(_, defect)| *defect == Defect::NullsOnly);
            let spent = elapsed.saturating_sub(since.map_or(elapsed, |(at, _)| *at));
            while DRIP * self.drips <= spent {
                self.drips += 1;
                let mut null = [0xff; PACKET_SIZE];
                let [high, low] = NULL_PID.to_be_bytes();
                null[..4].copy_from_slice(&[SYNC_BYTE, high, low, 0x10]);
                self.frame(&null, &mut out);
            }
            return out;
        }
        let until = self.origin_27m + ticks_90k(elapsed + self.playout.burst) * 300;
        let clip = self.playout.clip.clone();
        while self.rounds * clip.length_27m() + clip.time_27m(self.next) <= until {
            let mut packet = [0; PACKET_SIZE];
            packet.copy_from_slice(clip.packet(self.next));
            if self.rewrite(&mut packet, &defects) {
                self.frame(&packet, &mut out);
            }
            self.next += 1;
            if self.next == clip.packets() {
                self.next = 0;
                self.rounds += 1;
            }
        }
        out
    }

    /// Appends this packet of the clip as it is in this round, behind what was sent before.
    pub(super) fn put(&mut self, packet: usize, round: u64, out: &mut Vec<u8>) {
        let mut bytes = [0; PACKET_SIZE];
        bytes.copy_from_slice(self.playout.clip.packet(packet));
        self.rounds = round;
        if self.rewrite(&mut bytes, &[]) {
            self.frame(&bytes, out);
        }
    }

    /// Rewrites counters and time stamps, and does the damage; false for a packet that is not sent.
    fn rewrite(&mut self, bytes: &mut [u8; PACKET_SIZE], defects: &[Defect]) -> bool {
        let packet = Packet::new(bytes).expect("a clip has whole packets");
        let (pid, pcr, has_payload) = (packet.pid(), packet.pcr(), packet.has_payload());
        let header =
            packet.payload_offset().filter(|_| packet.starts_unit() && pid >= 0x20).and_then(|offset| {
                let payload = packet.payload();
                let header = PesHeader::read(payload)?;
                let stamp = |at: usize| (offset + at, read_timestamp(&payload[at..at + 5]));
                Some((header.pts_at.map(stamp), header.dts_at.map(stamp)))
            });
        let payload_at = packet.payload_offset();
        if pid == NULL_PID {
            return true;
        }
        let shift = self.rounds * self.playout.clip.length_27m() / 300 + self.playout.shift_90k;
        let is_frozen = defects.contains(&Defect::FrozenClock);
        if let Some(pcr) = pcr {
            let fresh = pcr + shift * 300;
            let value = if is_frozen { *self.frozen.pcr.get_or_insert(fresh) } else { fresh };
            self.frozen.pcr = Some(value);
            write_pcr(bytes, value % ((1 << 33) * 300));
        }
        if let Some((Some((pts_at, pts)), dts)) = header {
            let fresh = (pts + shift, dts.map_or(pts, |(_, dts)| dts) + shift);
            let value = if is_frozen { *self.frozen.stamps.entry(pid).or_insert(fresh) } else { fresh };
            self.frozen.stamps.insert(pid, value);
            write_timestamp(&mut bytes[pts_at..pts_at + 5], value.0);
            if let Some((dts_at, _)) = dts {
                write_timestamp(&mut bytes[dts_at..dts_at + 5], value.1);
            }
        }
        let is_media = self.playout.clip.is_media(pid);
        if defects.contains(&Defect::NoVideo) && self.playout.clip.is_video(pid) {
            // What is left is the clock: a packet without payload repeats the counter.
            if pcr.is_none() {
                return false;
            }
            bytes[3] = bytes[3] & 0xc0 | 0x20 | self.counters.get(&pid).map_or(0, |next| (next + 15) & 0x0f);
            bytes[4] = 183;
            bytes[12..].fill(0xff);
            bytes[5] &= 0x10;
            bytes[1] &= 0x1f;
            return true;
        }
        let next = self.counters.entry(pid).or_insert(bytes[3] & 0x0f);
        let counter = if has_payload { *next } else { (*next + 15) & 0x0f };
        if has_payload {
            *next = (*next + 1) & 0x0f;
        }
        bytes[3] = bytes[3] & 0xf0 | counter;
        if let Some(at) = payload_at.filter(|_| is_media && defects.contains(&Defect::Scrambled)) {
            bytes[3] |= 0x80;
            for byte in &mut bytes[at..] {
                *byte ^= 0x5a;
            }
        }
        self.sent += 1;
        !defects
            .iter()
            .any(|defect| matches!(defect, Defect::LostPackets { every } if self.sent.is_multiple_of(*every)))
    }

    /// Appends the packet in the framing that is asked for.
    fn frame(&self, packet: &[u8], out: &mut Vec<u8>) {
        if self.playout.packet_size == 192 {
            out.extend([0; 4]);
        }
        out.extend_from_slice(packet);
        if self.playout.packet_size == 204 {
            out.extend([0xff; 16]);
        }
    }
}

#[cfg(test)]
#[path = "playout_tests.rs"]
mod tests;

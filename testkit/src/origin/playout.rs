//! Plays a clip in an endless loop whose seam cannot be seen in any header field.

use std::collections::BTreeMap;
use std::time::Duration;

use super::behaviour::{Playout, ticks_90k};
use super::clock;
use super::faults::{Defect, PAGE, Stamps, damage, scramble, strip};
use super::marker::Marker;
use crate::ts::{NULL_PID, PACKET_SIZE, Packet, SYNC_BYTE, read_timestamp, write_pcr, write_timestamp};

/// What drips comes this far apart: null packets, or pages.
const DRIP: Duration = Duration::from_millis(250);

/// What a source sends while it warms up comes this far apart.
const SIGN_OF_LIFE: Duration = Duration::from_millis(500);

/// The least time that clips tell apart: what is due at the end of a lump is the next one's.
const TICK: Duration = Duration::from_micros(12);

/// One connection's position in the loop.
#[derive(Debug)]
pub(super) struct Player {
    playout: Playout,
    /// How long before it connected its first lump was due.
    late: Duration,
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
    clock: Option<clock::Sent>,
    /// By how much the clock is off now.
    jumped_90k: u64,
    /// Where rounds differ: the PID and how.
    marker: Option<(u16, Marker)>,
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
        let begin = playout.lumps.map_or(late, |lump| whole(late, lump));
        let origin_27m = ticks_90k(playout.start_at + begin) * 300;
        let length = playout.clip.length_27m();
        let next = playout.clip.packet_at(origin_27m % length);
        let marked = playout.clip.streams().iter().find(|stream| stream.is_video());
        let marked = marked.or_else(|| playout.clip.streams().iter().find(|stream| stream.is_audio()));
        Self {
            playout: playout.clone(),
            late: late.saturating_sub(begin),
            origin_27m,
            next,
            rounds: origin_27m / length,
            counters: BTreeMap::new(),
            sent: 0,
            drips: 0,
            frozen: Frozen::default(),
            clock: playout.clock.map(clock::Sent::new),
            jumped_90k: 0,
            marker: marked.map(|stream| (stream.pid, Marker::new(stream.stream_type))),
        }
    }

    /// The bytes that are due when `elapsed` has passed since the answer began.
    pub(super) fn take(&mut self, elapsed: Duration) -> Vec<u8> {
        let mut out = Vec::new();
        let elapsed = match self.playout.warm_up {
            Some((span, with)) if elapsed < span => {
                while SIGN_OF_LIFE * self.drips <= elapsed {
                    self.drips += 1;
                    out.extend(with.bytes(&self.playout));
                }
                return out;
            }
            Some((span, _)) => elapsed.saturating_sub(span),
            None => elapsed,
        };
        let since = |wanted: fn(&Defect) -> bool| {
            let mut begun =
                self.playout.defects.iter().filter(|(at, defect)| *at <= elapsed && wanted(defect));
            begun.next().map(|(at, _)| elapsed.saturating_sub(*at))
        };
        let drip = since(|defect| *defect == Defect::NullsOnly).map(|spent| (spent, &NULL_PACKET[..]));
        let page = since(|defect| *defect == Defect::Page).map(|spent| (spent, PAGE.as_bytes()));
        if let Some((spent, share)) = drip.or(page) {
            while DRIP * self.drips <= spent {
                self.drips += 1;
                if share.len() == PACKET_SIZE { self.frame(share, &mut out) } else { out.extend(share) }
            }
            return out;
        }
        let defects: Vec<Defect> =
            self.playout.defects.iter().filter(|(at, _)| *at <= elapsed).map(|(_, defect)| *defect).collect();
        self.jumped_90k = self.jump_90k(elapsed);
        let until = self.origin_27m + ticks_90k(self.media_due(elapsed) + self.playout.burst) * 300;
        let clip = self.playout.clip.clone();
        while self.rounds * clip.length_27m() + clip.time_27m(self.next) <= until {
            let mut packet = [0; PACKET_SIZE];
            packet.copy_from_slice(clip.packet(self.next));
            self.mark(&mut packet, self.next, defects.contains(&Defect::Repeats));
            let is_sent = self.rewrite(&mut packet, &defects);
            if let Some(apart) = self.clock.as_mut().and_then(clock::Sent::take_apart) {
                self.frame(&apart, &mut out);
            }
            if is_sent {
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

    /// How much media is due when `elapsed` has passed.
    fn media_due(&self, elapsed: Duration) -> Duration {
        let mut due = elapsed;
        if let Some(lump) = self.playout.lumps {
            return (whole(self.late + elapsed, lump) + lump).saturating_sub(TICK);
        }
        if let Some((every, length)) = self.playout.hiccups {
            due = elapsed.min(whole(elapsed, every) + every.saturating_sub(length));
        }
        for (at, defect) in &self.playout.defects {
            if let Defect::Slow { percent } = defect {
                due = due.min(*at) + due.saturating_sub(*at) * *percent / 100;
            }
        }
        due
    }

    /// How far the clock has jumped.
    fn jump_90k(&self, elapsed: Duration) -> u64 {
        let jump = |(at, defect): &(Duration, Defect)| match defect {
            Defect::Jumps { every, by_90k } if *at <= elapsed => {
                let stretch = elapsed.saturating_sub(*at).as_nanos() / every.as_nanos();
                if stretch.is_multiple_of(2) { *by_90k } else { 0 }
            }
            _ => 0,
        };
        self.playout.defects.iter().map(jump).sum()
    }

    /// Appends this packet of the clip as it is in this round, behind what was sent before.
    pub(super) fn put(&mut self, packet: usize, round: u64, out: &mut Vec<u8>) {
        let mut bytes = [0; PACKET_SIZE];
        bytes.copy_from_slice(self.playout.clip.packet(packet));
        self.rounds = round;
        let repeats = self.playout.defects.iter().any(|(_, defect)| *defect == Defect::Repeats);
        self.mark(&mut bytes, packet, repeats);
        if self.rewrite(&mut bytes, &[]) {
            self.frame(&bytes, out);
        }
    }

    /// Makes this round another one than those before.
    fn mark(&self, bytes: &mut [u8; PACKET_SIZE], place: usize, repeats: bool) {
        let packet = Packet::new(bytes).expect("a clip has whole packets");
        let Some((_, marker)) = self.marker.filter(|(pid, _)| packet.pid() == *pid && !repeats) else {
            return;
        };
        if let Some(stamps) = Stamps::find(&packet) {
            marker.mark(&mut bytes[stamps.payload..], place, self.rounds);
        }
    }

    /// Rewrites counters and time stamps, and does the damage; false for a packet that is not sent.
    fn rewrite(&mut self, bytes: &mut [u8; PACKET_SIZE], defects: &[Defect]) -> bool {
        let packet = Packet::new(bytes).expect("a clip has whole packets");
        let (pid, pcr, has_payload) = (packet.pid(), packet.pcr(), packet.has_payload());
        let stamps = Stamps::find(&packet);
        if pid == NULL_PID {
            return true;
        }
        let shift =
            self.rounds * self.playout.clip.length_27m() / 300 + self.playout.shift_90k + self.jumped_90k;
        let is_frozen = defects.contains(&Defect::FrozenClock);
        if let Some(pcr) = pcr {
            let fresh = pcr + shift * 300;
            let value = if is_frozen { *self.frozen.pcr.get_or_insert(fresh) } else { fresh };
            self.frozen.pcr = Some(value);
            match &mut self.clock {
                Some(clock) => clock.rewrite(bytes, value),
                None => write_pcr(bytes, value % ((1 << 33) * 300)),
            }
        } else if let Some(clock) = &self.clock {
            clock.rewrite_map(bytes);
        }
        if let Some(Stamps { pts_at: Some(pts_at), dts_at, .. }) = stamps {
            let pts = read_timestamp(&bytes[pts_at..pts_at + 5]);
            let dts = dts_at.map_or(pts, |at| read_timestamp(&bytes[at..at + 5]));
            let fresh = (pts + shift, dts + shift);
            let value = if is_frozen { *self.frozen.stamps.entry(pid).or_insert(fresh) } else { fresh };
            self.frozen.stamps.insert(pid, value);
            write_timestamp(&mut bytes[pts_at..pts_at + 5], value.0);
            if let Some(dts_at) = dts_at {
                write_timestamp(&mut bytes[dts_at..dts_at + 5], value.1);
            }
        }
        let (is_media, is_video) = (self.playout.clip.is_media(pid), self.playout.clip.is_video(pid));
        let is_missing = is_video && defects.contains(&Defect::NoVideo)
            || is_media && !is_video && defects.contains(&Defect::NoAudio);
        if is_missing {
            return strip(bytes, self.counters.get(&pid).map_or(0, |next| (next + 15) & 0x0f));
        }
        let next = self.counters.entry(pid).or_insert(bytes[3] & 0x0f);
        let counter = if has_payload { *next } else { (*next + 15) & 0x0f };
        if has_payload {
            *next = (*next + 1) & 0x0f;
        }
        bytes[3] = bytes[3] & 0xf0 | counter;
        if is_media && defects.contains(&Defect::Scrambled) {
            scramble(bytes);
        }
        self.sent += 1;
        let sent = self.sent;
        let hits = |every: &u64| sent.is_multiple_of(*every);
        if defects.iter().any(|defect| matches!(defect, Defect::MarkedErrors { every } if hits(every))) {
            damage(bytes);
        }
        !defects.iter().any(|defect| matches!(defect, Defect::LostPackets { every } if hits(every)))
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

pub(super) const NULL_PACKET: [u8; PACKET_SIZE] = {
    let mut null = [0xff; PACKET_SIZE];
    let [high, low] = NULL_PID.to_be_bytes();
    (null[0], null[1], null[2], null[3]) = (SYNC_BYTE, high, low, 0x10);
    null
};

/// As many of `part` as fit.
fn whole(span: Duration, part: Duration) -> Duration {
    part * u32::try_from(span.as_nanos() / part.as_nanos()).expect("a test is short")
}

#[cfg(test)]
#[path = "playout_tests.rs"]
mod tests;

//! What goes wrong with a stream that goes on.

use std::time::Duration;

use super::behaviour::{Behaviour, ticks_90k};
use crate::ts::{PACKET_SIZE, Packet, PesHeader, read_timestamp, write_pcr, write_timestamp};

/// Length of the cycle of the clock reference in 27 MHz ticks.
const PCR_CYCLE: u64 = (1 << 33) * 300;

/// What comes in place of a stream. It has no sync byte, which is a capital G.
pub(super) const PAGE: &str =
    "<!doctype html><html><title>Error</title><body>FAILED TO CONNECT</body></html>\n";

/// One thing that goes wrong from a time on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Defect {
    NullsOnly,
    Page,
    FrozenClock,
    Slow { percent: u32 },
    Jumps { every: Duration, by_90k: u64 },
    Scrambled,
    NoVideo,
    NoAudio,
    LostPackets { every: u64 },
    MarkedErrors { every: u64 },
    Repeats,
}

/// What goes wrong from some time on, counted from the answer's head.
impl Behaviour {
    /// From then on only null packets, a few per second.
    #[must_use]
    pub fn drip_nulls_after(self, span: Duration) -> Self {
        self.defect(span, Defect::NullsOnly)
    }

    /// From then on a page in HTML, over and over.
    #[must_use]
    pub fn page_after(self, span: Duration) -> Self {
        self.defect(span, Defect::Page)
    }

    /// From then on the stream goes on, but PCR, PTS and DTS stay where they are.
    #[must_use]
    pub fn freeze_pcr_after(self, span: Duration) -> Self {
        self.defect(span, Defect::FrozenClock)
    }

    /// From then on bytes and clock come at so many per cent of real time.
    #[must_use]
    pub fn slow_after(self, span: Duration, percent: u32) -> Self {
        self.defect(span, Defect::Slow { percent })
    }

    /// From then on PCR, PTS and DTS are `by` later in every second stretch of the length `every`: the clock jumps
    /// back and forth.
    #[must_use]
    pub fn jump_after(self, span: Duration, every: Duration, by: Duration) -> Self {
        self.defect(span, Defect::Jumps { every, by_90k: ticks_90k(by) })
    }

    /// From then on audio and video are marked as scrambled, and their payload is unreadable.
    #[must_use]
    pub fn scramble_after(self, span: Duration) -> Self {
        self.defect(span, Defect::Scrambled)
    }

    /// From then on no video payload comes; clock and audio go on.
    #[must_use]
    pub fn drop_video_after(self, span: Duration) -> Self {
        self.defect(span, Defect::NoVideo)
    }

    /// From then on no audio payload comes; clock and video go on.
    #[must_use]
    pub fn drop_audio_after(self, span: Duration) -> Self {
        self.defect(span, Defect::NoAudio)
    }

    /// From then on one in so many packets is lost, without a word in the counters.
    #[must_use]
    pub fn lose_packets_after(self, span: Duration, every: u64) -> Self {
        self.defect(span, Defect::LostPackets { every })
    }

    /// From then on one in so many packets has the transport error indicator, and half of its payload wrong.
    #[must_use]
    pub fn damage_after(self, span: Duration, every: u64) -> Self {
        self.defect(span, Defect::MarkedErrors { every })
    }

    /// From then on each round of the loop is bit for bit the first, but for its time stamps and counters: a
    /// provider's clip. With [`Kind::Brief`](crate::clip::Kind::Brief) the same comes again soon.
    #[must_use]
    pub fn repeat_after(self, span: Duration) -> Self {
        self.defect(span, Defect::Repeats)
    }

    /// A true loop of the clip from the beginning.
    #[must_use]
    pub fn repeating(self) -> Self {
        self.repeat_after(Duration::ZERO)
    }

    /// Again and again, after so much time, everything is held back for this long and then comes at once.
    #[must_use]
    pub fn hiccups(self, every: Duration, length: Duration) -> Self {
        assert!(length < every, "a hiccup of {length:?} is over before the next, {every:?} later");
        self.playout(|playout| playout.hiccups = Some((every, length)))
    }

    fn defect(self, span: Duration, defect: Defect) -> Self {
        self.playout(|playout| playout.defects.push((span, defect)))
    }
}

/// Takes the payload off a packet that bears the clock; false for one that bears none, which is to be left out.
/// `counter` is that of the last packet with a payload.
pub(super) fn strip(packet: &mut [u8; PACKET_SIZE], counter: u8) -> bool {
    if Packet::new(packet).is_none_or(|packet| packet.pcr().is_none()) {
        return false;
    }
    packet[3] = packet[3] & 0xc0 | 0x20 | counter;
    packet[4] = 183;
    packet[12..].fill(0xff);
    packet[5] &= 0x10;
    packet[1] &= 0x1f;
    true
}

/// Makes the payload unreadable and says so.
pub(super) fn scramble(packet: &mut [u8; PACKET_SIZE]) {
    if let Some(at) = Packet::new(packet).and_then(|packet| packet.payload_offset()) {
        packet[3] |= 0x80;
        packet[at..].iter_mut().for_each(|byte| *byte ^= 0x5a);
    }
}

/// Damages a packet as a bad reception does, and says so.
pub(super) fn damage(packet: &mut [u8; PACKET_SIZE]) {
    packet[1] |= 0x80;
    packet[PACKET_SIZE / 2..].iter_mut().for_each(|byte| *byte ^= 0xa5);
}

/// Moves all time stamps of a packet on, in 90 kHz ticks.
pub(super) fn move_stamps(bytes: &mut [u8; PACKET_SIZE], ticks: u64) {
    let Some(packet) = Packet::new(bytes) else { return };
    let stamps = Stamps::find(&packet);
    if let Some(pcr) = packet.pcr() {
        write_pcr(bytes, (pcr + ticks * 300) % PCR_CYCLE);
    }
    for at in stamps.into_iter().flat_map(|stamps| [stamps.pts_at, stamps.dts_at]).flatten() {
        let stamp = read_timestamp(&bytes[at..at + 5]);
        write_timestamp(&mut bytes[at..at + 5], stamp + ticks);
    }
}

/// Where in a packet the time stamps of a PES packet stand that begins there, and its payload.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stamps {
    pub(super) pts_at: Option<usize>,
    pub(super) dts_at: Option<usize>,
    pub(super) payload: usize,
}

impl Stamps {
    pub(super) fn find(packet: &Packet<'_>) -> Option<Self> {
        let offset = packet.payload_offset().filter(|_| packet.starts_unit() && packet.pid() >= 0x20)?;
        let header = PesHeader::read(packet.payload())?;
        Some(Self {
            pts_at: header.pts_at.map(|at| offset + at),
            dts_at: header.dts_at.map(|at| offset + at),
            payload: offset + header.payload_at,
        })
    }
}

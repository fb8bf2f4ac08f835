//! What is wrong with a segment.

use std::collections::BTreeMap;
use std::time::Duration;

use super::state::State;
use crate::origin::Behaviour;
use crate::origin::behaviour::ticks_90k;
use crate::origin::faults::{PAGE, damage, move_stamps, scramble, strip};
use crate::ts::{PACKET_SIZE, Packet};

/// A PNG of one transparent pixel, as providers put it before what nobody should take for a stream.
#[rustfmt::skip]
const PNG: [u8; 70] = [
    0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a, 0x00, 0x00, 0x00, 0x0d, 0x49, 0x48, 0x44, 0x52, 0x00, 0x00,
    0x00, 0x01, 0x00, 0x00, 0x00, 0x01, 0x08, 0x06, 0x00, 0x00, 0x00, 0x1f, 0x15, 0xc4, 0x89, 0x00, 0x00, 0x00,
    0x0d, 0x49, 0x44, 0x41, 0x54, 0x78, 0xda, 0x63, 0xf8, 0xff, 0xff, 0x3f, 0x03, 0x00, 0x08, 0xfc, 0x02, 0xfe,
    0x78, 0xc4, 0xb2, 0xb0, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4e, 0x44, 0xae, 0x42, 0x60, 0x82,
];

/// What is wrong with a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// Listed with EXT-X-GAP, and 404.
    Gap,
    /// 404 for the first so many times that it is asked for.
    Missing {
        /// How many times.
        tries: usize,
    },
    /// Answered with this status, always.
    Status(u16),
    /// Half a body, although its whole length was stated; the connection is closed in order.
    Truncated,
    /// Half a body in chunks with a proper end: nothing tells that the rest is missing.
    ShortWithoutNotice,
    /// Half a body, then a reset.
    Cut,
    /// Half a body, then silence.
    Stalled,
    /// The same, only when it is asked for first.
    StalledAtFirst,
    /// No answer at all.
    Hanging,
    /// No faster than this.
    Slow {
        /// Bytes per second.
        bytes_per_second: u32,
    },
    /// The body of segment 0: the same pictures again and again.
    Repeated,
    /// A PNG of 70 bytes in front, a name and a Content-Type to match.
    Png,
    /// Two packets' worth of garbage in front.
    Garbage,
    /// A page in HTML, with status 200.
    Html,
    /// As [`Behaviour::scramble_after`]. This and what follows is for [`Container::Ts`](super::Container::Ts) alone.
    Scrambled,
    /// As [`Behaviour::drop_video_after`].
    NoVideo,
    /// As [`Behaviour::drop_audio_after`].
    NoAudio,
    /// As [`Behaviour::lose_packets_after`].
    LostPackets {
        /// One in so many.
        every: u64,
    },
    /// As [`Behaviour::damage_after`].
    Damaged {
        /// One in so many packets.
        every: u64,
    },
    /// In every second segment all time stamps are so much later.
    Jumps {
        /// By how much.
        by: Duration,
    },
}

/// The answer to a request for a segment, with what is wrong with it.
pub(super) fn faulty(state: &State, number: usize, tries: usize, good: Behaviour, bytes: &[u8]) -> Behaviour {
    let Some(fault) = state.hls.fault_of(number as u64) else { return good };
    let now = Duration::ZERO;
    let spoilt = |spoil: &mut Spoil<'_>| Behaviour::body(&state.segment_type(), spoil_all(bytes, spoil));
    let (is_video, is_media) = (|pid| state.hls.clip.is_video(pid), |pid| state.hls.clip.is_media(pid));
    let mut held = BTreeMap::new();
    let mut count = 0;
    let mut hits = |every: u64| {
        count += 1;
        every > 0 && u64::is_multiple_of(count, every)
    };
    match fault {
        Fault::Gap => Behaviour::status(404, "text/plain", "a gap\n"),
        Fault::Missing { tries: missing } if tries <= missing => {
            Behaviour::status(404, "text/plain", "not yet\n")
        }
        Fault::Missing { .. } => good,
        Fault::Status(status) => Behaviour::status(status, "text/plain", "as asked\n"),
        Fault::Truncated => good.end_after(now),
        Fault::ShortWithoutNotice => good.chunked().end_after(now),
        Fault::Cut => good.cut_after(now),
        Fault::Stalled => good.stall_after(now),
        Fault::StalledAtFirst if tries == 1 => good.stall_after(now),
        Fault::StalledAtFirst => good,
        Fault::Hanging => good.answer_after(Duration::from_hours(1)),
        Fault::Slow { bytes_per_second } => good.slowly(bytes_per_second),
        Fault::Repeated => Behaviour::body(&state.segment_type(), state.segments[0].bytes.to_vec()),
        Fault::Png => Behaviour::body("image/png", [&PNG[..], bytes].concat()),
        Fault::Garbage => {
            Behaviour::body(&state.segment_type(), [&[0xa5; 2 * PACKET_SIZE][..], bytes].concat())
        }
        Fault::Html => Behaviour::body("text/html", PAGE),
        Fault::Scrambled => spoilt(&mut |packet| {
            if is_media(pid_of(packet)) {
                scramble(packet);
            }
            true
        }),
        Fault::NoVideo => spoilt(&mut |packet| !is_video(pid_of(packet)) || strip_one(packet, &mut held)),
        Fault::NoAudio => spoilt(&mut |packet| {
            let pid = pid_of(packet);
            !is_media(pid) || is_video(pid) || strip_one(packet, &mut held)
        }),
        Fault::LostPackets { every } => spoilt(&mut |_| !hits(every)),
        Fault::Damaged { every } => spoilt(&mut |packet| {
            if hits(every) {
                damage(packet);
            }
            true
        }),
        Fault::Jumps { by } => spoilt(&mut |packet| {
            if number % 2 == 1 {
                move_stamps(packet, ticks_90k(by));
            }
            true
        }),
    }
}

/// What is done to a packet; false for one that is left out.
type Spoil<'a> = dyn FnMut(&mut [u8; PACKET_SIZE]) -> bool + 'a;

/// A segment, packet by packet.
fn spoil_all(bytes: &[u8], spoil: &mut Spoil<'_>) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for packet in bytes.chunks(PACKET_SIZE) {
        let mut packet: [u8; PACKET_SIZE] = packet.try_into().expect("this fault is for whole packets");
        if spoil(&mut packet) {
            out.extend(packet);
        }
    }
    out
}

fn pid_of(packet: &[u8; PACKET_SIZE]) -> u16 {
    Packet::new(packet).expect("this fault is for MPEG-TS").pid()
}

/// Strips a packet of a PID that has no payload any more, whose counter therefore stays.
fn strip_one(packet: &mut [u8; PACKET_SIZE], held: &mut BTreeMap<u16, u8>) -> bool {
    let counter = *held.entry(pid_of(packet)).or_insert((packet[3] + 15) & 0x0f);
    strip(packet, counter)
}

#[cfg(test)]
mod tests;

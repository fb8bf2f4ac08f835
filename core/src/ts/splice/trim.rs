//! Leaves out the beginning of a PES packet, as a splice does with frames of sound that overlap
//! what was sent.

use crate::ts::codec_headers::AudioFrame;
use crate::ts::packet::{Bytes, PACKET_SIZE, Packet};
use crate::ts::stream::Codec;

/// The frames that begin within `ticks` of the beginning of `stream`, which begins with one: their
/// bytes, and how long they are in ticks. `None` where no frame is left behind them, or the codec
/// is not looked into.
pub(super) fn frames_within(codec: Codec, stream: &[u8], ticks: i64) -> Option<(usize, i64)> {
    let (mut bytes, mut samples) = (0, 0);
    loop {
        let frame = AudioFrame::parse(codec, stream.get(bytes..)?)?;
        let begins = samples * 90_000 / i64::from(frame.format.sample_rate);
        if begins >= ticks {
            return Some((bytes, begins));
        }
        // A header that says 0 must not hold the loop for ever.
        bytes += frame.length.max(1);
        samples += i64::from(frame.samples);
    }
}

/// Takes `count` bytes of payload out of `packets`, from the byte `at` of all their payload on. A
/// packet that has none left goes, unless it carries the clock.
pub(super) fn cut(packets: &mut Vec<Bytes>, at: usize, count: usize) {
    let mut before = 0;
    packets.retain_mut(|bytes| {
        let original = *bytes;
        let packet = Packet::new(&original);
        let payload = packet.payload().unwrap_or_default();
        let within = |position: usize| position.saturating_sub(before).min(payload.len());
        let (begin, end) = (within(at), within(at + count));
        before += payload.len();
        if begin == end {
            return true;
        }
        set_payload(bytes, &[&payload[..begin], &payload[end..]].concat());
        // A lost clock reference would be seen as a gap in the clock.
        Packet::new(bytes).has_payload() || packet.pcr().is_some()
    });
}

/// Gives a packet less payload than it has; its adaptation field is filled up.
fn set_payload(packet: &mut Bytes, payload: &[u8]) {
    let original = *packet;
    let has_field = original[3] & 0x20 != 0;
    let field = if has_field { &original[5..5 + usize::from(original[4])] } else { &[] };
    let room = PACKET_SIZE - 5 - payload.len();
    packet[3] = original[3] & 0xCF | 0x20 | if payload.is_empty() { 0 } else { 0x10 };
    packet[4] = room.to_le_bytes()[0];
    packet[5..].fill(0xFF);
    // A field of length 0 has no byte for the flags (2.4.3.4).
    if room > 0 {
        packet[5] = 0; // no flags, unless there were some
        packet[5..5 + field.len()].copy_from_slice(field);
    }
    packet[PACKET_SIZE - payload.len()..].copy_from_slice(payload);
}

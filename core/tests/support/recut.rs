//! Takes the pictures of a real stream and sends each as another multiplexer would: in other PES
//! packets, with other stamps.

use forebay_core::time::{Pcr, Pts};
use forebay_core::ts::packet::{self, Bytes};
use forebay_core::ts::pes::Header;
use forebay_core::ts::{PACKET_SIZE, Packet};

use super::muxer::{VIDEO, packets, pes};

/// A picture, as its PES packet has it.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    pub(crate) pts: Pts,
    pub(crate) dts: Option<Pts>,
    /// Its elementary stream.
    pub(crate) content: Vec<u8>,
    clock: Option<Pcr>,
}

impl Picture {
    /// A PES packet with its stamps.
    pub(crate) fn stamped(&self, content: &[u8]) -> Vec<u8> {
        pes(0xE0, self.pts, self.dts, content)
    }

    /// Its NAL units, or what MPEG-2 has for them, each from its start code on.
    pub(crate) fn units(&self) -> Vec<&[u8]> {
        let is_code = |at: usize| self.content[at..].starts_with(&[0, 0, 1]);
        let mut begins: Vec<usize> = (0..self.content.len()).filter(|&at| is_code(at)).collect();
        // The zero in front of a start code belongs to it.
        for at in &mut begins {
            *at -= usize::from(*at > 0 && self.content[*at - 1] == 0);
        }
        begins[0] = 0;
        let ends = begins.iter().skip(1).copied().chain([self.content.len()]);
        begins.iter().zip(ends).map(|(&begin, end)| &self.content[begin..end]).collect()
    }
}

/// A PES packet without stamps.
pub(crate) fn unstamped(content: &[u8]) -> Vec<u8> {
    [&[0, 0, 1, 0xE0, 0, 0, 0x80, 0, 0], content].concat()
}

/// The stream with each picture, of which the first argument is the number, as the PES packets that
/// `send` makes of it.
pub(crate) fn recut(stream: &[u8], mut send: impl FnMut(usize, &mut Picture) -> Vec<Vec<u8>>) -> Vec<Bytes> {
    let (mut out, mut hand, mut number) = (Vec::new(), None::<Picture>, 0);
    let mut finish = |hand: Option<Picture>, out: &mut Vec<Bytes>| {
        let Some(mut picture) = hand else { return };
        let mut clock = picture.clock;
        for unit in send(number, &mut picture) {
            out.extend(packets(VIDEO, &unit, clock.take()));
        }
        number += 1;
    };
    for bytes in stream.as_chunks::<PACKET_SIZE>().0 {
        let packet = Packet::new(bytes);
        if packet.pid() != VIDEO {
            out.push(*bytes);
            continue;
        }
        let mut content = packet.payload().expect("ffmpeg sends a payload in each");
        if packet.starts_unit() {
            finish(hand.take(), &mut out);
            let header = Header::parse(content).expect("a PES header");
            let pts = header.pts.expect("ffmpeg stamps each picture");
            hand = Some(Picture { pts, dts: header.dts, clock: packet.pcr(), content: Vec::new() });
            content = &content[header.payload_at..];
        }
        hand.as_mut().expect("a stream begins with a picture").content.extend(content);
    }
    finish(hand, &mut out);
    let mut counter = 0u8;
    for bytes in out.iter_mut().filter(|bytes| Packet::new(bytes).pid() == VIDEO) {
        packet::set_continuity(bytes, counter);
        counter = counter.wrapping_add(1);
    }
    out
}

/// The elementary stream of a PID, and the decoding times of its PES packets that have one.
pub(crate) fn video(stream: &[Bytes]) -> (Vec<u8>, Vec<Pts>) {
    let (mut content, mut times) = (Vec::new(), Vec::new());
    for packet in stream.iter().map(Packet::new).filter(|packet| packet.pid() == VIDEO) {
        let mut payload = packet.payload().unwrap_or_default();
        if packet.starts_unit() {
            let header = Header::parse(payload).expect("a PES header");
            times.extend(header.decode_time());
            payload = &payload[header.payload_at..];
        }
        content.extend_from_slice(payload);
    }
    (content, times)
}

//! A conditional access system: it scrambles a stream with words that its ECM tell, and descrambles
//! what a receiver gets, by nothing but what that says. The cipher is no good, and is one of whole
//! packets, as a real one is.

use std::collections::BTreeMap;

use super::build::{Muxer, section};
use super::{PACKET_SIZE, Packet, Pat, Pmt, Sections};

/// A `CA_descriptor`: ECM, or in a CAT EMM, are on `pid`.
pub fn descriptor(pid: u16) -> Vec<u8> {
    let [high, low] = (0xe000 | pid).to_be_bytes();
    vec![0x09, 4, 0x26, 0x00, high, low]
}

/// A conditional access table that names the EMM on `pid`.
pub fn cat(muxer: &mut Muxer, pid: u16) -> Vec<u8> {
    muxer.section(1, &section(0x01, 0xffff, 0, &descriptor(pid)))
}

/// The words of one ECM stream.
#[derive(Debug, Clone)]
pub struct Scrambler {
    pid: u16,
    period: u8,
}

impl Scrambler {
    /// Its ECM are on `pid`.
    pub fn new(pid: u16) -> Self {
        Self { pid, period: 1 }
    }

    /// The next word is used from now on; its ECM is to be sent first.
    pub fn turn(&mut self) {
        self.period += 1;
    }

    /// Tells the word that is used now.
    pub fn ecm(&self, muxer: &mut Muxer) -> Vec<u8> {
        muxer.section(self.pid, &section(0x80 | self.period & 1, 0, 0, &[self.word()]))
    }

    /// Scrambles the payload of packets.
    pub fn scramble(&self, mut packets: Vec<u8>) -> Vec<u8> {
        for packet in packets.chunks_mut(PACKET_SIZE) {
            let at = Packet::new(packet).and_then(|packet| packet.payload_offset());
            if let Some(at) = at {
                packet[3] |= 0x80 | (self.period & 1) << 6;
                cipher(&mut packet[at..], self.word());
            }
        }
        packets
    }

    fn word(&self) -> u8 {
        self.period.wrapping_mul(73) ^ u8::try_from(self.pid & 0xff).expect("eight bits")
    }
}

/// Its own inverse; what is left of a packet that was cut or filled up comes out wrong.
fn cipher(payload: &mut [u8], word: u8) {
    let mut key = word ^ u8::try_from(payload.len()).expect("a packet is short");
    for byte in payload {
        *byte ^= key;
        key = key.wrapping_mul(5).wrapping_add(word | 1);
    }
}

/// Descrambles a stream of one programme as a receiver does: the PMT names the ECM, and they tell
/// the words. Packets for which there is no word yet stay as they are.
pub fn descramble(stream: &[u8]) -> Vec<u8> {
    let mut receiver = Receiver::default();
    let mut out = stream.to_vec();
    out.chunks_mut(PACKET_SIZE).for_each(|packet| receiver.handle_packet(packet));
    out
}

#[derive(Debug, Default)]
struct Receiver {
    sections: BTreeMap<u16, Sections>,
    pmt_pid: Option<u16>,
    /// Where the ECM of each stream are.
    ecm_pids: BTreeMap<u16, u16>,
    /// By the PID of their ECM, the even and the odd one.
    words: BTreeMap<u16, [Option<u8>; 2]>,
}

impl Receiver {
    fn handle_packet(&mut self, packet: &mut [u8]) {
        let view = Packet::new(packet).expect("whole packets");
        let (pid, odd) = (view.pid(), usize::from(packet[3] >> 6 & 1));
        if view.is_scrambled() {
            let word = self.ecm_pids.get(&pid).and_then(|ecm| self.words.get(ecm)?[odd]);
            if let (Some(word), Some(at)) = (word, view.payload_offset()) {
                packet[3] &= 0x3f;
                cipher(&mut packet[at..], word);
            }
            return;
        }
        let is_ecm = self.ecm_pids.values().any(|&ecm| ecm == pid);
        if pid != 0 && Some(pid) != self.pmt_pid && !is_ecm {
            return;
        }
        for section in self.sections.entry(pid).or_default().push(view.starts_unit(), view.payload()) {
            if let Some(pat) = Pat::read(&section) {
                self.pmt_pid = pat.programs.first().map(|&(_, pid)| pid);
            } else if let Some(pmt) = Pmt::read(&section) {
                let of_program = named(&pmt.descriptors);
                let of = |descriptors: &[u8]| named(descriptors).or(of_program);
                let streams = pmt.streams.iter();
                self.ecm_pids =
                    streams.filter_map(|stream| Some((stream.pid, of(&stream.descriptors)?))).collect();
            } else if is_ecm {
                self.words.entry(pid).or_default()[usize::from(section[0] & 1)] = Some(section[8]);
            }
        }
    }
}

/// The PID that the first `CA_descriptor` names.
fn named(descriptors: &[u8]) -> Option<u16> {
    let mut rest = descriptors;
    while let [tag, length, tail @ ..] = rest {
        if let (0x09, [_, _, high, low, ..]) = (tag, tail) {
            return Some(u16::from_be_bytes([high & 0x1f, *low]));
        }
        rest = tail.get(usize::from(*length)..)?;
    }
    None
}

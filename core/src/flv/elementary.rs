//! The pictures and the sound of a channel, out of its packets.

use crate::ts::demux::{Continuity, Demux, Role};
use crate::ts::packet::{PACKET_SIZE, Packet};
use crate::ts::pes::Header;
use crate::ts::stream::{Class, Codec};

/// The largest PES packet that is put together: several times the largest picture of a 4K
/// broadcast. A larger one is left out.
const MAX_PES: usize = 8 << 20;

/// Which streams of the programme are followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Program {
    pub(super) pictures: Option<Codec>,
    /// AAC where there is any; what else there is besides.
    pub(super) sound: Option<Codec>,
}

/// The programme, or a PES packet of it.
#[derive(Debug)]
pub(super) enum Arrival<'a> {
    /// The programme is known, or another one.
    Program(Program),
    /// A PES packet of the pictures, with what it holds.
    Picture(Header, &'a [u8]),
    /// The same of the sound.
    Sound(Header, &'a [u8]),
}

/// Takes the programme apart.
#[derive(Debug)]
pub(super) struct Elementary {
    demux: Demux,
    pictures: Option<Assembler>,
    sound: Option<Assembler>,
}

impl Elementary {
    pub(super) fn new() -> Self {
        Self { demux: Demux::new(None), pictures: None, sound: None }
    }

    /// Takes whole packets.
    pub(super) fn push(&mut self, packets: &[u8], mut take: impl FnMut(Arrival<'_>)) {
        for bytes in packets.as_chunks::<PACKET_SIZE>().0 {
            self.handle_packet(Packet::new(bytes), &mut take);
        }
    }

    fn handle_packet(&mut self, packet: Packet<'_>, take: &mut impl FnMut(Arrival<'_>)) {
        let (index, continuity) = match self.demux.handle_packet(packet) {
            (Role::Stream(index), continuity) => (index, continuity),
            (Role::Changed, _) => return self.handle_map(take),
            (Role::Other | Role::Information(_) | Role::Access, _) => return,
        };
        let is_of = |assembler: &&mut Assembler| assembler.index == index;
        if let Some(pictures) = self.pictures.as_mut().filter(is_of) {
            pictures.push(packet, continuity, |header, content| take(Arrival::Picture(header, content)));
        } else if let Some(sound) = self.sound.as_mut().filter(is_of) {
            sound.push(packet, continuity, |header, content| take(Arrival::Sound(header, content)));
        }
    }

    fn handle_map(&mut self, take: &mut impl FnMut(Arrival<'_>)) {
        let Some(map) = self.demux.program() else { return };
        let codecs: Vec<Codec> = map.streams.iter().map(Codec::of).collect();
        let first = |class| codecs.iter().position(|codec| codec.class() == class);
        let aac = codecs.iter().position(|&codec| codec == Codec::Aac);
        let (pictures, sound) = (first(Class::Video), aac.or_else(|| first(Class::Audio)));
        let codec = |index: Option<usize>| index.map(|index| codecs[index]);
        take(Arrival::Program(Program { pictures: codec(pictures), sound: codec(sound) }));
        self.pictures = pictures.map(Assembler::new);
        self.sound = sound.map(Assembler::new);
    }
}

/// Puts the PES packets of one stream together.
#[derive(Debug)]
struct Assembler {
    /// In the map.
    index: usize,
    /// The packet so far; empty until the next one begins.
    bytes: Vec<u8>,
}

impl Assembler {
    fn new(index: usize) -> Self {
        Self { index, bytes: Vec::new() }
    }

    fn push(&mut self, packet: Packet<'_>, continuity: Continuity, mut take: impl FnMut(Header, &[u8])) {
        let Some(payload) = packet.payload() else { return };
        if packet.is_scrambled() || continuity == Continuity::Repeated {
            return;
        }
        if packet.starts_unit() {
            self.deliver(&mut take);
        } else if self.bytes.is_empty() {
            return;
        } else if continuity == Continuity::Broken || self.bytes.len() > MAX_PES {
            // A picture with a hole in it is worse than none.
            self.bytes.clear();
            return;
        }
        self.bytes.extend_from_slice(payload);
        // What says how long it is need not wait for the next one.
        let length = Header::parse(&self.bytes).and_then(|header| header.length);
        if length.is_some_and(|length| self.bytes.len() >= length) {
            self.deliver(&mut take);
        }
    }

    /// The packet ends here. Its memory is used again.
    fn deliver(&mut self, take: &mut impl FnMut(Header, &[u8])) {
        if let Some(header) = Header::parse(&self.bytes) {
            let end = header.length.unwrap_or(self.bytes.len());
            // One that is shorter than it says has lost something.
            if let Some(content) = self.bytes.get(header.payload_at..end) {
                take(header, content);
            }
        }
        self.bytes.clear();
    }
}

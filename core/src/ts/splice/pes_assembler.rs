//! Puts PES packets together from their transport packets, so that each goes out whole or not at
//! all.

use super::trim;
use crate::time::{Pcr, Pts};
use crate::ts::codec_headers::AudioFormat;
use crate::ts::demux::Continuity;
use crate::ts::packet::{Bytes, PACKET_SIZE, Packet};
use crate::ts::pes::{self, Header};
use crate::ts::random_access::{Scan, Verdict};
use crate::ts::stream::{Class, Codec};

/// The most packets of one video PES packet that are held back: 4 MB, several times the largest
/// picture of a 4K broadcast.
const MAX_VIDEO_PACKETS: usize = 4_000_000 / PACKET_SIZE;

/// The same of anything else, which has a length of 16 bits.
const MAX_PACKETS: usize = 128_000 / PACKET_SIZE;

/// The most PES packets in front of a picture's first slice that wait for it: two or three times
/// as many as a multiplexer makes that gives each NAL unit one.
const MAX_PREFIX: usize = 16;

/// What became of a packet.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pushed {
    /// It is held until its PES packet is complete.
    Held,
    /// It completed its PES packet, which can be taken.
    Complete,
    /// It belongs to a PES packet that is out already (its length field was too short), or to one
    /// whose beginning never came.
    Stray,
}

/// The PES packet of one stream that is being put together.
///
/// Some multiplexers give parameter sets, delimiters and messages PES packets of their own. Those
/// wait here for the first slice of their picture, so that a random access point is one piece.
#[derive(Debug)]
pub(super) struct PesAssembler {
    codec: Codec,
    packets: Vec<Bytes>,
    /// The last packet of those that have left, as it came: its copy may follow.
    last: Option<Bytes>,
    /// Indices of packets in front of which the source lost something.
    breaks: Vec<usize>,
    /// The header of the last PES packet.
    header: Option<Header>,
    /// Bytes of the last PES packet so far.
    length: usize,
    /// Where the last PES packet begins, in bytes of payload.
    begins_at: usize,
    /// The headers of the PES packets that wait in front of it, and where each begins.
    prefix: Vec<(usize, Option<Header>)>,
    scan: Option<Scan>,
    /// Its first packet has the `random_access_indicator`.
    is_hinted: bool,
    /// When to decode it, if it cannot be read.
    stand_in: Option<Pts>,
    /// Whether to look for a random access point.
    is_scanned: bool,
    /// Whether a PES packet has gone out whose further packets may follow.
    has_tail: bool,
    /// Memory for the elementary stream of a sound packet.
    sound: Vec<u8>,
}

impl PesAssembler {
    pub(super) fn new(codec: Codec) -> Self {
        Self {
            codec,
            packets: Vec::new(),
            last: None,
            breaks: Vec::new(),
            header: None,
            length: 0,
            begins_at: 0,
            prefix: Vec::new(),
            scan: None,
            is_hinted: false,
            stand_in: None,
            is_scanned: false,
            has_tail: false,
            sound: Vec::new(),
        }
    }

    /// Whether to look for a random access point, from the next PES packet on.
    pub(super) fn scan_if(&mut self, is_reference: bool) {
        self.is_scanned = is_reference;
    }

    /// Memory that it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.packets.capacity() * PACKET_SIZE + self.sound.capacity()
    }

    fn most(&self) -> usize {
        if self.codec.class() == Class::Video { MAX_VIDEO_PACKETS } else { MAX_PACKETS }
    }

    /// Whether anything of it cannot be read.
    pub(super) fn is_scrambled(&self) -> bool {
        self.packets.iter().any(|packet| Packet::new(packet).is_scrambled())
    }

    /// Whether not even its header can be read.
    pub(super) fn is_unreadable(&self) -> bool {
        self.header.is_none() && self.is_scrambled()
    }

    /// Whether it says itself that a decoder can start here.
    pub(super) fn is_hinted(&self) -> bool {
        self.is_hinted
    }

    /// When to decode it, which cannot be read.
    pub(super) fn stand_in(&mut self, time: Option<Pts>) {
        self.stand_in = time;
    }

    /// Whether a PES packet has begun and is not complete.
    pub(super) fn is_open(&self) -> bool {
        !self.packets.is_empty()
    }

    /// Whether further packets belong to a PES packet that went out.
    pub(super) fn has_tail(&self) -> bool {
        self.has_tail
    }

    /// The header whose stamps count: those of the slice, or where it has none, those nearest in
    /// front of it.
    fn stamped(&self) -> Option<Header> {
        // The nearest first: a delimiter's stamps are those of the picture that follows it.
        let waiting = self.prefix.iter().rev().filter_map(|&(_, header)| header);
        self.header.into_iter().chain(waiting).find(|header| header.pts.is_some())
    }

    /// When to decode it.
    pub(super) fn decode_time(&self) -> Option<Pts> {
        self.stamped().and_then(|header| header.decode_time()).or(self.stand_in)
    }

    /// Whether it has a decoding time of its own, and not only one to be shown.
    pub(super) fn has_decode_stamp(&self) -> bool {
        self.stamped().is_some_and(|header| header.dts.is_some())
    }

    /// When to show it.
    pub(super) fn presentation_time(&self) -> Option<Pts> {
        self.stamped().and_then(|header| header.pts)
    }

    /// Whether it holds the beginning of a picture, and none of its slices yet.
    pub(super) fn awaits_slice(&self) -> bool {
        // The limits keep a stream of prefixes without end from being held for ever.
        self.scan.as_ref().is_some_and(Scan::is_prefix)
            && self.packets.len() < self.most()
            && self.prefix.len() < MAX_PREFIX
    }

    /// Whether nothing begins in it that a decoder would take for a picture: a further slice, or
    /// the rest of one.
    pub(super) fn begins_no_picture(&self) -> bool {
        match self.verdict() {
            Verdict::Continuation => true,
            Verdict::Undecided => !self.scan.as_ref().is_some_and(Scan::is_prefix),
            Verdict::RandomAccess(_) | Verdict::Refresh | Verdict::ParametersOnly | Verdict::Ordinary => {
                false
            }
        }
    }

    /// Whether the source lost anything in it, or in front of it.
    pub(super) fn is_broken(&self) -> bool {
        !self.breaks.is_empty()
    }

    pub(super) fn verdict(&self) -> Verdict {
        self.scan.as_ref().map_or(Verdict::Ordinary, Scan::verdict)
    }

    /// The first clock reference in it.
    pub(super) fn first_pcr(&self) -> Option<Pcr> {
        self.packets.iter().find_map(|packet| Packet::new(packet).pcr())
    }

    /// How long the sound in it is, in ticks of 90 kHz, as far as the codec is known.
    pub(super) fn sound_duration(&mut self) -> Option<i64> {
        AudioFormat::duration(self.codec, self.sound(self.header?)?)
    }

    /// Leaves out the frames of sound that begin within `ticks` of its beginning; false, and
    /// nothing is, where none would be left, or it is not known where they are.
    pub(super) fn skip_sound(&mut self, ticks: i64) -> bool {
        let codec = self.codec;
        // Frames behind a loss cannot be counted: the rest of a torn frame looks like another one.
        let Some(header) = self.header.filter(|_| !self.is_broken()) else { return false };
        let frames = self.sound(header).and_then(|sound| trim::frames_within(codec, sound, ticks));
        let Some((bytes, skipped)) = frames else { return false };
        trim::cut(&mut self.packets, header.payload_at, bytes);
        let length = header.length.and_then(|length| length.checked_sub(bytes));
        let header = Header { length, ..header.moved(skipped, 0) };
        // 0 stands for an unknown length: the sound then ends where the next PES packet begins.
        let field = length.and_then(|length| u16::try_from(length.checked_sub(6)?).ok()).unwrap_or(0);
        self.write(4, &field.to_be_bytes());
        self.write_stamps(0, header);
        self.header = Some(header);
        true
    }

    /// The elementary stream behind its header.
    fn sound(&mut self, header: Header) -> Option<&[u8]> {
        self.sound.clear();
        for packet in &self.packets {
            self.sound.extend_from_slice(Packet::new(packet).payload().unwrap_or_default());
        }
        self.sound.get(header.payload_at..)
    }

    /// Takes a packet. One that starts a PES packet must find the one before taken, unless that
    /// awaits its slice.
    pub(super) fn push(&mut self, packet: Packet<'_>, continuity: Continuity) -> Pushed {
        if packet.starts_unit() {
            if self.is_open() {
                debug_assert!(self.awaits_slice(), "any other is taken first");
                self.prefix.push((self.begins_at, self.header));
                self.begins_at += self.length;
            } else {
                self.scan = self.is_scanned.then(|| Scan::new(self.codec, packet.hints_random_access()));
                (self.is_hinted, self.stand_in) = (packet.hints_random_access(), None);
                self.begins_at = 0;
            }
            self.has_tail = false;
            self.length = 0;
            self.header = None;
        } else if !self.is_open() {
            self.pass_by(packet);
            return Pushed::Stray;
        }
        // A counter that stands still on a packet that is another one is a broken multiplexer, and
        // nothing is lost.
        if continuity == Continuity::Broken {
            self.breaks.push(self.packets.len());
        }
        self.packets.push(*packet.bytes());
        let Some(payload) = packet.payload() else { return Pushed::Held };
        let at = self.length;
        self.length += payload.len();
        if packet.is_scrambled() {
            // Nothing in it can be read: it is complete when the next one starts.
            // A verdict that was reached in clear packets before stays.
            self.scan.take_if(|scan| scan.verdict() == Verdict::Undecided);
            return Pushed::Held;
        }
        self.read(payload, at);
        if self.is_complete(packet) || self.packets.len() >= self.most() {
            return Pushed::Complete;
        }
        Pushed::Held
    }

    /// Whether `packet` has the payload of the packet before.
    pub(super) fn repeats_last(&self, packet: Packet<'_>) -> bool {
        let last = self.packets.last().or(self.last.as_ref());
        last.is_some_and(|last| Packet::new(last).payload() == packet.payload())
    }

    /// Notes a packet that is no part of what is put together.
    pub(super) fn pass_by(&mut self, packet: Packet<'_>) {
        self.last = Some(*packet.bytes());
    }

    /// Reads the header, and the elementary stream as far as the scan wants it.
    fn read(&mut self, payload: &[u8], at: usize) {
        if self.header.is_none() && at < pes::MAX_HEADER {
            // A header with long extensions may begin in one packet and end in the next.
            self.header = if at == 0 { Header::parse(payload) } else { Header::parse(&self.head()) };
        }
        if let (Some(header), Some(scan)) = (self.header, &mut self.scan) {
            let from = header.payload_at.saturating_sub(at).min(payload.len());
            scan.push(&payload[from..]);
        }
    }

    /// The first bytes of a PES packet whose header is spread over packets.
    fn head(&self) -> Vec<u8> {
        let payloads = self.packets.iter().filter_map(|packet| Packet::new(packet).payload());
        payloads.flatten().copied().skip(self.begins_at).take(pes::MAX_HEADER).collect()
    }

    /// Whether nothing more of this PES packet comes: its length says so, or `packet` is stuffed,
    /// which only a last one needs to be. The stuffing counts once the first slice has been seen,
    /// since some multiplexers pad the packet of the header.
    fn is_complete(&self, packet: Packet<'_>) -> bool {
        match self.header {
            None => false,
            Some(Header { length: Some(length), .. }) => self.length >= length,
            Some(_) => packet.is_stuffed() && self.verdict() != Verdict::Undecided && self.scan.is_some(),
        }
    }

    /// An empty one for the PES packets that follow.
    pub(super) fn successor(&self) -> Self {
        Self { is_scanned: self.is_scanned, last: self.packets.last().copied(), ..Self::new(self.codec) }
    }

    /// Throws away what is held.
    pub(super) fn clear(&mut self) {
        // A copy of the last packet may still follow, even if what it belonged to is thrown away.
        self.last = self.packets.last().copied().or(self.last);
        self.packets.clear();
        self.breaks.clear();
        self.prefix.clear();
        self.header = None;
        self.has_tail = false;
    }

    /// Moves the stamps as [`Header::moved`] does, and hands out the packets; give them back with
    /// [`PesAssembler::put_back`].
    pub(super) fn take(&mut self, ticks: i64, late: i64) -> (Vec<Bytes>, Vec<usize>) {
        self.last = self.packets.last().copied();
        // The common case: sources that run as they are need no byte of them written.
        if ticks != 0 || late != 0 {
            // The waiting prefixes and the packet itself have stamps alike, and all must move
            // alike.
            self.prefix.push((self.begins_at, self.header));
            for (begins_at, header) in std::mem::take(&mut self.prefix) {
                if let Some(header) = header {
                    self.write_stamps(begins_at, header.moved(ticks, late));
                }
            }
        }
        self.prefix.clear();
        (std::mem::take(&mut self.packets), std::mem::take(&mut self.breaks))
    }

    /// Writes the stamps of the PES packet that begins at `at`.
    fn write_stamps(&mut self, at: usize, header: Header) {
        if let Some(pts) = header.pts {
            let prefix = if header.dts.is_some() { 0x30 } else { 0x20 };
            self.write(at + 9, &pes::write_stamp(pts, prefix));
        }
        if let Some(dts) = header.dts {
            self.write(at + 14, &pes::write_stamp(dts, 0x10));
        }
    }

    /// Takes the emptied vectors back, so that their memory serves the next PES packet.
    pub(super) fn put_back(&mut self, mut packets: Vec<Bytes>, mut breaks: Vec<usize>) {
        packets.clear();
        breaks.clear();
        (self.packets, self.breaks) = (packets, breaks);
        self.has_tail = true;
    }

    /// Writes `bytes` at `at` of the PES packet, wherever its packets have it.
    fn write(&mut self, mut at: usize, mut bytes: &[u8]) {
        for packet in &mut self.packets {
            // A packet with an adaptation field only lies between others, and holds nothing of it.
            let Some(length) = Packet::new(packet).payload().map(<[u8]>::len) else { continue };
            if at < length {
                let count = bytes.len().min(length - at);
                let start = PACKET_SIZE - length + at;
                packet[start..start + count].copy_from_slice(&bytes[..count]);
                bytes = &bytes[count..];
                at = 0;
                if bytes.is_empty() {
                    return;
                }
            } else {
                at -= length;
            }
        }
    }
}

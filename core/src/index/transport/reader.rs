//! The samples of one segment, put together from packets.

use std::sync::Arc;

use super::super::film::MAX_SAMPLES;
use super::super::layouts::transport::{Layout, Mark, Stream};
use super::super::scale::convert;
use super::super::source::{Lane, Pause, Source};
use super::super::{Error, Sample};
use super::codec::is_picture;
use super::packets::Packets;
use super::sound::Frames;
use crate::time::Pts;
use crate::ts::packet::Packet;
use crate::ts::pes::Header;
use crate::ts::random_access::{Scan, Verdict};

/// Bytes that are read at once.
const STRETCH: u64 = 256 * 1024;

/// The largest PES packet that is put together: several times the largest picture.
const MAX_PES: usize = 8 << 20;

/// Reads what lies between two key frames, and of sound what belongs there and lies behind.
#[derive(Debug)]
pub(in crate::index) struct Reader {
    layout: Arc<Layout>,
    n: usize,
    at: u64,
    /// Streams that are asked for, and the one that decides.
    slots: Vec<Slot>,
    /// The samples' bytes.
    payload: Vec<u8>,
    samples: u32,
}

/// A stream.
#[derive(Debug)]
struct Slot {
    stream: usize,
    /// Of sound.
    frames: Option<Frames>,
    /// The PES packet that is being put together, and where its first packet lies.
    pes: Vec<u8>,
    pes_at: u64,
    is_hinted: bool,
    is_begun: bool,
    is_done: bool,
    samples: Vec<Sample>,
}

/// A segment as it was read: the samples of each track, and the bytes in which they lie.
pub(in crate::index) type Read = (Vec<Vec<Sample>>, Vec<u8>);

impl Reader {
    /// Of segment `n`, and these of the layout's streams.
    pub(in crate::index) fn new(layout: &Arc<Layout>, n: usize, tracks: &[usize]) -> Self {
        let slot = |&stream: &usize| {
            let codec = layout.streams[stream].codec;
            Slot {
                stream,
                frames: (!is_picture(codec)).then(|| Frames::new(codec)),
                pes: Vec::new(),
                pes_at: 0,
                is_hinted: false,
                is_begun: false,
                is_done: false,
                samples: Vec::new(),
            }
        };
        let slots = tracks.iter().map(slot).collect();
        Self { layout: Arc::clone(layout), n, at: layout.marks[n].at, slots, payload: Vec::new(), samples: 0 }
    }

    /// Goes on until all samples are known.
    pub(in crate::index) fn run(&mut self, source: &mut Source) -> Result<Read, Pause> {
        let layout = Arc::clone(&self.layout);
        // Sound does not lie farther away than in the next segment.
        let limit = layout.marks.get(self.n + 2).map_or(layout.end, |mark| mark.at);
        let next = layout.marks.get(self.n + 1).map_or(layout.end, |mark| mark.at);
        // Pictures end at the next mark; sound of this segment may be multiplexed behind it.
        while self.at < limit && !(self.at > next && self.slots.iter().all(|slot| slot.is_done)) {
            let size = STRETCH.min(limit - self.at);
            let end = self.at + size;
            let bytes = source.get(Lane::Boxes, self.at, usize::try_from(size).expect("it is short"), end)?;
            let mut packets = Packets::new(bytes, layout.stride);
            for (place, packet) in packets.by_ref() {
                let at = self.at + place as u64;
                self.samples +=
                    take(&layout, self.n, &mut self.slots, at, Packet::new(packet), &mut self.payload);
            }
            let passed = packets.passed() as u64;
            // The rest of the file is shorter than a packet.
            self.at = if passed == 0 { limit } else { self.at + passed };
            if self.samples > MAX_SAMPLES {
                let limit = MAX_SAMPLES.into();
                return Err(Error::TooLarge { what: "samples between two key frames", limit }.into());
            }
        }
        for slot in &mut self.slots {
            slot.finish(&layout, self.n, &mut self.payload);
        }
        let next = layout.marks.get(self.n + 1);
        let finished = |slot: &mut Slot| {
            let samples = std::mem::take(&mut slot.samples);
            durations(&layout.streams[slot.stream], samples, next)
        };
        Ok((self.slots.iter_mut().map(finished).collect(), std::mem::take(&mut self.payload)))
    }
}

/// Takes a packet; how many samples it completed.
fn take(
    layout: &Layout,
    n: usize,
    slots: &mut [Slot],
    at: u64,
    packet: Packet<'_>,
    out: &mut Vec<u8>,
) -> u32 {
    let pid = packet.pid();
    let Some(slot) = slots.iter_mut().find(|slot| layout.streams[slot.stream].pid == pid) else { return 0 };
    let Some(payload) = packet.payload().filter(|_| !packet.is_damaged() && !packet.is_scrambled()) else {
        return 0;
    };
    let before = slot.samples.len();
    if packet.starts_unit() {
        // A PES packet without a length ends where the next begins.
        slot.finish(layout, n, out);
        slot.pes_at = at;
        slot.is_hinted = packet.hints_random_access();
    } else if slot.pes.is_empty() {
        return 0; // the rest of what began before
    }
    // What is beyond the limit is left out, and the picture is damaged rather than the memory used
    // up.
    if slot.pes.len() + payload.len() <= MAX_PES {
        slot.pes.extend_from_slice(payload);
    }
    let length = Header::parse(&slot.pes).and_then(|header| header.length);
    if length.is_some_and(|length| slot.pes.len() >= length) {
        slot.finish(layout, n, out);
    }
    u32::try_from(slot.samples.len() - before).unwrap_or(u32::MAX)
}

impl Slot {
    /// The PES packet is complete, if there is one.
    fn finish(&mut self, layout: &Layout, n: usize, out: &mut Vec<u8>) {
        let pes = std::mem::take(&mut self.pes);
        let Some(header) = Header::parse(&pes) else { return };
        let end = header.length.unwrap_or(pes.len()).min(pes.len());
        let Some(content) = pes.get(header.payload_at..end) else { return };
        let next = layout.marks.get(n + 1);
        let is_behind = next.is_some_and(|next| self.pes_at >= next.at);
        let stream = &layout.streams[self.stream];
        if self.frames.is_none() && is_behind {
            self.is_done = true;
        }
        if self.is_done {
            return;
        }
        let mark = &layout.marks[n];
        match &mut self.frames {
            None => self.picture(stream, mark, &header, content, out),
            Some(frames) => {
                // What began in front of the next clock is of the segment's own.
                let clock = if is_behind { next.unwrap_or(mark) } else { mark };
                let begin = |mark: &Mark| convert(mark.time, 90_000, stream.timescale);
                let (from, to) = (begin(mark), next.map(begin));
                let (samples, is_begun, is_done) = (&mut self.samples, &mut self.is_begun, &mut self.is_done);
                frames.push(header.pts, content, |frame| {
                    let Some(time) = clock.place(frame.shown) else { return };
                    let decode = stream.ticks(time);
                    // In the first segment there is nothing before that could have it.
                    *is_begun |= n == 0 || decode >= from;
                    *is_done |= is_behind && to.is_some_and(|to| decode >= to);
                    if *is_begun && !*is_done {
                        samples.push(sample(out, decode, 0, stream.frame, true, |out| {
                            out.extend_from_slice(frame.content);
                        }));
                    }
                });
            }
        }
    }

    /// One picture; one without a time belongs to the one before.
    fn picture(&mut self, stream: &Stream, mark: &Mark, header: &Header, content: &[u8], out: &mut Vec<u8>) {
        let place = |stamp: Option<Pts>| stamp.and_then(|stamp| mark.place(stamp));
        let (Some(shown), Some(decode)) = (place(header.pts), place(header.decode_time())) else {
            // A further slice of the picture: some multiplexers give each a PES packet.
            if let (None, Some(last)) = (header.pts, self.samples.last_mut()) {
                stream.sets.write_sample(stream.codec, content, out);
                last.size = u32::try_from(out.len() as u64 - last.at).unwrap_or(last.size);
            }
            return;
        };
        let is_key =
            matches!(Scan::new(stream.codec, self.is_hinted).push(content), Verdict::RandomAccess(_));
        let offset = i32::try_from(shown - decode).unwrap_or(0);
        self.samples.push(sample(out, decode, offset, 0, is_key, |out| {
            stream.sets.write_sample(stream.codec, content, out);
        }));
    }
}

/// A sample whose bytes are written now.
fn sample(
    out: &mut Vec<u8>,
    decode: i64,
    offset: i32,
    duration: u32,
    is_sync: bool,
    write: impl FnOnce(&mut Vec<u8>),
) -> Sample {
    let at = out.len();
    write(out);
    let size = u32::try_from(out.len() - at).expect("a PES packet has a limit");
    Sample { decode, offset, duration, size, at: at as u64, description: 1, is_sync }
}

/// Settles how long samples last: until the next one is decoded.
fn durations(stream: &Stream, mut samples: Vec<Sample>, next: Option<&Mark>) -> Vec<Sample> {
    if !is_picture(stream.codec) {
        return samples;
    }
    // Clocks that jump back within a segment would have players show nothing.
    let mut latest = i64::MIN;
    for sample in &mut samples {
        let shown = sample.shown();
        sample.decode = sample.decode.max(latest);
        sample.offset = i32::try_from(shown - sample.decode).unwrap_or(0);
        latest = sample.decode + 1;
    }
    // The next segment's first picture tells when the last one here ends.
    let next = next.map(|next| next.time + next.decoded.since(next.shown));
    for index in 0..samples.len() {
        let end = samples.get(index + 1).map(|next| next.decode).or(next);
        let before = if index > 0 { samples[index - 1].duration } else { stream.frame };
        let span = end.and_then(|end| u32::try_from(end - samples[index].decode).ok());
        samples[index].duration = span.unwrap_or(before);
    }
    samples
}

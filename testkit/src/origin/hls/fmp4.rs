//! Fragmented MP4 (ISO/IEC 14496-12), as far as it takes to play a file in a loop: its decode times are moved on.

use std::collections::BTreeMap;

/// The parts of a fragmented file.
#[derive(Debug)]
pub(super) struct Fragments {
    init: Vec<u8>,
    list: Vec<Fragment>,
    /// Length of one round in 90 kHz ticks.
    length_90k: u64,
    shift_90k: u64,
    written: u32,
}

#[derive(Debug)]
struct Fragment {
    /// One `moof` and its `mdat`.
    bytes: Vec<u8>,
    /// Where the sequence number stands.
    sequence_at: usize,
    /// Where a decode time stands, what it is, and the time scale of its track.
    times: Vec<(usize, u64, u64)>,
}

impl Fragments {
    /// Reads a file of `ftyp`, `moov` and pairs of `moof` and `mdat`.
    pub(super) fn read(file: &[u8], length_90k: u64, shift_90k: u64) -> Self {
        let mut init = Vec::new();
        let mut scales = BTreeMap::new();
        let mut fragments: Vec<Fragment> = Vec::new();
        for (kind, range) in boxes(file, 0, file.len()) {
            let bytes = &file[range.0..range.1];
            match &kind {
                b"ftyp" => init.extend_from_slice(bytes),
                b"moov" => {
                    init.extend_from_slice(bytes);
                    scales = time_scales(bytes);
                }
                b"moof" => fragments.push(Fragment::read(bytes, &scales)),
                b"mdat" => fragments.last_mut().expect("moof comes first").bytes.extend_from_slice(bytes),
                _ => {}
            }
        }
        Self { init, list: fragments, length_90k, shift_90k, written: 0 }
    }

    pub(super) fn init(&self) -> &[u8] {
        &self.init
    }

    pub(super) fn count(&self) -> usize {
        self.list.len()
    }

    /// Each fragment and the time of its first track in 90 kHz ticks from the first.
    pub(super) fn cuts(&self) -> Vec<(usize, u64)> {
        let time = |fragment: &Fragment| {
            let (_, time, scale) = fragment.times[0];
            (time * 90_000 + scale / 2) / scale
        };
        let first = self.list.first().map_or(0, time);
        self.list.iter().enumerate().map(|(at, fragment)| (at, time(fragment) - first)).collect()
    }

    /// Appends a fragment as it is in this round.
    pub(super) fn append(&mut self, fragment: usize, round: u64, out: &mut Vec<u8>) {
        let fragment = &self.list[fragment];
        let begin = out.len();
        out.extend_from_slice(&fragment.bytes);
        self.written += 1;
        let mut write = |at: usize, bytes: &[u8]| {
            out[begin + at..begin + at + bytes.len()].copy_from_slice(bytes);
        };
        write(fragment.sequence_at, &self.written.to_be_bytes());
        let later_90k = round * self.length_90k + self.shift_90k;
        for (at, time, scale) in &fragment.times {
            write(*at, &(time + later_90k * scale / 90_000).to_be_bytes());
        }
    }
}

impl Fragment {
    fn read(moof: &[u8], scales: &BTreeMap<u32, u64>) -> Self {
        let [mfhd] = find(moof, &[*b"mfhd"])[..] else { panic!("a fragment has one header") };
        let times =
            boxes(moof, 8, moof.len()).into_iter().filter(|(kind, _)| kind == b"traf").map(|(_, traf)| {
                let part = &moof[..traf.1];
                let inner = boxes(part, traf.0 + 8, traf.1);
                let body = |wanted: &[u8; 4]| {
                    let found = inner.iter().find(|(kind, _)| kind == wanted);
                    found.unwrap_or_else(|| panic!("a track fragment has a header and a time")).1.0 + 8
                };
                let (header, time) = (body(b"tfhd"), body(b"tfdt"));
                assert_eq!(moof[time], 1, "ffmpeg writes times of 64 bits");
                let scale = scales[&be32(moof, header + 4)];
                (time + 4, be64(moof, time + 4), scale)
            });
        Self { times: times.collect(), sequence_at: mfhd + 4, bytes: moof.to_vec() }
    }
}

/// Time scale of each track.
fn time_scales(moov: &[u8]) -> BTreeMap<u32, u64> {
    let tracks = boxes(moov, 8, moov.len()).into_iter().filter(|(kind, _)| kind == b"trak");
    let scale = |(_, trak): ([u8; 4], (usize, usize))| {
        let track = &moov[trak.0..trak.1];
        let ([tkhd], [mdhd]) = (&find(track, &[*b"tkhd"])[..], &find(track, &[*b"mdia", *b"mdhd"])[..])
        else {
            panic!("a track has its headers")
        };
        // Version 1 has times of 64 bits before what is wanted.
        let skip = |at: usize| if track[at] == 1 { 20 } else { 12 };
        (be32(track, tkhd + skip(*tkhd)), u64::from(be32(track, mdhd + skip(*mdhd))))
    };
    tracks.map(scale).collect()
}

/// Where the bodies of the boxes at the end of this path begin, inside a box.
fn find(bytes: &[u8], path: &[[u8; 4]]) -> Vec<usize> {
    let mut places = vec![(0, bytes.len())];
    for wanted in path {
        let inside = |(from, to): &(usize, usize)| boxes(&bytes[..*to], from + 8, *to);
        places =
            places.iter().flat_map(inside).filter(|(kind, _)| kind == wanted).map(|(_, at)| at).collect();
    }
    places.into_iter().map(|(from, _)| from + 8).collect()
}

/// The boxes between two offsets: kind, beginning and end.
fn boxes(bytes: &[u8], from: usize, to: usize) -> Vec<([u8; 4], (usize, usize))> {
    let mut found = Vec::new();
    let mut at = from;
    while at + 8 <= to {
        let size = be32(bytes, at) as usize;
        assert!(size >= 8 && at + size <= to, "a box of {size} bytes at {at} is not one");
        let kind = bytes[at + 4..at + 8].try_into().expect("four bytes");
        found.push((kind, (at, at + size)));
        at += size;
    }
    found
}

fn be32(bytes: &[u8], at: usize) -> u32 {
    u32::from_be_bytes(bytes[at..at + 4].try_into().expect("four bytes"))
}

fn be64(bytes: &[u8], at: usize) -> u64 {
    u64::from_be_bytes(bytes[at..at + 8].try_into().expect("eight bytes"))
}

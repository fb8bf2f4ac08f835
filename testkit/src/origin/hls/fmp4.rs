//! Fragmented MP4 (ISO/IEC 14496-12), as far as it takes to play a file in a loop: its decode times are moved on.

use std::collections::BTreeMap;

use crate::clip::{Clip, Tracks};
use crate::origin::marker::Marker;

/// The parts of a fragmented file.
#[derive(Debug)]
pub(super) struct Fragments {
    init: Vec<u8>,
    list: Vec<Fragment>,
    /// Length of one round in 90 kHz ticks.
    length_90k: u64,
    shift_90k: u64,
    written: u32,
    /// How rounds differ, if they do.
    marker: Option<Marker>,
}

#[derive(Debug)]
struct Fragment {
    /// One `moof` and its `mdat`.
    bytes: Vec<u8>,
    /// Where the sequence number stands.
    sequence_at: usize,
    /// Where a decode time stands, what it is, and the time scale of its track.
    times: Vec<(usize, u64, u64)>,
    /// Where rounds differ.
    marks: Vec<usize>,
}

#[derive(Debug, Clone, Copy)]
struct Track {
    /// Ticks per second.
    scale: u64,
    /// Decode time of its first sample in the clip.
    first_90k: u64,
}

impl Fragments {
    /// Takes these tracks of a clip apart: `ftyp`, `moov` and pairs of `moof` and `mdat`.
    pub(super) fn read(clip: &Clip, tracks: Tracks, length_90k: u64, shift_90k: u64, repeats: bool) -> Self {
        let file = &clip.fragmented(tracks)[..];
        let mut init = Vec::new();
        let mut known = BTreeMap::new();
        let mut fragments: Vec<Fragment> = Vec::new();
        for (kind, range) in boxes(file, 0, file.len()) {
            let bytes = &file[range.0..range.1];
            match &kind {
                b"ftyp" => init.extend_from_slice(bytes),
                b"moov" => {
                    init.extend(without_edit_lists(bytes));
                    known = read_tracks(bytes, clip);
                }
                b"moof" => fragments.push(Fragment::read(bytes, &known)),
                b"mdat" => fragments.last_mut().expect("moof comes first").bytes.extend_from_slice(bytes),
                _ => {}
            }
        }
        let video = clip.streams().iter().find(|stream| stream.is_video() && !repeats);
        let marker = video.map(|stream| Marker::new(stream.stream_type));
        for fragment in &mut fragments {
            fragment.marks = marker.map(|marker| marker.places(&fragment.bytes)).unwrap_or_default();
        }
        Self { init, list: fragments, length_90k, shift_90k, written: 0, marker }
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
    pub(super) fn append(&mut self, number: usize, round: u64, out: &mut Vec<u8>) {
        let fragment = &self.list[number];
        let begin = out.len();
        out.extend_from_slice(&fragment.bytes);
        self.written += 1;
        let mut write = |at: usize, bytes: &[u8]| {
            out[begin + at..begin + at + bytes.len()].copy_from_slice(bytes);
        };
        write(fragment.sequence_at, &self.written.to_be_bytes());
        let later_90k = round * self.length_90k + self.shift_90k;
        for at in &fragment.marks {
            if let Some(marker) = self.marker {
                write(*at, &[marker.at_place(number << 16 | at, round)]);
            }
        }
        for (at, time, scale) in &fragment.times {
            write(*at, &(time + later_90k * scale / 90_000).to_be_bytes());
        }
    }
}

impl Fragment {
    fn read(moof: &[u8], tracks: &BTreeMap<u32, Track>) -> Self {
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
                let Track { scale, first_90k } = tracks[&be32(moof, header + 4)];
                (time + 4, be64(moof, time + 4) + first_90k * scale / 90_000, scale)
            });
        Self { times: times.collect(), sequence_at: mfhd + 4, bytes: moof.to_vec(), marks: Vec::new() }
    }
}

/// Makes padding of the edit lists: the decode times tell all.
fn without_edit_lists(moov: &[u8]) -> Vec<u8> {
    let mut moov = moov.to_vec();
    for body in find(&moov, &[*b"trak", *b"edts"]) {
        moov[body - 4..body].copy_from_slice(b"free");
    }
    moov
}

/// The tracks by their numbers. Their times are those of the clip, so that tracks of several files fit together.
fn read_tracks(moov: &[u8], clip: &Clip) -> BTreeMap<u32, Track> {
    let tracks = boxes(moov, 8, moov.len()).into_iter().filter(|(kind, _)| kind == b"trak");
    let read = |(_, trak): ([u8; 4], (usize, usize))| {
        let track = &moov[trak.0..trak.1];
        let headers = (
            &find(track, &[*b"tkhd"])[..],
            &find(track, &[*b"mdia", *b"mdhd"])[..],
            &find(track, &[*b"mdia", *b"hdlr"])[..],
        );
        let ([tkhd], [mdhd], [hdlr]) = headers else { panic!("a track has its headers") };
        // Version 1 has times of 64 bits before what is wanted.
        let skip = |at: usize| if track[at] == 1 { 20 } else { 12 };
        let scale = u64::from(be32(track, mdhd + skip(*mdhd)));
        let first = match &track[hdlr + 8..hdlr + 12] {
            b"vide" => clip.first_video_90k(),
            _ => clip.first_audio_90k(),
        };
        let first_90k = first.expect("the clip has what was made of it");
        (be32(track, tkhd + skip(*tkhd)), Track { scale, first_90k })
    };
    tracks.map(read).collect()
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

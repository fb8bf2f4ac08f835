//! Writes the seeds of `mp4` and `health` into `corpus/`: the beginnings of real files, in the form
//! that the targets read.
//!
//! `cargo run --manifest-path fuzz/Cargo.toml --example seeds`, with the crate's folder as the
//! place to look from.

#[allow(dead_code, reason = "the target uses the rest")]
#[path = "../fuzz_targets/mp4/boxes.rs"]
mod boxes;

use std::path::Path;
use std::{fs, io};

use boxes::{BYTES, END_BOX, KINDS, PLACES, Place};

/// Bytes of content in front of the boxes within a box, for the kinds that have boxes.
fn head(kind: [u8; 4]) -> Option<usize> {
    match &kind {
        b"moov" | b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"mvex" | b"moof" | b"traf" => Some(0),
        b"stsd" => Some(8),
        b"mp4a" | b"ac-3" | b"ec-3" | b".mp3" => Some(28),
        b"avc1" | b"hvc1" => Some(78),
        _ => None,
    }
}

/// Ends of files are left out: one fragment says all that there is to say.
const MAX_SEGMENT: usize = 6000;

/// Packets of a seed, and how many of them come at once, 256 ms after those before.
const PACKETS: usize = 24;
const AT_ONCE: usize = 4;
const LATER: u8 = 4 << 2;

fn main() -> io::Result<()> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let data = root.join("../core/tests/data");
    for name in ["h264_aac", "hevc_ac3", "eac3", "mp3"] {
        let file = fs::read(data.join(name).with_extension("mp4"))?;
        write(root, "mp4", name, &mp4(&file))?;
    }
    for name in ["h264_aac", "hevc_ac3", "mpeg2_mp2"] {
        let file = fs::read(data.join(name).with_extension("ts"))?;
        write(root, "health", name, &health(&file))?;
    }
    Ok(())
}

fn write(root: &Path, target: &str, name: &str, seed: &[u8]) -> io::Result<()> {
    let folder = root.join("corpus").join(target);
    fs::create_dir_all(&folder)?;
    fs::write(folder.join(format!("seed-{name}")), seed)
}

/// An initialisation segment and the first fragment, as a script.
fn mp4(file: &[u8]) -> Vec<u8> {
    let first = find(file, b"moof");
    let end = file[first + 8..].windows(4).position(|kind| kind == b"moof");
    let end = end.map_or(file.len(), |at| first + 8 + at - 4).min(first + MAX_SEGMENT);
    let mut seed = vec![0];
    script(&file[..first], &mut seed);
    seed.push(place(Place::Init));
    script(&file[first..end], &mut seed);
    seed.push(place(Place::Segment));
    seed.push(place(Place::End));
    seed
}

/// Where the first box of this kind begins.
fn find(file: &[u8], wanted: &[u8; 4]) -> usize {
    file.windows(4).position(|kind| kind == wanted).expect("the file has such a box") - 4
}

fn place(wanted: Place) -> u8 {
    let at = PLACES.iter().position(|place| *place == wanted).expect("all places are listed");
    END_BOX + 1 + u8::try_from(at).expect("there are few")
}

fn script(mut boxes: &[u8], seed: &mut Vec<u8>) {
    while let Some((length, kind)) = boxes.first_chunk::<8>().map(|head| head.split_at(4)) {
        let length = u32::from_be_bytes(length.try_into().expect("they are four bytes"));
        let kind: [u8; 4] = kind.try_into().expect("they are four bytes");
        let length = usize::try_from(length).expect("a box is short");
        // The last one is cut.
        let (one, rest) = boxes.split_at(length.min(boxes.len()));
        boxes = rest;
        if let Some(number) = KINDS.iter().position(|known| *known == kind) {
            seed.push(u8::try_from(number).expect("there are few"));
            let (content, inner) = one[8..].split_at(head(kind).unwrap_or(one.len() - 8));
            for piece in content.chunks(usize::from(u8::MAX - BYTES) + 1) {
                seed.push(BYTES + u8::try_from(piece.len() - 1).expect("it is short"));
                seed.extend_from_slice(piece);
            }
            script(inner, seed);
            seed.push(END_BOX);
        }
    }
}

/// The beginning of a stream, in steps.
fn health(file: &[u8]) -> Vec<u8> {
    let steps = file[..PACKETS * 188].chunks(AT_ONCE * 188).flat_map(|packets| {
        let [high, low] = u16::try_from(packets.len()).expect("it is short").to_be_bytes();
        [&[LATER, high, low], packets].concat()
    });
    std::iter::once(0).chain(steps).collect()
}

//! Boxes (ISO/IEC 14496-12) as a script, which keeps its sense when bytes of it change.
//!
//! A byte below [`END_BOX`] begins the box of that number in [`KINDS`], [`END_BOX`] ends it, and
//! one of [`BYTES`] or more stands before so many bytes of content. Any other byte ends a part,
//! which is for the place of that number in [`PLACES`].

/// Kinds of boxes: those that are read, and some that are not.
pub const KINDS: [[u8; 4]; 44] = [
    *b"moov", *b"mvhd", *b"trak", *b"tkhd", *b"mdia", *b"mdhd", *b"hdlr", *b"minf", *b"stbl", *b"stsd",
    *b"avc1", *b"avc3", *b"avcC", *b"hvc1", *b"hev1", *b"hvcC", *b"mp4a", *b"esds", *b"wave", *b"ac-3",
    *b"ec-3", *b".mp3", *b"encv", *b"enca", *b"sinf", *b"schm", *b"edts", *b"elst", *b"mvex", *b"trex",
    *b"moof", *b"mfhd", *b"traf", *b"tfhd", *b"tfdt", *b"trun", *b"mdat", *b"styp", *b"sidx", *b"emsg",
    *b"free", *b"uuid", *b"av01", *b"Opus",
];

/// Ends the innermost box.
pub const END_BOX: u8 = 64;

/// So many bytes follow as stand above this, and one more.
pub const BYTES: u8 = 128;

/// What a part is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    Init,
    Segment,
    AudioInit,
    AudioSegment,
    Discontinuity,
    End,
}

/// Bytes that end a part begin behind [`END_BOX`].
pub const PLACES: [Place; 6] =
    [Place::Init, Place::Segment, Place::AudioInit, Place::AudioSegment, Place::Discontinuity, Place::End];

/// The parts of a script.
pub struct Script<'a>(&'a [u8]);

impl<'a> Script<'a> {
    pub fn new(script: &'a [u8]) -> Self {
        Self(script)
    }
}

impl Iterator for Script<'_> {
    type Item = (Place, Vec<u8>);

    fn next(&mut self) -> Option<Self::Item> {
        let (mut part, mut open) = (Vec::new(), Vec::new());
        let mut place = Place::Segment;
        if self.0.is_empty() {
            return None;
        }
        while let Some((&byte, rest)) = self.0.split_first() {
            self.0 = rest;
            match byte {
                BYTES.. => {
                    let (bytes, rest) = rest.split_at(rest.len().min(usize::from(byte - BYTES) + 1));
                    part.extend_from_slice(bytes);
                    self.0 = rest;
                }
                END_BOX => end(&mut part, &mut open),
                ..END_BOX => {
                    open.push(part.len());
                    part.extend_from_slice(&[0; 4]);
                    part.extend_from_slice(&KINDS[usize::from(byte) % KINDS.len()]);
                }
                _ => {
                    place = PLACES[usize::from(byte - END_BOX - 1) % PLACES.len()];
                    break;
                }
            }
        }
        while !open.is_empty() {
            end(&mut part, &mut open);
        }
        Some((place, part))
    }
}

/// Ends the innermost box, if there is one.
fn end(part: &mut [u8], open: &mut Vec<usize>) {
    let Some(at) = open.pop() else { return };
    let length = u32::try_from(part.len() - at).expect("a script is short");
    part[at..at + 4].copy_from_slice(&length.to_be_bytes());
}

//! The initialisation segment: which tracks there are (ISO/IEC 14496-12, 8.2 to 8.8).

use super::boxes::{boxed, put, versioned};
use crate::index::{Film, Kind};

/// Units in a second of the film's own clock, which nothing is told in.
const TIMESCALE: u32 = 1000;

/// No rotation and no scaling, in fixed point.
const MATRIX: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// Full speed, in fixed point.
const ONE: u32 = 0x1_0000;

/// Full volume, in fixed point in the upper half.
const FULL_VOLUME: u32 = 0x0100_0000;

/// The track is used in the presentation.
const ENABLED: u32 = 3;

/// The media is in the same file.
const SELF_CONTAINED: u32 = 1;

/// The initialisation segment of these tracks, by their numbers in [`Film::tracks`].
pub fn init(film: &Film, tracks: &[usize]) -> Vec<u8> {
    let mut out = Vec::new();
    boxed(&mut out, *b"ftyp", |out| out.extend(b"iso6\0\0\0\0iso6cmfcdashmp41"));
    boxed(&mut out, *b"moov", |out| {
        versioned(out, *b"mvhd", 0, 0, |out| {
            put(out, [0, 0, TIMESCALE, 0, ONE, FULL_VOLUME, 0, 0]);
            put(out, MATRIX);
            out.extend([0; 24]);
            put(out, [u32::MAX]); // the next track's number: none is going to be added
        });
        for &track in tracks {
            boxed(out, *b"trak", |out| write_track(out, film, track));
        }
        boxed(out, *b"mvex", |out| {
            for &track in tracks {
                versioned(out, *b"trex", 0, 0, |out| {
                    put(out, [number(track), 1, 0, 0, 0]);
                });
            }
        });
    });
    out
}

/// A track has the same number whichever it is sent with.
pub(super) fn number(track: usize) -> u32 {
    u32::try_from(track + 1).expect("a film has few tracks")
}

fn write_track(out: &mut Vec<u8>, film: &Film, at: usize) {
    let (number, track, begins) = (number(at), &film.tracks()[at], film.zero_on(at));
    let is_video = track.kind == Kind::Video;
    versioned(out, *b"tkhd", 0, ENABLED, |out| {
        let volume = if is_video { 0 } else { FULL_VOLUME };
        put(out, [0, 0, number, 0, 0, 0, 0, 0, volume]);
        if track.matrix.len() == 36 {
            out.extend_from_slice(&track.matrix);
        } else {
            put(out, MATRIX);
        }
        put(out, [track.size.0 << 16]);
        put(out, [track.size.1 << 16]);
    });
    if begins > 0 {
        // Without a duration, it holds for all that comes (CMAF, 7.5.13).
        boxed(out, *b"edts", |out| {
            versioned(out, *b"elst", 1, 0, |out| {
                put(out, [1]);
                out.extend([0; 8]);
                out.extend(begins.to_be_bytes());
                put(out, [ONE]);
            });
        });
    }
    boxed(out, *b"mdia", |out| {
        versioned(out, *b"mdhd", 0, 0, |out| {
            put(out, [0, 0, track.timescale, 0]);
            put(out, [language(track.language.as_deref()) << 16]);
        });
        versioned(out, *b"hdlr", 0, 0, |out| {
            put(out, [0]);
            out.extend(if is_video { b"vide" } else { b"soun" });
            out.extend([0; 13]);
        });
        boxed(out, *b"minf", |out| {
            if is_video {
                versioned(out, *b"vmhd", 0, 1, |out| out.extend([0; 8]));
            } else {
                versioned(out, *b"smhd", 0, 0, |out| out.extend([0; 4]));
            }
            boxed(out, *b"dinf", |out| {
                versioned(out, *b"dref", 0, 0, |out| {
                    put(out, [1]);
                    versioned(out, *b"url ", 0, SELF_CONTAINED, |_| ());
                });
            });
            boxed(out, *b"stbl", |out| {
                versioned(out, *b"stsd", 0, 0, |out| {
                    let (count, entries) = &track.entries;
                    put(out, [u32::from(*count)]);
                    out.extend_from_slice(entries);
                });
                for kind in [*b"stts", *b"stsc", *b"stco"] {
                    versioned(out, kind, 0, 0, |out| put(out, [0]));
                }
                versioned(out, *b"stsz", 0, 0, |out| out.extend([0; 8]));
            });
        });
    });
}

/// Three letters as five bits each; `und` where none are known.
fn language(letters: Option<&str>) -> u32 {
    letters.unwrap_or("und").bytes().fold(0, |code, letter| code << 5 | u32::from(letter & 0x1F))
}

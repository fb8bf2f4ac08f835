//! The ladder of a film: which smaller copies of it are made, and whether a copy can be offered.
//!
//! A copy has pictures alone. It is cut where the film is cut, so that a player can go from one to
//! the other at every segment; the sound is the film's own.

use std::fmt::Write as _;

use crate::index::{Film, Kind};

/// How much more a film may take than the rung of its own height before that rung is made.
const WORTH: u64 = 3;

/// The most bytes of the list of cuts: more than a system gives to one argument of a program.
const MAX_CUTS: usize = 120_000;

/// A rung: pictures of this size, with so many bits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Rung {
    /// Pixels of the shorter side.
    pub height: u32,
    /// Bits a second that it may have on average.
    pub rate: u32,
}

/// How much earlier than the film a copy may end, in microseconds: players of all kinds pass over
/// less than that.
const MAX_SHORT: i64 = 100_000;

/// All rungs, the best one first. The rates are those of Apple's authoring specification for H.264,
/// rounded.
pub const ALL: [Rung; 4] = [
    Rung { height: 1080, rate: 5_000_000 },
    Rung { height: 720, rate: 2_800_000 },
    Rung { height: 480, rate: 1_400_000 },
    Rung { height: 360, rate: 800_000 },
];

impl Rung {
    /// The rung with this name, such as `720p`.
    pub fn parse(name: &str) -> Option<Self> {
        let height: u32 = name.strip_suffix('p')?.parse().ok()?;
        ALL.into_iter().find(|rung| rung.height == height)
    }

    /// `720p`
    pub fn name(self) -> String {
        format!("{}p", self.height)
    }
}

/// Why there are no rungs of a film.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is sound alone.
    #[error("the film has no pictures")]
    NoPictures,
    /// Its cuts cannot be told to an encoder.
    #[error("the film has {0} segments, too many to be copied")]
    TooLong(usize),
}

/// Why a copy cannot be offered.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Mismatch {
    /// It has no pictures.
    #[error("the copy has no pictures")]
    NoPictures,
    /// Its segments are other ones.
    #[error("the copy is cut at {copy} µs where the film is cut at {film} µs")]
    Cut {
        /// Where the film is cut, in microseconds.
        film: u64,
        /// Where the copy is cut.
        copy: u64,
    },
    /// It has more segments than the film.
    #[error("the copy has {copy} segments and the film has {film}")]
    Count {
        /// Segments of the film.
        film: usize,
        /// Segments of the copy.
        copy: usize,
    },
    /// It ends before the film does.
    #[error("the pictures of the copy end at {copy} µs and those of the film at {film} µs")]
    Short {
        /// When the pictures of the film end, in microseconds.
        film: i64,
        /// When those of the copy end.
        copy: i64,
    },
}

/// The rungs of a film, of those with these names. A rung above the film is none; one of the film's
/// own height is worth it only where the film takes much more, or is no H.264.
pub fn rungs(film: &Film, names: &[String]) -> Result<Vec<Rung>, Refusal> {
    let first = &film.tracks()[0];
    if first.kind != Kind::Video {
        return Err(Refusal::NoPictures);
    }
    let height = first.size.0.min(first.size.1);
    let (rate, is_h264) = (film.rates(&[0]).average, first.codec.starts_with("avc"));
    let is_smaller = |rung: &Rung| {
        rung.height < height || rung.height == height && (!is_h264 || rate > WORTH * u64::from(rung.rate))
    };
    let wanted = ALL.into_iter().filter(|rung| names.contains(&rung.name()));
    Ok(wanted.filter(is_smaller).collect())
}

/// The times at which an encoder is to make key frames, as ffmpeg reads them: seconds with commas
/// between them.
pub fn key_frames(film: &Film) -> Result<String, Refusal> {
    let mut text = String::new();
    for n in 0..film.segments() {
        let micros = film.begin(n);
        let comma = if n == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{}.{:06}", micros / 1_000_000, micros % 1_000_000);
    }
    if text.len() > MAX_CUTS { Err(Refusal::TooLong(film.segments())) } else { Ok(text) }
}

/// Whether a copy is cut where the film is. Every key frame of `copy` has to be a cut of it: it is
/// indexed with the shortest segments. Segments of the film with sound alone, at either end, are
/// not in the copy.
pub fn check(film: &Film, copy: &Film) -> Result<(), Mismatch> {
    if copy.tracks()[0].kind != Kind::Video {
        return Err(Mismatch::NoPictures);
    }
    let lead = usize::from(film.segments() > 1 && film.begin(0) < copy.begin(0));
    let pictures = copy.segments() + lead;
    if pictures > film.segments() {
        return Err(Mismatch::Count { film: film.segments(), copy: copy.segments() });
    }
    for n in 0..copy.segments() {
        let (of_film, of_copy) = (film.begin(n + lead), copy.begin(n));
        // Both are rounded to microseconds.
        if of_film.abs_diff(of_copy) > 1 {
            return Err(Mismatch::Cut { film: of_film, copy: of_copy });
        }
    }
    // The last segments of the film may be sound alone; its pictures have to be there.
    let (of_film, of_copy) = (pictures_end(film), pictures_end(copy));
    if of_copy + MAX_SHORT < of_film {
        return Err(Mismatch::Short { film: of_film, copy: of_copy });
    }
    Ok(())
}

/// Whether pictures of a film are decoded before they are shown, as those with B pictures are. Only
/// then may those of a copy be: some players take the time of decoding for that of showing, and
/// would put a segment of a copy elsewhere than the film's own.
pub fn is_decoded_early(film: &Film) -> bool {
    film.tracks()[0].begins > 0
}

/// When the last picture has been shown, in microseconds.
fn pictures_end(film: &Film) -> i64 {
    let ticks = i128::from(film.cut(film.segments())) * 1_000_000;
    i64::try_from(ticks / i128::from(film.tracks()[0].timescale)).unwrap_or(i64::MAX)
}

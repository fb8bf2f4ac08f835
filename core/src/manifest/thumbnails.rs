//! The small pictures of a film on a time bar: `WebVTT` whose cues name parts of images (Media
//! Fragments 1.0, section 4.2.2).

use std::fmt::Write as _;
use std::time::Duration;

use crate::index::Film;
use crate::subtitles::Stamp;

/// How small pictures lie on sheets: row by row, and sheet by sheet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Sheets {
    /// Pixels across and down of a picture.
    pub size: (u32, u32),
    /// Pictures in a row, and rows of a sheet.
    pub side: u32,
}

/// The list of the key pictures of these segments, in their order. Each is shown until the next one;
/// the first from the film's begin on. Sheet `n` is `storyboard/n.jpg`.
pub fn thumbnails(film: &Film, segments: &[usize], sheets: Sheets) -> String {
    let mut text = "WEBVTT\n\n".to_owned();
    let ((width, height), side) = (sheets.size, sheets.side.max(1));
    let begin = |n: usize| Duration::from_micros(film.begin(n));
    for (place, &segment) in (0_u32..).zip(segments) {
        let from = if place == 0 { Duration::ZERO } else { begin(segment) };
        let next = segments.get(place as usize + 1).copied().unwrap_or_else(|| film.segments());
        let (sheet, at) = (place / (side * side), place % (side * side));
        let (left, top) = (at % side * width, at / side * height);
        let (from, to) = (Stamp(from), Stamp(begin(next)));
        let _ =
            writeln!(text, "{from} --> {to}\nstoryboard/{sheet}.jpg#xywh={left},{top},{width},{height}\n");
    }
    text
}

/// The same list with a query behind each address, without a question mark.
pub fn with_query_in_thumbnails(list: &str, query: &str) -> String {
    list.replace(".jpg#", &format!(".jpg?{query}#"))
}

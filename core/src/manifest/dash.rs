//! The MPEG-DASH manifest of a film (ISO/IEC 23009-1).

use std::fmt::Write as _;
use std::time::Duration;

use super::Rendition;
use crate::index::{Film, Kind, Track};

/// Seconds a player is to have before it begins.
const MIN_BUFFER: u32 = 2;

/// The manifest: every track in segments of its own, whose addresses begin with `base` and end with
/// `query`, which is empty or begins with a question mark. Both consist of what needs no escape in
/// XML, and of no `$`.
pub fn manifest(film: &Film, base: &str, query: &str) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" minBufferTime=\"PT{MIN_BUFFER}S\" \
         mediaPresentationDuration=\"{}\">\n  <BaseURL>{base}</BaseURL>\n  <Period start=\"PT0S\">\n",
        duration(Duration::from_micros(film.begin(film.segments())))
    );
    for (at, track) in film.tracks().iter().enumerate() {
        write_set(&mut text, film, (at, track), query);
    }
    text + "  </Period>\n</MPD>\n"
}

fn write_set(text: &mut String, film: &Film, (at, track): (usize, &Track), query: &str) {
    let name = Rendition::Track(at);
    let (kind, mime) = match track.kind {
        Kind::Video => ("video", "video/mp4"),
        Kind::Audio => ("audio", "audio/mp4"),
    };
    let _ = write!(text, "    <AdaptationSet contentType=\"{kind}\" mimeType=\"{mime}\" startWithSAP=\"1\"");
    let _ = track.language.as_ref().map(|language| write!(text, " lang=\"{language}\""));
    let _ = writeln!(text, ">");
    let _ = write!(
        text,
        "      <Representation id=\"{name}\" codecs=\"{}\" bandwidth=\"{}\"",
        track.codec,
        film.rates(&[at]).peak
    );
    if let (Kind::Video, (1.., 1..)) = (track.kind, track.size) {
        let _ = write!(text, " width=\"{}\" height=\"{}\"", track.size.0, track.size.1);
    }
    let _ = writeln!(text, ">");
    let is_empty = |n: &usize| track.is_empty(*n);
    // What is empty at either end is not named: sound that begins late or ends early.
    let first = (0..film.segments()).find(|n| !is_empty(n)).unwrap_or(0);
    let last = (0..film.segments()).rfind(|n| !is_empty(n)).unwrap_or(0);
    let _ = writeln!(
        text,
        "        <SegmentTemplate timescale=\"{}\" initialization=\"{name}/init.mp4{query}\" \
         media=\"{name}/$Number$.m4s{query}\" startNumber=\"{first}\">\n          <SegmentTimeline>",
        track.timescale
    );
    for n in first..=last {
        let (begin, end) = (shown(film, at, n), shown(film, at, n + 1));
        let _ = writeln!(text, "            <S t=\"{begin}\" d=\"{}\"/>", (end - begin).max(1));
    }
    text.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n      </Representation>\n    </AdaptationSet>\n");
}

/// When segment `n` of a track is shown: its edit list is taken into account, and nothing is before
/// the film's zero, which the schema does not allow.
fn shown(film: &Film, at: usize, n: usize) -> i64 {
    let track = &film.tracks()[at];
    let time = if at == 0 { film.cut(n) } else { film.decode_begin(at, n) - track.begins };
    time.max(0)
}

fn duration(span: Duration) -> String {
    format!("PT{}.{:06}S", span.as_secs(), span.subsec_micros())
}

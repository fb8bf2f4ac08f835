//! The MPEG-DASH manifest of a film (ISO/IEC 23009-1).

use std::fmt::Write as _;
use std::time::Duration;

use super::{FilmCopy, Rendition, Subtitles};
use crate::index::{Film, Kind, Track};

/// Seconds a player is to have before it begins.
const MIN_BUFFER: u32 = 2;

/// Bits a second that are announced of subtitles: text is nothing beside pictures.
const TEXT_BANDWIDTH: u32 = 1000;

/// Where the parts of a film are, seen from its manifest.
///
/// All addresses of a manifest begin with `base`, which no `BaseURL` says: ffmpeg asks for a file
/// that a representation names by its own `BaseURL` as if there were no other. Both consist of what
/// needs no escape in XML, and of no `$`.
#[derive(Debug, Clone, Copy)]
pub struct Addresses<'a> {
    /// In front of all names: a folder, with a slash at its end.
    pub base: &'a str,
    /// Behind all names: empty, or from a question mark on.
    pub query: &'a str,
}

/// The manifest: every track in segments of its own, smaller copies beside the pictures that they
/// are copies of, and subtitles, each as one file.
pub fn manifest(
    film: &Film,
    copies: &[FilmCopy<'_>],
    texts: &[Subtitles],
    addresses: Addresses<'_>,
) -> String {
    let mut text = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <MPD xmlns=\"urn:mpeg:dash:schema:mpd:2011\" type=\"static\" \
         profiles=\"urn:mpeg:dash:profile:isoff-live:2011\" minBufferTime=\"PT{MIN_BUFFER}S\" \
         mediaPresentationDuration=\"{}\">\n  <Period start=\"PT0S\">\n",
        duration(Duration::from_micros(film.begin(film.segments())))
    );
    for (at, track) in film.tracks().iter().enumerate() {
        let own = Representation { name: Rendition::Track(at).to_string(), film, track: at };
        let copies = copies.iter().filter(|_| track.kind == Kind::Video);
        let copies =
            copies.map(|copy| Representation { name: copy.name.to_owned(), film: copy.film, track: 0 });
        // A player goes from one to the other within a set, if one decoder reads both.
        let (alike, others): (Vec<_>, Vec<_>) = copies.partition(|copy| copy.family() == own.family());
        for set in [[vec![own], alike].concat(), others] {
            write_set(&mut text, &set, addresses);
        }
    }
    for subtitles in texts {
        write_text(&mut text, subtitles, addresses);
    }
    text + "  </Period>\n</MPD>\n"
}

/// A track of a film or of a copy, under its name in addresses.
#[derive(Debug, Clone)]
struct Representation<'a> {
    name: String,
    film: &'a Film,
    track: usize,
}

impl<'a> Representation<'a> {
    fn track(&self) -> &'a Track {
        &self.film.tracks()[self.track]
    }

    /// How the codec's name begins (RFC 6381).
    fn family(&self) -> &'a str {
        let codec = &self.track().codec;
        codec.split_once('.').map_or(codec.as_str(), |(family, _)| family)
    }
}

fn write_set(text: &mut String, set: &[Representation<'_>], addresses: Addresses<'_>) {
    let Some(first) = set.first().map(Representation::track) else { return };
    let (kind, mime) = match first.kind {
        Kind::Video => ("video", "video/mp4"),
        Kind::Audio => ("audio", "audio/mp4"),
    };
    let _ = write!(
        text,
        "    <AdaptationSet contentType=\"{kind}\" mimeType=\"{mime}\" segmentAlignment=\"true\" \
         startWithSAP=\"1\""
    );
    let _ = first.language.as_ref().map(|language| write!(text, " lang=\"{language}\""));
    let _ = writeln!(text, ">");
    for representation in set {
        write_representation(text, representation, addresses);
    }
    text.push_str("    </AdaptationSet>\n");
}

fn write_representation(
    text: &mut String,
    of: &Representation<'_>,
    Addresses { base, query }: Addresses<'_>,
) {
    let (Representation { name, film, track: at }, track) = (of, of.track());
    let _ = write!(
        text,
        "      <Representation id=\"{name}\" codecs=\"{}\" bandwidth=\"{}\"",
        track.codec,
        film.rates(&[*at]).peak
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
        "        <SegmentTemplate timescale=\"{}\" initialization=\"{base}{name}/init.mp4{query}\" \
         media=\"{base}{name}/$Number$.m4s{query}\" startNumber=\"{first}\">\n          <SegmentTimeline>",
        track.timescale
    );
    for n in first..=last {
        let (begin, end) = (shown(film, *at, n), shown(film, *at, n + 1));
        let _ = writeln!(text, "            <S t=\"{begin}\" d=\"{}\"/>", (end - begin).max(1));
    }
    text.push_str("          </SegmentTimeline>\n        </SegmentTemplate>\n      </Representation>\n");
}

/// Subtitles: players read the file at once.
fn write_text(text: &mut String, subtitles: &Subtitles, Addresses { base, query }: Addresses<'_>) {
    let Subtitles { name, language, is_forced, .. } = subtitles;
    let _ = write!(text, "    <AdaptationSet contentType=\"text\" mimeType=\"text/vtt\"");
    let _ = language.as_ref().map(|language| write!(text, " lang=\"{language}\""));
    let role = if *is_forced { "forced-subtitle" } else { "subtitle" };
    let _ = writeln!(
        text,
        ">\n      <Role schemeIdUri=\"urn:mpeg:dash:role:2011\" value=\"{role}\"/>\n      \
         <Representation id=\"{name}\" bandwidth=\"{TEXT_BANDWIDTH}\">\n        \
         <BaseURL>{base}{name}/all.vtt{query}</BaseURL>\n      </Representation>\n    </AdaptationSet>"
    );
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

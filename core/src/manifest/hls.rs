//! HLS playlists of a film (RFC 8216, section 4.3).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::Rendition;
use super::rendition::audio;
use crate::index::{Film, Kind, Rates};

/// Segments of fragmented MP4 need it (section 7).
const VERSION: u32 = 7;

/// Durations with a fraction need it, and old players take no more.
const TRANSPORT_VERSION: u32 = 3;

/// A transport stream is larger than what it carries, in hundredths: heads of packets, what fills
/// them up, tables. The smaller pictures and sound are, the more.
const TRANSPORT_OVERHEAD: u64 = 112;

/// A smaller copy of a film's pictures, cut where the film is.
#[derive(Debug, Clone, Copy)]
pub struct FilmCopy<'a> {
    /// Its name in addresses.
    pub name: &'a str,
    /// The index of its file.
    pub film: &'a Film,
}

/// The playlist of all renditions, `copies` among them, the best one first. Sound is of its own
/// only where there is a choice: some players take no separate sound. With copies there is one, so
/// that a player goes from one to the other and the sound goes on.
pub fn master(film: &Film, copies: &[FilmCopy<'_>]) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let has_video = film.tracks()[0].kind == Kind::Video;
    if !has_video || audio(film).count() < 2 && copies.is_empty() {
        write_variant(&mut text, film, Rendition::Main, None);
    } else {
        write_choice(&mut text, film, copies);
    }
    if has_video {
        let rates = film.rates(&[0]);
        // A key frame is less than its segment, whatever it is.
        let _ = writeln!(
            text,
            "#EXT-X-I-FRAME-STREAM-INF:BANDWIDTH={},CODECS=\"{}\"{},URI=\"{}.m3u8\"",
            rates.peak,
            film.tracks()[0].codec,
            resolution(film),
            Rendition::KeyFrames
        );
    }
    text
}

/// The same for players that take transport streams alone: there is one rendition. `None` of a film
/// that cannot be sent so.
pub fn master_of_transport(film: &Film) -> Option<String> {
    let tracks = Rendition::Transport.tracks(film);
    if tracks.is_empty() {
        return None;
    }
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{TRANSPORT_VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    write_variant(&mut text, film, Rendition::Transport, None);
    Some(text)
}

/// Pictures beside several sounds: a group for each codec, since a variant promises one.
fn write_choice(text: &mut String, film: &Film, copies: &[FilmCopy<'_>]) {
    let codecs: BTreeSet<&str> = audio(film).map(|track| film.tracks()[track].codec.as_str()).collect();
    for codec in &codecs {
        let of_group = audio(film).filter(|&track| film.tracks()[track].codec == *codec);
        for (at, track) in of_group.enumerate() {
            let language = film.tracks()[track].language.as_deref();
            let is_default = if at == 0 { "YES" } else { "NO" };
            let _ =
                write!(text, "#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"{codec}\",NAME=\"{}\"", name(film, track));
            let _ = language.map(|language| write!(text, ",LANGUAGE=\"{language}\""));
            let channels = film.tracks()[track].channels;
            if channels > 0 {
                let _ = write!(text, ",CHANNELS=\"{channels}\"");
            }
            let uri = Rendition::Track(track);
            let _ = writeln!(text, ",DEFAULT={is_default},AUTOSELECT=YES,URI=\"{uri}.m3u8\"");
        }
    }
    let groups: Vec<Option<&str>> = codecs.into_iter().map(Some).collect();
    let silent = [None];
    for group in if groups.is_empty() { &silent } else { &groups[..] } {
        write_variant(text, film, Rendition::Track(0), *group);
        for copy in copies {
            write_copy(text, film, *copy, *group);
        }
    }
}

/// A copy, with the group of sound of a codec.
fn write_copy(text: &mut String, film: &Film, copy: FilmCopy<'_>, sound: Option<&str>) {
    let tracks: Vec<usize> = loudest(film, sound).into_iter().collect();
    let (pictures, rates) = (copy.film.rates(&[0]), film.rates(&tracks));
    let codecs = [(copy.film, 0)].into_iter().chain(tracks.iter().map(|&track| (film, track)));
    write_rendition(
        text,
        Rates { peak: pictures.peak + rates.peak, average: pictures.average + rates.average },
        &codecs.map(|(film, track)| film.tracks()[track].codec.as_str()).collect::<Vec<_>>(),
        (&resolution(copy.film), sound, copy.name),
    );
}

/// A name that no other sound has.
fn name(film: &Film, track: usize) -> String {
    let language = film.tracks()[track].language.as_deref().unwrap_or("und");
    format!("{language} {track}")
}

/// A variant, alone or with the group of sound of a codec.
fn write_variant(text: &mut String, film: &Film, rendition: Rendition, sound: Option<&str>) {
    let group = sound.and_then(|_| loudest(film, sound));
    let tracks: Vec<usize> = rendition.tracks(film).into_iter().chain(group).collect();
    let codecs: Vec<&str> = tracks.iter().map(|&track| film.tracks()[track].codec.as_str()).collect();
    let mut rates = film.rates(&tracks);
    if rendition == Rendition::Transport {
        rates.peak = rates.peak * TRANSPORT_OVERHEAD / 100;
        rates.average = rates.average * TRANSPORT_OVERHEAD / 100;
    }
    write_rendition(text, rates, &codecs, (&resolution(film), sound, &rendition.to_string()));
}

/// Of a group of sounds, the one with the highest rate counts.
fn loudest(film: &Film, sound: Option<&str>) -> Option<usize> {
    let of_group = |&track: &usize| Some(film.tracks()[track].codec.as_str()) == sound;
    audio(film).filter(of_group).max_by_key(|&track| film.rates(&[track]).peak)
}

fn write_rendition(
    text: &mut String,
    rates: Rates,
    codecs: &[&str],
    (resolution, sound, name): (&str, Option<&str>, &str),
) {
    let _ = write!(
        text,
        "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"{resolution}",
        rates.peak,
        rates.average,
        codecs.join(","),
    );
    let _ = sound.map(|codec| write!(text, ",AUDIO=\"{codec}\""));
    let _ = writeln!(text, "\n{name}.m3u8");
}

fn resolution(film: &Film) -> String {
    match film.tracks()[0].size {
        (0, _) | (_, 0) => String::new(),
        (width, height) => format!(",RESOLUTION={width}x{height}"),
    }
}

/// The playlist of one rendition.
pub fn media(film: &Film, rendition: Rendition) -> String {
    match rendition {
        Rendition::Transport => segments(film, &rendition.to_string(), "ts"),
        _ => playlist(film, &rendition.to_string()),
    }
}

/// The playlist of segments that need no initialisation, in a folder of this name, whose names have
/// this end.
pub(super) fn segments(film: &Film, name: &str, end: &str) -> String {
    let mut text = head(film, TRANSPORT_VERSION);
    for n in 0..film.segments() {
        let _ = writeln!(text, "#EXTINF:{},\n{name}/{n}.{end}", seconds(film.duration(n)));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// The playlist of a copy.
pub fn copy(copy: FilmCopy<'_>) -> String {
    playlist(copy.film, copy.name)
}

/// The segments of a film, in a folder of this name.
fn playlist(film: &Film, name: &str) -> String {
    let mut text = begin(film, name, "");
    for n in 0..film.segments() {
        let _ = writeln!(text, "#EXTINF:{},\n{name}/{n}.m4s", seconds(film.duration(n)));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// The playlist of the key frames alone (section 4.3.3.6).
pub fn key_frames(film: &Film) -> String {
    let mut text = begin(film, &Rendition::KeyFrames.to_string(), "#EXT-X-I-FRAMES-ONLY\n");
    for n in (0..film.segments()).filter(|&n| !film.tracks()[0].is_empty(n)) {
        let name = Rendition::KeyFrames;
        let _ = writeln!(text, "#EXTINF:{},\n{name}/{n}.m4s", seconds(film.duration(n)));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// The same playlist with a query behind each address that it names, without a question mark.
pub fn with_query(playlist: &str, query: &str) -> String {
    let mut text = String::with_capacity(playlist.len() + 16 * query.len());
    for line in playlist.lines() {
        match line.split_once("URI=\"") {
            Some((head, rest)) => {
                let (address, tail) = rest.split_once('"').unwrap_or((rest, ""));
                let _ = writeln!(text, "{head}URI=\"{address}?{query}\"{tail}");
            }
            None if line.starts_with('#') || line.is_empty() => {
                let _ = writeln!(text, "{line}");
            }
            None => {
                let _ = writeln!(text, "{line}?{query}");
            }
        }
    }
    text
}

fn begin(film: &Film, name: &str, more: &str) -> String {
    let head = head(film, VERSION);
    format!("{head}{more}#EXT-X-MAP:URI=\"{name}/init.mp4\"\n")
}

/// What stands in front of everything that differs.
fn head(film: &Film, version: u32) -> String {
    // Rounded, no segment may be longer (section 4.3.3.1).
    let target = (film.longest() + Duration::from_millis(500)).as_secs().max(1);
    format!(
        "#EXTM3U\n#EXT-X-VERSION:{version}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n"
    )
}

fn seconds(span: Duration) -> String {
    format!("{}.{:06}", span.as_secs(), span.subsec_micros())
}

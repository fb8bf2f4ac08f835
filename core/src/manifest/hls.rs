//! HLS playlists of a film (RFC 8216, section 4.3).

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::Duration;

use super::Rendition;
use super::rendition::audio;
use crate::index::{Film, Kind};

/// Segments of fragmented MP4 need it (section 7).
const VERSION: u32 = 7;

/// The playlist of all renditions. Sound is of its own only where there is a choice: some players
/// take no separate sound.
pub fn master(film: &Film) -> String {
    let mut text = format!("#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-INDEPENDENT-SEGMENTS\n");
    let has_video = film.tracks()[0].kind == Kind::Video;
    if !has_video || audio(film).count() < 2 {
        write_variant(&mut text, film, Rendition::Main, None);
    } else {
        write_choice(&mut text, film);
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

/// Pictures beside several sounds: a group for each codec, since a variant promises one.
fn write_choice(text: &mut String, film: &Film) {
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
    for codec in codecs {
        write_variant(text, film, Rendition::Track(0), Some(codec));
    }
}

/// A name that no other sound has.
fn name(film: &Film, track: usize) -> String {
    let language = film.tracks()[track].language.as_deref().unwrap_or("und");
    format!("{language} {track}")
}

/// A variant, alone or with the group of sound of a codec.
fn write_variant(text: &mut String, film: &Film, rendition: Rendition, sound: Option<&str>) {
    let of_group = |&track: &usize| Some(film.tracks()[track].codec.as_str()) == sound;
    // Of a group, the sound with the highest rate counts.
    let loudest = audio(film).filter(of_group).max_by_key(|&track| film.rates(&[track]).peak);
    let tracks: Vec<usize> = rendition.tracks(film).into_iter().chain(loudest).collect();
    let rates = film.rates(&tracks);
    let codecs: Vec<&str> = tracks.iter().map(|&track| film.tracks()[track].codec.as_str()).collect();
    let _ = write!(
        text,
        "#EXT-X-STREAM-INF:BANDWIDTH={},AVERAGE-BANDWIDTH={},CODECS=\"{}\"{}",
        rates.peak,
        rates.average,
        codecs.join(","),
        resolution(film)
    );
    let _ = sound.map(|codec| write!(text, ",AUDIO=\"{codec}\""));
    let _ = writeln!(text, "\n{rendition}.m3u8");
}

fn resolution(film: &Film) -> String {
    match film.tracks()[0].size {
        (0, _) | (_, 0) => String::new(),
        (width, height) => format!(",RESOLUTION={width}x{height}"),
    }
}

/// The playlist of one rendition.
pub fn media(film: &Film, rendition: Rendition) -> String {
    let mut text = begin(film, rendition, "");
    for n in 0..film.segments() {
        let _ = writeln!(text, "#EXTINF:{},\n{rendition}/{n}.m4s", seconds(film.duration(n)));
    }
    text + "#EXT-X-ENDLIST\n"
}

/// The playlist of the key frames alone (section 4.3.3.6).
pub fn key_frames(film: &Film) -> String {
    let mut text = begin(film, Rendition::KeyFrames, "#EXT-X-I-FRAMES-ONLY\n");
    for n in (0..film.segments()).filter(|&n| film.tracks()[0].samples(n) > 0) {
        let name = Rendition::KeyFrames;
        let _ = writeln!(text, "#EXTINF:{},\n{name}/{n}.m4s", seconds(film.duration(n)));
    }
    text + "#EXT-X-ENDLIST\n"
}

fn begin(film: &Film, rendition: Rendition, more: &str) -> String {
    // Rounded, no segment may be longer (section 4.3.3.1).
    let target = (film.longest() + Duration::from_millis(500)).as_secs().max(1);
    format!(
        "#EXTM3U\n#EXT-X-VERSION:{VERSION}\n#EXT-X-TARGETDURATION:{target}\n#EXT-X-MEDIA-SEQUENCE:0\n\
         #EXT-X-PLAYLIST-TYPE:VOD\n#EXT-X-INDEPENDENT-SEGMENTS\n{more}#EXT-X-MAP:URI=\"{rendition}/init.mp4\"\n"
    )
}

fn seconds(span: Duration) -> String {
    format!("{}.{:06}", span.as_secs(), span.subsec_micros())
}

//! Names subtitles in playlists.

use std::fmt::Write as _;

use super::hls;
use crate::index::Film;

/// Subtitles of a film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subtitles {
    /// Their name in addresses: letters, digits and hyphens.
    pub name: String,
    /// What people call them, where that is known.
    pub title: Option<String>,
    /// As in RFC 5646, where it is known.
    pub language: Option<String>,
    /// Whether they are for those parts alone that nobody would understand without.
    pub is_forced: bool,
}

/// The master playlist with subtitles to choose from.
pub fn with_subtitles(master: &str, all: &[Subtitles]) -> String {
    if all.is_empty() {
        return master.to_owned();
    }
    let mut text = String::with_capacity(master.len() + 200 * all.len());
    let mut are_named = false;
    for line in master.lines() {
        if line.starts_with("#EXT-X-STREAM-INF:") {
            if !std::mem::replace(&mut are_named, true) {
                for subtitles in all {
                    write_media(&mut text, subtitles);
                }
            }
            let _ = writeln!(text, "{line},SUBTITLES=\"subtitles\"");
        } else {
            let _ = writeln!(text, "{line}");
        }
    }
    text
}

fn write_media(text: &mut String, subtitles: &Subtitles) {
    let Subtitles { name, title, language, is_forced } = subtitles;
    // No two may be called the same, and what ends a text in a playlist is in no title.
    let shown = title.as_ref().map_or_else(String::new, |title| {
        title.chars().filter(|letter| !letter.is_control() && *letter != '"').chain(" ".chars()).collect()
    });
    let _ = write!(text, "#EXT-X-MEDIA:TYPE=SUBTITLES,GROUP-ID=\"subtitles\",NAME=\"{shown}{name}\"");
    let _ = language.as_ref().map(|language| write!(text, ",LANGUAGE=\"{language}\""));
    let forced = if *is_forced { "YES" } else { "NO" };
    let _ = writeln!(text, ",DEFAULT=NO,AUTOSELECT=YES,FORCED={forced},URI=\"{name}.m3u8\"");
}

/// The playlist of subtitles: a segment for each of the film.
pub fn subtitles(film: &Film, name: &str) -> String {
    hls::segments(film, name, "vtt")
}

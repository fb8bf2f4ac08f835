//! Whether an entry is live television, a film or an episode.
//!
//! Providers put their whole library into the same list: 600,000 entries of which 20,000 are
//! channels. No player needs films among the channels, so the import leaves them out and says so.

use super::Entry;

/// What an entry is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A channel.
    Live,
    /// A film, or another recording.
    Movie,
    /// An episode of a series.
    Series,
}

/// Files that are recordings. `.ts` and `.m3u8` may be either, `.mp3` and `.aac` are mostly radio.
const RECORDINGS: [&str; 10] = ["mp4", "mkv", "avi", "mov", "m4v", "wmv", "webm", "mpg", "mpeg", "divx"];

impl Kind {
    /// What this entry is, by its `tvg-type`, the folders and the ending of its address, and
    /// `S01E02` in its title.
    pub fn of(entry: &Entry) -> Self {
        if let Some(kind) = entry.properties().attribute(&["tvg-type"]).and_then(Self::named) {
            return kind;
        }
        let path = path_of(entry.url());
        let file = path.rsplit('/').next().unwrap_or_default();
        let ending = file.rsplit_once('.').map_or("", |(_, ending)| ending);
        let has_folder = |name: &str| {
            path.rsplit_once('/').is_some_and(|(folders, _)| folders.split('/').any(|it| it == name))
        };
        if has_folder("live") {
            Self::Live
        } else if has_folder("series") || has_episode_number(entry.title()) {
            Self::Series
        } else if has_folder("movie") || RECORDINGS.iter().any(|it| ending.eq_ignore_ascii_case(it)) {
            Self::Movie
        } else {
            Self::Live
        }
    }

    /// A word to store it by. It never changes.
    pub fn code(self) -> &'static str {
        match self {
            Self::Live => "live",
            Self::Movie => "movie",
            Self::Series => "series",
        }
    }

    fn named(name: &str) -> Option<Self> {
        let is = |names: &[&str]| names.iter().any(|it| name.eq_ignore_ascii_case(it));
        match () {
            () if is(&["live", "tv", "channel", "radio"]) => Some(Self::Live),
            () if is(&["movie", "movies", "vod", "film"]) => Some(Self::Movie),
            () if is(&["series", "serie", "tvshow", "tvshows"]) => Some(Self::Series),
            () => None,
        }
    }
}

/// The path of an address, without its host and query.
fn path_of(url: &str) -> &str {
    let behind_scheme = url.split_once("://").map_or(url, |(_, rest)| rest);
    behind_scheme.split(['?', '#', '|']).next().unwrap_or_default()
}

/// Whether a title has `S01E02`, in any case and with a blank between, as a word of its own.
fn has_episode_number(title: &str) -> bool {
    let bytes = title.as_bytes();
    (0..bytes.len()).any(|at| {
        let starts = matches!(bytes[at], b's' | b'S') && (at == 0 || !bytes[at - 1].is_ascii_alphanumeric());
        starts && is_episode_number(&bytes[at + 1..])
    })
}

/// Whether this begins as `S01E02` goes on after its first letter.
fn is_episode_number(bytes: &[u8]) -> bool {
    let digits = |bytes: &[u8], most| bytes.iter().take(most).take_while(|it| it.is_ascii_digit()).count();
    let season = digits(bytes, 4);
    let rest = &bytes[season..];
    let rest = rest.strip_prefix(b" ").unwrap_or(rest);
    let Some((b'e' | b'E', rest)) = rest.split_first() else { return false };
    season > 0 && digits(rest, 4) > 0
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind_of(title: &str, url: &str) -> Kind {
        let mut entry = Entry::default();
        entry.set_title(title);
        entry.set_url(url);
        Kind::of(&entry)
    }

    #[test]
    fn entries_are_classified_by_address_and_title() {
        let table = [
            ("BBC One", "http://h/live/u/p/1.ts", Kind::Live),
            ("BBC One", "http://h/u/p/1", Kind::Live),
            ("BBC One", "http://h:8080/a/index.m3u8?file=x.mp4", Kind::Live),
            ("S4C", "http://h/s4c.m3u8", Kind::Live),
            ("SE 24", "http://h/x.ts", Kind::Live),
            ("Radio", "http://h/radio.mp3", Kind::Live),
            ("Movie channel", "http://movie.host/1.ts", Kind::Live),
            ("Heat", "http://h/movie/u/p/7.mkv", Kind::Movie),
            ("Heat", "http://h/vod/heat.MP4?x=1", Kind::Movie),
            ("Heat", "heat.avi", Kind::Movie),
            ("Dark", "http://h/series/u/p/7.mkv", Kind::Series),
            ("Dark S01E02", "http://h/u/p/7.mp4", Kind::Series),
            ("Dark s1 e02 720p", "http://h/u/p/7", Kind::Series),
            ("Dark (S01E02)", "http://h/u/p/7", Kind::Series),
            ("Series 9", "http://h/live/series/p/7.ts", Kind::Live),
        ];
        for (title, url, kind) in table {
            assert_eq!(kind_of(title, url), kind, "{title} at {url}");
        }
    }

    #[test]
    fn the_type_of_the_list_wins() {
        let mut entry = Entry::default();
        entry.set_url("http://h/x.mp4");
        entry.push(super::super::Origin::Attribute, "tvg-type", "live");
        assert_eq!(Kind::of(&entry), Kind::Live);
    }
}

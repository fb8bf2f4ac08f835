//! Subtitles in files beside a film: `Film.srt`, `Film.en.vtt`, `Film.de.forced.srt` of `Film.mkv`.

use std::fs::{self, File};
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use forebay_core::manifest::Subtitles;
use forebay_core::subtitles::{self, Cue, MAX_FILE};

use super::opened::file_tag;

/// The most that are offered of one film: all languages that anybody translates to.
const MAX_SIDECARS: usize = 64;

/// Entries of a film's folder that are looked at.
const MAX_ENTRIES: usize = 100_000;

/// What stands for a language that the name of the file does not say.
const UNKNOWN: &str = "und";

/// A file of subtitles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sidecar {
    /// How manifests name it.
    pub subtitles: Subtitles,
    path: PathBuf,
}

impl Sidecar {
    /// All those of a film, in the order of their names. Waits for the disk.
    pub fn find(film: &Path) -> Vec<Self> {
        let (Some(folder), Some(stem)) = (film.parent(), film.file_stem().and_then(|stem| stem.to_str()))
        else {
            return Vec::new();
        };
        // The film plays all the same: to lack subtitles is no reason to refuse it.
        let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
        let mut all: Vec<Self> = entries
            .take(MAX_ENTRIES)
            .flatten()
            .filter_map(|entry| {
                let subtitles = parse(stem, entry.file_name().to_str()?)?;
                Some(Self { subtitles, path: entry.path() })
            })
            .collect();
        // The order of a folder is any: of two files with
        // one name, it is always the same that is offered.
        all.sort_by(|a, b| a.path.cmp(&b.path));
        all.dedup_by(|a, b| a.subtitles.name == b.subtitles.name);
        all.truncate(MAX_SIDECARS);
        all
    }

    /// The one with this name.
    pub fn named(film: &Path, name: &str) -> Option<Self> {
        Self::find(film).into_iter().find(|sidecar| sidecar.subtitles.name == name)
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What it has, and what tells this state of it from any other. Waits for the disk.
    ///
    /// # Errors
    /// When it cannot be read, or is too large to be subtitles.
    pub fn read(&self) -> io::Result<(Vec<Cue>, String)> {
        let file = File::open(&self.path)?;
        let data = file.metadata()?;
        if data.len() > MAX_FILE {
            let message = format!("subtitles of {} bytes: the limit is {MAX_FILE}", data.len());
            return Err(io::Error::new(io::ErrorKind::FileTooLarge, message));
        }
        let mut bytes = Vec::new();
        // It may grow between the look at its length and this.
        file.take(MAX_FILE).read_to_end(&mut bytes)?;
        Ok((subtitles::parse(&bytes), file_tag(&data)))
    }
}

/// What the name of a file says, if it is that of subtitles of a film with this stem.
fn parse(stem: &str, name: &str) -> Option<Subtitles> {
    let (rest, kind) = name.strip_prefix(stem)?.rsplit_once('.')?;
    if !["srt", "vtt"].iter().any(|known| kind.eq_ignore_ascii_case(known)) {
        return None;
    }
    let words: Vec<&str> = rest.split('.').filter(|word| !word.is_empty()).collect();
    let is_word = |word: &&str| word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    // `Film 2.srt` is of `Film 2.mkv`, not of `Film.mkv`.
    let is_separate = rest.is_empty() || rest.starts_with('.');
    if !is_separate || !words.iter().all(is_word) {
        return None;
    }
    let is_forced = words.iter().any(|word| word.eq_ignore_ascii_case("forced"));
    // The language is the first word that could be one.
    let is_language = |word: &&&str| {
        let first = word.split('-').next().unwrap_or_default();
        matches!(first.len(), 2 | 3) && first.bytes().all(|byte| byte.is_ascii_alphabetic())
    };
    // Both have the length of a code, and say for whom the subtitles are.
    let is_known = |word: &&&str| !word.eq_ignore_ascii_case("sdh") && !word.eq_ignore_ascii_case("cc");
    let language = words.iter().filter(is_known).find(is_language).map(|word| (*word).to_owned());
    let words = if words.is_empty() { UNKNOWN.to_owned() } else { words.join("-") };
    Some(Subtitles { name: format!("s-{words}"), title: None, language, is_forced })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_the_language() {
        for (name, expected) in [
            ("Film.srt", Some(("s-und", None, false))),
            ("Film.en.SRT", Some(("s-en", Some("en"), false))),
            ("Film.pt-BR.vtt", Some(("s-pt-BR", Some("pt-BR"), false))),
            ("Film.ger.forced.srt", Some(("s-ger-forced", Some("ger"), true))),
            ("Film.sdh.en.srt", Some(("s-sdh-en", Some("en"), false))),
            ("Film 2.srt", None),
            ("Film.en.txt", None),
            ("Film.e n.srt", None),
            ("Other.srt", None),
        ] {
            let found = parse("Film", name);
            let found =
                found.as_ref().map(|found| (found.name.as_str(), found.language.as_deref(), found.is_forced));
            assert_eq!(found, expected, "{name}");
        }
    }

    #[test]
    fn files_beside_a_film_are_found() {
        let folder = tempfile::tempdir().unwrap();
        let put = |name: &str, bytes: &[u8]| fs::write(folder.path().join(name), bytes).unwrap();
        put("Film.mkv", b"");
        put("Film.en.srt", b"1\n00:00:01,000 --> 00:00:02,000\nHi\n");
        put("Film.en.vtt", b"WEBVTT\n");
        put("Film.srt", b"");
        put("Other.srt", b"");
        let found = Sidecar::find(&folder.path().join("Film.mkv"));
        let names: Vec<&str> = found.iter().map(|sidecar| sidecar.subtitles.name.as_str()).collect();
        assert_eq!(names, ["s-en", "s-und"]);
        assert_eq!(found[0].read().unwrap().0.len(), 1);
        assert!(Sidecar::named(&folder.path().join("Film.mkv"), "s-de").is_none());
    }
}

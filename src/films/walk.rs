//! Looks into folders for files that may be films.

use std::collections::HashSet;
use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use crate::db::films::Identity;

/// Folders within folders that are looked into.
const MAX_DEPTH: usize = 16;

/// The most files that are known. What is beyond is left out, and the log says so.
pub(super) const MAX_FILMS: usize = 100_000;

/// Ends of names of files with pictures or sound, each with the media type.
const KINDS: &[(&str, &str)] = &[
    ("mp4", "video/mp4"),
    ("m4v", "video/mp4"),
    ("mov", "video/quicktime"),
    ("m4a", "audio/mp4"),
    ("3gp", "video/3gpp"),
    ("mkv", "video/x-matroska"),
    ("mka", "audio/x-matroska"),
    ("webm", "video/webm"),
    ("ts", "video/mp2t"),
    ("m2ts", "video/mp2t"),
    ("mts", "video/mp2t"),
    ("avi", "video/x-msvideo"),
    ("mpg", "video/mpeg"),
    ("mpeg", "video/mpeg"),
];

/// A file that may be a film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
}

/// Which file this is.
pub(crate) fn identity(data: &Metadata) -> Identity {
    let modified = data.mtime().saturating_mul(1_000_000_000).saturating_add(data.mtime_nsec());
    Identity { device: data.dev(), inode: data.ino(), size: data.len(), modified }
}

/// The media type of a file by the end of its name; `None` of what is no film.
pub(crate) fn media_type(path: &Path) -> Option<&'static str> {
    let end = path.extension()?.to_str()?;
    KINDS.iter().find(|(kind, _)| end.eq_ignore_ascii_case(kind)).map(|(_, media_type)| *media_type)
}

/// All files that may be films, in the order of their paths. A folder that cannot be read now is
/// told as an error: what was known of it stays.
pub(super) fn walk(folders: &[PathBuf]) -> (Vec<Found>, Vec<PathBuf>) {
    let mut walk = Walk::default();
    for folder in folders {
        walk.enter(folder, 0);
    }
    walk.found.sort_by(|a, b| a.path.cmp(&b.path));
    // One folder of the configuration may lie within another.
    walk.found.dedup_by(|a, b| a.path == b.path);
    (walk.found, walk.unreadable)
}

#[derive(Debug, Default)]
struct Walk {
    found: Vec<Found>,
    unreadable: Vec<PathBuf>,
    /// Folders that were entered: links may lead in a circle.
    entered: HashSet<(u64, u64)>,
}

impl Walk {
    fn enter(&mut self, folder: &Path, depth: usize) {
        let Ok(entries) = std::fs::read_dir(folder) else {
            self.unreadable.push(folder.to_owned());
            return;
        };
        for entry in entries.flatten() {
            // Hidden files are no films, but what tools that
            // copy and other systems leave beside them.
            if self.found.len() == MAX_FILMS || entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            // Of a link, what it leads to counts.
            let Ok(data) = std::fs::metadata(&path) else { continue };
            if data.is_dir() && depth < MAX_DEPTH && self.entered.insert((data.dev(), data.ino())) {
                self.enter(&path, depth + 1);
            } else if data.is_file() && media_type(&path).is_some() {
                self.found.push(Found { path, identity: identity(&data) });
            }
        }
    }
}

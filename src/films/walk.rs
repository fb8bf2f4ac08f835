//! Looks into folders for files that may be films.

use std::collections::HashSet;
use std::fs::Metadata;
use std::io::ErrorKind;
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

/// All files that may be films, in the order of their paths. A folder or file that cannot be looked
/// at now is told as an error: what was known of it stays.
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
        for entry in entries {
            let Ok(entry) = entry else {
                self.unreadable.push(folder.to_owned());
                break;
            };
            // Hidden files are no films, but what tools that
            // copy and other systems leave beside them.
            if self.found.len() == MAX_FILMS || entry.file_name().as_encoded_bytes().starts_with(b".") {
                continue;
            }
            let path = entry.path();
            // Of a link, what it leads to counts.
            let data = match std::fs::metadata(&path) {
                Ok(data) => data,
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                // As `ESTALE` of a network: what cannot be looked at now may be there all the same.
                Err(_) => {
                    self.unreadable.push(path);
                    continue;
                }
            };
            if data.is_dir() && depth < MAX_DEPTH && self.entered.insert((data.dev(), data.ino())) {
                self.enter(&path, depth + 1);
            } else if data.is_file() && media_type(&path).is_some() {
                self.found.push(Found { path, identity: identity(&data) });
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn what_cannot_be_looked_at_is_told_and_what_is_gone_is_not() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        fs::write(path("a.mp4"), "").unwrap();
        // A link to itself fails with an error that does not say that there is no file.
        symlink("loop.mp4", path("loop.mp4")).unwrap();
        symlink("nothing.mp4", path("gone.mp4")).unwrap();
        let (found, unreadable) = walk(&[folder.path().to_owned()]);
        let found: Vec<_> = found.into_iter().map(|found| found.path).collect();
        assert_eq!((found, unreadable), (vec![path("a.mp4")], vec![path("loop.mp4")]));
    }
}

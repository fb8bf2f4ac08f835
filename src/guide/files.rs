//! The files of guides: each import writes one of its own, which stays until nobody reads it.
//!
//! A name has the key of the guide and the generation of the file, so that the numbers of channels
//! that a snapshot holds always belong to the file that it reads.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, UNIX_EPOCH};

use tracing::warn;

use super::store::{Error, Info, Stored};

/// The ending of the names of guides.
const ENDING: &str = "guide";

/// A guide that nobody names any more is deleted when it has not been read for so long.
const KEEP_UNNAMED: Duration = Duration::from_hours(30 * 24);

/// A version of a guide on the disk. It never changes, and its file goes with the last who holds it
/// once another version is in force.
#[derive(Debug)]
pub(super) struct GuideFile {
    path: PathBuf,
    generation: u64,
    info: Info,
    /// When the guide was last known to be this one, in seconds since 1970.
    checked_at: AtomicI64,
    is_superseded: AtomicBool,
    damage: OnceLock<String>,
}

/// The versions that are in force, by the keys of guides.
#[derive(Debug)]
pub(super) struct Files {
    folder: PathBuf,
    in_force: Mutex<HashMap<String, Arc<GuideFile>>>,
    is_loaded: AtomicBool,
    next: AtomicU64,
}

impl GuideFile {
    /// What is known of the guide.
    pub(super) fn info(&self) -> &Info {
        &self.info
    }

    /// Opens it. Waits for the disk.
    pub(super) fn open(&self) -> Result<Stored, Error> {
        Stored::open(&self.path)
    }

    /// When the guide was last known to be this one, in seconds since 1970.
    pub(super) fn checked_at(&self) -> i64 {
        self.checked_at.load(Ordering::Relaxed)
    }

    /// Notes that the guide is still this one. Waits for the disk.
    pub(super) fn confirm(&self, now: i64) {
        self.checked_at.store(now, Ordering::Relaxed);
        let at = UNIX_EPOCH + Duration::from_secs(u64::try_from(now).unwrap_or_default());
        // It is kept as the time of the file, so that a restart reads no guide before it is due.
        if let Err(error) = fs::File::open(&self.path).and_then(|file| file.set_modified(at)) {
            warn!("the time of a guide cannot be kept: {error}");
        }
    }

    /// Notes that it cannot be read, where that is so for good.
    pub(super) fn note(&self, error: &Error) {
        if error.is_damage() || !self.path.exists() {
            self.damage.get_or_init(|| error.to_string());
        }
    }

    /// Why it cannot be read, if so.
    pub(super) fn damage(&self) -> Option<&str> {
        self.damage.get().map(String::as_str)
    }
}

impl PartialEq for GuideFile {
    fn eq(&self, other: &Self) -> bool {
        self.path == other.path
    }
}

impl Eq for GuideFile {}

impl Drop for GuideFile {
    fn drop(&mut self) {
        if self.is_superseded.load(Ordering::Relaxed) {
            // Otherwise the next start removes it.
            let _ = fs::remove_file(&self.path);
        }
    }
}

impl Files {
    /// Those in `folder`, without what an earlier process has left half done there.
    pub(super) fn new(folder: PathBuf) -> Self {
        let mut next = 1;
        for path in paths(&folder) {
            if path.extension().is_some_and(|it| it == "made" || it == "new") {
                let _ = fs::remove_file(path);
            } else if let Some((_, generation)) = parts(&path) {
                next = next.max(generation + 1);
            }
        }
        Self { folder, in_force: Mutex::default(), is_loaded: AtomicBool::new(false), next: next.into() }
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<String, Arc<GuideFile>>> {
        self.in_force.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Finds the versions that an earlier process has left, once. Waits for the disk.
    pub(super) fn load(&self) {
        if self.is_loaded.swap(true, Ordering::Relaxed) {
            return;
        }
        let mut found: Vec<_> =
            paths(&self.folder).into_iter().filter_map(|path| parts(&path).map(|it| (it, path))).collect();
        // The newest one that can be read is in force.
        found.sort_by_key(|((_, generation), _)| *generation);
        for ((key, generation), path) in found {
            let info = match Stored::open(&path).and_then(|stored| stored.info()) {
                Ok(info) => info,
                Err(error) => {
                    warn!("a guide of before cannot be read: {error}");
                    if error.is_damage() {
                        let _ = fs::remove_file(path);
                    }
                    continue;
                }
            };
            let modified = path.metadata().and_then(|it| it.modified()).unwrap_or(UNIX_EPOCH);
            let checked_at = modified.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            self.put(&key, (path, generation), info, i64::try_from(checked_at).unwrap_or_default());
        }
    }

    /// The version of a guide that is in force.
    pub(super) fn get(&self, key: &str) -> Option<Arc<GuideFile>> {
        self.lock().get(key).cloned()
    }

    /// The name of a new version, and its generation.
    pub(super) fn name(&self, key: &str) -> (PathBuf, u64) {
        let generation = self.next.fetch_add(1, Ordering::Relaxed);
        (self.folder.join(format!("{key}.{generation}.{ENDING}")), generation)
    }

    /// The name of a document of ours. Its file does not outlive the process.
    pub(super) fn name_of_document(&self) -> PathBuf {
        self.folder.join(format!("{}.made", self.next.fetch_add(1, Ordering::Relaxed)))
    }

    /// The folder.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Puts a version in force. The one before goes when nobody reads it any more.
    pub(super) fn put(&self, key: &str, (path, generation): (PathBuf, u64), info: Info, checked_at: i64) {
        let file = GuideFile {
            path,
            generation,
            info,
            checked_at: checked_at.into(),
            is_superseded: AtomicBool::new(false),
            damage: OnceLock::new(),
        };
        let before = self.lock().insert(key.to_owned(), Arc::new(file));
        if let Some(before) = before {
            before.is_superseded.store(true, Ordering::Relaxed);
        }
    }

    /// Takes this version out of force, unless it is not in force any more.
    pub(super) fn discard(&self, key: &str, file: &GuideFile) {
        let mut in_force = self.lock();
        let is_same = in_force.get(key).is_some_and(|it| it.generation == file.generation);
        let removed = if is_same { in_force.remove(key) } else { None };
        drop(in_force);
        if let Some(removed) = removed {
            removed.is_superseded.store(true, Ordering::Relaxed);
        }
    }

    /// Lets go of guides that nobody names, and that have not been read for long.
    pub(super) fn forget(&self, named: &HashSet<&str>, now: i64) {
        let oldest = now - i64::try_from(KEEP_UNNAMED.as_secs()).expect("a month");
        let old: Vec<_> = self
            .lock()
            .extract_if(|key, file| !named.contains(&**key) && file.checked_at() < oldest)
            .collect();
        for (_, file) in old {
            file.is_superseded.store(true, Ordering::Relaxed);
        }
    }
}

fn paths(folder: &Path) -> Vec<PathBuf> {
    fs::read_dir(folder).map(|it| it.flatten().map(|entry| entry.path()).collect()).unwrap_or_default()
}

/// The key and the generation in the name of a file. Earlier versions of the program wrote none.
fn parts(path: &Path) -> Option<(String, u64)> {
    let name = path.file_name()?.to_str()?.strip_suffix(ENDING)?.strip_suffix('.')?;
    match name.split_once('.') {
        Some((key, generation)) => Some((key.to_owned(), generation.parse().ok()?)),
        None => Some((name.to_owned(), 0)),
    }
}

#[cfg(test)]
mod tests {
    use forebay_core::guide::Options;
    use tempfile::TempDir;
    use tokio_util::sync::CancellationToken;

    use super::super::store::import;
    use super::*;

    /// Takes a guide with a programme of each of these channels, which is called as the channel is.
    fn take(files: &Files, channels: &[&str]) {
        let programme =
            |it: &&str| format!("<programme start=\"2026\" channel=\"{it}\"><title>{it}</title></programme>");
        let programmes: String = channels.iter().map(programme).collect();
        let document = files.folder().join("document");
        fs::write(&document, format!("<tv>{programmes}</tv>")).unwrap();
        let name = files.name("c-1");
        let (info, token) = (Info::default(), CancellationToken::new());
        let info = import(&document, Options::default(), info, &name.0, &token, |_| Ok(())).unwrap();
        files.put("c-1", name, info, 1000);
    }

    fn titles(file: &GuideFile, channel: u32) -> String {
        let mut all = String::new();
        let take = |it: super::super::store::Airing| {
            all.push_str(&it.body);
            true
        };
        file.open().unwrap().programmes(channel, (0, i64::MAX), take).unwrap();
        all
    }

    fn guides(folder: &TempDir) -> usize {
        paths(folder.path()).iter().filter(|path| parts(path).is_some()).count()
    }

    #[test]
    fn whoever_reads_a_guide_goes_on_with_it_when_another_version_comes() {
        let folder = TempDir::new().unwrap();
        let files = Files::new(folder.path().to_owned());
        take(&files, &["a", "b"]);
        let before = files.get("c-1").unwrap();
        take(&files, &["new", "a", "b"]);
        assert!(titles(&before, 0).contains("<title>a<"), "the first channel is what it was");
        assert!(titles(&files.get("c-1").unwrap(), 0).contains("<title>new<"));
        assert_eq!(guides(&folder), 2);
        drop(before);
        assert_eq!(guides(&folder), 1, "nobody reads the first one");
    }

    #[test]
    fn a_restart_finds_the_newest_version_that_can_be_read() {
        let folder = TempDir::new().unwrap();
        let files = Files::new(folder.path().to_owned());
        take(&files, &["a"]);
        let first = files.get("c-1").unwrap();
        take(&files, &["b"]);
        let second = files.get("c-1").unwrap();
        second.confirm(5000);
        // Without what the first start would do to them at its end.
        std::mem::forget((first, second, files));
        fs::write(folder.path().join("c-1.9.guide"), "damaged").unwrap();
        fs::write(folder.path().join("9.made"), "left").unwrap();
        let files = Files::new(folder.path().to_owned());
        files.load();
        let found = files.get("c-1").unwrap();
        assert!(titles(&found, 0).contains("<title>b<"));
        assert_eq!((found.checked_at(), guides(&folder)), (5000, 1));
        assert!(files.name("c-1").1 > 9, "no name is given twice");
        assert!(!folder.path().join("9.made").exists());
        files.forget(&HashSet::from(["c-1"]), i64::MAX);
        assert!(files.get("c-1").is_some(), "somebody names it");
        files.forget(&HashSet::new(), 5000 + 40 * 24 * 3600);
        assert!(files.get("c-1").is_none());
        drop(found);
        assert_eq!(guides(&folder), 0);
    }
}

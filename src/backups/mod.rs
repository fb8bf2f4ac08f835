//! Scheduled backups: one file every day, of which the newest are kept.
//!
//! A backup is what `forebay backup` makes: the database and the configuration. Restoring one needs
//! that nothing uses the database; so somebody who asks for it by the API has it done at the next
//! start, before the database is opened.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, SystemTime};

use forebay_relay::file_changes::aside;
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use crate::config::InForce;
use crate::db::backup::{self, BackupError, Restored};

/// How a backup is called: the time in UTC stands between.
const NAME: (&str, &str) = ("forebay-", ".backup");

/// Names the backup that is restored at the next start, in the folder of the database.
const NEXT: &str = "restore-next";

/// How often it is looked whether a backup is due: the clock may be set, and settings change.
const LOOK_EVERY: Duration = Duration::from_secs(30);

/// The first one waits: a server that is started again and again does not fill the disk.
const FIRST_AFTER: Duration = Duration::from_mins(10);

/// Files in the folder that are looked at.
const MAX_FILES: usize = 100_000;

/// A backup that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// The name of the file.
    pub name: String,
    /// When it was made.
    pub made_at: Timestamp,
    /// How large it is, in bytes.
    pub size: u64,
}

/// How backups are going.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Going {
    /// Backups that were made since the start.
    pub made: u64,
    /// Why the last one was not made, if so.
    pub error: Option<String>,
}

/// Makes backups and removes old ones. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Backups {
    config: InForce,
    going: Arc<Mutex<Going>>,
    /// One at a time: they write the same files.
    making: Arc<tokio::sync::Mutex<()>>,
}

impl Backups {
    /// Those of the configuration in force.
    pub fn new(config: InForce) -> Self {
        Self { config, going: Arc::default(), making: Arc::default() }
    }

    /// How they are going.
    pub fn going(&self) -> Going {
        self.going.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Those that are there, the newest first.
    pub async fn list(&self) -> Vec<Backup> {
        let folder = self.config.get().backups.folder.clone();
        tokio::task::spawn_blocking(move || list(&folder)).await.unwrap_or_default()
    }

    /// Makes one now, and removes those that are too many.
    pub async fn make(&self) -> Result<Backup, BackupError> {
        let _one = self.making.lock().await;
        let config = self.config.get();
        let made = blocking(move || {
            make(&config.data.path, &config.path, &config.backups.folder, config.backups.keep)
        });
        let made = made.await;
        let mut going = self.going.lock().unwrap_or_else(PoisonError::into_inner);
        match &made {
            Ok(_) => {
                going.made += 1;
                going.error = None;
            }
            Err(error) => going.error = Some(error.to_string()),
        }
        made
    }

    /// Has a backup restored at the next start, in the place of any that was to be; false where
    /// there is none of this name. One that is damaged or of a newer Forebay is refused here, where
    /// somebody sees it.
    pub async fn restore_next(&self, name: &str) -> Result<bool, BackupError> {
        let _one = self.making.lock().await;
        let config = self.config.get();
        let Some(path) = file(&config.backups.folder, name) else { return Ok(false) };
        blocking(move || ask_for(&config.data.path, &path)).await?;
        Ok(true)
    }

    /// The name of the backup that is restored at the next start; none where none is.
    pub fn next(&self) -> Option<String> {
        let backup = fs::read_link(self.config.get().data.path.join(NEXT)).ok()?;
        Some(backup.file_name()?.to_string_lossy().into_owned())
    }

    /// Has the backup of this name not restored at the next start; false where it was not to be.
    pub async fn leave_next(&self, name: &str) -> Result<bool, BackupError> {
        let _one = self.making.lock().await;
        if self.next().as_deref() != Some(name) {
            return Ok(false);
        }
        let next = self.config.get().data.path.join(NEXT);
        fs::remove_file(&next).map_err(|error| write_error(&next, &error))?;
        Ok(true)
    }

    /// Opens the backup of this name to be read, with its length in bytes; none where there is
    /// none.
    pub async fn open(&self, name: &str) -> io::Result<Option<(File, u64)>> {
        let folder = self.config.get().backups.folder.clone();
        let Some(path) = file(&folder, name) else { return Ok(None) };
        let opened = tokio::task::spawn_blocking(move || {
            let file = File::open(path)?;
            let length = file.metadata()?.len();
            Ok(Some((file, length)))
        });
        opened.await.map_err(io::Error::other)?
    }

    /// Makes them when they are due, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let started = SystemTime::now();
        let mut failed_at: Option<SystemTime> = None;
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
            let config = self.config.get();
            let Some(every) = config.backups.every else { continue };
            let folder = config.backups.folder.clone();
            let Some(last) = aside(&stop, move || newest(&folder)).await else { return };
            // One that failed is tried again, but not at each look.
            let last = last.max(failed_at);
            if !is_due(SystemTime::now(), last, started, every) {
                continue;
            }
            match self.make().await {
                Ok(made) => info!(file = %made.name, size = made.size, "backup made"),
                // Before anybody has made anything, there is nothing to back up.
                Err(BackupError::NoDatabase(_)) => failed_at = Some(SystemTime::now()),
                Err(error) => {
                    warn!(%error, "no backup was made");
                    failed_at = Some(SystemTime::now());
                }
            }
        }
    }
}

/// Whether a backup is due, where the last one was made or tried then.
fn is_due(now: SystemTime, last: Option<SystemTime>, started: SystemTime, every: Duration) -> bool {
    let (from, pause) = match last {
        Some(last) => (last, every),
        None => (started, every.min(FIRST_AFTER)),
    };
    // A time in the future is one of a clock that was wrong.
    now.duration_since(from).is_ok_and(|age| age >= pause)
}

/// What this makes of the disk, where no request waits for it.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}

fn write_error(path: &Path, error: &io::Error) -> BackupError {
    BackupError::Write { path: path.to_owned(), reason: forebay_relay::error::reason(error) }
}

/// Has a backup restored at the next start, if it can be.
fn ask_for(data: &Path, backup: &Path) -> Result<(), BackupError> {
    backup::check(backup)?;
    let (next, new) = (data.join(NEXT), data.join(format!("{NEXT}.new")));
    let _ = fs::remove_file(&new);
    // In one step, so that what was asked for before is not lost by a failure.
    let put = || {
        std::os::unix::fs::symlink(backup.canonicalize()?, &new)?;
        fs::rename(&new, &next)
    };
    put().map_err(|error| write_error(&next, &error))
}

/// Makes one in a folder of backups, and keeps so many, and the one that is to be restored.
pub fn make(data: &Path, config: &Path, folder: &Path, keep: usize) -> Result<Backup, BackupError> {
    let write = |error: io::Error| write_error(folder, &error);
    fs::create_dir_all(folder).map_err(write)?;
    let name = free_name(folder);
    backup::backup(data, config, &folder.join(&name))?;
    let all = list(folder);
    let wanted = fs::read_link(data.join(NEXT)).ok();
    for old in all.iter().skip(keep) {
        let path = folder.join(&old.name);
        if wanted.is_none() || path.canonicalize().ok() != wanted {
            fs::remove_file(path).map_err(write)?;
        }
    }
    all.into_iter().find(|made| made.name == name).ok_or_else(|| write(io::ErrorKind::NotFound.into()))
}

fn free_name(folder: &Path) -> String {
    let now = Timestamp::now().strftime("%Y%m%d-%H%M%S");
    let name = |more: &str| format!("{}{now}{more}{}", NAME.0, NAME.1);
    let more = (2..).map(|number| name(&format!("-{number}")));
    std::iter::once(name(""))
        .chain(more)
        .find(|name| !folder.join(name).exists())
        .expect("numbers do not end")
}

/// Those that are in a folder, the newest first.
pub fn list(folder: &Path) -> Vec<Backup> {
    let files = fs::read_dir(folder).into_iter().flatten().flatten().take(MAX_FILES);
    let mut all: Vec<(SystemTime, Backup)> = files
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok().filter(|name| is_ours(name))?;
            let metadata = entry.metadata().ok().filter(fs::Metadata::is_file)?;
            let made = metadata.modified().ok()?;
            let made_at = Timestamp::try_from(made).ok()?;
            Some((made, Backup { name, made_at, size: metadata.len() }))
        })
        .collect();
    all.sort_by(|one, other| (other.0, &other.1.name).cmp(&(one.0, &one.1.name)));
    all.into_iter().map(|(_, backup)| backup).collect()
}

fn newest(folder: &Path) -> Option<SystemTime> {
    list(folder).first().map(|backup| backup.made_at.into())
}

fn is_ours(name: &str) -> bool {
    let time = name.strip_prefix(NAME.0).and_then(|rest| rest.strip_suffix(NAME.1));
    time.is_some_and(|time| !time.is_empty() && time.chars().all(|c| c.is_ascii_digit() || c == '-'))
}

/// The file of this name, if it is a backup in the folder.
pub fn file(folder: &Path, name: &str) -> Option<PathBuf> {
    let path = folder.join(name);
    (is_ours(name) && path.file_name() == Some(OsStr::new(name)) && path.is_file()).then_some(path)
}

/// Restores the backup that somebody has asked for, before the database is opened.
pub fn restore_if_asked(data: &Path) -> Result<Option<Restored>, BackupError> {
    let next = data.join(NEXT);
    let Ok(from) = fs::read_link(&next) else { return Ok(None) };
    // Once: one that is damaged must not keep the server from starting for ever.
    fs::remove_file(&next).map_err(|error| write_error(&next, &error))?;
    backup::restore(&from, data).map(Some)
}

#[cfg(test)]
mod tests {
    use tempfile::TempDir;

    use super::*;

    /// A folder with the data and the configuration of a server.
    fn server() -> (TempDir, PathBuf, PathBuf) {
        let folder = tempfile::tempdir().unwrap();
        let (data, config) = (folder.path().join("data"), folder.path().join("channels.toml"));
        drop(crate::db::Shared::open(&data).unwrap());
        fs::write(&config, "").unwrap();
        (folder, data, config)
    }

    #[test]
    fn a_backup_is_due_by_the_last_one_and_not_at_each_start() {
        let at = |seconds| SystemTime::UNIX_EPOCH + Duration::from_secs(seconds);
        let day = Duration::from_hours(24);
        let table = [
            (at(1000), None, at(500), false),
            (at(1100), None, at(500), true),
            (at(90_000), Some(at(10_000)), at(89_000), false),
            (at(96_400), Some(at(10_000)), at(96_000), true),
            (at(1000), Some(at(9000)), at(500), false),
        ];
        for (now, last, started, expected) in table {
            assert_eq!(is_due(now, last, started, day), expected, "{now:?} {last:?}");
        }
        assert!(is_due(at(660), None, at(600), Duration::from_mins(1)));
    }

    #[test]
    fn the_newest_are_kept_and_nothing_else_is_touched() {
        let (folder, data, config) = server();
        let backups = folder.path().join("backups");
        fs::create_dir(&backups).unwrap();
        for name in ["forebay-mine.backup", "notes.txt"] {
            fs::write(backups.join(name), "x").unwrap();
        }
        let names: Vec<String> = (0..4).map(|_| make(&data, &config, &backups, 2).unwrap().name).collect();
        let there: Vec<String> = list(&backups).into_iter().map(|backup| backup.name).collect();
        assert_eq!(there.len(), 2);
        assert!(there.contains(&names[3]) && there.contains(&names[2]), "{there:?} of {names:?}");
        assert!(backups.join("forebay-mine.backup").exists() && backups.join("notes.txt").exists());
        assert_eq!(file(&backups, "../data/forebay.db"), None);
        assert_eq!(file(&backups, "notes.txt"), None);
    }

    #[test]
    fn a_restore_that_was_asked_for_is_done_once() {
        let (folder, data, config) = server();
        let backups = folder.path().join("backups");
        let backup = make(&data, &config, &backups, 1).unwrap();
        ask_for(&data, &backups.join(&backup.name)).unwrap();
        // It is there until then, however many are made.
        for _ in 0..2 {
            make(&data, &config, &backups, 1).unwrap();
        }
        assert_eq!(list(&backups).len(), 2);
        let restored = restore_if_asked(&data).unwrap().unwrap();
        assert!(restored.kept.is_some_and(|kept| kept.exists()));
        assert_eq!(restore_if_asked(&data).unwrap(), None);
        make(&data, &config, &backups, 1).unwrap();
        assert_eq!(list(&backups).len(), 1);
    }

    #[test]
    fn what_is_no_backup_takes_the_place_of_nothing() {
        let (folder, data, config) = server();
        let backup = make(&data, &config, folder.path(), 2).unwrap();
        ask_for(&data, &folder.path().join(&backup.name)).unwrap();
        let damaged = folder.path().join("forebay-2.backup");
        fs::write(&damaged, "cut").unwrap();
        assert!(ask_for(&data, &damaged).is_err());
        assert!(fs::read_link(data.join(NEXT)).unwrap().ends_with(backup.name));
    }
}

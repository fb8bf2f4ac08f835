//! A log file a day, with a link to the newest and an end to their number.
//!
//! The rotation is `tracing-appender`'s. Its pruning is not used: it deletes every file whose name begins like the
//! log's, so `file = "channels"` would cost `channels.toml`, and with one file to keep a restart deletes today's.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use tracing_appender::rolling::{RollingFileAppender, Rotation};

/// Writes to `NAME.YYYY-MM-DD` (UTC), keeps so many of them, and lets the link `NAME` point to the newest.
pub(super) struct Daily {
    appender: RollingFileAppender,
    folder: PathBuf,
    name: String,
    keep: usize,
    /// The day of the last write, since 1970.
    day: u64,
}

impl Daily {
    /// Opens today's file next to `path`, whose name begins each file's; its folder is made if it is missing.
    pub(super) fn open(path: &Path, keep: usize) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, "it names no file"));
        };
        fs::create_dir_all(folder)?;
        let appender = RollingFileAppender::builder()
            .rotation(Rotation::DAILY)
            .filename_prefix(name)
            .build(folder)
            .map_err(io::Error::other)?;
        let daily = Self { appender, folder: folder.into(), name: name.into(), keep, day: today() };
        daily.tidy()?;
        Ok(daily)
    }

    /// Deletes the oldest files beyond those to keep, and links to the newest.
    fn tidy(&self) -> io::Result<()> {
        let mut files: Vec<String> = fs::read_dir(&self.folder)?
            .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
            .filter(|file| self.is_ours(file))
            .collect();
        // A date sorts as its text.
        files.sort_unstable();
        let old = files.len().saturating_sub(self.keep);
        for file in &files[..old] {
            fs::remove_file(self.folder.join(file))?;
        }
        if let Some(newest) = files.last() {
            self.link(newest);
        }
        Ok(())
    }

    fn is_ours(&self, file: &str) -> bool {
        let date = file.strip_prefix(&self.name).and_then(|rest| rest.strip_prefix('.'));
        date.is_some_and(|date| {
            date.len() == 10
                && date.bytes().enumerate().all(|(at, byte)| match at {
                    4 | 7 => byte == b'-',
                    _ => byte.is_ascii_digit(),
                })
        })
    }

    /// A convenience only, and some file systems have no links: a failure is no fault. What is no link stays.
    fn link(&self, newest: &str) {
        let link = self.folder.join(&self.name);
        match link.symlink_metadata() {
            Ok(metadata) if !metadata.is_symlink() => return,
            Ok(_) => drop(fs::remove_file(&link)),
            Err(_) => {}
        }
        #[cfg(unix)]
        let _ = std::os::unix::fs::symlink(newest, &link);
        #[cfg(not(unix))]
        let _ = newest;
    }
}

impl Write for Daily {
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        let written = self.appender.write(line)?;
        let today = today();
        if today != self.day {
            self.day = today;
            // The line is written; an old file too many waits until tomorrow.
            let _ = self.tidy();
        }
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.appender.flush()
    }
}

/// Days since 1970 in UTC, as the appender counts them.
fn today() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs() / 86_400)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_days_go_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let others = ["channels.toml", "channels.2000-01-0x", "channels.2000-01-011", "channel.2000-01-01"];
        let days = ["channels.2000-01-01", "channels.2000-01-02", "channels.2000-01-03"];
        for name in others.iter().chain(&days) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let mut daily = Daily::open(&folder.path().join("channels"), 2).unwrap();
        daily.write_all(b"line\n").unwrap();
        daily.flush().unwrap();

        for name in others {
            assert!(folder.path().join(name).exists(), "{name}");
        }
        let left = days.map(|name| folder.path().join(name).exists());
        assert_eq!(left, [false, false, true]);
        assert_eq!(fs::read_to_string(folder.path().join("channels")).unwrap(), "line\n", "through the link");
    }

    #[test]
    fn a_restart_keeps_the_file_of_the_day() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("new/forebay.log");
        for line in ["first\n", "second\n"] {
            let mut daily = Daily::open(&path, 1).unwrap();
            daily.write_all(line.as_bytes()).unwrap();
            daily.flush().unwrap();
        }
        assert_eq!(fs::read_to_string(&path).unwrap(), "first\nsecond\n");
    }

    #[test]
    fn a_file_in_the_place_of_the_link_stays() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("forebay.log");
        fs::write(&path, "mine").unwrap();
        Daily::open(&path, 1).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }
}

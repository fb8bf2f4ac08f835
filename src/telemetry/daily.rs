//! Log files: one a day or more, with a link to the newest, and limits of their size and number.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use jiff::Timestamp;

/// Writes to `NAME.YYYY-MM-DD` (UTC), and when that is full to `NAME.YYYY-MM-DD.2` and so on. Keeps
/// so many of them, and lets the link `NAME` point to the newest.
pub(super) struct Daily {
    folder: PathBuf,
    name: String,
    keep: usize,
    max_bytes: u64,
    part: Part,
    file: File,
    size: u64,
}

/// One file among those of a log. They sort by age.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Part {
    /// `YYYY-MM-DD`
    day: String,
    /// Of that day, from 1.
    number: u32,
}

impl Part {
    fn first(day: String) -> Self {
        Self { day, number: 1 }
    }

    /// Reads what stands behind the log's name and a dot.
    fn parse(text: &str) -> Option<Self> {
        let (day, number) = match text.split_once('.') {
            None => (text, 1),
            Some((day, number)) => (day, number.parse().ok().filter(|&number| number > 1)?),
        };
        let is_date = day.len() == 10
            && day.bytes().enumerate().all(|(at, byte)| match at {
                4 | 7 => byte == b'-',
                _ => byte.is_ascii_digit(),
            });
        let part = Self { day: day.to_owned(), number };
        // Nothing but what we would write: "+2" is a number, too.
        (is_date && part.suffix() == text).then_some(part)
    }

    fn suffix(&self) -> String {
        match self.number {
            1 => self.day.clone(),
            number => format!("{}.{number}", self.day),
        }
    }
}

impl Daily {
    /// Opens today's newest file next to `path`, whose name begins each file's; its folder is made
    /// if it is missing.
    pub(super) fn open(path: &Path, keep: usize, max_bytes: u64) -> io::Result<Self> {
        let path = std::path::absolute(path)?;
        let (Some(folder), Some(name)) = (path.parent(), path.file_name().and_then(|name| name.to_str()))
        else {
            return Err(io::Error::new(io::ErrorKind::InvalidFilename, "it names no file"));
        };
        fs::create_dir_all(folder)?;
        let today = today();
        let newest = parts(folder, name)?.pop().filter(|newest| newest.day == today);
        let part = newest.unwrap_or_else(|| Part::first(today));
        let (file, size) = append(folder, name, &part)?;
        let (folder, name) = (folder.to_owned(), name.to_owned());
        let daily = Self { folder, name, keep, max_bytes, part, file, size };
        daily.tidy()?;
        Ok(daily)
    }

    /// Goes on in another file.
    fn begin(&mut self, part: Part) -> io::Result<()> {
        (self.file, self.size) = append(&self.folder, &self.name, &part)?;
        self.part = part;
        // The line will be written; an old file too many waits until the next time.
        let _ = self.tidy();
        Ok(())
    }

    /// The file for `length` more bytes, if it is another than the present one.
    fn next(&self, length: u64) -> Option<Part> {
        let today = today();
        if today != self.part.day {
            return Some(Part::first(today));
        }
        if self.size > 0 && self.size + length > self.max_bytes {
            return Some(Part { day: today, number: self.part.number + 1 });
        }
        // Somebody has removed it: what is written there now, nobody would ever read.
        let is_gone = self.file.metadata().is_ok_and(|file| file.nlink() == 0);
        is_gone.then(|| self.part.clone())
    }

    /// Deletes the oldest files beyond those to keep, and links to the newest.
    fn tidy(&self) -> io::Result<()> {
        let parts = parts(&self.folder, &self.name)?;
        let old = parts.len().saturating_sub(self.keep);
        for part in &parts[..old] {
            fs::remove_file(self.folder.join(file_name(&self.name, part)))?;
        }
        if let Some(newest) = parts.last() {
            self.link(&file_name(&self.name, newest));
        }
        Ok(())
    }

    /// A convenience only, and some file systems have no links: a failure is no fault. What is no
    /// link stays.
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
    fn write(&mut self, lines: &[u8]) -> io::Result<usize> {
        let length = lines.len() as u64;
        if let Some(part) = self.next(length) {
            self.begin(part)?;
        }
        self.file.write_all(lines)?;
        self.size += length;
        Ok(lines.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The files of the log `name` in `folder`, the oldest first.
fn parts(folder: &Path, name: &str) -> io::Result<Vec<Part>> {
    let part = |file: &str| Part::parse(file.strip_prefix(name)?.strip_prefix('.')?);
    let mut parts: Vec<Part> = fs::read_dir(folder)?
        .filter_map(|entry| part(&entry.ok()?.file_name().into_string().ok()?))
        .collect();
    parts.sort_unstable();
    Ok(parts)
}

fn file_name(name: &str, part: &Part) -> String {
    format!("{name}.{}", part.suffix())
}

/// The file to append to, and its size.
fn append(folder: &Path, name: &str, part: &Part) -> io::Result<(File, u64)> {
    let file = OpenOptions::new().append(true).create(true).open(folder.join(file_name(name, part)))?;
    let size = file.metadata()?.len();
    Ok((file, size))
}

/// The day in UTC, as `YYYY-MM-DD`.
fn today() -> String {
    let mut now = Timestamp::now().to_string();
    now.truncate("YYYY-MM-DD".len());
    now
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAX: u64 = 1 << 20;

    #[test]
    fn old_days_go_and_everything_else_stays() {
        let folder = tempfile::tempdir().unwrap();
        let others = [
            "channels.toml",
            "channels.2000-01-0x",
            "channels.2000-01-011",
            "channels.2000-01-01.1",
            "channel.2000-01-01",
        ];
        let days = ["channels.2000-01-01", "channels.2000-01-02", "channels.2000-01-03"];
        for name in others.iter().chain(&days) {
            fs::write(folder.path().join(name), "x").unwrap();
        }
        let mut daily = Daily::open(&folder.path().join("channels"), 2, MAX).unwrap();
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
            let mut daily = Daily::open(&path, 1, MAX).unwrap();
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
        Daily::open(&path, 1, MAX).unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "mine");
    }

    /// The files in a folder but for the link, with their contents.
    fn files(folder: &Path) -> Vec<(String, String)> {
        let mut files: Vec<(String, String)> = fs::read_dir(folder)
            .unwrap()
            .map(|entry| entry.unwrap())
            .filter(|entry| !entry.file_type().unwrap().is_symlink())
            .map(|entry| {
                let name = entry.file_name().into_string().unwrap().replace(&today(), "today");
                (name, fs::read_to_string(entry.path()).unwrap())
            })
            .collect();
        files.sort();
        files
    }

    #[test]
    fn a_full_file_is_followed_by_another_and_old_ones_go() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut daily = Daily::open(&path, 2, 10).unwrap();
        for line in ["one\n", "two\n", "three\n", "longer than a file\n"] {
            daily.write_all(line.as_bytes()).unwrap();
        }
        drop(daily);
        let expected = [("log.today.2", "three\n"), ("log.today.3", "longer than a file\n")];
        assert_eq!(files(folder.path()), expected.map(|(name, text)| (name.into(), text.into())));
        assert_eq!(fs::read_to_string(&path).unwrap(), "longer than a file\n", "through the link");

        let mut daily = Daily::open(&path, 20, 40).unwrap();
        for _ in 4..=11 {
            daily.write_all(&[b'x'; 40]).unwrap();
        }
        drop(daily);
        let mut daily = Daily::open(&path, 1, 100).unwrap();
        daily.write_all(b"y").unwrap();
        let expected = format!("{}y", "x".repeat(40));
        assert_eq!(files(folder.path()), [("log.today.11".into(), expected)], "11 is newer than 2");
    }

    #[test]
    fn a_file_that_was_removed_is_made_again() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let mut daily = Daily::open(&path, 2, MAX).unwrap();
        daily.write_all(b"one\n").unwrap();
        fs::remove_file(folder.path().join(file_name("log", &Part::first(today())))).unwrap();
        daily.write_all(b"two\n").unwrap();
        assert_eq!(files(folder.path()), [("log.today".into(), "two\n".into())]);
    }
}

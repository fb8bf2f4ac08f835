//! The sequence numbers of HLS playlists, which must never go back: neither when a channel is
//! opened again, nor when the process starts again.
//!
//! Memory has the true numbers. The file has numbers ahead of them, so that it need not be written
//! for each segment. After a clean shutdown the file has the true numbers; after a crash, players
//! see a step forward. Without a file, the numbers begin by the wall clock.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use forebay_core::segmenter::{SequenceNumbers, Target};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::model::ChannelId;
use crate::state::{Access, Dir};

/// How many segments the file is ahead: about a quarter of an hour.
const AHEAD: u64 = 256;

/// How many discontinuities the file is ahead: codec changes within that time.
const DISCONTINUITIES_AHEAD: u64 = 16;

/// Where the numbers by the wall clock begin: 2025-01-01, in seconds since 1970.
const EPOCH: i64 = 1_735_689_600;

/// How far numbers by the wall clock advance in each second: faster than segments can be made, of
/// which the shortest last half a second.
const BY_CLOCK: u64 = 4;

/// While the file cannot be written, the number of segments between two tries.
const TRY_EVERY: u64 = 16;

/// The name of the file, in the folder for HLS.
const FILE: &str = "numbers.json";

/// The sequence numbers of all channels.
#[derive(Debug)]
pub(super) struct SequenceStore {
    path: PathBuf,
    state: Mutex<State>,
    /// Held while the file is written.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    by_id: HashMap<String, Entry>,
    /// Whether the file can be written; not known before the first attempt.
    is_file_good: Option<bool>,
    /// Whether all channels that had numbers before this process are here: the file could be read,
    /// and written.
    is_complete: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    numbers: SequenceNumbers,
    /// The numbers in the file.
    written: Written,
}

/// A channel in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    media_sequence: u64,
    discontinuity_sequence: u64,
    target: Option<WrittenTarget>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WrittenTarget {
    seconds: u64,
    segment_ms: u64,
    longest: u64,
}

impl Written {
    fn ahead_of(numbers: &SequenceNumbers, segments: u64, discontinuities: u64) -> Self {
        let target = |target: Target| WrittenTarget {
            seconds: target.seconds,
            segment_ms: u64::try_from(target.segment.as_millis()).unwrap_or(u64::MAX),
            longest: target.longest,
        };
        Self {
            media_sequence: numbers.segment.saturating_add(segments),
            discontinuity_sequence: numbers.discontinuity.saturating_add(discontinuities),
            target: numbers.target.map(target),
        }
    }

    fn numbers(&self) -> SequenceNumbers {
        let target = |target: WrittenTarget| Target {
            seconds: target.seconds,
            segment: Duration::from_millis(target.segment_ms),
            longest: target.longest,
        };
        SequenceNumbers {
            segment: self.media_sequence,
            discontinuity: self.discontinuity_sequence,
            target: self.target.map(target),
        }
    }
}

impl Entry {
    fn is_ahead(&self) -> bool {
        self.written.media_sequence > self.numbers.segment
            && self.written.discontinuity_sequence >= self.numbers.discontinuity
            && self.written.target == Written::ahead_of(&self.numbers, 0, 0).target
    }
}

impl SequenceStore {
    /// Reads the file in `folder`, or makes it, which shows whether it can be written.
    pub(super) fn load(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let read = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<HashMap<String, Written>>(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
            Err(error) => Err(error),
        };
        let sequences = Self { path, state: Mutex::default(), writing: Mutex::default() };
        match read {
            Ok(read) => {
                let entry = |written: Written| Entry { numbers: written.numbers(), written };
                sequences.state().by_id =
                    read.into_iter().map(|(id, written)| (id, entry(written))).collect();
                // The same numbers, no further ahead: repeated starts
                // that fail must not push the numbers forward.
                let is_written = sequences.write_all(0, 0);
                sequences.state().is_complete = is_written;
            }
            Err(error) => {
                warn!(file = %sequences.path.display(), %error, "cannot read the numbers of HLS playlists: they begin by the clock");
                sequences.state().is_file_good = Some(false);
            }
        }
        sequences
    }

    /// The numbers at which this channel goes on. Does not touch the disk: opening a channel waits
    /// for this.
    pub(super) fn get(&self, id: &ChannelId) -> SequenceNumbers {
        let state = self.state();
        if let Some(entry) = state.by_id.get(id.as_str()) {
            return entry.numbers;
        }
        if state.is_complete && state.is_file_good == Some(true) {
            // The channel never had any numbers. A file that was damaged at the
            // start says nothing of it, even if it was written since.
            return SequenceNumbers::default();
        }
        let seconds = u64::try_from(Timestamp::now().as_second() - EPOCH).unwrap_or(0);
        SequenceNumbers { segment: seconds * BY_CLOCK, discontinuity: seconds * BY_CLOCK, target: None }
    }

    /// Notes the numbers of a channel. Returns whether [`SequenceStore::write`] must be called,
    /// which may take long.
    pub(super) fn set(&self, id: &ChannelId, numbers: SequenceNumbers) -> bool {
        let mut state = self.state();
        let entry = state.by_id.entry(id.as_str().to_owned()).or_default();
        // Memory always has the true ones; only the file
        // may differ, and it is asked at a start alone.
        entry.numbers = numbers;
        let is_ahead = entry.is_ahead();
        !is_ahead && (state.is_file_good != Some(false) || numbers.segment.is_multiple_of(TRY_EVERY))
    }

    /// Writes the file, with numbers ahead of the true ones.
    pub(super) fn write(&self) {
        self.write_all(AHEAD, DISCONTINUITIES_AHEAD);
    }

    /// Writes the file again if it was removed.
    pub(super) fn check_file(&self) {
        let is_good = self.state().is_file_good == Some(true);
        // An error says nothing about the file: only one that is surely gone is written again.
        if is_good && self.path.try_exists().is_ok_and(|is_there| !is_there) {
            warn!(file = %self.path.display(), "the numbers of HLS playlists were removed: they are written again");
            self.write();
        }
    }

    /// Writes the true numbers, at the end of the process.
    pub(super) fn close(&self) {
        if !self.state().by_id.is_empty() {
            self.write_all(0, 0);
        }
    }

    /// Writes the file with numbers so far ahead. Returns whether that worked.
    fn write_all(&self, segments: u64, discontinuities: u64) -> bool {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let new = |(id, entry): (&String, &Entry)| {
            (id.clone(), Written::ahead_of(&entry.numbers, segments, discontinuities))
        };
        // Taken under the lock for writing: of two writes, the later one has the later numbers.
        let all: HashMap<String, Written> = self.state().by_id.iter().map(new).collect();
        let result = self.replace(&all);
        let mut state = self.state();
        let was_good = state.is_file_good.replace(result.is_ok());
        match &result {
            Err(error) if was_good != Some(false) => warn!(
                file = %self.path.display(), %error,
                "cannot keep the numbers of HLS playlists: after a restart they begin by the clock, and players may have to be started again"
            ),
            Ok(()) if was_good == Some(false) => info!("the numbers of HLS playlists are kept again"),
            _ => {}
        }
        if result.is_ok() {
            for (id, written) in all {
                if let Some(entry) = state.by_id.get_mut(&id) {
                    entry.written = written;
                }
            }
        }
        result.is_ok()
    }

    /// Replaces the file in one step, so that a crash leaves the old one or the new one.
    fn replace(&self, all: &HashMap<String, Written>) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        let dir = Dir::new(folder, Access::All);
        dir.create()?;
        dir.write(FILE, &serde_json::to_vec_pretty(all)?)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(segment: u64, discontinuity: u64) -> SequenceNumbers {
        let target = Target { seconds: 5, segment: Duration::from_secs(4), longest: 4 };
        SequenceNumbers { segment, discontinuity, target: Some(target) }
    }

    #[test]
    fn numbers_never_go_back() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let id: ChannelId = "one".parse().unwrap();
        let sequences = SequenceStore::load(&folder);
        assert_eq!(sequences.get(&id), SequenceNumbers::default());
        assert!(sequences.set(&id, numbers(1, 0)));
        sequences.write();
        let mut writes = 0;
        for segment in 2..1000 {
            if sequences.set(&id, numbers(segment, segment / 100)) {
                sequences.write();
                writes += 1;
            }
            // Each look writes the file, which waits for the disk.
            if segment % 8 == 0 {
                let after_a_crash = SequenceStore::load(&folder).get(&id);
                assert!(after_a_crash.segment > segment && after_a_crash.discontinuity >= segment / 100);
                assert_eq!(after_a_crash.target, numbers(0, 0).target);
            }
        }
        assert_eq!(writes, 3);
        sequences.close();
        assert_eq!(SequenceStore::load(&folder).get(&id), numbers(999, 9));
    }

    #[test]
    fn without_a_file_the_clock_tells_where_to_begin() {
        let id: ChannelId = "one".parse().unwrap();
        let damaged = tempfile::tempdir().unwrap();
        fs::write(damaged.path().join(FILE), "{").unwrap();
        // Where there should be a folder is a file: nobody can write there, whoever runs this.
        let no_folder = tempfile::NamedTempFile::new().unwrap();
        for folder in [damaged.path(), &no_folder.path().join("cache")] {
            let before = SequenceStore::load(folder).get(&id);
            assert!(before.segment > 1000 && before.discontinuity > 1000, "{before:?}");
            let after = SequenceStore::load(folder).get(&id);
            assert!(after.segment >= before.segment, "{after:?} after {before:?}");
        }
    }

    #[test]
    fn a_file_that_was_damaged_says_nothing_of_other_channels_when_it_is_written_again() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        let (one, two): (ChannelId, ChannelId) = ("one".parse().unwrap(), "two".parse().unwrap());
        let sequences = SequenceStore::load(folder.path());
        assert!(sequences.set(&one, numbers(TRY_EVERY, 0)));
        sequences.write();
        assert!(sequences.get(&two).segment > 1000, "players may be further than the beginning");
    }

    #[test]
    fn a_file_that_could_not_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let id: ChannelId = "one".parse().unwrap();
        let sequences = SequenceStore::load(folder.path());
        assert_eq!(sequences.get(&id), SequenceNumbers::default());
        // A folder cannot be replaced by a file.
        fs::remove_file(folder.path().join(FILE)).unwrap();
        fs::create_dir_all(folder.path().join(FILE).join("in the way")).unwrap();
        assert!(sequences.set(&id, numbers(1, 0)));
        sequences.write();
        assert!(!sequences.set(&id, numbers(2, 0)), "not at once");
        fs::remove_dir_all(folder.path().join(FILE)).unwrap();
        assert!(sequences.set(&id, numbers(TRY_EVERY, 0)));
        sequences.write();
        assert!(SequenceStore::load(folder.path()).get(&id).segment > TRY_EVERY);
    }
}

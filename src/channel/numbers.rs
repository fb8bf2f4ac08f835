//! The numbers of HLS playlists, which must never go back: not when a channel closes and opens again, and not when the process does.
//!
//! They are kept in memory, and some way ahead of themselves in a file. After an end in good order the file says what is true; after any
//! other, players find a step forward. Where there can be no file, the clock on the wall tells where to begin.

use std::collections::HashMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use forebay_core::segmenter::Numbers;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::{info, warn};

use crate::config::ChannelId;

/// How far ahead the file is: about a quarter of an hour of segments.
const AHEAD: u64 = 256;

/// Codec changes within that time.
const DISCONTINUITIES_AHEAD: u64 = 16;

/// Where the wall clock's numbers begin: 2025-01-01. A segment lasts a second and more, so seconds run ahead of segments.
const EPOCH: i64 = 1_735_689_600;

/// Their file, in the folder for HLS.
const FILE: &str = "numbers.json";

/// The numbers of all channels.
#[derive(Debug)]
pub(super) struct Numbering {
    path: PathBuf,
    state: Mutex<State>,
    /// Held while the file is written.
    writing: Mutex<()>,
}

#[derive(Debug, Default)]
struct State {
    by_id: HashMap<String, Entry>,
    is_file_bad: bool,
}

#[derive(Debug, Clone, Copy, Default)]
struct Entry {
    numbers: Numbers,
    /// What the file says.
    written: Written,
}

/// A channel in the file.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Written {
    media_sequence: u64,
    discontinuity_sequence: u64,
    target_duration: Option<u64>,
}

impl Entry {
    fn is_ahead(&self) -> bool {
        self.written.media_sequence > self.numbers.segment
            && self.written.discontinuity_sequence >= self.numbers.discontinuity
            && self.written.target_duration == self.numbers.target_duration
    }
}

impl Numbering {
    /// Reads the file in `folder`, if there is one.
    pub(super) fn load(folder: &Path) -> Self {
        let path = folder.join(FILE);
        let read = match fs::read(&path) {
            Ok(bytes) => serde_json::from_slice::<HashMap<String, Written>>(&bytes).map_err(io::Error::from),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(HashMap::new()),
            Err(error) => Err(error),
        };
        let mut state = State::default();
        match read {
            Ok(read) => {
                let entry = |written: Written| Entry {
                    numbers: Numbers {
                        segment: written.media_sequence,
                        discontinuity: written.discontinuity_sequence,
                        target_duration: written.target_duration,
                    },
                    written,
                };
                state.by_id = read.into_iter().map(|(id, written)| (id, entry(written))).collect();
            }
            Err(error) => {
                warn!(file = %path.display(), %error, "cannot read the numbers of HLS playlists: they begin by the clock");
                state.is_file_bad = true;
            }
        }
        Self { path, state: Mutex::new(state), writing: Mutex::default() }
    }

    /// Where the numbers of this channel stand.
    pub(super) fn get(&self, id: &ChannelId) -> Numbers {
        let state = self.state();
        let by_clock = || {
            let seconds = u64::try_from(Timestamp::now().as_second() - EPOCH).unwrap_or(0);
            Numbers { segment: seconds, discontinuity: seconds, target_duration: None }
        };
        let known = state.by_id.get(id.as_str()).map(|entry| entry.numbers);
        known.unwrap_or_else(|| if state.is_file_bad { by_clock() } else { Numbers::default() })
    }

    /// Notes where they stand; true when [`Numbering::write`] is to be called, which takes its time.
    pub(super) fn set(&self, id: &ChannelId, numbers: Numbers) -> bool {
        let mut state = self.state();
        if !state.by_id.contains_key(id.as_str()) {
            state.by_id.insert(id.as_str().to_owned(), Entry::default());
        }
        let Some(entry) = state.by_id.get_mut(id.as_str()) else { return false };
        entry.numbers = numbers;
        if entry.is_ahead() || state.is_file_bad {
            return false;
        }
        true
    }

    /// Writes the file, some way ahead.
    pub(super) fn write(&self) {
        self.write_all(AHEAD, DISCONTINUITIES_AHEAD);
    }

    /// Writes what is true, at the end.
    pub(super) fn close(&self) {
        if !self.state().by_id.is_empty() {
            self.write_all(0, 0);
        }
    }

    fn write_all(&self, segments: u64, discontinuities: u64) {
        let _writing = self.writing.lock().unwrap_or_else(PoisonError::into_inner);
        let all: HashMap<String, Written> = {
            let mut state = self.state();
            for Entry { numbers, written } in state.by_id.values_mut() {
                *written = Written {
                    media_sequence: numbers.segment + segments,
                    discontinuity_sequence: numbers.discontinuity + discontinuities,
                    target_duration: numbers.target_duration,
                };
            }
            state.by_id.iter().map(|(id, entry)| (id.clone(), entry.written)).collect()
        };
        let result = self.replace(&all);
        let is_bad = result.is_err();
        let was_bad = std::mem::replace(&mut self.state().is_file_bad, is_bad);
        match result {
            Err(error) if !was_bad => warn!(
                file = %self.path.display(), %error,
                "cannot keep the numbers of HLS playlists: after a restart players may have to be started again"
            ),
            Ok(()) if was_bad => info!("the numbers of HLS playlists are kept again"),
            _ => {}
        }
    }

    /// All at once, so that a crash leaves the old file or the new one.
    fn replace(&self, all: &HashMap<String, Written>) -> io::Result<()> {
        let folder = self.path.parent().unwrap_or_else(|| Path::new("."));
        fs::create_dir_all(folder)?;
        let new = self.path.with_extension("json.new");
        fs::write(&new, serde_json::to_vec_pretty(all)?)?;
        fs::rename(&new, &self.path)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(segment: u64, discontinuity: u64) -> Numbers {
        Numbers { segment, discontinuity, target_duration: Some(5) }
    }

    #[test]
    fn numbers_never_go_back() {
        let folder = tempfile::tempdir().unwrap();
        let folder = folder.path().join("new");
        let id: ChannelId = "one".parse().unwrap();
        let numbering = Numbering::load(&folder);
        assert_eq!(numbering.get(&id), Numbers::default());
        assert!(numbering.set(&id, numbers(1, 0)));
        numbering.write();
        let mut writes = 0;
        for segment in 2..1000 {
            if numbering.set(&id, numbers(segment, segment / 100)) {
                numbering.write();
                writes += 1;
            }
            let after_a_crash = Numbering::load(&folder).get(&id);
            assert!(after_a_crash.segment > segment && after_a_crash.discontinuity >= segment / 100);
            assert_eq!(after_a_crash.target_duration, Some(5));
        }
        assert_eq!(writes, 3);
        numbering.close();
        assert_eq!(Numbering::load(&folder).get(&id), numbers(999, 9));
    }

    #[test]
    fn without_a_file_the_clock_tells_where_to_begin() {
        let folder = tempfile::tempdir().unwrap();
        let id: ChannelId = "one".parse().unwrap();
        fs::write(folder.path().join(FILE), "{").unwrap();
        let numbers = Numbering::load(folder.path()).get(&id);
        assert!(numbers.segment > 1000 && numbers.discontinuity > 1000, "{numbers:?}");
    }
}

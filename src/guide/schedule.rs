//! When guides are read: each on its own, so that one that fails keeps none waiting.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

use super::files::GuideFile;
use super::named::{Named, settings_of};
use crate::config::guide::Guide;

/// When a failed reading is tried again for the first time; the pause doubles with each failure.
const FIRST_RETRY: Duration = Duration::from_mins(2);

/// The longest pause between two tries of a guide that is not read again once it has come.
const LONGEST_RETRY: Duration = Duration::from_hours(24);

/// How the readings of guides go, by their keys.
#[derive(Debug, Default)]
pub(super) struct Schedule(Mutex<HashMap<String, Reading>>);

/// How the readings of a guide go.
#[derive(Debug, Default)]
struct Reading {
    is_running: bool,
    /// Somebody wants it to be read now.
    is_asked: bool,
    failures: u32,
    error: Option<String>,
    /// When it was read the last time in this process, and how.
    last: Option<(Instant, Guide)>,
}

impl Reading {
    /// Whether the guide is to be read at `now`, in seconds since 1970 for the file.
    fn is_due(&self, named: &Named, file: Option<&GuideFile>, (now, clock): (Instant, i64)) -> bool {
        let every = named.guide.document.refresh;
        if self.is_asked {
            return true;
        }
        let is_same_document = |file: &GuideFile| file.info().digest.ends_with(&settings_of(&named.guide));
        let Some((at, guide)) = &self.last else {
            let Some(file) = file.filter(|file| is_same_document(file)) else { return true };
            // The process is new, the guide is not.
            let age = u64::try_from(clock - file.checked_at()).map(Duration::from_secs);
            return every.is_some_and(|every| age.is_ok_and(|age| age >= every));
        };
        if settings_of(guide) != settings_of(&named.guide) {
            return true;
        }
        let pause = match self.failures {
            0 => every,
            // Another password, proxy or header may be what it takes.
            _ if guide.document.origin != named.guide.document.origin => return true,
            failures => {
                let pause = FIRST_RETRY * 2_u32.pow((failures - 1).min(12));
                Some(pause.min(every.unwrap_or(LONGEST_RETRY)))
            }
        };
        pause.is_some_and(|pause| now.duration_since(*at) >= pause)
    }
}

impl Schedule {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Reading>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes that none is being read: the service is begun anew.
    pub(super) fn begin(&self) {
        self.lock().values_mut().for_each(|reading| reading.is_running = false);
    }

    /// Has all guides read now.
    pub(super) fn ask(&self) {
        self.lock().values_mut().for_each(|reading| reading.is_asked = true);
    }

    /// Whether a guide is to be read now, of which the caller takes care.
    pub(super) fn start(&self, named: &Named, file: Option<&GuideFile>, clock: i64) -> bool {
        let now = Instant::now();
        let mut readings = self.lock();
        let reading = readings.entry(named.key.clone()).or_default();
        let is_due = !reading.is_running && reading.is_due(named, file, (now, clock));
        if is_due {
            (reading.is_running, reading.is_asked) = (true, false);
            reading.last = Some((now, named.guide.clone()));
        }
        is_due
    }

    /// Forgets guides that nobody names.
    pub(super) fn retain(&self, is_named: impl Fn(&str) -> bool) {
        self.lock().retain(|key, reading| reading.is_running || is_named(key));
    }

    /// A reading has ended, with an error or without.
    pub(super) fn ended(&self, key: &str, error: Option<String>) {
        let mut readings = self.lock();
        let reading = readings.entry(key.to_owned()).or_default();
        reading.is_running = false;
        reading.failures = if error.is_some() { reading.failures.saturating_add(1) } else { 0 };
        reading.error = error;
        // The pause begins at the end.
        if let Some((at, _)) = &mut reading.last {
            *at = Instant::now();
        }
    }

    /// What was read cannot be used: it is read again, soon at first.
    pub(super) fn damaged(&self, named: &Named, error: String) {
        let mut readings = self.lock();
        let reading = readings.entry(named.key.clone()).or_default();
        reading.failures = reading.failures.saturating_add(1);
        reading.error = Some(error);
        reading.last = Some((Instant::now(), named.guide.clone()));
    }

    /// Why a guide could not be read the last time.
    pub(super) fn error(&self, key: &str) -> Option<String> {
        self.lock().get(key).and_then(|reading| reading.error.clone())
    }
}

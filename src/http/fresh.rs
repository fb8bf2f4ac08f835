//! A document that is made for all who ask within a moment.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use bytes::Bytes;

/// How old a document may be: channels write a new state no sooner. However many ask, it is made
/// fifty times a second.
const FRESH: Duration = Duration::from_millis(20);

/// A document, as it was made last. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Fresh(Arc<Mutex<Option<(Instant, Bytes)>>>);

impl Fresh {
    /// The document, made by `make` if the last one is too old.
    pub(super) fn get(&self, make: impl FnOnce() -> Vec<u8>) -> Bytes {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match &*last {
            Some((at, document)) if at.elapsed() < FRESH => document.clone(),
            _ => {
                let document = Bytes::from(make());
                *last = Some((Instant::now(), document.clone()));
                document
            }
        }
    }
}

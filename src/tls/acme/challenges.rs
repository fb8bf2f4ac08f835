//! What an authority gets that asks whether a name is ours (HTTP-01, RFC 8555, 8.3).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The answers that are expected now, by token.
#[derive(Debug, Clone, Default)]
pub(crate) struct Challenges(Arc<Mutex<HashMap<String, String>>>);

impl Challenges {
    /// Answers this token until the guard is dropped.
    pub(super) fn expect(&self, token: &str, answer: &str) -> Expected {
        self.lock(|answers| answers.insert(token.to_owned(), answer.to_owned()));
        Expected { challenges: self.clone(), token: token.to_owned() }
    }

    /// The answer that is expected for this token now.
    pub(crate) fn answer(&self, token: &str) -> Option<String> {
        self.lock(|answers| answers.get(token).cloned())
    }

    fn lock<T>(&self, with: impl FnOnce(&mut HashMap<String, String>) -> T) -> T {
        with(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Keeps an answer ready.
#[derive(Debug)]
pub(super) struct Expected {
    challenges: Challenges,
    token: String,
}

impl Drop for Expected {
    fn drop(&mut self) {
        // An order that ended by a timeout leaves nothing behind that strangers could ask for.
        self.challenges.lock(|answers| answers.remove(&self.token));
    }
}

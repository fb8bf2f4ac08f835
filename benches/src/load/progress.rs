//! A line now and then about how it goes.

use std::io::{self, Write};

use crate::clock::Mono;

/// Says on stderr how many viewers there are and what they get.
#[derive(Debug)]
pub(super) struct Progress {
    every: Option<f64>,
    next: Mono,
    bytes: u64,
    at: Mono,
}

impl Progress {
    /// Every so many seconds, or never.
    pub(super) fn new(every: Option<f64>, begin: Mono) -> Self {
        Self { every, next: begin, bytes: 0, at: begin }
    }

    /// Says it if it is time, from the number of viewers, the bytes so far, and the failures.
    pub(super) fn show(&mut self, now: Mono, count: impl FnOnce() -> (u64, u64, u64)) {
        let Some(every) = self.every else { return };
        if now < self.next {
            return;
        }
        self.next = now.plus(every);
        let (viewers, bytes, failures) = count();
        let rate = bytes.saturating_sub(self.bytes) as f64 * 8e-6 / now.since(self.at).max(0.001);
        (self.bytes, self.at) = (bytes, now);
        let _ = writeln!(io::stderr(), "{viewers} viewers, {rate:.0} Mbit/s, {failures} failures");
    }
}

//! Tokens of streams.

use std::time::Duration;

/// `[tokens]`: how long tokens of streams are good, and how many one owner has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Tokens {
    /// How long one is good, unless it is refreshed; a minute to a day.
    pub lifetime: Duration,
    /// Tokens of one owner that are good at the same time, from 1.
    pub max_live: u32,
    /// Tokens that one owner makes in an hour, from 1.
    pub max_per_hour: u32,
    /// Streams that the tokens of one owner play at once, from 1.
    pub max_streams: u32,
}

impl Default for Tokens {
    fn default() -> Self {
        Self { lifetime: Duration::from_mins(30), max_live: 5, max_per_hour: 20, max_streams: 3 }
    }
}

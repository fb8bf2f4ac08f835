//! `[tokens]`.

use std::time::Duration;

use forebay_relay::model::{Checker, Limits, limits_ms};

use super::super::Tokens;
use super::super::file::TokensFile;

/// From one that a player just begins with, to as long as one lives however often it is refreshed.
const LIFETIME: Limits<Duration> = limits_ms(60_000, 86_400_000);

/// More than anybody needs, and few enough to be counted at each one that is made.
const MOST: i64 = 10_000;

pub(super) fn tokens(checker: &mut Checker, typed: &TokensFile) -> Tokens {
    let default = Tokens::default();
    Tokens {
        lifetime: checker
            .duration("lifetime", typed.lifetime.as_ref(), &LIFETIME)
            .unwrap_or(default.lifetime),
        max_live: checker.number("max_live", typed.max_live.as_ref(), MOST).unwrap_or(default.max_live),
        max_per_hour: checker
            .number("max_per_hour", typed.max_per_hour.as_ref(), MOST)
            .unwrap_or(default.max_per_hour),
        max_streams: checker
            .number("max_streams", typed.max_streams.as_ref(), MOST)
            .unwrap_or(default.max_streams),
    }
}

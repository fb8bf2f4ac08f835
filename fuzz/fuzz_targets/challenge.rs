//! Any bytes as `WWW-Authenticate` fields, one a line.
#![no_main]

#[path = "../../core/tests/support/challenges.rs"]
mod challenges;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| challenges::check(data));

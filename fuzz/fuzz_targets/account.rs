//! Any text as the address of an account.
#![no_main]

#[path = "../../core/tests/support/panels.rs"]
#[allow(dead_code, reason = "the other target has the rest")]
mod panels;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| panels::check_address(&String::from_utf8_lossy(data)));

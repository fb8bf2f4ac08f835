//! Any bytes as a panel's answer, whole and cut: the first byte is the size of the pieces.
#![no_main]

#[path = "../../core/tests/support/panels.rs"]
#[allow(dead_code, reason = "the other target has the rest")]
mod panels;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else { return };
    panels::check(bytes, &[usize::from(size)]);
});

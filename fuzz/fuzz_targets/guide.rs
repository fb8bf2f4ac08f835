//! Any bytes as a guide, whole and cut: the first byte is the size of the pieces.
#![no_main]

#[path = "../../core/tests/support/guides.rs"]
mod guides;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else { return };
    guides::check(bytes, &[usize::from(size)]);
});

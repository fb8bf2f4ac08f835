//! Any bytes as a list of channels, whole and cut: the first byte is the size of the pieces.
#![no_main]

#[path = "../../core/tests/support/lists.rs"]
mod lists;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else { return };
    lists::check(bytes, &[usize::from(size)]);
});

//! Any bytes through [`Sync`](forebay_core::ts::Sync), whole and cut.
#![no_main]

mod input;
#[path = "../../core/tests/support/invariants.rs"]
#[allow(dead_code, reason = "shared with other targets, which use the rest")]
mod invariants;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else { return };
    let whole = invariants::sync([bytes]);
    assert_eq!(invariants::sync(bytes.chunks(input::size(size))), whole);
});

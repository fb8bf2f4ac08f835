//! Any bytes and events through `Sync` and [`Splice`](forebay_core::ts::splice::Splice), whole and cut.
//!
//! The input is a list of steps, each a control byte and two bytes of length in front of its bytes. The control byte says what happens behind
//! the bytes: nothing, a new source, the end of one, or both, and whether connections are kept alive then.
#![no_main]

mod input;
#[path = "../../core/tests/support/invariants.rs"]
#[allow(dead_code, reason = "shared with other targets, which use the rest")]
mod invariants;

use invariants::Step;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, data)) = data.split_first() else { return };
    let whole = invariants::splice(steps(data, usize::MAX));
    let pieces = invariants::splice(steps(data, input::size(size)));
    assert!(pieces == whole, "cut otherwise, the output is another");
});

/// Reads the input as steps, and cuts what is pushed in pieces of `size`.
fn steps(mut data: &[u8], size: usize) -> impl Iterator<Item = Step<'_>> {
    let each = std::iter::from_fn(move || {
        let (&[control, high, low], rest) = data.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (bytes, rest) = rest.split_at(length.min(rest.len()));
        data = rest;
        Some((control, bytes))
    });
    each.flat_map(move |(control, bytes)| {
        let events: &[Step<'_>] = match control & 3 {
            0 => &[],
            1 => &[Step::Begin],
            2 => &[Step::Finish],
            _ => &[Step::Finish, Step::Begin],
        };
        let gap = (control & 4 != 0).then_some(Step::KeepAlive);
        bytes.chunks(size).map(Step::Push).chain(events.iter().copied()).chain(gap)
    })
}

//! Any bytes and events through [`Remuxer`](forebay_core::remux::Remuxer).
//!
//! The first byte says whether there is an audio rendition. The rest is a list of steps, each a control byte and three bytes of length in
//! front of its bytes. The control byte says whose bytes they are (bit 0: the audio rendition's), whether they are an initialisation
//! segment (bit 1), and what happens behind them (bit 2: a discontinuity, bit 3: the end).
#![no_main]

#[path = "../../core/tests/support/remuxed.rs"]
mod remuxed;

use forebay_core::remux::{Remuxer, Rendition};
use libfuzzer_sys::fuzz_target;
use remuxed::Step;

fuzz_target!(|data: &[u8]| {
    let Some((&first, data)) = data.split_first() else { return };
    let remuxer = if first & 1 == 1 { Remuxer::with_audio(Some("de")) } else { Remuxer::new() };
    remuxed::remux(remuxer, steps(data));
});

/// Reads the input as steps.
fn steps(mut data: &[u8]) -> impl Iterator<Item = Step<'_>> {
    let each = std::iter::from_fn(move || {
        let (&[control, length @ ..], rest) = data.split_first_chunk::<4>()?;
        let [high, middle, low] = length.map(usize::from);
        let length = high << 16 | middle << 8 | low;
        let (bytes, rest) = rest.split_at(length.min(rest.len()));
        data = rest;
        Some((control, bytes))
    });
    each.flat_map(|(control, bytes)| {
        let rendition = if control & 1 == 0 { Rendition::Main } else { Rendition::Audio };
        let taken = if control & 2 == 0 { Step::Push(rendition, bytes) } else { Step::Init(rendition, bytes) };
        let reset = (control & 4 != 0).then_some(Step::Reset);
        let finish = (control & 8 != 0).then_some(Step::Finish);
        [Some(taken), reset, finish].into_iter().flatten()
    })
}

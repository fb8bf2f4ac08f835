//! Any boxes, each as long as it says, through [`Remuxer`](forebay_core::remux::Remuxer).
//!
//! `remux` has any bytes, of which few are boxes within boxes: a byte more, and no length is right.
//! Here the lengths are put in when all else is known (`mp4/boxes.rs` has the form of the input).
#![no_main]

#[path = "mp4/boxes.rs"]
mod boxes;
#[path = "../../core/tests/support/remuxed.rs"]
mod remuxed;

use boxes::{Place, Script};
use forebay_core::remux::{Remuxer, Rendition};
use libfuzzer_sys::fuzz_target;
use remuxed::Step;

fuzz_target!(|data: &[u8]| {
    let Some((&first, script)) = data.split_first() else { return };
    let remuxer = if first & 1 == 1 { Remuxer::with_audio(Some("de")) } else { Remuxer::new() };
    let parts: Vec<(Place, Vec<u8>)> = Script::new(script).collect();
    remuxed::remux(remuxer, parts.iter().map(|(place, bytes)| step(*place, bytes)));
});

fn step(place: Place, bytes: &[u8]) -> Step<'_> {
    match place {
        Place::Init => Step::Init(Rendition::Main, bytes),
        Place::Segment => Step::Push(Rendition::Main, bytes),
        Place::AudioInit => Step::Init(Rendition::Audio, bytes),
        Place::AudioSegment => Step::Push(Rendition::Audio, bytes),
        Place::Discontinuity => Step::Reset,
        Place::End => Step::Finish,
    }
}

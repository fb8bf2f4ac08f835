//! Any playlists through [`Follower`](forebay_core::playlist::follow::Follower): the reading, and what is made of it.
//!
//! The input is a list of steps, each a control byte and two bytes of length in front of a body. The control byte says how the
//! request for the playlist is answered, what becomes of segments until the next one, and how time goes on.
#![no_main]

#[path = "../../core/tests/support/followed.rs"]
mod followed;

use followed::Step;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let mut data = data;
    followed::follow(std::iter::from_fn(|| {
        let (&[control, high, low], rest) = data.split_first_chunk::<3>()?;
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (body, rest) = rest.split_at(length.min(rest.len()));
        data = rest;
        Some(Step { control, body })
    }));
});

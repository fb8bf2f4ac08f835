//! Any bytes through [`HeadReader`](forebay_core::http_head::HeadReader), in one piece and in two.
#![no_main]

#[path = "../../core/tests/support/heads.rs"]
mod heads;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&[high, low], bytes)) = data.split_first_chunk::<2>() else { return };
    heads::read(bytes, usize::from(u16::from_be_bytes([high, low])));
});

//! Any bytes through [`Survey`](forebay_core::ts::survey::Survey): codec headers above all. Whole and cut, the report is the same.
#![no_main]

mod input;

use forebay_core::ts::survey::Survey;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let Some((&size, bytes)) = data.split_first() else { return };
    let (mut whole, mut pieces) = (Survey::new(None), Survey::new(None));
    whole.push(bytes);
    bytes.chunks(input::size(size)).for_each(|piece| pieces.push(piece));
    assert_eq!(pieces.report(), whole.report());
});

//! Any playlists, whose variables go from each to the next: no more comes of them than may be kept.
//!
//! The input is the playlists, with a zero byte between two of them.
#![no_main]

#[path = "../../core/tests/support/playlists.rs"]
mod playlists;

use forebay_core::playlist::model::Variables;
use libfuzzer_sys::fuzz_target;
use url::Url;

fuzz_target!(|data: &[u8]| {
    let base = Url::parse("http://h/live/index.m3u8?token=t&a=b").expect("it is an address");
    let mut inherited = Variables::default();
    for body in data.split(|&byte| byte == 0) {
        inherited = playlists::read(body, &base, &inherited);
    }
});

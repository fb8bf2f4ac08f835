//! Any address, and any text as a name, through the policy of what a server may lead us to.
#![no_main]

#[path = "../../core/tests/support/addresses.rs"]
mod addresses;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    if let Some(bits) = data.first_chunk() {
        addresses::check(u128::from_be_bytes(*bits));
    }
    addresses::check_name(&String::from_utf8_lossy(data));
});

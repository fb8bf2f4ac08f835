//! Properties of what decides where requests go and with which password: any challenge of a server,
//! any address.

#[path = "support/addresses.rs"]
mod addresses;
#[path = "support/challenges.rs"]
mod challenges;

use proptest::prelude::*;

/// Pieces of challenges, put together at random.
fn challenge() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("Digest ".to_owned()),
        Just("Basic ".to_owned()),
        "(realm|nonce|opaque|qop|algorithm|stale|x) ?= ?",
        "\"([a-z,=\\\\ ]|\\\\\")*\"",
        "(MD5|md5-sess|SHA-256|auth|true)",
        "[ ,=\"\\\\\na-z]{0,3}",
        Just(", ".to_owned()),
    ];
    prop::collection::vec(piece, 0..20).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn a_challenge_is_read_as_it_would_be_written(
        (start, rest) in (prop::bool::ANY, challenge())
    ) {
        let start = if start { "Digest realm=\"r\", nonce=\"n\", " } else { "" };
        challenges::check(format!("{start}{rest}").as_bytes());
    }

    #[test]
    fn an_address_is_public_however_it_is_carried(
        (prefix, low) in (prop_oneof![Just(0), Just(0xFFFFu128), any::<u128>()], any::<u32>())
    ) {
        addresses::check(prefix << 32 | u128::from(low));
        for private in [0x7F00_0001, 0x0A00_0000 | low >> 8, 0xC0A8_0000 | low >> 16, 0xA9FE_A9FE] {
            addresses::check(prefix << 32 | u128::from(private));
        }
    }

    #[test]
    fn a_name_is_public_however_it_is_written(name in "[a-zA-Z.-]{0,20}|.{0,10}") {
        addresses::check_name(&name);
    }
}

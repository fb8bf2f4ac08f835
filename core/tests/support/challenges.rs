//! What holds for challenges, whatever a server writes: shared by the properties and the fuzz
//! target.

use forebay_core::http_challenge::{Challenge, Hash};

/// Reads fields with line ends between them, and the challenge that is chosen once more.
pub(crate) fn check(bytes: &[u8]) {
    let fields = || bytes.split(|&byte| byte == b'\n');
    let Some(challenge) = Challenge::best(fields()) else { return };
    let Challenge { realm, nonce, opaque, .. } = &challenge;
    let taken = realm.len() + nonce.len() + opaque.as_ref().map_or(0, Vec::len);
    assert!(taken <= bytes.len(), "nothing is invented");
    let named = challenge.algorithm.as_ref().map(|name| name.to_ascii_lowercase());
    let sha = named.as_ref().is_some_and(|name| name.starts_with(b"sha-256"));
    assert_eq!(challenge.hash, if sha { Hash::Sha256 } else { Hash::Md5 });
    let again = write(&challenge);
    assert_eq!(Challenge::best([&again[..]]).as_ref(), Some(&challenge), "{}", again.escape_ascii());
    // Others in front of it, and behind it, change nothing.
    let among = [&b"Basic realm=\"a, Digest b\", "[..], &again, b", Negotiate abc=="].concat();
    assert_eq!(Challenge::best([&among[..]]), Some(challenge), "{}", among.escape_ascii());
}

/// A challenge as the standard wants it.
fn write(challenge: &Challenge) -> Vec<u8> {
    let mut out = b"Digest ".to_vec();
    let mut parameter = |name: &str, value: &[u8]| {
        out.extend_from_slice(name.as_bytes());
        out.extend_from_slice(b"=\"");
        for &byte in value {
            out.extend(matches!(byte, b'"' | b'\\').then_some(b'\\'));
            out.push(byte);
        }
        out.extend_from_slice(b"\", ");
    };
    parameter("realm", &challenge.realm);
    parameter("nonce", &challenge.nonce);
    if let Some(opaque) = &challenge.opaque {
        parameter("opaque", opaque);
    }
    if let Some(algorithm) = &challenge.algorithm {
        parameter("algorithm", algorithm);
    }
    if challenge.has_qop {
        parameter("qop", b"auth-int, auth");
    }
    if challenge.is_stale {
        parameter("stale", b"true");
    }
    out.truncate(out.len() - 2);
    out
}

//! Secrets: made at random, kept as hashes, compared without telling where they differ.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use ring::digest::{SHA256, digest};
use ring::rand::{SecureRandom as _, SystemRandom};

/// A text that is not printed.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret(String);

impl Secret {
    /// One of 256 bits behind a prefix, in letters, digits, `-` and `_`.
    pub fn random(prefix: &str) -> Self {
        Self::of_bytes::<32>(prefix)
    }

    /// One of 128 bits, for what people copy: nobody can guess that many over a network either.
    pub fn short() -> Self {
        Self::of_bytes::<16>("")
    }

    fn of_bytes<const N: usize>(prefix: &str) -> Self {
        Self(format!("{prefix}{}", URL_SAFE_NO_PAD.encode(random_bytes::<N>())))
    }

    /// The text, to be shown once or kept where it must be.
    pub fn reveal(&self) -> &str {
        &self.0
    }

    /// What is kept of it.
    pub fn hash(&self) -> [u8; 32] {
        hash(&self.0)
    }

    /// Whether this is it.
    pub fn is(&self, text: &str) -> bool {
        is_same(self.0.as_bytes(), text.as_bytes())
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(…)")
    }
}

impl From<String> for Secret {
    fn from(text: String) -> Self {
        Self(text)
    }
}

/// Bytes that nobody can guess.
pub(super) fn random_bytes<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    SystemRandom::new().fill(&mut bytes).expect("the system has random bytes");
    bytes
}

/// SHA-256 of a secret of full strength: it needs no salt and no time.
pub fn hash(text: &str) -> [u8; 32] {
    digest(&SHA256, text.as_bytes()).as_ref().try_into().expect("SHA-256 has 32 bytes")
}

/// Compares in a time that tells nothing of where two texts differ.
pub fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_two_are_the_same_and_none_is_printed() {
        let [one, other] = [(); 2].map(|()| Secret::random("fbk_"));
        assert_ne!(one, other);
        assert!(one.reveal().starts_with("fbk_") && one.reveal().len() == 4 + 43, "{}", one.reveal());
        assert_eq!(Secret::short().reveal().len(), 22);
        assert!(one.is(one.reveal()) && !one.is(other.reveal()) && !one.is("fbk_"));
        assert_eq!(format!("{one:?}"), "Secret(…)");
        assert_eq!(hash("abc")[..4], [0xba, 0x78, 0x16, 0xbf]);
    }
}

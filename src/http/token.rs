//! The admin's token: a secret in a file that only the user who runs Forebay can read, made anew at
//! each start.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use forebay_relay::state::{Access, Dir};
use http::{HeaderMap, header};

/// Its file, in the folder for HLS.
const FILE: &str = "admin.token";

/// What cannot be guessed, in bytes.
const LENGTH: usize = 32;

/// A secret, which is not printed.
pub(super) struct Token(String);

impl Token {
    /// A new one, in a file in `folder`.
    pub(super) fn create(folder: &Path) -> io::Result<Self> {
        let token = Self::random()?;
        let dir = Dir::new(folder, Access::Owner);
        dir.create()?;
        // With a line break, so that `cat` shows it on a line of its own; readers trim it.
        dir.write(FILE, format!("{}\n", token.0).as_bytes())?;
        Ok(token)
    }

    fn random() -> io::Result<Self> {
        let mut bytes = [0; LENGTH];
        File::open("/dev/urandom")?.read_exact(&mut bytes)?;
        let mut text = String::new();
        for byte in bytes {
            let _ = write!(text, "{byte:02x}");
        }
        Ok(Self(text))
    }

    /// Whether `Authorization` has it.
    pub(super) fn is_in(&self, headers: &HeaderMap) -> bool {
        let value = headers.get(header::AUTHORIZATION).map_or(&[][..], |value| value.as_bytes());
        let Some((scheme, token)) = value.split_at_checked("Bearer ".len()) else { return false };
        scheme.eq_ignore_ascii_case(b"Bearer ") && is_same(token, self.0.as_bytes())
    }
}

/// Compares in a time that tells nothing of where two texts differ.
fn is_same(one: &[u8], other: &[u8]) -> bool {
    one.len() == other.len() && one.iter().zip(other).fold(0, |all, (a, b)| all | (a ^ b)) == 0
}

impl std::fmt::Debug for Token {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Token(…)")
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn it_is_for_the_owner_alone_and_another_one_each_time() {
        let folder = tempfile::tempdir().unwrap();
        let inside = folder.path().join("hls_cache");
        let tokens = [0; 2].map(|_| Token::create(&inside).unwrap());
        let path = inside.join(FILE);
        assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(path).unwrap();
        let with = |value: &str| HeaderMap::from_iter([(header::AUTHORIZATION, value.parse().unwrap())]);
        assert_eq!(text.trim().len(), 2 * LENGTH);
        for (value, is_new) in [
            (format!("Bearer {}", text.trim()), true),
            (format!("bearer {}", text.trim()), true),
            (format!("Basic {}", text.trim()), false),
            (format!("Bearer {}", &text[1..LENGTH]), false),
            ("Bearer ".into(), false),
            ("Bear".into(), false),
        ] {
            assert_eq!(tokens.each_ref().map(|token| token.is_in(&with(&value))), [false, is_new], "{value}");
        }
        assert!(!tokens[1].is_in(&HeaderMap::new()));
        assert_eq!(format!("{:?}", tokens[1]), "Token(…)");
    }
}

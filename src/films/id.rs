//! The name of a film for ever: a UUID (RFC 9562).

use std::fmt;

use ring::rand::{SecureRandom as _, SystemRandom};

/// Digits of a UUID between its hyphens.
const GROUPS: [usize; 5] = [8, 4, 4, 4, 12];

/// Names a film, whatever becomes of its file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FilmId(u128);

impl FilmId {
    /// One that nobody has: 122 bits of it are random (section 5.4).
    ///
    /// # Panics
    /// When the system gives no random bytes, as nothing works then.
    pub fn random() -> Self {
        let mut bytes = [0; 16];
        SystemRandom::new().fill(&mut bytes).expect("the system gives random bytes");
        bytes[6] = bytes[6] & 0x0F | 0x40;
        bytes[8] = bytes[8] & 0x3F | 0x80;
        Self(u128::from_be_bytes(bytes))
    }

    /// The number by which players of Xtream Codes know it, which fits into 31 bits: the last ones,
    /// which are random.
    pub fn player_id(self) -> u32 {
        // Some of these players keep it as a signed number, and take zero for none.
        u32::try_from(self.0 & 0x7FFF_FFFF).expect("31 bits are left").max(1)
    }

    /// One as it is written: 32 digits in five groups.
    pub fn parse(text: &str) -> Option<Self> {
        let groups: Vec<&str> = text.split('-').collect();
        // Checked by itself: the parser of numbers would take a sign for a digit's place.
        let is_written_so = groups.iter().map(|group| group.len()).eq(GROUPS)
            && text.bytes().all(|byte| byte == b'-' || byte.is_ascii_hexdigit());
        let digits = is_written_so.then(|| groups.concat())?;
        u128::from_str_radix(&digits, 16).ok().map(Self)
    }
}

impl fmt::Display for FilmId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:032x}", self.0);
        let mut rest = digits.as_str();
        for (at, size) in GROUPS.into_iter().enumerate() {
            let (group, tail) = rest.split_at(size);
            write!(f, "{}{group}", if at == 0 { "" } else { "-" })?;
            rest = tail;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_written_as_it_is_read() {
        let text = "0188f5e0-7b1c-4d2e-9a3f-00112233aaff";
        assert_eq!(FilmId::parse(text).unwrap().to_string(), text);
        assert_eq!(FilmId::parse(&text.to_uppercase()), FilmId::parse(text));
        for wrong in [
            "",
            "one",
            "0188f5e07b1c4d2e9a3f00112233aaff",
            "+188f5e0-7b1c-4d2e-9a3f-00112233aaff",
            "0188f5e0-7b1c-4d2e-9a3f-00112233aafg",
            "0188f5e0-7b1c-4d2e-9a3f00-112233aaff",
        ] {
            assert_eq!(FilmId::parse(wrong), None, "{wrong}");
        }
        let (one, two) = (FilmId::random(), FilmId::random());
        assert_ne!(one, two);
        assert_eq!(FilmId::parse(&one.to_string()), Some(one));
        assert_eq!(one.to_string().as_bytes()[14], b'4');
    }
}

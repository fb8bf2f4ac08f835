//! When a certificate is valid: the one thing about it that is needed here and that rustls does not
//! tell.

use jiff::Timestamp;
use jiff::civil::DateTime;
use jiff::tz::TimeZone;

/// From when to when a certificate is valid, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Validity {
    pub(crate) from: Timestamp,
    pub(crate) until: Timestamp,
}

impl Validity {
    /// Reads it out of a certificate in DER (RFC 5280, 4.1). `None` if that is none.
    pub(crate) fn of(certificate: &[u8]) -> Option<Self> {
        let mut to_be_signed = Der(certificate).inside(SEQUENCE)?.inside(SEQUENCE)?;
        // Left out in version 1, where it is the default.
        if to_be_signed.0.first() == Some(&VERSION) {
            to_be_signed.next()?;
        }
        let (_serial, _algorithm, _issuer) =
            (to_be_signed.next()?, to_be_signed.next()?, to_be_signed.next()?);
        let mut validity = to_be_signed.inside(SEQUENCE)?;
        Some(Self { from: time(validity.next()?)?, until: time(validity.next()?)? })
    }

    /// When so many thirds of its time are over.
    pub(crate) fn after_thirds(self, thirds: i32) -> Timestamp {
        let third = self.until.duration_since(self.from) / 3;
        self.from.checked_add(third * thirds).unwrap_or(self.until)
    }
}

// Tags (X.690, 8.1.2) of what is met on the way.
const SEQUENCE: u8 = 0x30;
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// Elements that follow each other.
struct Der<'a>(&'a [u8]);

impl<'a> Der<'a> {
    /// The next element: its tag and what is in it.
    fn next(&mut self) -> Option<(u8, &'a [u8])> {
        let (&[tag, length], rest) = self.0.split_first_chunk()?;
        let (length, rest) = match length {
            0..=0x7f => (usize::from(length), rest),
            // The length follows in so many bytes. No certificate needs more than 4.
            0x81..=0x84 => {
                let (bytes, rest) = rest.split_at_checked(usize::from(length & 0x7f))?;
                (bytes.iter().fold(0, |sum, &byte| sum << 8 | usize::from(byte)), rest)
            }
            _ => return None,
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some((tag, content))
    }

    /// What is in the next element, which has this tag.
    fn inside(&mut self, tag: u8) -> Option<Self> {
        let (found, content) = self.next()?;
        (found == tag).then_some(Self(content))
    }
}

/// Both ways to write a time (RFC 5280, 4.1.2.5).
fn time((tag, text): (u8, &[u8])) -> Option<Timestamp> {
    let text = std::str::from_utf8(text).ok()?.strip_suffix('Z')?;
    let century = match tag {
        UTC_TIME if text.get(..2)? < "50" => "20",
        UTC_TIME => "19",
        GENERALIZED_TIME => "",
        _ => return None,
    };
    let time = DateTime::strptime("%Y%m%d%H%M%S", format!("{century}{text}")).ok()?;
    // The last second of 9999 stands for "for ever", and is later than a timestamp can be.
    Some(time.to_zoned(TimeZone::UTC).map_or(Timestamp::MAX, |time| time.timestamp()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(tag: u8, content: &[u8]) -> Vec<u8> {
        let length = u16::try_from(content.len()).unwrap().to_be_bytes();
        [&[tag, 0x82], &length[..], content].concat()
    }

    fn certificate(version: &[u8], from: (u8, &str), until: (u8, &str)) -> Vec<u8> {
        let time = |(tag, text): (u8, &str)| element(tag, text.as_bytes());
        let validity = element(SEQUENCE, &[time(from), time(until)].concat());
        let before =
            [version, &element(2, &[1]), &element(SEQUENCE, &[]), &element(SEQUENCE, &[0; 300])].concat();
        element(SEQUENCE, &element(SEQUENCE, &[before, validity].concat()))
    }

    #[test]
    fn both_ways_to_write_a_time_are_read() {
        for (text, time) in [
            ((UTC_TIME, "260131235900Z"), "2026-01-31T23:59:00Z"),
            ((UTC_TIME, "491231235959Z"), "2049-12-31T23:59:59Z"),
            ((UTC_TIME, "500101000000Z"), "1950-01-01T00:00:00Z"),
            ((GENERALIZED_TIME, "20500101000000Z"), "2050-01-01T00:00:00Z"),
        ] {
            for version in [&[][..], &element(VERSION, &element(2, &[2]))] {
                let validity = Validity::of(&certificate(version, text, text)).unwrap();
                assert_eq!((validity.from.to_string(), validity.until), (time.to_owned(), validity.from));
            }
        }
        let forever = certificate(&[], (UTC_TIME, "200101000000Z"), (GENERALIZED_TIME, "99991231235959Z"));
        assert_eq!(Validity::of(&forever).unwrap().until, Timestamp::MAX);
    }

    #[test]
    fn what_is_cut_or_no_certificate_is_refused() {
        let good = certificate(&[], (UTC_TIME, "200101000000Z"), (UTC_TIME, "300101000000Z"));
        assert!(Validity::of(&good).is_some());
        for length in 0..good.len() {
            assert_eq!(Validity::of(&good[..length]), None, "{length}");
        }
        for text in ["", "Z", "2001010000Z", "200101000000", "209901000000Z", "räksmörgåsarZ"] {
            assert_eq!(Validity::of(&certificate(&[], (UTC_TIME, text), (UTC_TIME, text))), None, "{text}");
        }
        assert_eq!(Validity::of(&[SEQUENCE, 0xff, 0, 0]), None);
    }

    #[test]
    fn two_thirds_of_ninety_days_are_sixty() {
        let validity = Validity {
            from: "2026-01-01T00:00:00Z".parse().unwrap(),
            until: "2026-04-01T00:00:00Z".parse().unwrap(),
        };
        assert_eq!(validity.after_thirds(2).to_string(), "2026-03-02T00:00:00Z");
    }
}

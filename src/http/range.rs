//! The part of a file or a segment that a request wants (RFC 9110, section 14).

use forebay_relay::input::byte_range::ByteRange;
use http::{HeaderMap, header};

/// What is to be sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// All of it: nothing else was asked for, or nothing that we understand.
    Whole,
    /// From `start` to `end`, which is not included.
    Of { start: u64, end: u64 },
    /// It has nothing of what was asked for.
    Nothing,
}

impl Part {
    /// What `headers` ask for of `length` bytes that are in the state `tag`: a part of another
    /// state is of no use to who has the rest of it (section 13.1.5).
    pub(super) fn of_tagged(headers: &HeaderMap, length: u64, tag: &str) -> Self {
        match headers.get(header::IF_RANGE) {
            // Compared as a whole, which a date never equals:
            // then the whole is right (section 13.1.5).
            Some(known) if known.as_bytes() != tag.as_bytes() => Self::Whole,
            _ => Self::asked(headers, length),
        }
    }

    /// What `headers` ask for of `length` bytes.
    pub(super) fn of(headers: &HeaderMap, length: u64) -> Self {
        // A part of the segment that one has in part already is asked for by a validator, and we
        // name none: section 13.1.5.
        if headers.contains_key(header::IF_RANGE) {
            return Self::Whole;
        }
        Self::asked(headers, length)
    }

    fn asked(headers: &HeaderMap, length: u64) -> Self {
        ByteRange::of(headers).map_or(Self::Whole, |range| part(range, length))
    }
}

/// What is to be sent of a file that grows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum GrowingPart {
    /// What is there already, or all of it and what comes.
    Part(Part),
    /// What is there from `start` on, and what comes. `last` is what the request names as the last
    /// byte, which is further away than any can be (RFC 8673, section 2.2).
    AllFrom { start: u64, last: u64 },
}

/// The last byte that those name who want all that comes: the largest number that all programs
/// know (RFC 8673, section 3.1).
const ENDLESS: u64 = (1 << 53) - 1;

impl GrowingPart {
    /// What `headers` ask for of a file that has `length` bytes now.
    pub(super) fn of(headers: &HeaderMap, length: u64) -> Self {
        match (Part::of(headers, length), ByteRange::of(headers)) {
            // Players begin with it, and want all that comes.
            (_, Some(ByteRange::From { first: 0, last: None })) => Self::Part(Part::Whole),
            (Part::Of { start, .. }, Some(ByteRange::From { last: Some(last), .. })) if last >= ENDLESS => {
                Self::AllFrom { start, last }
            }
            (part, _) => Self::Part(part),
        }
    }

    /// The first byte that `headers` ask for.
    pub(super) fn begin(headers: &HeaderMap) -> Option<u64> {
        match ByteRange::of(headers)? {
            ByteRange::From { first, .. } => Some(first),
            ByteRange::Last(_) => None,
        }
    }
}

/// The part of `length` bytes that a range names.
fn part(range: ByteRange, length: u64) -> Part {
    let (start, end) = match range {
        // The last byte is included in the request, and may lie behind the end.
        ByteRange::From { first, last } => {
            (first, last.map_or(length, |last| length.min(last.saturating_add(1))))
        }
        // More than there is means all of it (section 14.1.2).
        ByteRange::Last(count) => (length.saturating_sub(count), length),
    };
    if start < end { Part::Of { start, end } } else { Part::Nothing }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_file_that_grows_all_is_what_comes_too() {
        let asked = |range: &str| {
            let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
            GrowingPart::of(&headers, 100)
        };
        let part = |start, end| GrowingPart::Part(Part::Of { start, end });
        for (range, wanted) in [
            ("bytes=0-", GrowingPart::Part(Part::Whole)),
            ("bytes=40-", part(40, 100)),
            ("bytes=40-49", part(40, 50)),
            ("bytes=40-1000000", part(40, 100)),
            ("bytes=-10", part(90, 100)),
            ("bytes=40-9007199254740991", GrowingPart::AllFrom { start: 40, last: 9_007_199_254_740_991 }),
            ("bytes=100-", GrowingPart::Part(Part::Nothing)),
            ("bytes=1-2,4-5", GrowingPart::Part(Part::Whole)),
        ] {
            assert_eq!(asked(range), wanted, "{range}");
        }
        assert_eq!(GrowingPart::of(&HeaderMap::new(), 100), GrowingPart::Part(Part::Whole));
    }

    #[test]
    fn a_part_of_another_state_is_all_of_this_one() {
        let headers = |known: &str| {
            HeaderMap::from_iter([
                (header::RANGE, "bytes=5-".parse().unwrap()),
                (header::IF_RANGE, known.parse().unwrap()),
            ])
        };
        let part = |known| Part::of_tagged(&headers(known), 10, "\"a\"");
        assert_eq!((part("\"a\""), part("\"b\"")), (Part::Of { start: 5, end: 10 }, Part::Whole));
        assert_eq!(part("W/\"a\""), Part::Whole);
    }

    #[test]
    fn a_range_is_a_part_of_what_there_is() {
        let some = |start, end| Part::Of { start, end };
        for (range, part) in [
            ("bytes=0-", some(0, 1000)),
            ("bytes=0-0", some(0, 1)),
            ("bytes=10-19", some(10, 20)),
            ("bytes=990-2000", some(990, 1000)),
            ("bytes=-10", some(990, 1000)),
            ("bytes=-5000", some(0, 1000)),
            ("bytes=1000-", Part::Nothing),
            ("bytes=-0", Part::Nothing),
            ("bytes=20-10", Part::Whole),
            ("bytes=0-1,5-6", Part::Whole),
            ("bytes=0-18446744073709551615", some(0, 1000)),
            ("lines=1-2", Part::Whole),
        ] {
            let headers = HeaderMap::from_iter([(header::RANGE, range.parse().unwrap())]);
            assert_eq!(Part::of(&headers, 1000), part, "{range}");
        }
        assert_eq!(Part::of(&HeaderMap::new(), 1000), Part::Whole);
    }
}

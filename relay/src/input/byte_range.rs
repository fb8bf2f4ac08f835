//! Ranges of bytes: those that are asked for, and those that a server says it sends (RFC 9110,
//! section 14).

use http::{HeaderMap, HeaderValue, header};

/// One range of bytes, as a player asks for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ByteRange {
    /// From this byte on.
    From {
        /// The first byte.
        first: u64,
        /// The last byte, if it names one.
        last: Option<u64>,
    },
    /// So many bytes at the end.
    Last(u64),
}

impl ByteRange {
    /// The range that a request names. `None` without one, for several ranges, and for a header
    /// that cannot be read: all of these may be ignored (RFC 9110, 14.2).
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(header::RANGE)?.to_str().ok()?)
    }

    fn parse(text: &str) -> Option<Self> {
        let (first, last) = text.trim().strip_prefix("bytes=")?.split_once('-')?;
        match (first.trim(), last.trim()) {
            ("", count) => Some(Self::Last(number(count)?)),
            (first, "") => Some(Self::From { first: number(first)?, last: None }),
            (first, last) => {
                let (first, last) = (number(first)?, number(last)?);
                (first <= last).then_some(Self::From { first, last: Some(last) })
            }
        }
    }

    /// Whether it begins where the file does.
    pub fn is_from_start(self) -> bool {
        matches!(self, Self::From { first: 0, .. })
    }

    fn header(self) -> HeaderValue {
        let text = match self {
            Self::From { first, last: Some(last) } => format!("bytes={first}-{last}"),
            Self::From { first, last: None } => format!("bytes={first}-"),
            Self::Last(count) => format!("bytes=-{count}"),
        };
        HeaderValue::try_from(text).expect("digits make a header")
    }
}

/// A request for a range.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RangeRequest {
    /// Which one.
    pub range: ByteRange,
    /// `If-Range`: the state of the file of which the player has the rest.
    pub validator: Option<HeaderValue>,
}

impl RangeRequest {
    /// What a player asks for; `None` where that is the whole file (see [`ByteRange::of`]).
    pub fn of(headers: &HeaderMap) -> Option<Self> {
        let range = ByteRange::of(headers)?;
        Some(Self { range, validator: headers.get(header::IF_RANGE).cloned() })
    }

    /// The headers that ask for it.
    pub(super) fn headers(&self) -> HeaderMap {
        let known = self.validator.iter().map(|known| (header::IF_RANGE, known.clone()));
        [(header::RANGE, self.range.header())].into_iter().chain(known).collect()
    }
}

/// The range that a server says it sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ContentRange {
    pub(super) first: u64,
    pub(super) last: u64,
    /// Bytes of the whole file, if the server knows it.
    pub(super) total: Option<u64>,
}

impl ContentRange {
    /// What the head of an answer says, if it says that well.
    pub(super) fn of(headers: &HeaderMap) -> Option<Self> {
        Self::parse(headers.get(header::CONTENT_RANGE)?.to_str().ok()?)
    }

    /// `bytes 0-99/1000`, or `bytes 0-99/*`.
    fn parse(text: &str) -> Option<Self> {
        let (range, total) = text.trim().strip_prefix("bytes ")?.split_once('/')?;
        let (first, last) = range.split_once('-')?;
        let (first, last) = (number(first)?, number(last)?);
        let total = if total == "*" { None } else { Some(number(total)?) };
        // Refuse a range beyond its own length: the next request would begin behind the end.
        (first <= last && total.is_none_or(|total| last < total)).then_some(Self { first, last, total })
    }

    /// How long the file is of which it has nothing that was asked for: `bytes */1000`.
    pub(super) fn total_of_unsatisfied(headers: &HeaderMap) -> Option<u64> {
        let text = headers.get(header::CONTENT_RANGE)?.to_str().ok()?;
        number(text.trim().strip_prefix("bytes */")?)
    }

    /// Whether it is what was asked for. A server may send less (RFC 9110, 15.3.7); what begins
    /// elsewhere would damage the file.
    pub(super) fn answers(self, asked: ByteRange) -> bool {
        match asked {
            ByteRange::From { first, last } => {
                self.first == first && last.is_none_or(|last| self.last <= last)
            }
            ByteRange::Last(count) => {
                self.total.is_some_and(|total| self.first == total.saturating_sub(count))
            }
        }
    }

    /// Whether it is the whole file.
    pub(super) fn is_whole(self) -> bool {
        self.first == 0 && self.total.is_none_or(|total| self.last + 1 == total)
    }

    /// Its bytes.
    pub(super) fn size(self) -> u64 {
        (self.last - self.first).saturating_add(1)
    }
}

/// Digits alone: `parse` would take a sign, too.
fn number(text: &str) -> Option<u64> {
    text.bytes().all(|byte| byte.is_ascii_digit()).then(|| text.parse().ok())?
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn from(first: u64, last: Option<u64>) -> ByteRange {
        ByteRange::From { first, last }
    }

    #[test]
    fn a_player_asks_for_one_range_of_bytes() {
        for (text, expected) in [
            ("bytes=0-", Some(from(0, None))),
            ("bytes=0-1", Some(from(0, Some(1)))),
            ("bytes=5-9", Some(from(5, Some(9)))),
            ("bytes=-500", Some(ByteRange::Last(500))),
            ("bytes=0-1,5-9", None),
            ("bytes=-", None),
            ("bytes=1-2-3", None),
            ("bytes=9-5", None),
            ("bytes=+1-", None),
            ("bytes=18446744073709551616-", None),
            ("seconds=0-9", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(header::RANGE, text.parse().unwrap());
            headers.insert(header::IF_RANGE, "\"a\"".parse().unwrap());
            let asked = RangeRequest::of(&headers);
            assert_eq!(asked.as_ref().map(|asked| asked.range), expected, "{text}");
            assert!(asked.is_none_or(|asked| asked.headers() == headers), "{text}");
        }
        let alone = HeaderMap::from_iter([(header::IF_RANGE, HeaderValue::from_static("\"a\""))]);
        assert_eq!(RangeRequest::of(&alone), None);
        assert!(from(0, Some(1)).is_from_start() && !from(1, None).is_from_start());
        assert!(!ByteRange::Last(5).is_from_start());
    }

    #[test]
    fn an_answer_says_which_range_it_is() {
        let sent = |first, last, total| Some(ContentRange { first, last, total });
        for (text, expected) in [
            ("bytes 0-99/1000", sent(0, 99, Some(1000))),
            ("bytes 5-9/*", sent(5, 9, None)),
            ("bytes 0-999/1000", sent(0, 999, Some(1000))),
            ("bytes 0-1000/1000", None),
            ("bytes 9-5/1000", None),
            ("bytes */1000", None),
            ("bytes -9/1000", None),
            ("0-99/1000", None),
            ("nonsense", None),
        ] {
            assert_eq!(ContentRange::parse(text), expected, "{text}");
        }
        for (sent, asked, is_answer) in [
            ("bytes 0-99/1000", from(0, None), true),
            ("bytes 0-99/1000", from(0, Some(99)), true),
            ("bytes 0-99/1000", from(0, Some(50)), false),
            ("bytes 0-99/1000", from(1, None), false),
            ("bytes 900-999/1000", ByteRange::Last(100), true),
            ("bytes 0-999/1000", ByteRange::Last(5000), true),
            ("bytes 0-999/1000", ByteRange::Last(100), false),
            ("bytes 900-999/*", ByteRange::Last(100), false),
        ] {
            let sent = ContentRange::parse(sent).unwrap();
            assert_eq!(sent.answers(asked), is_answer, "{sent:?} to {asked:?}");
        }
        let whole = |text| ContentRange::parse(text).unwrap().is_whole();
        assert!(whole("bytes 0-999/1000") && whole("bytes 0-999/*") && !whole("bytes 0-99/1000"));
    }
}

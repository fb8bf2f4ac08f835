//! Durations and sizes: read, checked against a range, and named in messages.

use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use serde::de::{Deserialize, Deserializer, Error, Visitor};

/// A duration as it was typed, such as `"30s"`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DurationText(pub String);

/// A size as it was typed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SizeText {
    /// `16777216`
    Bytes(i64),
    /// `"16 MiB"`
    Text(String),
}

/// A number as it was typed, or a text instead.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CountText {
    /// `20`
    Number(i64),
    /// `"off"`
    Text(String),
}

/// The least and the most a value may be, both included.
#[derive(Debug)]
pub struct Limits<T> {
    /// The least.
    pub min: T,
    /// The most.
    pub max: T,
}

/// Limits in milliseconds, for durations.
pub const fn limits_ms(min: u64, max: u64) -> Limits<Duration> {
    Limits { min: Duration::from_millis(min), max: Duration::from_millis(max) }
}

impl DurationText {
    /// The duration, if it is one and within the limits; else what is wrong with it.
    pub fn within(&self, limits: &Limits<Duration>) -> Result<Duration, String> {
        let Self(text) = self;
        let value = humantime::parse_duration(text)
            .map_err(|_| format!("\"{text}\" is not a duration such as \"500ms\", \"30s\" or \"5m\""))?;
        check(value, limits, |value| humantime::format_duration(*value))
    }

    /// As [`within`](Self::within), where `"off"` stands for none.
    pub fn within_or_off(&self, limits: &Limits<Duration>) -> Result<Option<Duration>, String> {
        match &*self.0 {
            "off" => Ok(None),
            _ => self.within(limits).map(Some).map_err(|error| format!("{error}, or \"off\"")),
        }
    }
}

impl SizeText {
    /// The size in bytes, if it is one and within the limits; else what is wrong with it.
    pub fn within(&self, limits: &Limits<u64>) -> Result<u64, String> {
        let value = match self {
            Self::Bytes(bytes) => {
                u64::try_from(*bytes).map_err(|_| format!("{bytes} is less than nothing"))?
            }
            Self::Text(text) => parse_size(text).ok_or_else(|| {
                format!("\"{text}\" is not a size such as \"512 KiB\", \"16 MiB\" or \"16MB\"")
            })?,
        };
        check(value, limits, |value| Size(*value))
    }
}

impl CountText {
    /// The number if it is within `range`, none where `"off"` stands for it; else what is wrong.
    pub fn within_or_off(&self, range: &RangeInclusive<u32>) -> Result<Option<u32>, String> {
        match self {
            Self::Text(text) if text == "off" => Ok(None),
            Self::Text(text) => Err(format!("\"{text}\" is neither a whole number nor \"off\"")),
            &Self::Number(number) => match u32::try_from(number) {
                Ok(count) if range.contains(&count) => Ok(Some(count)),
                _ => {
                    let (start, end) = (range.start(), range.end());
                    Err(format!("{number} is out of range, expected {start} to {end}, or \"off\""))
                }
            },
        }
    }
}

impl<'de> Deserialize<'de> for DurationText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl Visitor<'_> for Seen {
            type Value = DurationText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a duration such as \"30s\"")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(DurationText(text.into()))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de> Deserialize<'de> for SizeText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl Visitor<'_> for Seen {
            type Value = SizeText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a size such as \"16 MiB\", or a number of bytes")
            }
            fn visit_i64<E: Error>(self, bytes: i64) -> Result<Self::Value, E> {
                Ok(SizeText::Bytes(bytes))
            }
            // JSON reads what has no sign as this.
            fn visit_u64<E: Error>(self, bytes: u64) -> Result<Self::Value, E> {
                // Too large for either is out of range as well, which the check says in words.
                Ok(SizeText::Bytes(i64::try_from(bytes).unwrap_or(i64::MAX)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(SizeText::Text(text.into()))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

impl<'de> Deserialize<'de> for CountText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Seen;
        impl Visitor<'_> for Seen {
            type Value = CountText;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a whole number or \"off\"")
            }
            fn visit_i64<E: Error>(self, number: i64) -> Result<Self::Value, E> {
                Ok(CountText::Number(number))
            }
            fn visit_u64<E: Error>(self, number: u64) -> Result<Self::Value, E> {
                Ok(CountText::Number(i64::try_from(number).unwrap_or(i64::MAX)))
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Self::Value, E> {
                Ok(CountText::Text(text.into()))
            }
        }
        deserializer.deserialize_any(Seen)
    }
}

fn check<T: PartialOrd, D: fmt::Display>(
    value: T,
    limits: &Limits<T>,
    shown: impl Fn(&T) -> D,
) -> Result<T, String> {
    if value < limits.min || value > limits.max {
        let (value, min, max) = (shown(&value), shown(&limits.min), shown(&limits.max));
        return Err(format!("{value} is out of range, expected {min} to {max}"));
    }
    Ok(value)
}

/// A whole number and a unit, with or without a blank between; case does not matter. kB, MB and GB
/// are powers of 1000.
fn parse_size(text: &str) -> Option<u64> {
    let text = text.trim();
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at(digits);
    let factor: u64 = match &*unit.trim_start().to_ascii_lowercase() {
        "" | "b" => 1,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        _ => return None,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// A bandwidth in bits a second; what is wrong with it if it is none.
pub fn parse_bandwidth(text: &str) -> Result<u64, String> {
    let parse = || {
        let text = text.trim();
        let digits = text.bytes().take_while(u8::is_ascii_digit).count();
        let (number, unit) = text.split_at(digits);
        let factor: u64 = match unit.trim_start() {
            // Case matters here: `Mb` and `MB` differ by eight, so only whole words are taken.
            "kbit/s" => 1_000,
            "Mbit/s" => 1_000_000,
            "Gbit/s" => 1_000_000_000,
            _ => return None,
        };
        number.parse::<u64>().ok()?.checked_mul(factor).filter(|&bits| bits > 0)
    };
    parse().ok_or_else(|| format!("\"{text}\" is not a bandwidth such as \"900 Mbit/s\" or \"10 Gbit/s\""))
}

/// Prints a number of bytes in the largest unit that holds it exactly.
struct Size(u64);

impl fmt::Display for Size {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (shift, unit) = [(30, "GiB"), (20, "MiB"), (10, "KiB")]
            .into_iter()
            // Zero has all its low bits clear, and would be printed as `0 GiB`.
            .find(|(shift, _)| self.0 > 0 && self.0.trailing_zeros() >= *shift)
            .unwrap_or((0, "bytes"));
        write!(f, "{} {unit}", self.0 >> shift)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_read_as_people_write_them() {
        for (text, bytes) in [
            ("16 MiB", Some(16 << 20)),
            ("16MiB", Some(16 << 20)),
            ("16mb", Some(16_000_000)),
            ("512 KiB", Some(512 << 10)),
            ("1 GiB", Some(1 << 30)),
            ("7", Some(7)),
            ("7 B", Some(7)),
            ("1.5 MiB", None),
            ("16 M", None),
            ("MiB", None),
            ("-1 MiB", None),
            ("99999999999 GiB", None),
            ("", None),
        ] {
            assert_eq!(parse_size(text), bytes, "{text:?}");
        }
    }

    #[test]
    fn bandwidths_are_read_with_their_unit() {
        let table = [("900 Mbit/s", 900_000_000), ("10Gbit/s", 10_000_000_000), (" 64 kbit/s ", 64_000)];
        for (text, bits) in table {
            assert_eq!(parse_bandwidth(text), Ok(bits), "{text}");
        }
        for text in
            ["", "900", "900 mbit/s", "900 MB/s", "0 Mbit/s", "-1 Mbit/s", "1.5 Gbit/s", "99999999999 Gbit/s"]
        {
            assert!(parse_bandwidth(text).is_err(), "{text}");
        }
    }

    #[test]
    fn sizes_are_printed_exactly() {
        for (bytes, shown) in [(0, "0 bytes"), (1 << 20, "1 MiB"), (4 << 30, "4 GiB"), (1500, "1500 bytes")] {
            assert_eq!(Size(bytes).to_string(), shown);
        }
    }
}

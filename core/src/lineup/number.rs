//! Channel numbers: who gets which, and that they stay.

use std::collections::{HashMap, HashSet};
use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

/// The number of a channel: `5`, or `5.1` as broadcasters of North America count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ChannelNumber {
    major: u32,
    /// 0 where there is none.
    minor: u16,
}

/// No player shows more digits.
pub const MAX_NUMBER: u32 = 999_999;

impl ChannelNumber {
    /// A whole number; `None` for 0 and beyond [`MAX_NUMBER`].
    pub fn whole(major: u32) -> Option<Self> {
        Self::of_parts(major, 0)
    }

    /// `5.1` of 5 and 1; a minor part of 0 is none.
    pub fn of_parts(major: u32, minor: u16) -> Option<Self> {
        (1..=MAX_NUMBER).contains(&major).then_some(Self { major, minor })
    }

    /// The part before the dot.
    pub fn major(self) -> u32 {
        self.major
    }

    /// The part behind the dot; 0 where there is none.
    pub fn minor(self) -> u16 {
        self.minor
    }
}

impl FromStr for ChannelNumber {
    type Err = NoNumber;

    fn from_str(text: &str) -> Result<Self, NoNumber> {
        let (major, minor) = match text.trim().split_once(['.', '-']) {
            Some((major, minor)) => (major, Some(minor)),
            None => (text.trim(), None),
        };
        let digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit()).then(|| text.parse().ok())?;
        let whole = digits(major).and_then(Self::whole).ok_or(NoNumber)?;
        let minor = minor.map(|minor| digits(minor).and_then(|it| u16::try_from(it).ok()).ok_or(NoNumber));
        Ok(Self { minor: minor.transpose()?.unwrap_or_default(), ..whole })
    }
}

impl fmt::Display for ChannelNumber {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            0 => write!(f, "{}", self.major),
            minor => write!(f, "{}.{minor}", self.major),
        }
    }
}

/// A text is no channel number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("a channel number is 1 to {MAX_NUMBER}, or two numbers with a dot between, such as 5.1")]
pub struct NoNumber;

/// What speaks for a number of a channel.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Claim {
    /// The number that it has.
    pub current: Option<ChannelNumber>,
    /// What a user has set.
    pub edit: Option<ChannelNumber>,
    /// The range of the rule that names it.
    pub range: Option<RangeInclusive<u32>>,
    /// What the provider says. It counts for a new channel only.
    pub provider: Option<ChannelNumber>,
}

/// Numbers for all channels of a lineup.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Numbers {
    /// That of each claim, in their order. None where the range is full.
    pub numbers: Vec<Option<ChannelNumber>>,
    /// Positions of claims whose number an earlier one has too: users set it, or it was so before.
    pub collisions: Vec<usize>,
    /// Positions of claims whose range is full.
    pub without_room: Vec<usize>,
}

/// Gives each channel its number, in the order of the claims.
///
/// A number that a user has set counts above all. A channel that has a number keeps it, unless a
/// rule names it and the number lies outside the rule's range. A new channel gets the next of its
/// range, else the number of the provider if that is free, else the next one that is.
pub fn assign(claims: &[Claim]) -> Numbers {
    let kept: Vec<_> = claims.iter().map(kept).collect();
    let mut free = FreeNumbers::new(kept.iter().flatten().copied());
    let mut result = Numbers::default();
    let mut seen = HashSet::new();
    for (at, (claim, kept)) in claims.iter().zip(kept).enumerate() {
        // Kept numbers are all known before any is given out, so a new channel takes none of them.
        let number = kept.or_else(|| free.take(claim.range.as_ref(), claim.provider));
        match number {
            Some(number) if !seen.insert(number) => result.collisions.push(at),
            Some(_) => (),
            None => result.without_room.push(at),
        }
        result.numbers.push(number);
    }
    result
}

fn kept(claim: &Claim) -> Option<ChannelNumber> {
    // The part behind the dot is left out: ranges are whole numbers.
    let fits = |it: &ChannelNumber| claim.range.as_ref().is_none_or(|range| range.contains(&it.major));
    claim.edit.or_else(|| claim.current.filter(fits))
}

/// Numbers that nobody has, for channels that are added one after the other.
#[derive(Debug)]
pub struct FreeNumbers {
    taken: HashSet<ChannelNumber>,
    /// For each range, all before this are taken.
    next: HashMap<RangeInclusive<u32>, u32>,
}

impl FreeNumbers {
    /// All but these.
    pub fn new(taken: impl IntoIterator<Item = ChannelNumber>) -> Self {
        Self { taken: taken.into_iter().collect(), next: HashMap::new() }
    }

    /// Takes the next number of the range of a rule; without one that of the provider if it is
    /// free, else the next one that is. `None` where the range is full.
    pub fn take(
        &mut self,
        range: Option<&RangeInclusive<u32>>,
        provider: Option<ChannelNumber>,
    ) -> Option<ChannelNumber> {
        let of_provider = || provider.filter(|number| !self.taken.contains(number));
        let number = match range {
            Some(range) => self.next_of(range.clone()),
            // A provider's number says where it stands in its list, and more than one list may say
            // the same.
            None => of_provider().or_else(|| self.next_of(1..=MAX_NUMBER)),
        }?;
        self.taken.insert(number);
        Some(number)
    }

    fn next_of(&mut self, range: RangeInclusive<u32>) -> Option<ChannelNumber> {
        let end = (*range.end()).min(MAX_NUMBER);
        let next = self.next.entry(range.clone()).or_insert_with(|| (*range.start()).max(1));
        while *next <= end {
            let number = ChannelNumber { major: *next, minor: 0 };
            *next += 1;
            if !self.taken.contains(&number) {
                return Some(number);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(text: &str) -> Option<ChannelNumber> {
        (!text.is_empty()).then(|| text.parse().expect("it is a number"))
    }

    #[test]
    fn numbers_are_read_and_shown() {
        for (text, shown) in
            [("5", "5"), (" 5.1 ", "5.1"), ("5-1", "5.1"), ("999999", "999999"), ("5.0", "5")]
        {
            assert_eq!(
                text.parse::<ChannelNumber>().map(|it| it.to_string()).as_deref(),
                Ok(shown),
                "{text}"
            );
        }
        for text in ["", "0", "-1", "a", "1000000", "5.", ".5", "5.1.2", "+5", "5.99999"] {
            assert_eq!(text.parse::<ChannelNumber>(), Err(NoNumber), "{text}");
        }
    }

    #[test]
    fn who_gets_which_number() {
        // What it has, what a user set, the rule's range, what the provider says; what it gets.
        let table = [
            ("1", "", None, "7", "1"),
            ("2", "9", None, "", "9"),
            ("3", "", Some(100..=101), "", "100"),
            ("101", "", Some(100..=101), "", "101"),
            ("", "", Some(100..=101), "", ""),
            ("", "", None, "7", "7"),
            ("", "", None, "7", "2"),
            ("", "", None, "1", "3"),
            ("", "9", None, "", "9"),
            ("", "", None, "", "4"),
        ];
        let claim =
            |(current, edit, range, provider, _): &(&str, &str, Option<RangeInclusive<u32>>, &str, &str)| {
                Claim {
                    current: number(current),
                    edit: number(edit),
                    range: range.clone(),
                    provider: number(provider),
                }
            };
        let result = assign(&table.iter().map(claim).collect::<Vec<_>>());
        let expected: Vec<_> = table.iter().map(|row| number(row.4)).collect();
        assert_eq!(result.numbers, expected);
        assert_eq!(result.collisions, [8]);
        assert_eq!(result.without_room, [4]);
    }

    /// Rule 8: a number that was given stays, whatever order the list has.
    #[test]
    fn rule_8_numbers_stay() {
        let claims = |current: &[Option<ChannelNumber>]| -> Vec<Claim> {
            let claim = |(at, current): (u32, &Option<ChannelNumber>)| Claim {
                current: *current,
                // The provider counts anew each time.
                provider: ChannelNumber::whole(at + 1),
                ..Claim::default()
            };
            (0..).zip(current).map(claim).collect()
        };
        let mut channels: Vec<usize> = (0..200).collect();
        let first = assign(&claims(&[None; 200])).numbers;
        let mut by_channel = first.clone();
        for round in 0..100 {
            channels.rotate_left(round % 7 + 1);
            let current: Vec<_> = channels.iter().map(|&channel| by_channel[channel]).collect();
            for (&channel, number) in channels.iter().zip(assign(&claims(&current)).numbers) {
                by_channel[channel] = number;
            }
        }
        assert_eq!(by_channel, first);
    }
}

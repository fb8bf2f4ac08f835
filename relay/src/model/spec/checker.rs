//! Collects what is wrong with the fields of a specification, each with its path.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;
use std::time::Duration;

use url::Url;

use super::units::{CountText, DurationText, Limits, SizeText};

/// Names of people's things stand in menus and in one line of a list: more than this is a slip.
const MAX_TEXT_CHARS: usize = 256;

/// One field that is wrong. It holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// Which field.
    pub path: FieldPath,
    /// What was found and what was expected. It begins with the key where a value is wrong.
    pub message: String,
}

/// The way to a field from where the check began: `sources[1].headers.X-Key`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldPath(Vec<Step>);

/// One step of a [`FieldPath`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// To the value of a key.
    Key(Cow<'static, str>),
    /// To an element of a list, from 0.
    Index(usize),
    /// To a key itself, where its name is wrong.
    Name(String),
}

impl FieldPath {
    /// Its steps from the outside to the inside.
    pub fn steps(&self) -> &[Step] {
        &self.0
    }

    /// Whether it is `outer`, or leads further inside.
    pub fn begins_with(&self, outer: &Self) -> bool {
        self.0.starts_with(&outer.0)
    }

    /// The path with one more step.
    #[must_use]
    pub fn to(&self, step: impl Into<Step>) -> Self {
        let mut steps = Vec::with_capacity(self.0.len() + 1);
        steps.extend_from_slice(&self.0);
        steps.push(step.into());
        Self(steps)
    }
}

impl fmt::Display for FieldPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let dot = |at| if at == 0 { "" } else { "." };
        for (at, step) in self.0.iter().enumerate() {
            match step {
                Step::Index(index) => write!(f, "[{index}]")?,
                Step::Key(Cow::Borrowed(name)) => write!(f, "{}{name}", dot(at))?,
                Step::Key(Cow::Owned(name)) | Step::Name(name) => write!(f, "{}{name}", dot(at))?,
            }
        }
        Ok(())
    }
}

impl From<&'static str> for Step {
    fn from(key: &'static str) -> Self {
        Self::Key(Cow::Borrowed(key))
    }
}

impl From<String> for Step {
    fn from(key: String) -> Self {
        Self::Key(Cow::Owned(key))
    }
}

impl From<usize> for Step {
    fn from(index: usize) -> Self {
        Self::Index(index)
    }
}

/// Checks fields one after the other. After an error a check goes on with a default that nobody
/// sees, so that one run finds all errors.
#[derive(Debug, Default)]
pub struct Checker {
    at: FieldPath,
    errors: Vec<FieldError>,
}

impl Checker {
    /// Where it is.
    pub fn path(&self) -> &FieldPath {
        &self.at
    }

    /// How many errors there are so far.
    pub fn count(&self) -> usize {
        self.errors.len()
    }

    /// All errors, in the order in which they were found.
    pub fn into_errors(self) -> Vec<FieldError> {
        self.errors
    }

    /// Does `work` one step further inside.
    pub fn within<R>(&mut self, step: impl Into<Step>, work: impl FnOnce(&mut Self) -> R) -> R {
        self.at.0.push(step.into());
        let result = work(self);
        self.at.0.pop();
        result
    }

    /// Notes an error of the field one step further inside.
    pub fn fault(&mut self, step: impl Into<Step>, message: impl Into<String>) {
        self.errors.push(FieldError { path: self.at.to(step), message: message.into() });
    }

    /// Notes an error of where it is.
    pub fn fault_here(&mut self, message: impl Into<String>) {
        self.errors.push(FieldError { path: self.at.clone(), message: message.into() });
    }

    /// The value of a key, or an error and nothing.
    pub fn field<T: ?Sized, V, E: fmt::Display>(
        &mut self,
        key: &'static str,
        typed: Option<&T>,
        check: impl FnOnce(&T) -> Result<V, E>,
    ) -> Option<V> {
        check(typed?).map_err(|error| self.fault(key, format!("{key}: {error}"))).ok()
    }

    /// Those elements of a list that are good.
    pub fn list<V, E: fmt::Display>(
        &mut self,
        key: &'static str,
        typed: &[String],
        mut check: impl FnMut(&str) -> Result<V, E>,
    ) -> Vec<V> {
        let mut good = Vec::with_capacity(typed.len());
        self.within(key, |checker| {
            for (at, text) in typed.iter().enumerate() {
                match check(text) {
                    Ok(value) => good.push(value),
                    Err(error) => checker.fault(at, format!("{key}: {error}")),
                }
            }
        });
        good
    }

    /// A duration within `limits`.
    pub fn duration(
        &mut self,
        key: &'static str,
        typed: Option<&DurationText>,
        limits: &Limits<Duration>,
    ) -> Option<Duration> {
        self.field(key, typed, |typed| typed.within(limits))
    }

    /// A duration, or none where `"off"` stands for it; the default if there is neither.
    pub fn duration_or_off(
        &mut self,
        key: &'static str,
        typed: Option<&DurationText>,
        limits: &Limits<Duration>,
        default: Option<Duration>,
    ) -> Option<Duration> {
        self.field(key, typed, |typed| typed.within_or_off(limits)).unwrap_or(default)
    }

    /// A size within `limits`.
    pub fn size(&mut self, key: &'static str, typed: Option<&SizeText>, limits: &Limits<u64>) -> Option<u64> {
        self.field(key, typed, |typed| typed.within(limits))
    }

    /// A number from 1 to the most its type holds, unless `max` says less.
    pub fn number<T: TryFrom<i64>>(&mut self, key: &'static str, typed: Option<&i64>, max: i64) -> Option<T> {
        self.number_within(key, typed, 1..=max)
    }

    /// A number that its type holds and `range` allows.
    pub fn number_within<T: TryFrom<i64>>(
        &mut self,
        key: &'static str,
        typed: Option<&i64>,
        range: RangeInclusive<i64>,
    ) -> Option<T> {
        self.field(key, typed, |&number| {
            T::try_from(number).ok().filter(|_| range.contains(&number)).ok_or_else(|| {
                format!("{number} is out of range, expected {} to {}", range.start(), range.end())
            })
        })
    }

    /// A number, or none where `"off"` stands for it; the default if there is neither.
    pub fn count_or_off(
        &mut self,
        key: &'static str,
        typed: Option<&CountText>,
        range: &RangeInclusive<u32>,
        default: Option<u32>,
    ) -> Option<u32> {
        self.field(key, typed, |typed| typed.within_or_off(range)).unwrap_or(default)
    }

    /// A text for people: one line, neither empty nor endless, so that it fits into every list we
    /// write.
    pub fn words(&mut self, key: &'static str, typed: Option<&String>) -> Option<String> {
        self.field(key, typed, |text| {
            if text.trim().is_empty() {
                return Err("must not be empty; leave the key out instead".into());
            }
            if text.chars().any(char::is_control) {
                return Err("must be one line without control characters".into());
            }
            if text.chars().count() > MAX_TEXT_CHARS {
                return Err(format!("is longer than {MAX_TEXT_CHARS} characters"));
            }
            Ok(text.trim().to_owned())
        })
    }
}

/// An absolute http or https address, of which nothing is repeated.
pub fn parse_http(text: &str) -> Result<Url, String> {
    match Url::parse(text) {
        Ok(url) if matches!(url.scheme(), "http" | "https") => Ok(url),
        Ok(_) | Err(url::ParseError::RelativeUrlWithoutBase) => {
            Err("not an address that begins with http:// or https://".into())
        }
        Err(error) => Err(format!("not a valid address: {error}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_shown_as_one_writes_it() {
        let path = FieldPath::default().to("sources").to(1).to("headers").to(Step::Name("X-Key".into()));
        assert_eq!(path.to_string(), "sources[1].headers.X-Key");
        assert_eq!(FieldPath::default().to("id").to_string(), "id");
    }
}

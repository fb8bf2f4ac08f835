//! Tests of rules, as patterns that always come to an end soon.

use std::borrow::Cow;

use fancy_regex::{Regex, RegexBuilder};

use super::{Subject, Test};
use crate::lineup::names::fold;

/// Longer patterns are refused. Those that users share have up to 300.
pub const MAX_PATTERN_BYTES: usize = 2000;

/// Longer texts are not looked at: the rule fails for them. Names have 30 bytes, addresses 100.
pub const MAX_TEXT_BYTES: usize = 1000;

/// Steps back that one search may take. Sensible patterns take some hundreds for a name. A step may
/// look at the whole text, so the worst search takes 45 ms.
const BACKTRACK_LIMIT: usize = 3000;

/// What a compiled pattern may take up: classes of Unicode letters need some 100 kB.
const SIZE_LIMIT: usize = 2 << 20;

/// Why a pattern is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum PatternError {
    /// It is too long.
    #[error("the pattern has {length} bytes; {MAX_PATTERN_BYTES} is the most")]
    TooLong {
        /// Its length.
        length: usize,
    },
    /// It cannot be read.
    #[error("the pattern cannot be read: {0}")]
    Syntax(String),
}

/// A search failed: the text is too long, or the pattern goes back too often in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Failed;

/// What a rule looks for.
#[derive(Debug)]
pub(super) enum Pattern {
    Any,
    /// A text whose fold is `folded`; `whole` matches all of it.
    Same {
        folded: String,
        whole: Regex,
    },
    Found(Regex),
}

impl Pattern {
    pub(super) fn new(subject: Subject, wanted: &Test) -> Result<Self, PatternError> {
        let escape = fancy_regex::escape;
        let pattern = match wanted {
            Test::Any => return Ok(Self::Any),
            Test::Is(text) => format!("(?i)\\A{}\\z", escape(text)),
            Test::Contains(text) => format!("(?i){}", escape(text)),
            Test::Matches(pattern) => pattern.clone(),
        };
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong { length: pattern.len() });
        }
        Ok(match wanted {
            Test::Is(text) if subject == Subject::Group => {
                Self::Same { folded: fold(text), whole: regex("(?s)\\A.*\\z")? }
            }
            _ => Self::Found(regex(&pattern)?),
        })
    }

    /// Whether it is found in `text`. `folded` keeps the fold of the text for the next pattern.
    pub(super) fn is_match(&self, text: &str, folded: &mut Option<String>) -> Result<bool, Failed> {
        match self {
            Self::Any => Ok(true),
            _ if text.len() > MAX_TEXT_BYTES => Err(Failed),
            Self::Same { folded: wanted, .. } => Ok(wanted == folded.get_or_insert_with(|| fold(text))),
            Self::Found(regex) => regex.is_match(text).map_err(|_| Failed),
        }
    }

    fn regex(&self) -> Option<&Regex> {
        match self {
            Self::Any => None,
            Self::Same { whole: regex, .. } | Self::Found(regex) => Some(regex),
        }
    }

    /// The text with `replacement` in the place of everything that matches; all of it is replaced
    /// where the test is [`Test::Any`]. A text that would become too long is a failure.
    pub(super) fn replace<'a>(&self, text: &'a str, replacement: &str) -> Result<Cow<'a, str>, Failed> {
        let Some(regex) = self.regex() else { return Ok(Cow::Owned(replacement.to_owned())) };
        let replaced = regex.try_replacen(text, 0, replacement).map_err(|_| Failed)?;
        if replaced.len() > MAX_TEXT_BYTES { Err(Failed) } else { Ok(replaced) }
    }

    /// `template` with the groups of the first match in it.
    pub(super) fn expand(&self, text: &str, template: &str) -> Result<String, Failed> {
        let mut expanded = String::new();
        match self.regex().map(|regex| regex.captures(text)) {
            Some(Ok(Some(found))) => found.expand(template, &mut expanded),
            Some(Err(_)) => return Err(Failed),
            Some(Ok(None)) | None => expanded.push_str(template),
        }
        if expanded.len() > MAX_TEXT_BYTES { Err(Failed) } else { Ok(expanded) }
    }
}

fn regex(pattern: &str) -> Result<Regex, PatternError> {
    let built = RegexBuilder::new(pattern)
        .backtrack_limit(BACKTRACK_LIMIT)
        .delegate_size_limit(SIZE_LIMIT)
        .delegate_dfa_size_limit(SIZE_LIMIT)
        .build();
    built.map_err(|error| PatternError::Syntax(error.to_string()))
}

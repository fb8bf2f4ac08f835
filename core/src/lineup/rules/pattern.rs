//! Tests of rules, as patterns that always come to an end soon.

use std::borrow::Cow;

use fancy_regex::{Regex, RegexBuilder};

use super::Test;

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

#[derive(Debug)]
pub(super) struct Pattern(Option<Regex>);

impl Pattern {
    pub(super) fn new(wanted: &Test) -> Result<Self, PatternError> {
        let escape = fancy_regex::escape;
        let pattern = match wanted {
            Test::Any => return Ok(Self(None)),
            Test::Is(text) => format!("(?i)\\A{}\\z", escape(text)),
            Test::Contains(text) => format!("(?i){}", escape(text)),
            Test::Matches(pattern) => pattern.clone(),
        };
        if pattern.len() > MAX_PATTERN_BYTES {
            return Err(PatternError::TooLong { length: pattern.len() });
        }
        let built = RegexBuilder::new(&pattern)
            .backtrack_limit(BACKTRACK_LIMIT)
            .delegate_size_limit(SIZE_LIMIT)
            .delegate_dfa_size_limit(SIZE_LIMIT)
            .build();
        built.map(|regex| Self(Some(regex))).map_err(|error| PatternError::Syntax(error.to_string()))
    }

    pub(super) fn is_match(&self, text: &str) -> Result<bool, Failed> {
        match &self.0 {
            None => Ok(true),
            Some(_) if text.len() > MAX_TEXT_BYTES => Err(Failed),
            Some(regex) => regex.is_match(text).map_err(|_| Failed),
        }
    }

    /// The text with `replacement` in the place of everything that matches; all of it is replaced
    /// where the test is [`Test::Any`]. A text that would become too long is a failure.
    pub(super) fn replace<'a>(&self, text: &'a str, replacement: &str) -> Result<Cow<'a, str>, Failed> {
        let Some(regex) = &self.0 else { return Ok(Cow::Owned(replacement.to_owned())) };
        let replaced = regex.try_replacen(text, 0, replacement).map_err(|_| Failed)?;
        if replaced.len() > MAX_TEXT_BYTES { Err(Failed) } else { Ok(replaced) }
    }

    /// `template` with the groups of the first match in it.
    pub(super) fn expand(&self, text: &str, template: &str) -> Result<String, Failed> {
        let mut expanded = String::new();
        match self.0.as_ref().map(|regex| regex.captures(text)) {
            Some(Ok(Some(found))) => found.expand(template, &mut expanded),
            Some(Err(_)) => return Err(Failed),
            Some(Ok(None)) | None => expanded.push_str(template),
        }
        if expanded.len() > MAX_TEXT_BYTES { Err(Failed) } else { Ok(expanded) }
    }
}

//! Rules of a playlist: what is taken, and what becomes of names, groups and numbers.
//!
//! One engine serves the preview and the import, so what was previewed is what happens. Rules run
//! in their order, each on what the earlier ones made. Patterns are those that users paste, with
//! look-around and back-references; a limit on backtracking and on the length of texts keeps any
//! pattern fast. A rule that fails too often is stopped, and says so.

mod pattern;
mod run;

pub use pattern::{MAX_PATTERN_BYTES, MAX_TEXT_BYTES, PatternError};
pub use run::{Example, MAX_FAILURES, RuleCounts, Rules, Run, Warning};

use std::ops::RangeInclusive;

/// Rules that a playlist may have.
pub const MAX_RULES: usize = 500;

/// What a rule looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Subject {
    /// The name.
    Name,
    /// The group.
    Group,
    /// The id in the guide.
    GuideId,
    /// The address.
    Url,
}

/// What it looks for there. Capitals make no difference, but for patterns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Test {
    /// Anything.
    Any,
    /// This text, and nothing else. Groups are compared by their
    /// [`fold`](crate::lineup::names::fold), as they are where channels are put into them.
    Is(String),
    /// This text, anywhere.
    Contains(String),
    /// What this pattern matches, anywhere.
    Matches(String),
}

/// What it does with entries that it finds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Takes them. With such a rule, everything that none of them takes is left out.
    Include,
    /// Leaves them out.
    Exclude,
    /// Puts this in the place of what was found in the name. `$1` is the first group of a pattern.
    Rename(String),
    /// Puts them into this group. `$1` is the first group of a pattern.
    SetGroup(String),
    /// Gives them numbers of a range.
    Number(RangeInclusive<u32>),
    /// Says whether they are for adults.
    SetAdult(bool),
}

/// A rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What it looks at. To rename, that is the name.
    pub subject: Subject,
    /// What it looks for.
    pub test: Test,
    /// What it does.
    pub action: Action,
}

/// Why rules cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RuleError {
    /// There are too many.
    #[error("there are {count} rules; {MAX_RULES} is the most")]
    TooMany {
        /// So many.
        count: usize,
    },
    /// A pattern is wrong.
    #[error("rule {}: {error}", at + 1)]
    Pattern {
        /// Its place, from 0.
        at: usize,
        /// What is wrong.
        error: PatternError,
    },
    /// A rule renames what it did not look at.
    #[error("rule {}: only a rule that looks at the name can rename", at + 1)]
    RenamesOther {
        /// Its place, from 0.
        at: usize,
    },
    /// A range of numbers is empty, or beyond the numbers that there are.
    #[error("rule {}: a range of numbers begins at 1 or later, and ends where it begins or later", at + 1)]
    Range {
        /// Its place, from 0.
        at: usize,
    },
}

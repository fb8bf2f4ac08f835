//! Rules at work.

use std::borrow::Cow;

use super::pattern::{Failed, Pattern};
use super::{Action, MAX_RULES, Rule, RuleError, Subject};
use crate::lineup::Entry;
use crate::lineup::edits::{Effective, Layer};

/// A rule that fails for so many entries in one run is stopped for the rest of it: that ends a
/// hostile one within a second.
pub const MAX_FAILURES: u64 = 20;

/// Checked rules of a playlist.
#[derive(Debug)]
pub struct Rules {
    list: Vec<Compiled>,
    has_include: bool,
}

#[derive(Debug)]
struct Compiled {
    subject: Subject,
    pattern: Pattern,
    action: Action,
}

/// What a rule did in a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct RuleCounts {
    /// Entries that it found.
    pub matched: u64,
    /// Entries that it changed.
    pub changed: u64,
    /// Entries that it failed for: see [`MAX_FAILURES`].
    pub failed: u64,
}

/// What is suspicious of a rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Warning {
    /// It finds every entry.
    MatchesAll,
    /// It finds none.
    MatchesNothing,
    /// It fails for some.
    Fails,
    /// It failed too often and was stopped.
    Stopped,
}

/// A change, for the preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Example {
    /// The place of the rule, from 0.
    pub rule: usize,
    /// The field before.
    pub before: String,
    /// The field after.
    pub after: String,
}

/// One run over a list, and what the rules did.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Run {
    counts: Vec<RuleCounts>,
    entries: u64,
    left_out: u64,
    examples: Vec<Example>,
    examples_per_rule: usize,
}

impl Run {
    /// A run that keeps so many examples for each rule.
    pub fn with_examples(examples_per_rule: usize) -> Self {
        Self { examples_per_rule, ..Self::default() }
    }

    /// What each rule did, in their order.
    pub fn counts(&self) -> &[RuleCounts] {
        &self.counts
    }

    /// How many entries there were.
    pub fn entries(&self) -> u64 {
        self.entries
    }

    /// How many of them are left out.
    pub fn left_out(&self) -> u64 {
        self.left_out
    }

    /// The first changes of each rule.
    pub fn examples(&self) -> &[Example] {
        &self.examples
    }

    /// What is suspicious, with the place of the rule.
    pub fn warnings(&self) -> Vec<(usize, Warning)> {
        let of = |it: &RuleCounts| match it {
            it if it.failed >= MAX_FAILURES => Some(Warning::Stopped),
            it if it.failed > 0 => Some(Warning::Fails),
            it if it.matched == 0 => Some(Warning::MatchesNothing),
            it if it.matched == self.entries => Some(Warning::MatchesAll),
            _ => None,
        };
        self.counts.iter().enumerate().filter_map(|(at, counts)| Some((at, of(counts)?))).collect()
    }

    fn note(&mut self, rule: usize, before: &str, after: &str) {
        self.counts[rule].changed += 1;
        let limit = u64::try_from(self.examples_per_rule).unwrap_or(u64::MAX);
        if self.counts[rule].changed <= limit {
            self.examples.push(Example { rule, before: before.to_owned(), after: after.to_owned() });
        }
    }
}

impl Rules {
    /// Checks the rules.
    ///
    /// # Errors
    /// Says which rule is wrong, and why.
    pub fn new(rules: &[Rule]) -> Result<Self, RuleError> {
        if rules.len() > MAX_RULES {
            return Err(RuleError::TooMany { count: rules.len() });
        }
        let list: Vec<_> = rules.iter().enumerate().map(compile).collect::<Result<_, _>>()?;
        let has_include = list.iter().any(|rule| rule.action == Action::Include);
        Ok(Self { list, has_include })
    }

    /// Applies the rules to a channel.
    pub fn apply(&self, entry: &Entry, channel: &mut Effective<'_>, run: &mut Run) {
        run.entries += 1;
        run.counts.resize(self.list.len(), RuleCounts::default());
        let (mut is_taken, mut is_left_out) = (!self.has_include, None);
        // Hundreds of rules may look at the same group.
        let mut folded_group = None;
        for (at, rule) in self.list.iter().enumerate() {
            if run.counts[at].failed >= MAX_FAILURES {
                continue;
            }
            match rule.apply(at, entry, channel, &mut folded_group, run) {
                Ok(false) => (),
                Ok(true) => {
                    run.counts[at].matched += 1;
                    match rule.action {
                        Action::Include => is_taken = true,
                        Action::Exclude => is_left_out = Some(at),
                        _ => (),
                    }
                }
                Err(Failed) => run.counts[at].failed += 1,
            }
        }
        // Without a rule that takes it, the first of those that take is the one that left it out.
        let no_include = || self.list.iter().position(|rule| !is_taken && rule.action == Action::Include);
        if let Some(rule) = is_left_out.or_else(no_include) {
            channel.is_hidden.set(true, Layer::Rule(rule));
            run.left_out += 1;
        }
    }
}

fn compile((at, rule): (usize, &Rule)) -> Result<Compiled, RuleError> {
    let Rule { subject, test, action } = rule.clone();
    match &action {
        Action::Rename(_) if subject != Subject::Name => return Err(RuleError::RenamesOther { at }),
        Action::Number(range) if *range.start() == 0 || range.is_empty() => {
            return Err(RuleError::Range { at });
        }
        _ => (),
    }
    let pattern = Pattern::new(subject, &test).map_err(|error| RuleError::Pattern { at, error })?;
    Ok(Compiled { subject, pattern, action })
}

impl Compiled {
    /// Whether it finds the channel. Does what it does then.
    fn apply(
        &self,
        at: usize,
        entry: &Entry,
        channel: &mut Effective<'_>,
        folded_group: &mut Option<String>,
        run: &mut Run,
    ) -> Result<bool, Failed> {
        let text = match self.subject {
            Subject::Name => &*channel.name.value,
            Subject::Group => &*channel.group.value,
            Subject::GuideId => &*channel.guide_id.value,
            Subject::Url => entry.url(),
        };
        if !self.pattern.is_match(text, folded_group)? {
            return Ok(false);
        }
        let layer = Layer::Rule(at);
        match &self.action {
            Action::Include | Action::Exclude => (),
            Action::Rename(replacement) => {
                let new = self.pattern.replace(text, replacement)?.trim().to_owned();
                // A name that would be empty stays.
                if !new.is_empty() && new != text {
                    run.note(at, text, &new);
                    channel.name.set(Cow::Owned(new), layer);
                }
            }
            Action::SetGroup(template) => {
                let new = self.pattern.expand(text, template)?;
                if new != channel.group.value {
                    run.note(at, &channel.group.value, &new);
                    channel.group.set(Cow::Owned(new), layer);
                    *folded_group = None;
                }
            }
            Action::Number(range) => {
                run.counts[at].changed += u64::from(channel.number_range.as_ref() != Some(range));
                channel.number_range = Some(range.clone());
            }
            Action::SetAdult(is_adult) => {
                run.counts[at].changed += u64::from(channel.is_adult.value != *is_adult);
                channel.is_adult.set(*is_adult, layer);
            }
        }
        Ok(true)
    }
}

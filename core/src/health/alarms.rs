//! Which rules hold, and what is yet to be told of that.

use std::time::Duration;

use super::rules::{Fault, Rule, Seen, Severity};
use crate::time::Moment;

/// A rule that has not held for so long holds anew when it does again: what comes and goes is one
/// fault.
const CALM: Duration = Duration::from_secs(10);

/// A notice that goes on is told of again after so long.
const REMINDER: Duration = Duration::from_secs(10);

/// The alarms of one source.
#[derive(Debug, Default)]
pub(super) struct Alarms([Alarm; Rule::COUNT]);

/// The alarm of one rule.
#[derive(Debug, Default)]
struct Alarm {
    /// When the rule held last.
    held: Option<Moment>,
    /// When that was told last.
    told: Moment,
    /// How often the rule has begun to hold.
    count: u64,
    /// What is yet to be told.
    pending: Option<Fault>,
}

impl Alarms {
    /// `rule` holds at `now`, by what was `seen`.
    pub(super) fn hold(&mut self, rule: Rule, seen: Seen, now: Moment) {
        let alarm = &mut self.0[rule.index()];
        let is_new = alarm.held.replace(now).is_none_or(|held| now.since(held) > CALM);
        let is_due = rule.severity() == Severity::Notice && now.since(alarm.told) >= REMINDER;
        if is_new || is_due {
            alarm.count += u64::from(is_new);
            alarm.told = now;
            alarm.pending = Some(Fault { rule, is_new, seen });
        }
    }

    /// `rule` is judged anew: if it holds again, that is told again.
    pub(super) fn forget(&mut self, rule: Rule) {
        self.0[rule.index()].held = None;
    }

    /// A fault that was not told yet.
    pub(super) fn poll(&mut self) -> Option<Fault> {
        self.0.iter_mut().find_map(|alarm| alarm.pending.take())
    }

    /// How often `rule` has begun to hold.
    pub(super) fn count(&self, rule: Rule) -> u64 {
        self.0[rule.index()].count
    }
}

//! The readers of a channel: how many of each kind, and the priorities that they bring along.
//!
//! A channel competes with others for the connections of a provider, by its own priority plus the
//! highest priority among its readers. So a reader that matters more keeps its channel open for all
//! others, too.

use std::collections::BTreeMap;

use forebay_core::assumption::broken;

use super::reader_kind::{ReaderKind, Readers};

/// The readers of an open channel, counted by kind and by priority.
#[derive(Debug, Default)]
pub(super) struct Attendance {
    readers: Readers,
    /// The readers that keep the channel open, counted by priority.
    priorities: BTreeMap<i32, usize>,
}

/// What the driver needs to know of the readers. It is woken only when this changes, not by each
/// reader that comes or goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ReaderSummary {
    is_kept_open: bool,
    lingers: bool,
    priority: i32,
}

impl Attendance {
    /// The readers by kind.
    pub(super) fn readers(&self) -> Readers {
        self.readers
    }

    /// The highest priority of the readers that keep the channel open; 0 without any.
    pub(super) fn priority(&self) -> i32 {
        self.priorities.last_key_value().map_or(0, |(&priority, _)| priority)
    }

    pub(super) fn summary(&self) -> ReaderSummary {
        ReaderSummary {
            is_kept_open: self.readers.keeping_open() > 0,
            lingers: self.readers.lingering() > 0,
            priority: self.priority(),
        }
    }

    /// Counts a reader that joins.
    pub(super) fn enter(&mut self, kind: ReaderKind, priority: i32) {
        *self.readers.of_mut(kind) += 1;
        // A reader that does not keep the channel open must not outbid viewers of other channels.
        if kind.keeps_open() {
            *self.priorities.entry(priority).or_default() += 1;
        }
    }

    /// Takes out a reader that joined with this priority.
    pub(super) fn leave(&mut self, kind: ReaderKind, priority: i32) {
        *self.readers.of_mut(kind) -= 1;
        if !kind.keeps_open() {
            return;
        }
        let Some(count) = self.priorities.get_mut(&priority) else {
            broken("a reader leaves with the priority it came with");
            return;
        };
        *count -= 1;
        if *count == 0 {
            self.priorities.remove(&priority);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_highest_priority_of_those_who_keep_it_open_counts() {
        let mut attendance = Attendance::default();
        assert_eq!(attendance.priority(), 0);
        attendance.enter(ReaderKind::Ts, -5);
        assert_eq!(attendance.priority(), -5);
        attendance.enter(ReaderKind::Hls, 7);
        attendance.enter(ReaderKind::Ts, 7);
        attendance.enter(ReaderKind::Timeshift, 9);
        attendance.leave(ReaderKind::Hls, 7);
        assert_eq!(attendance.priority(), 7, "another one has it as well");
        attendance.leave(ReaderKind::Ts, 7);
        assert_eq!(attendance.priority(), -5);
        attendance.leave(ReaderKind::Ts, -5);
        assert_eq!(attendance.priority(), 0);
    }

    #[test]
    fn the_driver_is_told_of_the_first_the_last_and_of_another_priority() {
        let mut attendance = Attendance::default();
        let mut changes = |change: fn(&mut Attendance)| {
            let before = attendance.summary();
            change(&mut attendance);
            attendance.summary() != before
        };
        assert!(changes(|it| it.enter(ReaderKind::Ts, 0)));
        assert!(!changes(|it| it.enter(ReaderKind::Ts, -1)));
        assert!(changes(|it| it.enter(ReaderKind::Ts, 1)));
        assert!(!changes(|it| it.leave(ReaderKind::Ts, 0)));
        assert!(changes(|it| it.leave(ReaderKind::Ts, 1)));
        assert!(changes(|it| it.leave(ReaderKind::Ts, -1)));
    }
}

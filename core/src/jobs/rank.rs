//! The order in which jobs run.

/// A job that has waited this long, in milliseconds, overtakes new jobs of the next better class.
const CLASS_MS: i64 = 5 * 60 * 1000;

/// How urgent a job is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub enum Priority {
    /// Somebody looks at a screen and waits.
    Interactive,
    /// Somebody has asked for it.
    #[default]
    Normal,
    /// Part of a large batch.
    Low,
    /// Nobody has asked for it.
    Background,
}

impl Priority {
    /// All of them, the most urgent first.
    pub const ALL: [Self; 4] = [Self::Interactive, Self::Normal, Self::Low, Self::Background];

    /// 0 for the most urgent.
    pub fn class(self) -> u8 {
        self as u8
    }

    /// The priority of a class; `None` where there is no such class.
    pub fn of_class(class: i64) -> Option<Self> {
        Self::ALL.get(usize::try_from(class).ok()?).copied()
    }
}

/// Among the jobs of one kind, the lowest rank runs first. `due_ms` is the time since when the job
/// can run, in milliseconds since 1970.
///
/// Within a class the order is first come, first served. Each five minutes of waiting are worth one
/// class, so that urgent jobs can hold up others for a while, and never for ever. The rank does not
/// change as time goes on: an index can keep it.
pub fn rank(priority: Priority, due_ms: i64) -> i64 {
    due_ms.saturating_add(i64::from(priority.class()) * CLASS_MS)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_urgent_job_goes_first_but_not_for_ever() {
        let background = rank(Priority::Background, 0);
        assert!(rank(Priority::Interactive, 1) < background);
        assert!(rank(Priority::Interactive, 3 * CLASS_MS - 1) < background);
        assert!(rank(Priority::Interactive, 3 * CLASS_MS + 1) > background);
        assert!(rank(Priority::Normal, 7) < rank(Priority::Normal, 8), "first come, first served");
        assert_eq!(rank(Priority::Low, i64::MAX), i64::MAX);
    }

    #[test]
    fn a_class_is_read_as_it_is_written() {
        for priority in Priority::ALL {
            assert_eq!(Priority::of_class(priority.class().into()), Some(priority));
        }
        assert_eq!((Priority::of_class(4), Priority::of_class(-1)), (None, None));
    }
}

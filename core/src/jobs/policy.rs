//! What becomes of a job when an attempt ends.

use std::time::Duration;

/// Attempts of one job that may be interrupted. A job that takes the server down each time would
/// else do so for ever.
pub const MAX_INTERRUPTIONS: u32 = 20;

/// The limits of a kind of job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    /// Attempts of this kind that may run at the same time.
    pub concurrency: usize,
    /// How long an attempt may take.
    pub deadline: Duration,
    /// Attempts that may fail before the job has failed: at least one.
    pub max_failures: u32,
    /// The pause before the next attempt.
    pub backoff: Backoff,
}

/// Pauses that grow with each failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Backoff {
    /// The pause after the first failure.
    pub first: Duration,
    /// Each further pause is so many times the one before.
    pub factor: u32,
    /// The longest pause.
    pub max: Duration,
}

impl Default for Backoff {
    /// 2, 8, 32 s … up to an hour.
    fn default() -> Self {
        Self { first: Duration::from_secs(2), factor: 4, max: Duration::from_hours(1) }
    }
}

impl Backoff {
    /// The pause after this many failures, from 1. `chance` spreads jobs that failed together over
    /// up to a fifth more; 0 adds nothing.
    pub fn pause(&self, failures: u32, chance: u8) -> Duration {
        let factor = self.factor.saturating_pow(failures.saturating_sub(1));
        let pause = self.first.saturating_mul(factor).min(self.max);
        pause + pause * u32::from(chance) / (5 * u32::from(u8::MAX))
    }
}

/// The attempts of a job so far.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Attempts {
    /// Attempts that have begun: the number of the last one.
    pub begun: u32,
    /// Those that failed.
    pub failed: u32,
}

impl Attempts {
    /// Those that ended for a reason that was not the job's.
    fn interrupted(self) -> u32 {
        self.begun.saturating_sub(self.failed)
    }
}

/// How an attempt ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// The work is done.
    Completed,
    /// Another attempt may succeed.
    Failed,
    /// No other attempt can succeed.
    Hopeless,
    /// The server stopped, or died.
    Interrupted,
}

/// What becomes of the job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Next {
    /// It has completed.
    Complete,
    /// It gets another attempt after this pause.
    Again {
        /// None after an interruption.
        pause: Duration,
        /// Attempts that have failed by now.
        failed: u32,
    },
    /// It has failed.
    Fail {
        /// Attempts that have failed by now.
        failed: u32,
    },
    /// It was cancelled while it ran.
    Cancel,
}

/// What becomes of a job whose last attempt ended so. `is_cancelled` says that somebody has
/// cancelled the job meanwhile: one that completed all the same has completed.
pub fn after_attempt(
    policy: &Policy,
    attempts: Attempts,
    ended: Ended,
    is_cancelled: bool,
    chance: u8,
) -> Next {
    let failed = attempts.failed.saturating_add(1);
    match ended {
        Ended::Completed => Next::Complete,
        _ if is_cancelled => Next::Cancel,
        Ended::Hopeless => Next::Fail { failed },
        Ended::Failed if failed >= policy.max_failures => Next::Fail { failed },
        Ended::Failed => Next::Again { pause: policy.backoff.pause(failed, chance), failed },
        Ended::Interrupted if attempts.interrupted() >= MAX_INTERRUPTIONS => {
            Next::Fail { failed: attempts.failed }
        }
        Ended::Interrupted => Next::Again { pause: Duration::ZERO, failed: attempts.failed },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: Policy = Policy {
        concurrency: 1,
        deadline: Duration::from_secs(1),
        max_failures: 3,
        backoff: Backoff { first: Duration::from_secs(2), factor: 4, max: Duration::from_secs(20) },
    };

    fn again(seconds: u64, failed: u32) -> Next {
        Next::Again { pause: Duration::from_secs(seconds), failed }
    }

    #[test]
    fn an_end_decides_what_becomes_of_the_job() {
        let after = |begun, failed, ended, is_cancelled| {
            after_attempt(&POLICY, Attempts { begun, failed }, ended, is_cancelled, 0)
        };
        for (begun, failed, ended, next, cancelled) in [
            (1, 0, Ended::Completed, Next::Complete, Next::Complete),
            (1, 0, Ended::Failed, again(2, 1), Next::Cancel),
            (2, 1, Ended::Failed, again(8, 2), Next::Cancel),
            (3, 2, Ended::Failed, Next::Fail { failed: 3 }, Next::Cancel),
            (1, 0, Ended::Hopeless, Next::Fail { failed: 1 }, Next::Cancel),
            (5, 2, Ended::Interrupted, again(0, 2), Next::Cancel),
            (MAX_INTERRUPTIONS + 1, 2, Ended::Interrupted, again(0, 2), Next::Cancel),
            (MAX_INTERRUPTIONS + 2, 2, Ended::Interrupted, Next::Fail { failed: 2 }, Next::Cancel),
        ] {
            assert_eq!(after(begun, failed, ended, false), next, "{ended:?} of attempt {begun}");
            assert_eq!(after(begun, failed, ended, true), cancelled, "{ended:?} of attempt {begun}");
        }
    }

    #[test]
    fn pauses_grow_to_a_limit_and_are_spread() {
        let pauses = [1, 2, 3, 4, 1000].map(|failures| POLICY.backoff.pause(failures, 0).as_secs());
        assert_eq!(pauses, [2, 8, 20, 20, 20]);
        assert_eq!(POLICY.backoff.pause(1, u8::MAX), Duration::from_millis(2400));
    }
}

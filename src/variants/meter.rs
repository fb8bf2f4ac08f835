//! What a job does, as those see it who measure.

use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

/// Written by the task of a job, read by whoever measures or shows.
#[derive(Debug, Default)]
pub(super) struct Meter {
    /// The process; 0 where none runs.
    pid: AtomicU32,
    /// Whether its input waits for it now.
    pub(super) is_awaited: AtomicBool,
    /// How long its input has waited for it, in µs.
    waited_us: AtomicU64,
    /// Media that it has written, in µs, as it says.
    out_time_us: AtomicU64,
    /// Bytes to it and of it.
    pub(super) read: AtomicU64,
    pub(super) written: AtomicU64,
    /// Times that it was begun.
    pub(super) starts: AtomicU64,
}

impl Meter {
    pub(super) fn pid(&self) -> Option<u32> {
        let pid = self.pid.load(Ordering::Relaxed);
        (pid != 0).then_some(pid)
    }

    pub(super) fn set_pid(&self, pid: Option<u32>) {
        self.pid.store(pid.unwrap_or_default(), Ordering::Relaxed);
    }

    pub(super) fn add_wait(&self, wait: Duration) {
        self.waited_us.fetch_add(u64::try_from(wait.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn waited(&self) -> Duration {
        Duration::from_micros(self.waited_us.load(Ordering::Relaxed))
    }

    pub(super) fn set_out_time(&self, time: Duration) {
        self.out_time_us.store(u64::try_from(time.as_micros()).unwrap_or(u64::MAX), Ordering::Relaxed);
    }

    pub(super) fn out_time(&self) -> Duration {
        Duration::from_micros(self.out_time_us.load(Ordering::Relaxed))
    }
}

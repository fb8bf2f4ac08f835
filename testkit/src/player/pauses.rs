//! How long the machine lets programs wait that are due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How often each processor is looked at.
const EVERY: Duration = Duration::from_millis(5);

/// A watch over every processor: whoever sleeps on it for a moment, and wakes much later, was kept from running, by a host that gave
/// the processor to somebody else or by a crowd of programs.
pub(super) struct Pauses {
    is_over: Arc<AtomicBool>,
    watchers: Vec<JoinHandle<Duration>>,
}

impl Pauses {
    pub(super) fn watch() -> Self {
        let is_over = Arc::new(AtomicBool::new(false));
        let processors = sched_getaffinity(None).expect("a thread may know where it may run");
        let watchers = (0..CpuSet::MAX_CPU)
            .filter(|&processor| processors.is_set(processor))
            .map(|processor| {
                let is_over = is_over.clone();
                thread::spawn(move || watch(processor, &is_over))
            })
            .collect();
        Self { is_over, watchers }
    }

    /// The longest pause until now.
    pub(super) fn longest(mut self) -> Duration {
        self.is_over.store(true, Ordering::Relaxed);
        let watchers = std::mem::take(&mut self.watchers).into_iter();
        watchers.map(|watcher| watcher.join().expect("a watcher does not panic")).max().unwrap_or_default()
    }
}

impl Drop for Pauses {
    fn drop(&mut self) {
        self.is_over.store(true, Ordering::Relaxed);
    }
}

fn watch(processor: usize, is_over: &AtomicBool) -> Duration {
    let mut here = CpuSet::new();
    here.set(processor);
    // Where it cannot stay on one processor, it watches all of them less well.
    let _ = sched_setaffinity(None, &here);
    let mut longest = Duration::ZERO;
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        thread::sleep(EVERY);
        longest = longest.max(began.elapsed().saturating_sub(EVERY));
    }
    longest
}

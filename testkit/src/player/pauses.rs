//! How long the machine lets programs wait that are due.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};

/// How often each processor is looked at.
const EVERY: Duration = Duration::from_millis(5);

/// What is shorter is no pause, but the course of things.
const SHORTEST: Duration = Duration::from_millis(10);

/// How long after a pause its effects may show.
const SHOWS_WITHIN: Duration = Duration::from_secs(1);

/// A time in which the machine kept somebody waiting.
#[derive(Debug, Clone, Copy)]
pub(super) struct Pause {
    pub(super) ended: Instant,
    pub(super) length: Duration,
}

impl Pause {
    /// Whether this is why something was `late` that was noticed `at` that time.
    pub(super) fn explains(&self, at: Instant, late: Duration) -> bool {
        // Whoever noticed it may have run a little before the watch did.
        let after = (at + EVERY).checked_duration_since(self.ended);
        late <= self.length && after.is_some_and(|after| after <= SHOWS_WITHIN)
    }
}

/// A watch over every processor: whoever sleeps on it for a moment, and wakes much later, was kept from running, by a host that gave
/// the processor to somebody else or by a crowd of programs. A player beside it was as well.
pub(super) struct Pauses {
    is_over: Arc<AtomicBool>,
    watchers: Vec<JoinHandle<Vec<Pause>>>,
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

    /// All pauses until now.
    pub(super) fn end(self) -> Vec<Pause> {
        self.is_over.store(true, Ordering::Relaxed);
        self.watchers
            .into_iter()
            .flat_map(|watcher| watcher.join().expect("a watcher does not panic"))
            .collect()
    }
}

fn watch(processor: usize, is_over: &AtomicBool) -> Vec<Pause> {
    let mut here = CpuSet::new();
    here.set(processor);
    // Where it cannot stay on one processor, it watches all of them less well.
    let _ = sched_setaffinity(None, &here);
    let mut pauses = Vec::new();
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        thread::sleep(EVERY);
        let length = began.elapsed().saturating_sub(EVERY);
        if length >= SHORTEST {
            pauses.push(Pause { ended: Instant::now(), length });
        }
    }
    pauses
}

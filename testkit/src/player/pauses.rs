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

/// How long programs were kept waiting.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Paused {
    /// The longest pause.
    pub(super) longest: Duration,
    /// All pauses of the processor that had most of them.
    pub(super) altogether: Duration,
}

/// A watch over every processor: whoever sleeps on it for a moment, and wakes much later, was kept from running, by a host that gave
/// the processor to somebody else or by a crowd of programs. A player beside it was as well.
pub(super) struct Pauses {
    is_over: Arc<AtomicBool>,
    watchers: Vec<JoinHandle<Paused>>,
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

    /// How long it was until now.
    pub(super) fn end(self) -> Paused {
        self.is_over.store(true, Ordering::Relaxed);
        let seen = self.watchers.into_iter().map(|watcher| watcher.join().expect("a watcher does not panic"));
        seen.fold(Paused::default(), |most, paused| Paused {
            longest: most.longest.max(paused.longest),
            altogether: most.altogether.max(paused.altogether),
        })
    }
}

fn watch(processor: usize, is_over: &AtomicBool) -> Paused {
    let mut here = CpuSet::new();
    here.set(processor);
    // Where it cannot stay on one processor, it watches all of them less well.
    let _ = sched_setaffinity(None, &here);
    let mut paused = Paused::default();
    while !is_over.load(Ordering::Relaxed) {
        let began = Instant::now();
        thread::sleep(EVERY);
        let pause = began.elapsed().saturating_sub(EVERY);
        if pause >= SHORTEST {
            paused.longest = paused.longest.max(pause);
            paused.altogether += pause;
        }
    }
    paused
}

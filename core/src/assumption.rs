//! Broken assumptions: what must hold by the program's own logic, and does not.
//!
//! Bad input is something else: it gets an error, a count or a fault of health. Where only a bug
//! can lead, the code says so in one of three ways:
//!
//! - `expect("why it holds")` where going on would be worse than ending the task;
//! - `debug_assert!` where nothing depends on it;
//! - [`broken`] on the data path, where a channel can go on without the packet, the segment or the
//!   wake-up in question.
//!
//! Builds with debug assertions, and so all tests and fuzz targets, panic at once. Other builds
//! count, and tell the observer that the engine has set, which logs. The count is the only state of
//! the core that is not handed around: it is about the program, and not about any channel in it.

use std::panic::Location;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU64, Ordering};

/// Told of each broken assumption: what did not hold, and where.
pub type Observer = fn(&'static str, &'static Location<'static>);

static COUNT: AtomicU64 = AtomicU64::new(0);
static OBSERVER: OnceLock<Observer> = OnceLock::new();

/// Notes that an assumption is broken; `what` says what should have held. Panics in builds with
/// debug assertions.
#[cold]
#[track_caller]
pub fn broken(what: &'static str) {
    debug_assert!(false, "broken assumption: {what}");
    note(what, Location::caller());
}

/// How often an assumption was broken since the process began.
pub fn count() -> u64 {
    COUNT.load(Ordering::Relaxed)
}

/// Sets who is told. Only the first call has an effect: a process has one log.
pub fn observe(observer: Observer) {
    let _ = OBSERVER.set(observer);
}

fn note(what: &'static str, location: &'static Location<'static>) {
    COUNT.fetch_add(1, Ordering::Relaxed);
    if let Some(observer) = OBSERVER.get() {
        observer(what, location);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    static TOLD: OnceLock<(&str, u32)> = OnceLock::new();

    #[test]
    #[cfg_attr(debug_assertions, should_panic(expected = "broken assumption: the sky is up"))]
    fn tests_panic_at_once() {
        broken("the sky is up");
    }

    #[test]
    fn a_release_counts_and_tells_where() {
        observe(|what, location| TOLD.set((what, location.line())).expect("it is told once"));
        let (before, line) = (count(), line!() + 1);
        note("the sky is up", Location::caller());
        assert_eq!((count() - before, TOLD.get()), (1, Some(&("the sky is up", line))));
    }
}

//! Which channels there are: the only producer of that list.
//!
//! The list is a [`Snapshot`], which never changes. Whatever changes the channels makes the next
//! snapshot beside the one in force, where nobody waits for it, and hands the relay what is
//! different: [`Channels::apply`].

mod snapshot;
#[cfg(test)]
mod tests;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use forebay_relay::channel::{Changes, Channels, Lookup};
use forebay_relay::model::Channel;

pub use self::snapshot::Snapshot;

/// Far longer than a request takes to look a channel up.
const LONGEST_LOOKUP: Duration = Duration::from_secs(1);

/// The channels, and who runs those that are open.
#[derive(Debug)]
pub struct Catalogue {
    channels: Arc<Channels>,
    current: Mutex<Arc<Snapshot>>,
    /// Held by whoever changes the channels: one after the other, or a change would be lost.
    changing: Mutex<()>,
}

/// Drops a list that is no longer in force, which takes milliseconds where it is long. A request
/// that still looks a channel up in it must not be the one that has to: its viewer would wait.
fn drop_here(list: Arc<Snapshot>) {
    let until = Instant::now() + LONGEST_LOOKUP;
    while Arc::strong_count(&list) > 1 && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    drop(list);
}

impl Catalogue {
    /// These channels; `run` makes who runs those that are open.
    pub fn new(channels: Vec<Arc<Channel>>, run: impl FnOnce(Arc<dyn Lookup>) -> Arc<Channels>) -> Self {
        let list = Arc::new(Snapshot::new(channels));
        let channels = run(Arc::clone(&list) as _);
        Self { channels, current: Mutex::new(list), changing: Mutex::default() }
    }

    /// Who runs the channels that are open.
    pub fn channels(&self) -> &Arc<Channels> {
        &self.channels
    }

    /// The channels as they are now.
    pub fn snapshot(&self) -> Arc<Snapshot> {
        Arc::clone(&self.current())
    }

    /// Takes these channels, each id and number once, in the order of lists. With a hundred thousand
    /// it takes its time, for which nobody else waits.
    pub fn replace(&self, channels: Vec<Arc<Channel>>) -> Changes {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.snapshot();
        let new = Arc::new(Snapshot::new(channels));
        let difference = new.since(&before);
        let changes = difference.count();
        drop(std::mem::replace(&mut *self.current(), new));
        self.channels.apply(&difference);
        drop(difference);
        drop_here(before);
        changes
    }

    fn current(&self) -> MutexGuard<'_, Arc<Snapshot>> {
        // It is replaced in one step: a panic elsewhere leaves nothing half done.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Pushes: channels that are sent to RTMP servers elsewhere.
//!
//! A push is a reader of its channel like any viewer, and holds it open. So failover, the slate and
//! the pace lie under it: a source that dies costs it no connection. One task owns each push
//! (`task`); it makes one connection after the other (`connection`) and never gives up. What it
//! decides is in `forebay_core::push`, what it says in `forebay_core::rtmp` and `forebay_core::flv`.

mod connection;
mod dial;
mod report;
mod settings;
mod task;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

use self::dial::Dialer;
use self::report::Shared;
pub use self::report::{LastError, Report, State};
pub use self::settings::{Key, Push, PushId, PushUrl, PushUrlError};
use self::task::Task;
use crate::channel::Channels;

/// All pushes. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Pushes(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    channels: Arc<Channels>,
    dialer: Dialer,
    runtime: Handle,
    tasks: TaskTracker,
    table: Mutex<Table>,
}

#[derive(Debug, Default)]
struct Table {
    entries: BTreeMap<PushId, Entry>,
    max_bandwidth: Option<u64>,
    /// The process is ending: no task is begun any more.
    is_closed: bool,
}

#[derive(Debug)]
struct Entry {
    settings: Arc<Push>,
    shared: Arc<Shared>,
    /// Ends the task; none while it is stopped.
    running: Option<CancellationToken>,
    /// The last task that was begun. It may be ending still.
    task: Option<JoinHandle<()>>,
}

impl Entry {
    fn stop(&mut self) {
        if let Some(running) = self.running.take() {
            running.cancel();
            self.shared.stop();
        }
    }
}

/// What somebody does to a push.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Begin, if it is stopped.
    Start,
    /// End at once, and stay so.
    Stop,
    /// Begin anew, at once.
    Restart,
}

impl Pushes {
    /// No pushes yet. To be called within the runtime on which they are to run.
    pub fn new(channels: Arc<Channels>) -> Self {
        Self(Arc::new(Inner {
            channels,
            dialer: Dialer::default(),
            runtime: Handle::current(),
            tasks: TaskTracker::new(),
            table: Mutex::default(),
        }))
    }

    /// Takes a new list. Those that are as before go on, or stay stopped; `max_bandwidth` is what
    /// all readers together may be sent, in bits a second.
    pub fn configure(&self, pushes: &[Push], max_bandwidth: Option<u64>) {
        let mut table = self.table();
        table.max_bandwidth = max_bandwidth;
        let mut before = std::mem::take(&mut table.entries);
        for settings in pushes {
            let known = before.remove(&settings.id);
            let entry = match known {
                // Equal settings leave the connection alone:
                // a reload must not cut a running stream.
                Some(known) if *known.settings == *settings => known,
                known => {
                    let mut known = known;
                    // The task that ends is kept, so that the new one can wait for it.
                    known.iter_mut().for_each(Entry::stop);
                    let task = known.and_then(|known| known.task);
                    let shared = Arc::new(Shared::new(settings));
                    let settings = Arc::new(settings.clone());
                    let mut entry = Entry { settings, shared, running: None, task };
                    if entry.settings.is_enabled {
                        self.begin(&mut entry, &table);
                    }
                    entry
                }
            };
            table.entries.insert(settings.id.clone(), entry);
        }
        // What is left is no longer configured.
        before.values_mut().for_each(Entry::stop);
    }

    /// Does something to a push, and tells how it is then; `None` where there is no such push.
    pub fn act(&self, id: &str, action: Action) -> Option<Report> {
        let mut table = self.table();
        // Taken out, since `begin` reads the table while
        // it changes the entry; both are under the lock.
        let mut entry = table.entries.remove(id)?;
        if action != Action::Start {
            entry.stop();
        }
        if action != Action::Stop && entry.running.is_none() {
            self.begin(&mut entry, &table);
        }
        let report = entry.shared.report();
        table.entries.insert(entry.settings.id.clone(), entry);
        Some(report)
    }

    /// How each push is, by id.
    pub fn reports(&self) -> Vec<Report> {
        self.table().entries.values().map(|entry| entry.shared.report()).collect()
    }

    /// How one push is.
    pub fn report(&self, id: &str) -> Option<Report> {
        self.table().entries.get(id).map(|entry| entry.shared.report())
    }

    /// Waits for `stop`, and then until the last task is done.
    pub async fn run(&self, stop: CancellationToken) {
        stop.cancelled().await;
        self.close();
        // After `close`, which lets none begin any more; else one could slip in behind the wait.
        self.0.tasks.close();
        self.0.tasks.wait().await;
    }

    /// Ends all tasks, and begins none any more.
    fn close(&self) {
        let mut table = self.table();
        table.is_closed = true;
        table.entries.values_mut().for_each(Entry::stop);
    }

    fn begin(&self, entry: &mut Entry, table: &Table) {
        if table.is_closed {
            return;
        }
        let stop = CancellationToken::new();
        entry.running = Some(stop.clone());
        // The task that is ending tells nothing of the one that begins.
        entry.shared = Arc::new(entry.shared.begun());
        let task = Task {
            settings: Arc::clone(&entry.settings),
            channels: Arc::clone(&self.0.channels),
            dialer: self.0.dialer.clone(),
            max_bandwidth: table.max_bandwidth,
            shared: Arc::clone(&entry.shared),
            stop,
        };
        let before = entry.task.take();
        let run = async move {
            // The server frees the key when the connection before has ended.
            if let Some(before) = before {
                let _ = before.await;
            }
            task.run().await;
        };
        entry.task = Some(self.0.tasks.spawn_on(run, &self.0.runtime));
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        // Every change leaves the table whole.
        self.0.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

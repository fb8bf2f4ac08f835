//! The thread that starts processes.
//!
//! A process that is to die with its parent dies when the *thread* ends that has started it. So one
//! thread starts them all, and it ends with the server.

use std::io;
use std::sync::LazyLock;

use tokio::process::{Child, Command};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

/// Starts that wait: each takes about a millisecond.
const MAX_WAITING: usize = 64;

struct Start {
    command: Command,
    /// Whose reactor learns of the end of the process.
    runtime: Handle,
    started: oneshot::Sender<io::Result<Child>>,
}

static STARTS: LazyLock<mpsc::Sender<Start>> = LazyLock::new(|| {
    let (starts, waiting) = mpsc::channel(MAX_WAITING);
    let thread = std::thread::Builder::new().name("spawner".into());
    thread.spawn(move || run(waiting)).expect("a thread can be made");
    starts
});

fn run(mut waiting: mpsc::Receiver<Start>) {
    while let Some(Start { mut command, runtime, started }) = waiting.blocking_recv() {
        let _runtime = runtime.enter();
        // Whoever asked may have gone: the process is killed as it is dropped.
        let _ = started.send(command.spawn());
    }
}

/// Starts a process.
pub(super) async fn spawn(command: Command) -> io::Result<Child> {
    let (started, starting) = oneshot::channel();
    let start = Start { command, runtime: Handle::current(), started };
    let gone = || io::Error::other("the thread that starts processes has ended");
    STARTS.send(start).await.map_err(|_| gone())?;
    starting.await.map_err(|_| gone())?
}

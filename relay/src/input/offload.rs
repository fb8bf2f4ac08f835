//! Takes long computations off the threads that serve all channels.
//!
//! What a source sends decides how long it takes to read: a playlist of 16 MiB, or a segment of 64
//! MiB, takes a tenth of a second and more. On an ingest thread every other channel would stand
//! still for as long.

use std::panic::resume_unwind;
use std::sync::{Arc, LazyLock};
use std::thread::available_parallelism;

use tokio::sync::Semaphore;
use tokio::task::spawn_blocking;

/// Up to so many bytes are worked on in place: a few milliseconds, and no more than the way to
/// another thread is worth.
const MAX_INLINE: usize = 256 << 10;

/// How many computations run at once, over all channels: half of the processors, so that the ingest
/// threads keep theirs.
static PLACES: LazyLock<Arc<Semaphore>> = LazyLock::new(|| {
    let processors = available_parallelism().map_or(1, usize::from);
    Arc::new(Semaphore::new((processors / 2).max(1)))
});

/// Runs `work` on `bytes` bytes of input: here if that is quick, else on a thread that may take its
/// time. A computation whose caller has gone runs to its end there, and holds its place until then.
pub(super) async fn offload<T: Send + 'static>(bytes: usize, work: impl FnOnce() -> T + Send + 'static) -> T {
    if bytes <= MAX_INLINE {
        return work();
    }
    // Waited for here and not on a thread of the pool:
    // those are shared with the files of all channels.
    let place = Arc::clone(&PLACES).acquire_owned().await.expect("the semaphore is never closed");
    let run = move || {
        let _place = place;
        work()
    };
    match spawn_blocking(run).await {
        Ok(result) => result,
        // It is never cancelled while somebody waits for it; a panic is the caller's.
        Err(error) => resume_unwind(error.into_panic()),
    }
}

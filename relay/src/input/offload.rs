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

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::{Mutex, mpsc};
    use std::thread::{self, ThreadId};
    use std::time::Duration;

    use futures_util::FutureExt as _;
    use futures_util::future::join_all;

    use super::*;

    async fn thread_of(bytes: usize) -> ThreadId {
        offload(bytes, || thread::current().id()).await
    }

    #[tokio::test]
    async fn only_long_work_leaves_the_thread() {
        let here = thread::current().id();
        assert_eq!(thread_of(0).await, here);
        assert_eq!(thread_of(MAX_INLINE).await, here);
        assert_ne!(thread_of(MAX_INLINE + 1).await, here);
    }

    #[tokio::test]
    async fn others_go_on_beside_long_work() {
        let (let_go, held) = mpsc::channel();
        let mut work = pin!(offload(MAX_INLINE + 1, move || held.recv()));
        // It hangs until this thread, which polls it, says so.
        assert!(work.as_mut().now_or_never().is_none());
        tokio::task::yield_now().await;
        let_go.send(17).unwrap();
        assert_eq!(work.await, Ok(17));
    }

    #[tokio::test]
    async fn half_of_the_processors_are_left_for_others() {
        static RUNNING: AtomicUsize = AtomicUsize::new(0);
        let places = (available_parallelism().unwrap().get() / 2).max(1);
        let work = || {
            let running = RUNNING.fetch_add(1, Ordering::SeqCst) + 1;
            thread::sleep(Duration::from_millis(20));
            RUNNING.fetch_sub(1, Ordering::SeqCst);
            running
        };
        let running = join_all((0..4 * places).map(|_| offload(MAX_INLINE + 1, work))).await;
        assert!(running.iter().all(|&running| running <= places), "{running:?} of {places}");
    }

    #[tokio::test]
    async fn a_caller_that_goes_leaves_the_place_to_the_work() {
        let (let_go, held) = mpsc::channel::<()>();
        let held = Arc::new(Mutex::new(held));
        let places = (available_parallelism().unwrap().get() / 2).max(1);
        for _ in 0..places {
            let held = Arc::clone(&held);
            let work = offload(MAX_INLINE + 1, move || held.lock().unwrap().recv());
            assert!(work.now_or_never().is_none());
        }
        let mut next = pin!(offload(MAX_INLINE + 1, || ()));
        assert!(next.as_mut().now_or_never().is_none(), "all places are taken");
        (0..places).for_each(|_| let_go.send(()).unwrap());
        next.await;
    }

    #[tokio::test]
    #[should_panic(expected = "of the work")]
    async fn a_panic_is_the_callers() {
        offload(MAX_INLINE + 1, || panic!("a panic of the work")).await;
    }
}

//! The downloads that run now: how far they are, and how they are stopped.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use forebay_core::time::Moment;
use forebay_core::transfer::Speed;
use tokio_util::sync::CancellationToken;

use crate::db::downloads::DownloadId;

/// How often listeners are told how far a download is.
const TELL: Duration = Duration::from_millis(250);

/// All that run.
#[derive(Debug, Clone, Default)]
pub(super) struct Runs(Arc<Mutex<HashMap<DownloadId, Run>>>);

#[derive(Debug)]
struct Run {
    stop: CancellationToken,
    live: Live,
    /// Somebody wants it to go on who came while it was ending.
    is_wanted_again: bool,
}

/// How far a download is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Live {
    /// Bytes that are there.
    pub bytes: u64,
    /// Bytes a second, where that is known.
    pub speed: Option<u64>,
    /// How long the rest takes, where that is known.
    pub eta: Option<Duration>,
}

/// The right to run a download: nobody else does. Dropped, it is free.
#[derive(Debug)]
pub(super) struct Seat {
    runs: Runs,
    id: DownloadId,
    stop: CancellationToken,
    began: Instant,
    speed: Speed,
    told_at: Option<Instant>,
    /// It was given back: by now it may be somebody else's.
    is_left: bool,
}

impl Runs {
    /// A seat; `None` where the download runs already. Then it goes on, if it is to end now.
    pub(super) fn enter(&self, id: DownloadId) -> Option<Seat> {
        let mut runs = self.lock();
        if let Some(run) = runs.get_mut(&id) {
            // The run may be past its last look at the row, so it is told to look again.
            run.is_wanted_again = true;
            return None;
        }
        let stop = CancellationToken::new();
        let run = Run { stop: stop.clone(), live: Live::default(), is_wanted_again: false };
        runs.insert(id, run);
        drop(runs);
        let (runs, began, speed) = (self.clone(), Instant::now(), Speed::default());
        Some(Seat { runs, id, stop, began, speed, told_at: None, is_left: false })
    }

    /// Stops a download if it runs.
    pub(super) fn stop(&self, id: DownloadId) {
        if let Some(run) = self.lock().get(&id) {
            run.stop.cancel();
        }
    }

    /// How far a download is that runs.
    pub(super) fn live(&self, id: DownloadId) -> Option<Live> {
        self.lock().get(&id).map(|run| run.live)
    }

    /// How many run.
    pub(super) fn count(&self) -> usize {
        self.lock().len()
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<DownloadId, Run>> {
        // Each change is one step.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Seat {
    /// Waits until it is to stop.
    pub(super) async fn stopped(&self) {
        self.stop.cancelled().await;
    }

    /// So many of its bytes are there of `total`. Says whether it is time to tell somebody.
    pub(super) fn note(&mut self, bytes: u64, total: u64) -> bool {
        self.speed.note(Moment::new(self.began.elapsed()), bytes);
        let eta = self.speed.time_for(total.saturating_sub(bytes));
        let live = Live { bytes, speed: self.speed.bytes_per_second(), eta };
        if let Some(run) = self.runs.lock().get_mut(&self.id) {
            run.live = live;
        }
        let is_time = self.told_at.is_none_or(|at| at.elapsed() >= TELL);
        if is_time {
            self.told_at = Some(Instant::now());
        }
        is_time
    }

    /// Gives the seat back, unless somebody came meanwhile who wants the download to go on.
    pub(super) fn leave(mut self) -> Option<Self> {
        let stop = CancellationToken::new();
        {
            let mut runs = self.runs.lock();
            let run = runs.get_mut(&self.id).filter(|run| run.is_wanted_again);
            let Some(run) = run else {
                // In the same step, so that nobody comes between.
                runs.remove(&self.id);
                self.is_left = true;
                return None;
            };
            *run = Run { stop: stop.clone(), live: Live::default(), is_wanted_again: false };
        }
        (self.stop, self.speed) = (stop, Speed::default());
        Some(self)
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        if !self.is_left {
            self.runs.lock().remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_download_runs_once_and_goes_on_for_whoever_comes_while_it_ends() {
        let (runs, id) = (Runs::default(), DownloadId(1));
        let mut seat = runs.enter(id).unwrap();
        assert!(seat.note(5, 10) && !seat.note(6, 10), "listeners are told now and then");
        assert_eq!(runs.live(id).map(|live| live.bytes), Some(6));
        runs.stop(id);
        assert!(seat.stop.is_cancelled() && runs.enter(id).is_none());
        let seat = seat.leave().unwrap();
        assert!(!seat.stop.is_cancelled());
        assert!(seat.leave().is_none());
        assert_eq!((runs.count(), runs.live(id)), (0, None));
        drop(runs.enter(id).unwrap());
        assert_eq!(runs.count(), 0);
    }
}

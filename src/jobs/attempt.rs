//! One attempt, from its handler's call to its end.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use forebay_core::jobs::Ended;
use futures_util::FutureExt as _;
use serde_json::Value;
use tokio::time::{Instant, MissedTickBehavior, interval_at, sleep, timeout};

use super::board::{Place, StopReason};
use super::kind::{Failure, Kind};
use super::{Inner, rows};
use crate::db::jobs::{Fence, Job};

/// How long a handler may take to end once it is stopped: it kills what it started within a second.
const STOP_GRACE: Duration = Duration::from_secs(5);

/// How often the progress of a job is written down.
const WRITE_PROGRESS: Duration = Duration::from_secs(2);

/// Bytes of a result, and of an error: what is longer is cut, or not kept.
const MAX_RESULT: usize = 16 << 10;
const MAX_ERROR: usize = 2 << 10;

/// How an attempt ended, and what is kept of it: the result as JSON, or why it failed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Report {
    pub(super) ended: Ended,
    pub(super) text: String,
}

/// Makes an attempt. A panic of the handler is a failure of the attempt.
pub(super) async fn attempt(queue: &Inner, kind: &Kind, job: &Job, fence: Fence) -> Report {
    let place = queue.board.enter(job, kind.name);
    let run = AssertUnwindSafe(kind.handler.run(place.context(job))).catch_unwind();
    tokio::pin!(run);
    let deadline = sleep(kind.policy.deadline);
    tokio::pin!(deadline);
    let mut ticks = interval_at(Instant::now() + WRITE_PROGRESS, WRITE_PROGRESS);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut written = None;
    loop {
        tokio::select! {
            // A finished attempt stays finished, even if somebody stopped it in the same moment.
            biased;
            result = &mut run => return report(&place, kind, result.ok()),
            () = place.stopped() => {
                let result = timeout(STOP_GRACE, &mut run).await;
                return report(&place, kind, result.unwrap_or_else(|_| Ok(Err(stopped_late()))).ok());
            }
            () = &mut deadline => place.stop(StopReason::Deadline),
            _ = ticks.tick() => {
                let fraction = place.fraction();
                if let Some(fraction) = fraction.filter(|_| fraction != written) {
                    let write = move |connection: &_| rows::set_progress(connection, fence, fraction);
                    // It is in memory too: what cannot be written now is written next time.
                    let _ = queue.database.write(write).await;
                    written = Some(fraction);
                }
            }
        }
    }
}

fn stopped_late() -> Failure {
    Failure::retryable(format!("it did not end within {STOP_GRACE:?} and was abandoned"))
}

/// `result` is what the handler returned; `None` of one that panicked.
fn report(place: &Place, kind: &Kind, result: Option<Result<Value, Failure>>) -> Report {
    let failed = |message: &str| Report { ended: Ended::Failed, text: cut(message) };
    match (result, place.reason()) {
        (Some(Ok(value)), _) => {
            let text = value.to_string();
            let text = if text.len() > MAX_RESULT { "null".to_owned() } else { text };
            Report { ended: Ended::Completed, text }
        }
        (_, Some(StopReason::Interrupted)) => {
            Report { ended: Ended::Interrupted, text: "the server stopped while it ran".into() }
        }
        (_, Some(StopReason::Deadline)) => failed(&format!("it took longer than {:?}", kind.policy.deadline)),
        (Some(Err(Failure { message, is_retryable })), _) => {
            let ended = if is_retryable { Ended::Failed } else { Ended::Hopeless };
            Report { ended, text: cut(&message) }
        }
        (None, _) => failed("a fault of Forebay: the log says more"),
    }
}

fn cut(message: &str) -> String {
    message[..message.floor_char_boundary(MAX_ERROR)].to_owned()
}

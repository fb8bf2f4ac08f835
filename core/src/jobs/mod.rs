//! Decisions of the job queue: which job runs next, and what becomes of a job when an attempt ends.
//!
//! The queue itself is rows in a database, and the time is an argument.

mod policy;
mod progress;
mod rank;

pub use self::policy::{Attempts, Backoff, Ended, MAX_INTERRUPTIONS, Next, Policy, after_attempt};
pub use self::progress::{FfmpegProgress, ProgressReader};
pub use self::rank::{Priority, rank};

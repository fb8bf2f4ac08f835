//! Why the queue does not do something.

use super::MAX_WAITING;
use crate::db::Error;
use crate::db::jobs::JobId;

/// Why the queue does not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many jobs are waiting.
    #[error("{MAX_WAITING} jobs are waiting: try again when some of them have ended")]
    Full,
    /// What the job works on is too long.
    #[error("what the job works on takes more than {limit} bytes")]
    TooLong {
        /// Bytes that it may take.
        limit: usize,
    },
    /// No job has this number any more, or none ever had.
    #[error("there is no job {}", .0.0)]
    Unknown(JobId),
    /// No kind of job has this name.
    #[error("there is no kind of job {0:?}")]
    UnknownKind(String),
    /// The job has ended before.
    #[error("the job {} has ended before: it is {state}", .id.0)]
    Ended {
        /// The job.
        id: JobId,
        /// The name of its state.
        state: &'static str,
    },
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] Error),
}

//! The results of tasks and of threads that may wait.

use std::panic::resume_unwind;

use tokio::task::JoinError;

use super::store::Error;

/// The result of another task. A panic goes on here; without one the server ends.
pub(super) fn joined<T, E: From<Error>>(result: Result<Result<T, E>, JoinError>) -> Result<T, E> {
    result.unwrap_or_else(|error| match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => Err(Error::Cancelled.into()),
    })
}

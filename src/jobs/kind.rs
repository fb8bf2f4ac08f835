//! Kinds of jobs: who does them, within which limits.

use std::fmt;
use std::sync::Arc;

use forebay_core::jobs::Policy;
use futures_util::future::BoxFuture;
use serde_json::Value;

use super::board::Context;

/// What one kind of job is.
#[derive(Clone)]
pub struct Kind {
    /// Its name, in the database and in the API.
    pub name: &'static str,
    /// Its limits.
    pub policy: Policy,
    /// Who does it.
    pub handler: Arc<dyn Handler>,
}

impl fmt::Debug for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Kind").field("name", &self.name).field("policy", &self.policy).finish_non_exhaustive()
    }
}

/// Does the jobs of a kind.
pub trait Handler: Send + Sync {
    /// Makes one attempt. It may be made again after any interruption, so it must find its own
    /// half-done work, or begin anew. It is to return soon after [`Context::stopped`], and is
    /// dropped some seconds later if it has not; with it, whatever it started has to end.
    fn run(&self, context: Context) -> BoxFuture<'static, Result<Value, Failure>>;
}

impl<F, A> Handler for F
where
    F: Fn(Context) -> A + Send + Sync,
    A: Future<Output = Result<Value, Failure>> + Send + 'static,
{
    fn run(&self, context: Context) -> BoxFuture<'static, Result<Value, Failure>> {
        Box::pin(self(context))
    }
}

/// Why an attempt failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// For people. Nothing of it is a secret.
    pub message: String,
    /// Whether another attempt may succeed.
    pub is_retryable: bool,
}

impl Failure {
    /// One that another attempt may not have.
    pub fn retryable(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_retryable: true }
    }

    /// One that every attempt would have.
    pub fn lasting(message: impl Into<String>) -> Self {
        Self { message: message.into(), is_retryable: false }
    }
}

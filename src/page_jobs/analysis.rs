//! Looking at a page for somebody: which forms of it there are.
//!
//! What is found stays with the resolver, which knows how long it is good.

use std::sync::Arc;
use std::time::Duration;

use forebay_core::jobs::{Backoff, Policy, Priority};
use forebay_core::resolve::{Class, Need, Page};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::news::{Audience, News};
use super::read_page;
use crate::db::jobs::{Job, NewJob, State};
use crate::jobs::{Context, Failure, Kind};
use crate::resolver::{Resolver, Unknown};

/// The name of the kind.
pub const ANALYZE: &str = "analyze";

/// A platform that does not answer is asked once more.
const POLICY: Policy = Policy {
    concurrency: 5,
    deadline: Duration::from_mins(2),
    max_failures: 2,
    backoff: Backoff { first: Duration::from_secs(6), factor: 2, max: Duration::from_mins(1) },
};

/// What is told of an analysis while the platform is asked: there is no telling how far it is.
const ASKING: f64 = 0.3;

#[derive(Debug, Serialize, Deserialize)]
struct Args {
    page: String,
    owner: String,
}

/// An analysis that somebody wants.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Analysis {
    /// The page.
    pub page: Page,
    /// Whose it is: `user:7`.
    pub owner: String,
}

/// How an analysis stands.
#[derive(Debug, Serialize)]
struct Told<'a> {
    id: i64,
    kind: &'static str,
    /// Of a hundred.
    progress: u8,
    state: &'a str,
}

/// The kind of job that looks at pages.
pub fn kind(resolver: Resolver, news: News) -> Kind {
    let handler = move |context: Context| {
        let (resolver, news) = (resolver.clone(), news.clone());
        async move { run(&resolver, &news, context).await }
    };
    Kind { name: ANALYZE, policy: POLICY, handler: Arc::new(handler) }
}

/// The job of an analysis. The same page is looked at once for one owner.
pub fn job(Analysis { page, owner }: &Analysis, actor: String) -> NewJob {
    let args = Args { page: page.to_string(), owner: owner.clone() };
    NewJob {
        kind: ANALYZE,
        args: serde_json::to_value(args).expect("its keys are texts"),
        priority: Priority::Interactive,
        unique_key: Some(format!("{ANALYZE}:{owner}:{page}")),
        owner: actor,
    }
}

/// What a job analyses; `None` of any other job.
pub fn of(job: &Job) -> Option<Analysis> {
    if job.kind != ANALYZE {
        return None;
    }
    let Args { page, owner } = serde_json::from_value(job.args.clone()).ok()?;
    Some(Analysis { page: read_page(&page)?, owner })
}

/// Why a job has failed: the class and the message.
pub fn failure(job: &Job) -> (Option<&str>, &str) {
    let error = job.error.as_deref().unwrap_or("it was not done");
    match error.split_once(": ") {
        // A class is one word; a colon in a sentence is none.
        Some((class, message)) if !class.contains(' ') => (Some(class), message),
        _ => (None, error),
    }
}

/// Tells how an analysis stands that does not run.
pub fn tell(news: &News, job: &Job) {
    let Some(Analysis { owner, .. }) = of(job) else { return };
    let state = match job.state {
        State::Waiting | State::Delayed { .. } => "waiting",
        State::Running { .. } => "processing",
        State::Cancelling { .. } | State::Cancelled { .. } => "cancelled",
        State::Completed { .. } => "completed",
        State::Failed { .. } => "failed",
    };
    let progress = if state == "completed" { 100 } else { 0 };
    let told = Told { id: job.id.0, kind: ANALYZE, progress, state };
    news.tell(Audience::Owner(owner.into()), "job", &told);
}

async fn run(resolver: &Resolver, news: &News, context: Context) -> Result<Value, Failure> {
    let args: Args = serde_json::from_value(context.args.clone())
        .map_err(|error| Failure::lasting(format!("what it works on is none: {error}")))?;
    let owner: Arc<str> = args.owner.into();
    let tell = |progress, state| {
        let told = Told { id: context.job.0, kind: ANALYZE, progress, state };
        news.tell(Audience::Owner(Arc::clone(&owner)), "job", &told);
    };
    let page = read_page(&args.page).ok_or_else(|| Failure::lasting("this page is none"))?;
    context.tell(ASKING, "asking the platform");
    tell(30, "processing");
    let known = tokio::select! {
        known = resolver.ask(&page, Need::Info) => known,
        // The resolver goes on and keeps the answer: the next who asks has it at once.
        () = context.stopped() => {
            tell(0, "cancelled");
            return Err(Failure::retryable("it was stopped"));
        }
    };
    match known {
        Ok(_) => {
            tell(100, "completed");
            Ok(Value::Null)
        }
        Err(Unknown { failure, .. }) => {
            tell(0, "failed");
            let is_retryable =
                matches!(failure.class, Class::Network | Class::Timeout | Class::Crashed | Class::Busy);
            Err(Failure { message: format!("{}: {}", failure.class.name(), failure.message), is_retryable })
        }
    }
}

//! Jobs: work that takes longer than a request.

use super::NO_DATABASE;
use super::operation::Operation;
use super::route::{Access, Route};
use crate::http::jobs::{self, JobDocument, JobList, QueueDocument};

/// What everything here may be refused with.
fn asks(id: &str, summary: &str) -> Operation {
    Operation::new(id, summary).fails(403, &["forbidden"]).fails(503, NO_DATABASE)
}

/// The same of what changes something.
fn changes(id: &str, summary: &str) -> Operation {
    asks(id, summary).fails(507, &["disk_full"])
}

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/api/v1/jobs", Access::Operator).get(jobs::list, || {
            asks("listJobs", "The jobs, a part of the list at a time, and the queues")
                .query("kind", "Only jobs of this kind.")
                .query("state", "Only jobs in this state.")
                .query("before", "The `id` before which the part begins: the newest one unless given.")
                .query("limit", "How many to list: 1 to 500, 100 unless given.")
                .json::<JobList>(200, "A part of the list")
        }),
        Route::new("/api/v1/jobs/{id}", Access::Operator).get(jobs::one, || {
            asks("getJob", "One job").json::<JobDocument>(200, "The job").fails(404, &["unknown_job"])
        }),
        Route::new("/api/v1/jobs/{id}/cancel", Access::Operator).act(jobs::cancel, || {
            changes("cancelJob", "Ends a job; one that runs is `cancelling` until it has ended")
                .json::<JobDocument>(200, "The job")
                .fails(404, &["unknown_job"])
                .fails(409, &["job_ended"])
        }),
        Route::new("/api/v1/queues/{kind}/pause", Access::Operator).act(jobs::pause, || {
            changes("pauseQueue", "Has no job of a kind begin, over restarts too; those that run go on")
                .json::<QueueDocument>(200, "The queue")
                .fails(404, &["unknown_queue"])
        }),
        Route::new("/api/v1/queues/{kind}/resume", Access::Operator).act(jobs::resume, || {
            changes("resumeQueue", "Has jobs of a kind begin again")
                .json::<QueueDocument>(200, "The queue")
                .fails(404, &["unknown_queue"])
        }),
    ]
}

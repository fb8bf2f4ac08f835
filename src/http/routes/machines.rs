//! What programs ask that look after the server.

use super::operation::Operation;
use super::route::{Access, Route};
use crate::http::films::{self, VideoServerStats};
use crate::http::ops::{self, Health};
use crate::http::{acme_challenge, metrics};

pub(super) fn routes() -> Vec<Route> {
    vec![
        Route::new("/health", Access::Machine).get(ops::health, || {
            Operation::new("getHealth", "Says that the server runs")
                .query("ready", "503 once the server is stopping.")
                .query("live", "200 for as long as the server answers.")
                .json::<Health>(200, "It runs")
                .json::<Health>(503, "It is stopping")
        }),
        Route::new("/stats", Access::Machine).get(films::stats, || {
            Operation::new("getStats", "Figures of the films, and of the segments that are kept in memory")
                .json::<VideoServerStats>(200, "The figures")
        }),
        Route::new("/metrics", Access::Machine).get(metrics::metrics, || {
            Operation::new("getMetrics", "Figures for Prometheus").sends(
                200,
                "application/openmetrics-text",
                "OpenMetrics 1.0",
            )
        }),
        Route::new("/.well-known/acme-challenge/{token}", Access::Machine).get(
            acme_challenge::answer,
            || {
                Operation::new(
                    "answerChallenge",
                    "For the authority that signs the certificate, while it asks",
                )
                .sends(200, "application/octet-stream", "The answer")
                .fails(404, &["not_found"])
            },
        ),
    ]
}

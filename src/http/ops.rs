//! For machines that look after the server.

use axum::Json;
use axum::extract::State;
use serde_json::{Value, json};

use super::App;
use crate::telemetry;

/// `GET /health`: it runs.
pub(super) async fn health(State(app): State<App>) -> Json<Value> {
    let load = app.channels.load();
    let log = telemetry::left_out();
    Json(json!({
        "status": "ok",
        "version": env!("CARGO_PKG_VERSION"),
        "channels": app.channels.configured().len(),
        "streams": load.channels,
        "clients": load.viewers,
        "log": { "lost": log.lost, "suppressed": log.suppressed },
    }))
}

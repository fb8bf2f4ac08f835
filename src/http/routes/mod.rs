//! The routes, as data: one table for each surface.
//!
//! A row says the path, who may use it, what pages of other origins may read, the limits of a body,
//! the handlers, and what the OpenAPI document tells. The router and everything around the handlers
//! are made from the rows, and the tests walk them
//! ([ADR 9](../../../docs/adr/0009-routes-as-data.md)).

mod api;
mod document;
mod hdhomerun;
#[cfg(test)]
mod identity_tests;
mod jobs;
mod lineup;
mod machines;
mod monitoring;
mod operation;
mod pages;
mod people;
mod pushes;
mod resolve;
mod route;
mod streaming;
mod streams;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod token_tests;
mod upkeep;

use std::sync::LazyLock;

use axum::Router;
use axum::handler::Handler as _;
use axum::middleware::from_fn_with_state;
use bytes::Bytes;
use http::{HeaderValue, Uri, header};

use self::route::{Carried, Cors, Route, carry};
use super::State;
use super::error::ApiError;

/// Codes of answers while the database cannot be asked.
const NO_DATABASE: &[&str] = &["database_busy", "no_database", "closing"];

/// The tables, by their names in the OpenAPI document.
fn surfaces() -> [(&'static str, Vec<Route>); 13] {
    [
        ("streams", streams::routes()),
        ("tuners", hdhomerun::routes()),
        ("api", api::routes()),
        ("people", people::routes()),
        ("lineup", lineup::routes()),
        ("jobs", jobs::routes()),
        ("pushes", pushes::routes()),
        ("upkeep", upkeep::routes()),
        ("video pages", resolve::routes()),
        ("tokens", streaming::routes()),
        ("monitoring", monitoring::routes()),
        ("pages", pages::routes()),
        ("machines", machines::routes()),
    ]
}

/// The router of all tables.
pub(super) fn router(state: State) -> Router {
    let routes = surfaces().into_iter().flat_map(|(_, routes)| routes);
    routes
        .fold(Router::new(), |router, route| router.route(route.path, route.into_handlers(&state)))
        .fallback(no_such_route.layer(from_fn_with_state(
            Carried { cors: Cors::Errors, tally: state.tally.clone(), counted_by: None },
            carry,
        )))
        .with_state(state)
}

/// The answer to a path that no row has.
async fn no_such_route(uri: Uri) -> ApiError {
    ApiError::no_such_route(&uri)
}

/// `GET /api/openapi.json`: what all tables say.
async fn openapi() -> ([(header::HeaderName, HeaderValue); 1], Bytes) {
    static DOCUMENT: LazyLock<Bytes> = LazyLock::new(|| render().into());
    ([(header::CONTENT_TYPE, HeaderValue::from_static("application/json"))], DOCUMENT.clone())
}

fn render() -> String {
    let document = document::document(surfaces()).to_pretty_json();
    document.expect("all its keys are texts") + "\n"
}

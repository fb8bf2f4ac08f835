//! `/api/relays`: channels that admins create, change and remove while the server runs.

mod document;

use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::{IntoResponse as _, Response};
use http::request::Parts;
use http::{StatusCode, header};

use self::document::wrong_field;
pub(super) use self::document::{RelayDocument, RelayFields, RelayList};
use super::State;
use super::auth::By;
use super::error::{ApiError, Details, WrongField};
use super::extract::JsonBody;
use super::query::Query;
use crate::db::relays::{Relay, RelayId};
use crate::db::{Document, Error};
use crate::relays::Refusal;

/// Relays in one answer, where nothing else is asked.
const DEFAULT_LIMIT: usize = 100;

/// Relays in one answer: each may be some kilobytes.
const MAX_LIMIT: usize = 500;

/// The relay that `{id}` in the path names.
#[derive(Debug)]
pub(super) struct ById(RelayId);

impl FromRequestParts<State> for ById {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(axum::response::IntoResponse::into_response)?;
        let id = params.iter().find(|(name, _)| *name == "id").map_or("", |(_, id)| id);
        id.parse().map(|id| Self(RelayId(id))).map_err(|_| unknown(id).into_response())
    }
}

/// `GET /api/relays`
pub(super) async fn list(state: State, query: Query) -> Result<Json<RelayList>, ApiError> {
    let after = query.parsed("after").map(RelayId);
    let limit = query.parsed("limit").unwrap_or(DEFAULT_LIMIT).clamp(1, MAX_LIMIT);
    let (relays, total) = state.relays.list(after, limit).await?;
    let last = relays.last().filter(|_| relays.len() == limit);
    Ok(Json(RelayList {
        next: last.map(|relay| relay.id.0),
        relays: relays.iter().map(|relay| told(&state, relay)).collect(),
        total,
    }))
}

/// `GET /api/relays/{id}`
pub(super) async fn one(state: State, ById(id): ById) -> Result<Json<RelayDocument>, ApiError> {
    Ok(Json(told(&state, &state.relays.get(id).await?)))
}

/// `POST /api/relays`
pub(super) async fn create(
    state: State,
    By(actor): By,
    JsonBody(fields): JsonBody<RelayFields>,
) -> Result<Response, ApiError> {
    let relay = state.relays.create(read(fields)?, &actor).await?;
    let location = [(header::LOCATION, format!("/api/relays/{}", relay.id.0))];
    Ok((StatusCode::CREATED, location, Json(told(&state, &relay))).into_response())
}

/// `PUT /api/relays/{id}`: what is not named is not set any more.
pub(super) async fn replace(
    state: State,
    ById(id): ById,
    By(actor): By,
    JsonBody(fields): JsonBody<RelayFields>,
) -> Result<Json<RelayDocument>, ApiError> {
    let document = read(fields)?;
    let relay = state.relays.change(id, move |_| Ok(document.clone()), &actor).await?;
    Ok(Json(told(&state, &relay)))
}

/// `PATCH /api/relays/{id}`: what is not named stays; `null` takes away (RFC 7396).
pub(super) async fn change(
    state: State,
    ById(id): ById,
    By(actor): By,
    JsonBody(fields): JsonBody<RelayFields>,
) -> Result<Json<RelayDocument>, ApiError> {
    let changes = fields.into_words().map_err(|field| wrong_fields(vec![field]))?;
    let relay = state.relays.change(id, move |old| old.merged(&changes), &actor).await?;
    Ok(Json(told(&state, &relay)))
}

/// `DELETE /api/relays/{id}`
pub(super) async fn remove(state: State, ById(id): ById, By(actor): By) -> Result<StatusCode, ApiError> {
    state.relays.remove(id, &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A relay as it is with the configuration in force.
fn told(state: &State, relay: &Relay) -> RelayDocument {
    let fault = state.catalogue.list().fault_of(relay);
    RelayDocument::new(relay, fault, &state.config().path)
}

fn read(fields: RelayFields) -> Result<Document, ApiError> {
    let words = fields.into_words();
    let document = words.and_then(|words| Document::new(words).map_err(|error| wrong_field(&error)));
    document.map_err(|field| wrong_fields(vec![field]))
}

fn wrong_fields(fields: Vec<WrongField>) -> ApiError {
    ApiError {
        details: Details::Fields(fields),
        ..ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", "fields of the relay are wrong")
    }
}

fn unknown(id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_relay", format!("there is no relay {id:?}"))
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Fields(errors) => wrong_fields(errors.iter().map(wrong_field).collect()),
            refusal @ Refusal::FileOwns { .. } => {
                Self::new(StatusCode::CONFLICT, "in_configuration", refusal.to_string())
            }
            Refusal::Taken(what) => Self::new(StatusCode::CONFLICT, "taken", what),
            Refusal::Unknown(RelayId(id)) => unknown(&id.to_string()),
            Refusal::Database(error) => error.into(),
        }
    }
}

impl From<Error> for ApiError {
    fn from(error: Error) -> Self {
        let message = error.to_string();
        match error {
            Error::Full => Self::new(StatusCode::INSUFFICIENT_STORAGE, "disk_full", message),
            Error::Busy(_) | Error::Locked => Self::unavailable("database_busy", message),
            Error::Closed => Self::unavailable("closing", message),
            Error::Off(_) | Error::Disk(_) | Error::Damaged(_) => {
                Self::new(StatusCode::SERVICE_UNAVAILABLE, "no_database", message)
            }
            Error::Refused(_) => Self::new(StatusCode::INTERNAL_SERVER_ERROR, "internal", message),
        }
    }
}

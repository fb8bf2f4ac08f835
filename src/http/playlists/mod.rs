//! `/api/playlists`: lists of channels that admins add, and how they are read.

mod channels;
mod document;
mod groups;
mod merges;
mod rules;

use std::convert::Infallible;
use std::time::Duration;

use axum::Json;
use axum::extract::{FromRequestParts, RawPathParams, Request};
use axum::response::sse::{Event, Sse};
use axum::response::{IntoResponse, Response};
use forebay_relay::input::Error as InputError;
use futures_util::{Stream, StreamExt as _, stream};
use http::request::Parts;
use http::{StatusCode, header};

pub(super) use self::channels::{
    ChannelChanges, ChannelDocument, ChannelMove, ChannelPage, EditBatch, ManyChanges, UnplayableReason,
    change_channel, change_many, list_channels, move_channels, one_channel, undo,
};
pub(super) use self::document::{PlaylistDocument, PlaylistFields, PlaylistList, ProgressDocument, Taken};
pub(super) use self::groups::{GroupList, GroupMove, GroupsMoved, list_groups, move_groups};
pub(super) use self::merges::{
    Decided, MergeDecision, MergeEffect, MergeList, MergeTrialDocument, SuggestionList, decide, merges,
    preview_merges, suggestions,
};
pub(super) use self::rules::{RuleList, RulesEffect, preview_rules, replace_rules, rules};
use super::State;
use super::auth::By;
use super::error::{ApiError, Details, WrongField};
use super::extract::JsonBody;
use crate::config::playlist::PlaylistSpec;
use crate::db::Document;
use crate::db::lineup::PlaylistId;
use crate::lineup::Refusal;

/// How often whoever watches a reading is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// The number that `{id}` in the path names.
#[derive(Debug, Clone, Copy)]
pub(super) struct Number(i64);

impl FromRequestParts<State> for Number {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(IntoResponse::into_response)?;
        let id = params.iter().find(|(name, _)| *name == "id").map_or("", |(_, id)| id);
        id.parse().map(Self).map_err(|_| unknown("playlist or channel", id).into_response())
    }
}

/// `GET /api/playlists`
pub(super) async fn list(state: State) -> Result<Json<PlaylistList>, ApiError> {
    let playlists = state.lineup.list().await?;
    Ok(Json(PlaylistList { playlists: playlists.into_iter().map(PlaylistDocument::from).collect() }))
}

/// `GET /api/playlists/{id}`
pub(super) async fn one(state: State, Number(id): Number) -> Result<Json<PlaylistDocument>, ApiError> {
    Ok(Json(state.lineup.get(PlaylistId(id)).await?.into()))
}

/// `POST /api/playlists`
pub(super) async fn create(
    state: State,
    By(actor): By,
    JsonBody(fields): JsonBody<PlaylistFields>,
) -> Result<Response, ApiError> {
    let created = state.lineup.create(read(fields)?, &actor).await?;
    let document = PlaylistDocument::from(created);
    let location = [(header::LOCATION, format!("/api/playlists/{}", document.id()))];
    Ok((StatusCode::CREATED, location, Json(document)).into_response())
}

/// `PUT /api/playlists/{id}`: what is not named is not set any more.
pub(super) async fn replace(
    state: State,
    Number(id): Number,
    By(actor): By,
    JsonBody(fields): JsonBody<PlaylistFields>,
) -> Result<Json<PlaylistDocument>, ApiError> {
    let document = read(fields)?;
    let change = move |_: &_| Ok(document.clone());
    Ok(Json(state.lineup.change(PlaylistId(id), change, &actor).await?.into()))
}

/// `PATCH /api/playlists/{id}`: what is not named stays; `null` takes away (RFC 7396).
pub(super) async fn change(
    state: State,
    Number(id): Number,
    By(actor): By,
    JsonBody(fields): JsonBody<PlaylistFields>,
) -> Result<Json<PlaylistDocument>, ApiError> {
    let changes = fields.into_words();
    let change = move |old: &Document<PlaylistSpec>| old.merged(&changes);
    Ok(Json(state.lineup.change(PlaylistId(id), change, &actor).await?.into()))
}

/// `DELETE /api/playlists/{id}`
pub(super) async fn remove(state: State, Number(id): Number, By(actor): By) -> Result<StatusCode, ApiError> {
    state.lineup.remove(PlaylistId(id), &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// `PUT /api/playlists/{id}/list`: the body is the list, compressed with gzip or not.
pub(super) async fn upload(
    state: State,
    Number(id): Number,
    By(actor): By,
    request: Request,
) -> Result<Json<Taken>, ApiError> {
    let body = request.into_body().into_data_stream();
    let body = body.map(|piece| piece.map_err(|error| InputError::Broken(error.to_string())));
    Ok(Json(state.lineup.upload(PlaylistId(id), body, &actor).await?.into()))
}

/// `POST /api/playlists/{id}/refresh`: it is read soon, and this does not wait for it.
pub(super) async fn refresh(state: State, Number(id): Number) -> Result<Response, ApiError> {
    let document = PlaylistDocument::from(state.lineup.ask(PlaylistId(id)).await?);
    Ok((StatusCode::ACCEPTED, Json(document)).into_response())
}

/// `DELETE /api/playlists/{id}/refresh`
pub(super) async fn cancel(state: State, Number(id): Number) -> Result<StatusCode, ApiError> {
    state.lineup.cancel(PlaylistId(id))?;
    Ok(StatusCode::NO_CONTENT)
}

/// `GET /api/playlists/{id}/progress`: how far the reading is, until it is over.
pub(super) async fn progress(state: State, Number(id): Number) -> Result<impl IntoResponse, ApiError> {
    let id = PlaylistId(id);
    state.lineup.get(id).await?;
    Ok(Sse::new(events(state, id)))
}

/// An event `progress` now and then, and `done` with the playlist at the end.
fn events(state: State, id: PlaylistId) -> impl Stream<Item = Result<Event, Infallible>> {
    stream::unfold((state, 0_u32), move |(state, step)| async move {
        if step == u32::MAX {
            return None;
        }
        if step > 0 {
            tokio::time::sleep(TELL_EVERY).await;
        }
        let running = state.lineup.readings(id).running;
        let (name, data, next) = if let Some(progress) = running {
            let data = serde_json::to_string(&ProgressDocument::from(&*progress));
            ("progress", data, step.saturating_add(1).min(u32::MAX - 1))
        } else {
            let view = state.lineup.get(id).await.ok()?;
            ("done", serde_json::to_string(&PlaylistDocument::from(view)), u32::MAX)
        };
        let data = data.expect("it is made of numbers and texts");
        Some((Ok(Event::default().event(name).data(data)), (state, next)))
    })
}

/// `POST /api/playlists/{id}/held`: takes the list that is held.
pub(super) async fn accept(state: State, Number(id): Number, By(actor): By) -> Result<Json<Taken>, ApiError> {
    Ok(Json(state.lineup.accept(PlaylistId(id), &actor).await?.into()))
}

/// `DELETE /api/playlists/{id}/held`: forgets it.
pub(super) async fn discard(state: State, Number(id): Number, By(actor): By) -> Result<StatusCode, ApiError> {
    state.lineup.discard(PlaylistId(id), &actor).await?;
    Ok(StatusCode::NO_CONTENT)
}

fn read(fields: PlaylistFields) -> Result<Document<PlaylistSpec>, ApiError> {
    Document::new(fields.into_words()).map_err(|error| Refusal::Fields(vec![error]).into())
}

fn unknown(what: &str, id: &str) -> ApiError {
    ApiError::new(StatusCode::NOT_FOUND, "unknown_id", format!("there is no {what} {id:?}"))
}

fn wrong_fields(fields: Vec<WrongField>) -> ApiError {
    ApiError {
        details: Details::Fields(fields),
        ..ApiError::new(StatusCode::UNPROCESSABLE_ENTITY, "invalid_fields", "fields are wrong")
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Fields(errors) => {
                let field = |error: &forebay_relay::model::FieldError| WrongField {
                    message: error.message.clone(),
                    path: error.path.to_string(),
                };
                wrong_fields(errors.iter().map(field).collect())
            }
            Refusal::Rule(wrong) => {
                let place = wrong.at.map_or_else(|| "rules".to_owned(), |at| format!("rules[{at}]"));
                let path = if wrong.field.is_empty() { place } else { format!("{place}.{}", wrong.field) };
                wrong_fields(vec![WrongField { message, path }])
            }
            Refusal::FileOwns(_) => Self::new(StatusCode::CONFLICT, "in_configuration", message),
            Refusal::Unknown(_) | Refusal::UnknownChannel(_) | Refusal::UnknownGroup(_) => {
                Self::new(StatusCode::NOT_FOUND, "unknown_id", message)
            }
            Refusal::Taken(_) => Self::new(StatusCode::CONFLICT, "taken", message),
            Refusal::Running => Self::new(StatusCode::CONFLICT, "running", message),
            Refusal::Nothing(_) => Self::new(StatusCode::CONFLICT, "nothing_to_do", message),
            Refusal::Held(_) => Self::new(StatusCode::CONFLICT, "held", message),
            Refusal::Fetch(_) => Self::new(StatusCode::BAD_GATEWAY, "no_list", message),
            Refusal::Database(error) => error.into(),
        }
    }
}

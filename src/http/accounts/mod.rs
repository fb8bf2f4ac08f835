//! People: setting up, signing in, and what admins do to users, keys and the audit log.

mod audit;
mod keys;
mod oidc;
mod session;
mod users;

use axum::extract::{FromRequestParts, RawPathParams};
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;
use http::request::Parts;
use url::Url;

pub(super) use self::audit::{AuditList, list as audit};
pub(super) use self::keys::{KeyFields, KeyList, MadeKey, create_key, list_keys, remove_key};
pub(super) use self::oidc::{finish as finish_oidc, start as start_oidc};
pub(super) use self::session::{Credentials, SessionDocument, Setup, set_up, sign_in, sign_out, who};
pub(super) use self::users::{
    UserDocument, UserFields, UserList, change, create, list, one, remove, renew_stream_key,
};
use super::error::ApiError;
use super::forwarded::base_url;
use super::{Peer, State};
use crate::accounts::Refusal;

/// The number that `{id}` in the path is.
#[derive(Debug)]
pub(super) struct Number(i64);

impl FromRequestParts<State> for Number {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let params = RawPathParams::from_request_parts(parts, state).await;
        let params = params.map_err(axum::response::IntoResponse::into_response)?;
        let id = params.iter().find(|(name, _)| *name == "id").map_or("", |(_, id)| id);
        id.parse().map(Self).map_err(|_| ApiError::no_such_route(&parts.uri).into_response())
    }
}

/// The address under which whoever asks reaches us. It ends in `/`.
#[derive(Debug)]
pub(super) struct Base(Url);

impl FromRequestParts<State> for Base {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, state: &State) -> Result<Self, Response> {
        let peer = Peer::from_request_parts(parts, state).await?;
        Ok(Self(base_url(&state.config().server, peer, &parts.uri, &parts.headers)))
    }
}

impl From<Refusal> for ApiError {
    fn from(refusal: Refusal) -> Self {
        let message = refusal.to_string();
        match refusal {
            Refusal::Fields(errors) => errors.into(),
            Refusal::Taken(message) => Self::new(StatusCode::CONFLICT, "taken", message),
            Refusal::Unknown { what: "key", .. } => Self::new(StatusCode::NOT_FOUND, "unknown_key", message),
            Refusal::TooManyTokens { .. } => {
                Self::new(StatusCode::TOO_MANY_REQUESTS, "too_many_tokens", message)
            }
            Refusal::Unknown { .. } => Self::new(StatusCode::NOT_FOUND, "unknown_user", message),
            Refusal::WrongPassword => Self::new(StatusCode::UNAUTHORIZED, "wrong_password", message),
            Refusal::Inactive => Self::new(StatusCode::FORBIDDEN, "forbidden", message),
            Refusal::Busy => Self::unavailable("busy", message),
            Refusal::WrongToken => Self::new(StatusCode::FORBIDDEN, "forbidden", message),
            Refusal::SetUp => Self::new(StatusCode::CONFLICT, "set_up", message),
            Refusal::Database(error) => error.into(),
        }
    }
}

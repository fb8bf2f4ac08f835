//! `/api/session` and `/api/setup`: who is signed in.

use std::fmt;
use std::time::Instant;

use axum::Json;
use axum::response::{IntoResponse as _, Response};
use http::{HeaderMap, StatusCode, Uri, header};
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::accounts::{Refusal, SignedIn};
use crate::db::users::{Role, User};
use crate::http::auth::{clear_cookie, cookie, is_of_own_page, session, set_cookie};
use crate::http::error::ApiError;
use crate::http::extract::{Client, JsonBody, JsonRequest};
use crate::http::forwarded::base_url;
use crate::http::head::host;
use crate::http::{Peer, State, admin};

/// A name and a password.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Credentials {
    /// In any case of letters.
    name: String,
    password: String,
}

/// The first admin.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::http) struct Setup {
    /// What the console shows behind `#`.
    token: String,
    /// Letters, digits and `._@-`.
    name: String,
    /// 8 characters at least.
    password: String,
}

impl JsonRequest for Credentials {
    const EXAMPLE: &'static str = r#"{"name": "ann", "password": "correct horse"}"#;
}

impl JsonRequest for Setup {
    const EXAMPLE: &'static str = r#"{"token": "…", "name": "ann", "password": "correct horse"}"#;
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials").field("name", &self.name).finish_non_exhaustive()
    }
}

impl fmt::Debug for Setup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Setup").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Who is signed in.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct SessionDocument {
    /// Name of the provider of identities, by which people sign in at `/api/oidc/start`; null without
    /// one.
    #[schema(required)]
    identity_provider: Option<String>,
    /// Whether there is no admin yet: the console shows the address of the setup.
    needs_setup: bool,
    /// Null where nobody is.
    #[schema(required)]
    user: Option<SessionUser>,
}

/// The user who is signed in.
#[derive(Debug, PartialEq, Eq, Serialize, ToSchema)]
pub(in crate::http) struct SessionUser {
    id: i64,
    name: String,
    role: Role,
}

impl SessionDocument {
    fn new(state: &State, user: Option<&User>) -> Self {
        let user = user.map(|user| SessionUser {
            id: user.id.0,
            name: user.spec.name.clone(),
            role: user.spec.role,
        });
        let identity_provider = state.config().oidc.as_ref().map(|oidc| oidc.name.clone());
        Self { identity_provider, needs_setup: state.accounts.setup_token().is_some(), user }
    }
}

/// `GET /api/session`
pub(in crate::http) async fn who(state: State, peer: Peer, uri: Uri, headers: HeaderMap) -> Response {
    let user = session(&state, peer, &uri, &headers);
    let caching = [(header::CACHE_CONTROL, "no-store")];
    (caching, Json(SessionDocument::new(&state, user.as_deref()))).into_response()
}

/// `POST /api/session`: signs in.
pub(in crate::http) async fn sign_in(
    state: State,
    client: Client,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(Credentials { name, password }): JsonBody<Credentials>,
) -> Result<Response, ApiError> {
    let (base, host) = may_begin(&state, client.peer, &uri, &headers)?;
    state.take_try(client.address, Instant::now())?;
    let signed_in = state.accounts.sign_in(&name, &password, &host, cookie(&headers)).await?;
    state.guards.tries.right(client.address);
    Ok(begin(&state, StatusCode::OK, &base, &signed_in))
}

/// `DELETE /api/session`: signs out.
pub(in crate::http) async fn sign_out(
    state: State,
    peer: Peer,
    uri: Uri,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let base = base_url(&state.config().server, peer, &uri, &headers);
    if let Some(cookie) = cookie(&headers).filter(|_| is_of_own_page(&base, &uri, &headers)) {
        state.accounts.sign_out(cookie).await?;
    }
    Ok((StatusCode::NO_CONTENT, [(header::SET_COOKIE, clear_cookie(&base))]).into_response())
}

/// `POST /api/setup`: makes the first admin, who is signed in.
pub(in crate::http) async fn set_up(
    state: State,
    client: Client,
    uri: Uri,
    headers: HeaderMap,
    JsonBody(Setup { token, name, password }): JsonBody<Setup>,
) -> Result<Response, ApiError> {
    if state.accounts.people().has_admin() {
        return Err(Refusal::SetUp.into());
    }
    let (base, host) = may_begin(&state, client.peer, &uri, &headers)?;
    state.take_try(client.address, Instant::now())?;
    let signed_in = state.accounts.set_up(&token, &name, &password, &host).await?;
    state.guards.tries.right(client.address);
    Ok(begin(&state, StatusCode::CREATED, &base, &signed_in))
}

/// The address of ours that is asked, and its host, if a session may begin there and no page of
/// another origin has asked: none signs anybody in.
fn may_begin(state: &State, peer: Peer, uri: &Uri, headers: &HeaderMap) -> Result<(Url, String), ApiError> {
    let (base, host) = own_host(state, peer, uri, headers)?;
    let is_of_page = headers.contains_key(header::ORIGIN) || headers.contains_key("sec-fetch-site");
    if is_of_page && !is_of_own_page(&base, uri, headers) {
        return Err(forbidden("a page of another server has asked"));
    }
    Ok((base, host))
}

/// The address of ours that is asked, and its host, if a session may begin there: where the
/// operator has said which host is ours, no other one is.
pub(super) fn own_host(
    state: &State,
    peer: Peer,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<(Url, String), ApiError> {
    let server = &state.config().server;
    let base = base_url(server, peer, uri, headers);
    let host = host(uri, headers).ok_or_else(ApiError::bad_host)?;
    if server.public_url.is_some() && !admin::is_ours(server, peer, uri, headers) {
        return Err(forbidden("the request is for a host that is not that of server.public_url"));
    }
    Ok((base, host.to_ascii_lowercase()))
}

fn forbidden(message: &'static str) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

fn begin(state: &State, status: StatusCode, base: &Url, signed_in: &SignedIn) -> Response {
    let document = SessionDocument::new(state, Some(&signed_in.user));
    let cookie = set_cookie(base, &signed_in.cookie, signed_in.lifetime);
    (status, [(header::SET_COOKIE, cookie)], Json(document)).into_response()
}

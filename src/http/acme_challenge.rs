//! What an authority is answered that asks whether a name is ours (HTTP-01, RFC 8555, section 8.3).

use axum::extract::Path;
use axum::response::{IntoResponse as _, Response};
use http::{Uri, header};
use tracing::info;

use super::State;
use super::error::ApiError;

/// `GET /.well-known/acme-challenge/{token}`
pub(super) async fn answer(state: State, Path(token): Path<String>, uri: Uri) -> Response {
    let Some(answer) = state.process.challenges.answer(&token) else {
        return ApiError::no_such_route(&uri).into_response();
    };
    info!("the authority asked whether the name is ours");
    let headers = [(header::CONTENT_TYPE, "application/octet-stream"), (header::CACHE_CONTROL, "no-store")];
    (headers, answer).into_response()
}

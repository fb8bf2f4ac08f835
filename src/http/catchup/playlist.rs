//! Playlists of the past, of which few are made at a time.

use std::panic::resume_unwind;
use std::sync::Arc;

use axum::response::Response;
use forebay_relay::channel::Rendered;
use http::HeaderMap;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, spawn_blocking};

use crate::http::State;
use crate::http::encoding::takes_gzip;
use crate::http::error::ApiError;
use crate::http::hls;

/// Playlists that are made at the same time: one of a day takes some milliseconds, and megabytes.
const MAX_RENDERED: usize = 4;

/// The turns of those who want a playlist made.
#[derive(Debug, Clone)]
pub(in crate::http) struct Rendering(Arc<Semaphore>);

impl Default for Rendering {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_RENDERED)))
    }
}

/// Answers with a playlist, once it is its turn. `begin` is called then, and what it returns on a
/// thread of its own: a day has some twenty thousand segments.
pub(super) async fn answer<F: FnOnce() -> Rendered + Send + 'static>(
    state: &State,
    headers: &HeaderMap,
    begin: impl FnOnce() -> Result<F, ApiError>,
) -> Result<Response, ApiError> {
    let is_compressed = takes_gzip(headers);
    let _turn = state.documents.catchup.0.acquire().await.expect("the semaphore is never closed");
    let render = begin()?;
    let render = move || {
        let rendered = render();
        if is_compressed {
            rendered.gzip();
        }
        rendered
    };
    match spawn_blocking(render).await.map_err(JoinError::try_into_panic) {
        Ok(rendered) => Ok(hls::answer(&rendered, headers)),
        Err(Ok(panic)) => resume_unwind(panic),
        Err(Err(_)) => Err(ApiError::unavailable("closing", "the server is ending".to_owned())),
    }
}

//! `/api/streaming`: tokens of streams, and what people do with pages of video platforms, in the
//! shapes of the documents that fix these routes.

mod analysis;
mod downloads;
mod error;
mod events;
mod owner;
mod tokens;

use axum::extract::Request;
use axum::middleware::Next;
use axum::response::{IntoResponse as _, Response};
use http::StatusCode;

pub(super) use self::analysis::{
    AnalysisStarted, AnalyzeFields, Analyzed, analyze, cancel_analysis, result, retry_analysis, thumbnail,
};
pub(super) use self::downloads::{
    DownloadFields, DownloadList, cancel_download, create_download, download, download_file, list_downloads,
    pause_download, resume_download, retry_download,
};
pub(super) use self::error::StreamingError;
use self::error::body;
pub(super) use self::events::{Listeners, QueueNews, listen};
pub(super) use self::tokens::{
    Done, TokenFields, TokenList, TokenMade, TokenRefreshed, create, head, list, refresh, revoke, stream,
};
use super::State;
use super::auth::Watching;
use super::tally::Count;

/// Counts the requests of a user or a program, and refuses those that are too many, in the shape of
/// these routes. What others have done from the same address is another matter.
pub(super) async fn count_owner(
    axum::extract::State(state): axum::extract::State<State>,
    request: Request,
    next: Next,
) -> Response {
    let owner = request.extensions().get::<Watching>().and_then(|watching| watching.watcher.owner());
    let server = &state.config().server;
    let Some(rate) = owner.and_then(|owner| state.guards.rates.count_known(server, owner)) else {
        return next.run(request).await;
    };
    let mut response = match rate.excess() {
        None => next.run(request).await,
        Some((limit, wait)) => {
            state.tally.note(Count::RequestsRefused);
            let message = format!("you have made your {limit} requests of this minute");
            let error = StreamingError::new(StatusCode::TOO_MANY_REQUESTS, "RATE_LIMIT_EXCEEDED", message);
            error.retry_after(wait).into_response()
        }
    };
    rate.tell(response.headers_mut());
    response
}

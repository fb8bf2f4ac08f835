//! What players of Xtream Codes ask: `player_api.php` and `get.php`. The streams
//! themselves are at `/live/…` and `/movie/…`.
//!
//! The types are those of panels, since players crash on others: what panels send as a text, such
//! as `exp_date`, is a text here.

mod account;
mod films;
mod guide;
mod list;
mod live;

use std::time::Duration;

use axum::Json;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::response::{IntoResponse as _, Response};
use http::{StatusCode, header};
use serde_json::json;
use tokio::time::timeout;

pub(super) use self::films::{head_movie, movie};
pub(super) use self::list::list;
use super::auth::{Watching, by_password};
use super::error::ApiError;
use super::forwarded::{base_url, client_address};
use super::query::Query;
use super::{Peer, State};

/// A form with a name, a password and an action.
const MAX_FORM: usize = 8 << 10;

/// How long it may take to come.
const FORM_TIME: Duration = Duration::from_secs(30);

/// `GET` and `POST /player_api.php`. The words may stand in the query and in the form; those of the
/// query come first.
///
/// Without an action, or with one that nobody knows, it is the account: players rely on that. A
/// wrong password is answered like that of a panel, with 200 and `auth` 0.
pub(super) async fn player_api(state: State, peer: Peer, request: Request) -> Result<Response, ApiError> {
    let (parts, body) = request.into_parts();
    let mut words = parts.uri.query().unwrap_or_default().to_owned();
    if parts.method == http::Method::POST {
        // Behind the query, since the first value of a key counts.
        words = format!("{words}&{}", form(body).await?);
    }
    let query = Query::from(words.as_str());
    let text = |key| query.value(key).unwrap_or_default().into_owned();
    let (name, password) = (text("username"), text("password"));
    let config = state.config();
    let address = client_address(&config.server, peer, &parts.headers);
    let watcher = match by_password(&state, address, &name, &password).await {
        Ok(watcher) => watcher,
        // The answer of the original panels, which every player knows; some take a 401 for a broken
        // server.
        Err(error) if error.status == StatusCode::UNAUTHORIZED => {
            return Ok(Json(json!({ "user_info": { "auth": 0 } })).into_response());
        }
        Err(error) => return Err(error),
    };
    let watching = Watching { watcher, ..Watching::default() };
    let (sight, category) = (state.sight(&watching), query.parsed::<u32>("category_id"));
    Ok(match &*text("action") {
        "get_live_categories" => Json(live::categories(&state, sight).await?).into_response(),
        "get_live_streams" => {
            let base = base_url(&config.server, peer, &parts.uri, &parts.headers);
            live::streams(&state, sight, category, format!("{base}{}", watching.prefix()))
        }
        "get_vod_categories" => Json(films::categories(&state, &sight)).into_response(),
        "get_vod_streams" => films::streams(&state, sight, category),
        "get_vod_info" => Json(films::info(&state, &sight, query.parsed("vod_id"))).into_response(),
        "get_series_categories" | "get_series" => Json(json!([])).into_response(),
        "get_series_info" => Json(json!({ "seasons": [], "info": {}, "episodes": {} })).into_response(),
        action @ ("get_short_epg" | "get_simple_data_table" | "get_epg") => {
            Json(guide::listings(&state, &sight, &query, action == "get_short_epg").await?).into_response()
        }
        _ => {
            let base = base_url(&config.server, peer, &parts.uri, &parts.headers);
            Json(account::document(&state, &watching.watcher, (&name, &password), &base)).into_response()
        }
    })
}

/// The form that a player sends in place of a query.
async fn form(body: Body) -> Result<String, ApiError> {
    let read = timeout(FORM_TIME, to_bytes(body, MAX_FORM)).await;
    let bytes = read.map_err(|_| {
        ApiError::new(StatusCode::REQUEST_TIMEOUT, "body_timeout", "the body did not come within 30 s")
    })?;
    let bytes = bytes.map_err(|_| {
        let message = format!("the body is to be whole, and no longer than {MAX_FORM} bytes");
        ApiError::new(StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", message)
    })?;
    // What is no UTF-8 becomes another password, and is refused as one.
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// An answer as JSON that is made piece by piece.
fn json_of(body: Body) -> Response {
    ([(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-cache")], body).into_response()
}

//! `POST /api/v1/videos/{video}/link`: signs a link to a film.

use std::net::IpAddr;
use std::time::Duration;

use axum::Json;
use axum::extract::Path;
use http::{HeaderMap, StatusCode, Uri};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tracing::info;
use utoipa::ToSchema;

use super::find;
use crate::accounts::Accounts;
use crate::http::admission::household;
use crate::http::auth::{By, SIGNED_PATH};
use crate::http::error::ApiError;
use crate::http::extract::{JsonBody, JsonRequest};
use crate::http::forwarded::base_url;
use crate::http::{Peer, State};

/// How much longer than its film a link is good, unless the request says otherwise: people pause.
const PAUSES: Duration = Duration::from_hours(6);

/// For whom a link is to be, and for how long.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields, default)]
pub(in crate::http) struct LinkFields {
    /// The only address from which it is good; of IPv6, its network is. Everywhere unless given.
    #[schema(value_type = Option<String>)]
    address: Option<IpAddr>,
    /// Seconds, up to 86400. The film's duration and six hours unless given.
    lifetime: Option<u64>,
}

impl JsonRequest for LinkFields {
    const EXAMPLE: &str = r#"{"lifetime":21600,"address":"192.0.2.7"}"#;
}

/// A link that was signed.
#[derive(Debug, Serialize, ToSchema)]
pub(in crate::http) struct FilmLinkMade {
    /// The manifest for DASH; null where the film is only to be had as a file.
    #[schema(required)]
    dash_url: Option<String>,
    #[schema(value_type = String)]
    expires_at: Timestamp,
    /// The playlist for HLS; null where the film is only to be had as a file.
    #[schema(required)]
    hls_url: Option<String>,
    /// The film.
    id: String,
    /// The file; with `?format=ts`, the film as MPEG-TS.
    stream_url: String,
}

/// `POST /api/v1/videos/{video}/link`
pub(in crate::http) async fn sign_link(
    state: State,
    By(actor): By,
    peer: Peer,
    Path(id): Path<String>,
    uri: Uri,
    headers: HeaderMap,
    body: Option<JsonBody<LinkFields>>,
) -> Result<(StatusCode, Json<FilmLinkMade>), ApiError> {
    let video = find(&state, &id)?;
    let LinkFields { address, lifetime } = body.map(|JsonBody(fields)| fields).unwrap_or_default();
    let most = Accounts::MAX_LINK_LIFETIME;
    let lifetime = match lifetime.map(Duration::from_secs) {
        Some(lifetime) if lifetime.is_zero() || lifetime > most => {
            let message = format!("lifetime: expected 1 to {} seconds", most.as_secs());
            return Err(ApiError::new(StatusCode::BAD_REQUEST, "bad_request", message));
        }
        Some(lifetime) => lifetime,
        // A link that ends in the middle of the film would
        // stop it there: each segment shows the link again.
        None => (video.duration.unwrap_or_default() + PAUSES).min(most),
    };
    let id = video.id.to_string();
    let signed = state.accounts.sign_link(&id, lifetime, address.map(household)).await?;
    info!(film = id, by = %actor, expires = %signed.link.expires_at, "a link to a film was signed");
    let base = base_url(&state.config().server, peer, &uri, &headers);
    let prefix = format!("{}{}", SIGNED_PATH.trim_start_matches('/'), signed.text.reveal());
    let url = |path: &str| {
        let path = format!("{prefix}/{path}");
        base.join(&path).map_or(path, String::from)
    };
    let in_parts = video.refusal.is_none();
    let made = FilmLinkMade {
        dash_url: in_parts.then(|| url(&format!("dash/{id}/manifest.mpd"))),
        expires_at: signed.link.expires_at,
        hls_url: in_parts.then(|| url(&format!("hls/{id}/master.m3u8"))),
        stream_url: url(&format!("stream/{id}")),
        id,
    };
    Ok((StatusCode::CREATED, Json(made)))
}

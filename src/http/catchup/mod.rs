//! Catch-up: what was shown on a channel before, by the time at which it was shown.
//!
//! A list offers it by `catchup="append"`, with which players put a query behind the address of
//! the channel. They may use the older way `shift`, too, which appends `utc` and `lutc`. Players of
//! Xtream Codes ask for `/timeshift/…` instead.
//!
//! What the channel has kept itself comes first ([`kept`]): it costs no connection. Else the
//! archive of its provider is passed on ([`provider`]), if there is one, by HLS minute by minute
//! ([`in_parts`]).

mod in_parts;
mod kept;
mod playback;
mod playlist;
mod provider;
mod stretch;

use axum::extract::{Path, RawPathParams};
use axum::response::{IntoResponse as _, Response};
use forebay_relay::channel::{Excerpt, ListedChannel};
use forebay_relay::input::byte_range::ByteRange;
use forebay_relay::model::Channel;
use forebay_relay::provider_archives::may_have;
use http::{HeaderMap, Method, StatusCode, Uri, header};
use jiff::Timestamp;

pub(super) use self::playlist::Rendering;
use self::stretch::Stretch;
use super::State;
use super::auth::WayUp;
use super::error::ApiError;
use super::extract::{ByFile, ByNumberOrId, ByPlayerFile, Client, Named, Naming};
use super::films;
use super::hls;
use super::live;
use super::query::Query;
use super::tally::Count;

/// A request for a file: who asks, and how.
#[derive(Debug, Clone, Copy)]
struct Asked<'a> {
    client: &'a Client,
    method: &'a Method,
    headers: &'a HeaderMap,
}

impl Asked<'_> {
    /// Whether the beginning is wanted, if not all of it.
    fn is_from_start(&self) -> bool {
        ByteRange::of(self.headers).is_none_or(ByteRange::is_from_start)
    }
}

/// `GET` and `HEAD /stream/{id}`: with `utc` what the channel has kept, else the channel or the
/// film.
pub(super) async fn watch(
    state: State,
    path: Path<String>,
    channel: Result<Named<ByFile>, Response>,
    query: Query,
    client: Client,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, ApiError> {
    match (channel, Stretch::of_query(&query)) {
        (Ok(Named { found, .. }), Some(stretch)) => {
            let asked = Asked { client: &client, method: &method, headers: &headers };
            file(&state, &found.channel, stretch?, asked).await
        }
        (channel, _) if method == Method::HEAD => {
            films::head(state, path, channel, query, client, headers).await
        }
        (channel, _) => films::watch(state, path, channel, query, client, headers).await,
    }
}

/// The same where the address is a channel's by its number or for a user.
pub(super) async fn watch_channel<N: Naming>(
    state: State,
    named: Named<N>,
    query: Query,
    client: Client,
    (uri, way): (Uri, WayUp),
    (method, headers): (Method, HeaderMap),
) -> Result<Response, ApiError> {
    match Stretch::of_query(&query) {
        // What leads to the playlist takes the query along.
        Some(stretch) if uri.path().strip_suffix(".m3u8").is_none() => {
            let asked = Asked { client: &client, method: &method, headers: &headers };
            file(&state, &named.found.channel, stretch?, asked).await
        }
        _ => live::watch_as_user(state, named, query, client, (uri, way), method).await,
    }
}

/// `GET` and `HEAD` of a channel's playlist: with `utc` that of what the channel has kept.
pub(super) async fn watch_by_hls<N: Naming>(
    state: State,
    named: Named<N>,
    query: Query,
    client: Client,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, ApiError> {
    let channel = &named.found.channel;
    match Stretch::of_query(&query) {
        Some(stretch) if method == Method::HEAD => {
            // The same refusals as for `GET`.
            let (channel, stretch) = (&without_disabled(&state, channel), stretch?);
            Keeper::of(&state, channel, stretch)?.in_parts(channel, stretch)?;
            Ok(hls::head_playlist(named).into_response())
        }
        Some(stretch) => playlist_of(&state, channel, stretch?, &client, &headers).await,
        None if method == Method::HEAD => Ok(hls::head_playlist(named).into_response()),
        None => hls::playlist(state, named, query, client, headers).await,
    }
}

/// `GET` of a segment: of the channel, or of a playlist of what its provider has kept.
pub(super) async fn segment(
    state: State,
    path: Path<(String, String)>,
    named: Named<ByNumberOrId>,
    query: Query,
    client: Client,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, ApiError> {
    match (in_parts::part_of(&path.1), method == Method::HEAD) {
        (Some(stretch), _) => {
            state.tally.note(Count::Segments);
            let asked = Asked { client: &client, method: &method, headers: &headers };
            file_of(&state, &named.found.channel, stretch, true, asked).await
        }
        (None, true) => hls::head_segment(&state, &named.found.channel, &path.1),
        (None, false) => hls::segment(state, path, named, query, client, headers).await,
    }
}

/// Who has kept a stretch of a channel's past.
enum Keeper {
    /// We have, from its beginning to its end.
    Us(Excerpt),
    /// The channel's provider may have. We have kept some of it, too, if anything.
    Provider { here: Option<Excerpt> },
}

impl Keeper {
    fn of(state: &State, channel: &Channel, stretch: Stretch) -> Result<Self, ApiError> {
        let here = stretch.find(&state.channels, channel);
        let now = Timestamp::now().as_second();
        match here {
            Some(here) if stretch.is_whole(&state.channels.kept(&channel.id), now) => Ok(Self::Us(here)),
            here if may_have(channel, stretch.of_provider(now), false) => Ok(Self::Provider { here }),
            Some(here) => Ok(Self::Us(here)),
            None => Err(stretch.nowhere()),
        }
    }

    /// The same for a playlist: where the provider's archive has no parts, what we have kept will
    /// do.
    fn in_parts(self, channel: &Channel, stretch: Stretch) -> Result<Self, ApiError> {
        match self {
            Self::Provider { here } => match (in_parts::check(channel, stretch), here) {
                (Err(_), Some(here)) => Ok(Self::Us(here)),
                (checked, here) => checked.map(|()| Self::Provider { here }),
            },
            us @ Self::Us(_) => Ok(us),
        }
    }
}

/// The channel with those of its sources alone that may be asked.
fn without_disabled(state: &State, channel: &Channel) -> Channel {
    let (disabled, mut channel) = (state.channels.disabled_sources(channel), channel.clone());
    channel.sources.retain(|source| !disabled.contains(&source.id));
    channel
}

/// A stretch of a channel as one file of MPEG-TS, or the range of it that was asked for. The
/// channel is one that whoever asks may watch.
async fn file(
    state: &State,
    channel: &Channel,
    stretch: Stretch,
    asked: Asked<'_>,
) -> Result<Response, ApiError> {
    file_of(state, channel, stretch, false, asked).await
}

/// The same; `needs_end` where it has to end with the stretch.
async fn file_of(
    state: &State,
    channel: &Channel,
    stretch: Stretch,
    needs_end: bool,
    asked: Asked<'_>,
) -> Result<Response, ApiError> {
    let channel = &without_disabled(state, channel);
    let here = match Keeper::of(state, channel, stretch)? {
        Keeper::Us(excerpt) => return kept::file(state, channel, excerpt, asked).await,
        Keeper::Provider { here } => here,
    };
    let refused = match provider::file(state, channel, (stretch, needs_end), asked).await? {
        Ok(answer) => return Ok(answer),
        Err(refused) => refused,
    };
    match here {
        // A part of it is better than nothing. It is another file, so the rest of the provider's is
        // not in it.
        Some(here) if asked.is_from_start() => kept::file(state, channel, here, asked).await,
        _ => Err(refused),
    }
}

/// A stretch of a channel as an HLS playlist.
async fn playlist_of(
    state: &State,
    channel: &Channel,
    stretch: Stretch,
    client: &Client,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    state.tally.note(Count::Playlists);
    let channel = &without_disabled(state, channel);
    match Keeper::of(state, channel, stretch)?.in_parts(channel, stretch)? {
        Keeper::Provider { .. } => in_parts::playlist_of(state, channel, stretch, client, headers).await,
        Keeper::Us(_) => kept::playlist_of(state, channel, stretch, client, headers).await,
    }
}

/// `GET` and `HEAD /timeshift/{user}/{password}/{minutes}/{start}/{id}`, as players of Xtream Codes
/// ask: the file, or with `.m3u8` behind the id the way to the playlist, below a path that carries
/// who asks.
pub(super) async fn of_panel(
    state: State,
    path: RawPathParams,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ByPlayerFile>,
    client: Client,
    way: WayUp,
    (method, headers): (Method, HeaderMap),
) -> Result<Response, ApiError> {
    let part = |wanted: &str| path.iter().find(|(name, _)| *name == wanted).map_or("", |(_, value)| value);
    let stretch = Stretch::of_panel(part("start"), part("minutes"))?;
    if part("id").strip_suffix(".m3u8").is_none() {
        let asked = Asked { client: &client, method: &method, headers: &headers };
        return file(&state, &channel, stretch, asked).await;
    }
    let (prefix, id, query) = (client.watching.prefix(), channel.id.as_str(), stretch.query());
    // Relative, since a proxy may serve Forebay below a path.
    let playlist = format!("{way}{prefix}stream/{id}/index.m3u8?{query}");
    Ok((StatusCode::FOUND, [(header::LOCATION, playlist)]).into_response())
}

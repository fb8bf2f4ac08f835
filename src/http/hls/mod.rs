//! A channel as HLS: its playlist and its segments.

mod held;
mod sessions;

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::Path;
use axum::response::{IntoResponse, IntoResponseParts, Response};
use bytes::Bytes;
use forebay_relay::channel::{
    GrowingSegmentReader, ListedChannel, NoPlaylist, PlaylistKind, Rendered, SegmentReader,
};
use forebay_relay::model::Channel;
use futures_util::{FutureExt as _, stream};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode, header};

pub(super) use self::sessions::Sessions;
use self::sessions::{Key, Watched};
use super::State;
use super::auth::Carried;
use super::encoding::takes_gzip;
use super::error::ApiError;
use super::extract::{ByNumberOrId, Client, Named, Naming};
use super::films::FilmViewer;
use super::live::no_body;
use super::presence::How;
use super::query::Query;
use super::range::Part;
use super::tally::Count;
use crate::accounts::{Form, Title};

/// The word in the addresses of segments of a playlist of what was kept: whoever asks for one
/// watches the past, and not live.
pub(super) const MARK: &str = "catchup";

const SEGMENT_TYPE: HeaderValue = HeaderValue::from_static("video/mp2t");
const PLAYLIST_TYPE: HeaderValue = HeaderValue::from_static("application/vnd.apple.mpegurl");
const NO_CACHE: HeaderValue = HeaderValue::from_static("no-cache");

/// `HEAD` of a playlist: players ask for the type; nothing is opened.
pub(super) fn head_playlist<N: Naming>(_: Named<N>) -> impl IntoResponse {
    let headers = [
        (header::CONTENT_TYPE, PLAYLIST_TYPE),
        (header::CACHE_CONTROL, NO_CACHE),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
    ];
    (headers, no_body())
}

/// `GET` of a playlist: waits until the player can begin.
pub(super) async fn playlist<N: Naming>(
    state: State,
    Named { found, .. }: Named<N>,
    query: Query,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    let list = if query.value("list").as_deref() == Some("short") {
        PlaylistKind::Short
    } else {
        PlaylistKind::Standard
    };
    state.tally.note(Count::Playlists);
    let key = Key::new(&found.channel, query.value("token").as_deref(), list, &client);
    // Before the session: a player beyond its user's limit must not open the channel.
    let seat = state.seat(&client, &Title::from(&*found.channel), Form::Hls).await?;
    let carried = client.watching.carried.clone();
    let watched = state.audience.sessions.watch(&state, &found, key, &client, seat)?;
    let (sessions, length) = (state.audience.sessions.clone(), query.span("dvr"));
    let who = Arc::clone(&watched);
    let wait = async move {
        // Who may not go on waits no longer, and learns why when it asks again.
        let playlist = tokio::select! {
            playlist = who.session.playlist() => playlist,
            () = who.ended() => Err(NoPlaylist::Ended),
        };
        // Whatever came of it, the address opens this channel no longer.
        who.opened();
        match playlist {
            Ok(playlist) => {
                who.note_sent(&playlist);
                let rendered = match length {
                    None => Arc::clone(&playlist.rendered),
                    Some(length) => who.session.reach_back(&playlist, length).await,
                };
                Ok(match carried {
                    // Addresses in it are relative.
                    Carried::Nothing | Carried::InPath(_) => rendered,
                    Carried::InQuery(_) => Arc::new(rendered.with_query(&carried.query())),
                })
            }
            // The next request finds the channel open, and the segment made.
            Err(NoPlaylist::NoSegment) => Err(NoPlaylist::NoSegment.into()),
            Err(reason) => {
                // Else the next request would join a session
                // that has failed, and get the same answer.
                sessions.forget(&who);
                Err(reason.into())
            }
        }
    };
    held::wait_for(wait.boxed(), || watched.session.may_answer_early(), &headers).await
}

/// The answer with a playlist, to a player that may have it already.
pub(super) fn answer(playlist: &Rendered, headers: &HeaderMap) -> Response {
    // Weak, since it stands for the text and for what it is compressed to.
    let opaque = format!("\"{}\"", playlist.etag);
    let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|tags| tags.to_str().ok());
    // Players ask again and again for a list that has not changed.
    let is_known = known
        .flat_map(|tags| tags.split(','))
        .map(str::trim)
        .any(|known| known == "*" || known.strip_prefix("W/").unwrap_or(known) == opaque);
    let fixed = [
        (header::CONTENT_TYPE, PLAYLIST_TYPE),
        (header::CACHE_CONTROL, NO_CACHE),
        (header::VARY, HeaderValue::from_static("Accept-Encoding")),
    ];
    let tag = [(header::ETAG, format!("W/{opaque}"))];
    if is_known {
        return (StatusCode::NOT_MODIFIED, fixed, tag).into_response();
    }
    if takes_gzip(headers) {
        let encoding = [(header::CONTENT_ENCODING, "gzip")];
        return (fixed, tag, encoding, playlist.gzip()).into_response();
    }
    (fixed, tag, playlist.text.clone()).into_response()
}

/// `GET` of a segment.
pub(super) async fn segment(
    state: State,
    Path((_, name)): Path<(String, String)>,
    Named { found: ListedChannel { channel, .. }, .. }: Named<ByNumberOrId>,
    query: Query,
    client: Client,
    headers: HeaderMap,
) -> Result<Response, ApiError> {
    state.tally.note(Count::Segments);
    let segment = find(&state, &channel, &name)?;
    if let Segment::Whole(segment) = &segment
        && (query.value(MARK).is_some() || segment.is_of_closed())
    {
        // Asked each time: a player may have been away for so long that another one has its seat.
        // The live session of a player is another viewer, and does not go on by this.
        let how = (How::Catchup, segment.rate());
        let viewer = state.films.viewers.admit_to(&state, &client, &Title::from(&*channel), how).await?;
        return Ok(send(segment.clone(), Receiver::Past(viewer), &headers));
    }
    let key = Key::new(&channel, None, segment.list(), &client);
    let watched = state.audience.sessions.serve(&state, &channel, &key, client.address)?;
    // One that an operator has ended is not served on.
    if watched.is_none()
        && let Some(wait) = state.audience.presence.away(&client, channel.id.as_str())
    {
        return Err(ApiError::ended(wait));
    }
    Ok(match segment {
        Segment::Whole(segment) => send(segment, Receiver::Live(watched), &headers),
        Segment::Growing(segment) => send_as_it_comes(segment, watched),
    })
}

/// Who is sent a segment.
enum Receiver {
    /// The session of a player, where one is known.
    Live(Option<Arc<Watched>>),
    /// Somebody who watches what the channel has kept.
    Past(Arc<FilmViewer>),
}

impl Receiver {
    /// Whether the viewer may not go on.
    fn is_ended(&self) -> bool {
        match self {
            Self::Live(watched) => watched.as_ref().is_some_and(|watched| watched.is_ended()),
            Self::Past(viewer) => viewer.is_ended(),
        }
    }

    fn touch(&self) {
        match self {
            Self::Live(watched) => watched.iter().for_each(|watched| watched.touch()),
            Self::Past(viewer) => viewer.touch(),
        }
    }

    fn count(&self, bytes: u64) {
        if let Self::Live(Some(watched)) = self {
            watched.session.count(bytes);
        }
    }
}

fn send(segment: SegmentReader, receiver: Receiver, headers: &HeaderMap) -> Response {
    let size = segment.size();
    let part = Part::of(headers, size);
    let (at, end) = match part {
        Part::Whole => (0, size),
        Part::Of { start, end } => (start, end),
        Part::Nothing => {
            let range = format!("bytes */{size}");
            return (StatusCode::RANGE_NOT_SATISFIABLE, [(header::CONTENT_RANGE, range)]).into_response();
        }
    };
    let body = Body::from_stream(stream::try_unfold(
        (segment, receiver, at),
        move |(segment, receiver, at)| async move {
            if receiver.is_ended() {
                return Err(io::Error::other("the viewer may not go on"));
            }
            if at == end {
                // At the end: a slow line may take longer for a
                // segment than a session lives without a sign.
                receiver.touch();
                return Ok::<_, io::Error>(None);
            }
            let bytes: Bytes = segment.read(at, end).await?;
            // As it is handed out and not at the end: a viewer who leaves was sent this much.
            receiver.count(bytes.len() as u64);
            let at = at + bytes.len() as u64;
            Ok(Some((bytes, (segment, receiver, at))))
        },
    ));
    let mut response = (describe(end - at), body).into_response();
    if part != Part::Whole {
        let range = format!("bytes {at}-{}/{size}", end - 1);
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
        response
            .headers_mut()
            .extend(HeaderValue::try_from(range).ok().map(|range| (header::CONTENT_RANGE, range)));
    }
    response
}

/// Its length is not known yet, so a range of it is not to be had.
fn send_as_it_comes(segment: GrowingSegmentReader, watched: Option<Arc<Watched>>) -> Response {
    let body = stream::try_unfold((segment, watched), |(mut segment, watched)| async move {
        let ended = async {
            match &watched {
                Some(watched) => watched.ended().await,
                None => std::future::pending().await,
            }
        };
        let bytes = tokio::select! {
            biased;
            () = ended => return Err(io::Error::other("the viewer may not go on")),
            bytes = segment.next() => bytes?,
        };
        if let Some(watched) = &watched {
            watched.touch();
            watched.session.count(bytes.as_ref().map_or(0, Bytes::len) as u64);
        }
        Ok::<_, io::Error>(bytes.map(|bytes| (bytes, (segment, watched))))
    });
    (describe_growing(), Body::from_stream(body)).into_response()
}

/// `HEAD` of a segment.
pub(super) fn head_segment(state: &State, channel: &Channel, name: &str) -> Result<Response, ApiError> {
    let segment = find(state, channel, name)?;
    Ok(match segment {
        Segment::Whole(segment) => (describe(segment.size()), no_body()).into_response(),
        Segment::Growing(_) => (describe_growing(), no_body()).into_response(),
    })
}

/// A segment that was asked for.
enum Segment {
    Whole(SegmentReader),
    /// It is being made, or is about to be.
    Growing(GrowingSegmentReader),
}

impl Segment {
    /// The list that names it.
    fn list(&self) -> PlaylistKind {
        match self {
            Self::Whole(segment) => segment.list(),
            Self::Growing(_) => PlaylistKind::Standard,
        }
    }
}

fn find(state: &State, channel: &Channel, name: &str) -> Result<Segment, ApiError> {
    let number = name.strip_prefix("segment_").and_then(|name| name.strip_suffix(".ts")?.parse().ok());
    let segment = number.and_then(|number| {
        // In this order, so that one that becomes whole meanwhile is found all the same.
        let growing = state.channels.growing(&channel.id, number).map(Segment::Growing);
        state.channels.segment(&channel.id, number).map(Segment::Whole).or(growing)
    });
    segment.ok_or_else(|| ApiError::no_segment(name))
}

/// A segment never changes, and its number never comes again.
fn describe(length: u64) -> impl IntoResponseParts {
    [
        (header::CONTENT_TYPE, SEGMENT_TYPE),
        (header::CACHE_CONTROL, HeaderValue::from_static("public, max-age=3600, immutable")),
        (header::ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (header::CONTENT_LENGTH, length.into()),
    ]
}

/// No cache keeps what may break off, and no proxy collects what is to be seen at once.
fn describe_growing() -> impl IntoResponseParts {
    [
        (header::CONTENT_TYPE, SEGMENT_TYPE),
        (header::CACHE_CONTROL, NO_CACHE),
        (HeaderName::from_static("x-accel-buffering"), HeaderValue::from_static("no")),
    ]
}

//! Playlists that players have to wait for: a server that says nothing for long is given up.
//!
//! Once a channel has a picture, a player that waits for enough of it is sent the first line of its
//! playlist, and then comments, which every player ignores (RFC 8216, section 4.1), until the rest
//! is there. Before there is a picture it may yet be refused, so nothing is sent.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use forebay_relay::channel::Rendered;
use futures_util::future::BoxFuture;
use futures_util::stream;
use http::{HeaderMap, header};
use tokio::time::timeout;

use super::{NO_CACHE, PLAYLIST_TYPE, answer};
use crate::http::error::ApiError;

/// The longest silence. `ExoPlayer` gives up after 8 s, `GStreamer` after 15 s.
const SILENCE: Duration = Duration::from_secs(5);

/// How every playlist begins.
const BEGINNING: &str = "#EXTM3U\n";

/// A line that says nothing.
const COMMENT: &str = "#\n";

/// A playlist that is being waited for.
pub(super) type Wait = BoxFuture<'static, Result<Arc<Rendered>, ApiError>>;

/// What is left to be sent.
enum Rest {
    Beginning(Wait),
    Playlist(Wait),
    Nothing,
}

/// Answers once the playlist is there. If that takes long and `may_answer_early`, the answer begins
/// before it.
pub(super) async fn wait_for(
    mut wait: Wait,
    may_answer_early: impl Fn() -> bool,
    headers: &HeaderMap,
) -> Result<Response, ApiError> {
    loop {
        match timeout(SILENCE, &mut wait).await {
            Ok(playlist) => return playlist.map(|playlist| answer(&playlist, headers)),
            // Once bytes are out, no status can be sent any more, so this waits for certainty.
            Err(_) if may_answer_early() => break,
            Err(_) => {}
        }
    }
    let fixed = [(header::CONTENT_TYPE, PLAYLIST_TYPE), (header::CACHE_CONTROL, NO_CACHE)];
    let body = stream::unfold(Rest::Beginning(wait), |rest| async move {
        let (text, rest) = rest.next().await?;
        Some((Ok::<_, Infallible>(text), rest))
    });
    Ok((fixed, Body::from_stream(body)).into_response())
}

impl Rest {
    /// What is sent next. Where there is no playlist after all, it stays without a segment, and the
    /// player asks again.
    async fn next(self) -> Option<(Bytes, Self)> {
        match self {
            Self::Beginning(wait) => Some((Bytes::from_static(BEGINNING.as_bytes()), Self::Playlist(wait))),
            Self::Playlist(mut wait) => match timeout(SILENCE, &mut wait).await {
                Err(_) => Some((Bytes::from_static(COMMENT.as_bytes()), Self::Playlist(wait))),
                Ok(Err(_)) => None,
                Ok(Ok(playlist)) => {
                    // The first line went out already.
                    let begins = playlist.text.starts_with(BEGINNING.as_bytes());
                    let rest = playlist.text.slice(if begins { BEGINNING.len() } else { 0 }..);
                    Some((rest, Self::Nothing))
                }
            },
            Self::Nothing => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use forebay_core::segmenter::Segment;
    use futures_util::{FutureExt as _, StreamExt as _};
    use tokio::time::{Instant, sleep};

    use super::*;

    fn playlist() -> Arc<Rendered> {
        Arc::new(Rendered::new(4, 0, &[] as &[Segment]))
    }

    fn after(seconds: u64) -> Wait {
        let wait = async move {
            sleep(Duration::from_secs(seconds)).await;
            Ok(playlist())
        };
        wait.boxed()
    }

    #[tokio::test(start_paused = true)]
    async fn a_player_that_waits_hears_something_every_five_seconds() {
        let began = Instant::now();
        let response = wait_for(after(17), || true, &HeaderMap::new()).await.unwrap();
        assert_eq!((response.status().as_u16(), began.elapsed().as_secs()), (200, 5));
        let mut body = response.into_body().into_data_stream();
        let (mut text, mut last) = (Vec::new(), Instant::now());
        while let Some(piece) = body.next().await {
            assert!(last.elapsed() <= SILENCE);
            last = Instant::now();
            text.extend_from_slice(&piece.unwrap());
        }
        assert_eq!(began.elapsed().as_secs(), 17);
        let text = String::from_utf8(text).unwrap();
        let whole = String::from_utf8(playlist().text.to_vec()).unwrap();
        assert_eq!(text.replace(COMMENT, ""), whole);
        assert!(text.starts_with("#EXTM3U\n#\n#\n#EXT"), "{text}");
    }

    #[tokio::test(start_paused = true)]
    async fn nothing_is_sent_before_there_is_a_picture() {
        let (began, has_picture) = (Instant::now(), AtomicBool::new(false));
        let picture = async {
            sleep(Duration::from_secs(8)).await;
            has_picture.store(true, Ordering::Relaxed);
        };
        let headers = HeaderMap::new();
        let waiting = wait_for(after(60), || has_picture.load(Ordering::Relaxed), &headers);
        let (response, ()) = tokio::join!(waiting, picture);
        assert_eq!((response.unwrap().status().as_u16(), began.elapsed().as_secs()), (200, 10));
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_there_soon_is_an_answer_like_any_other() {
        let response = wait_for(after(4), || true, &HeaderMap::new()).await.unwrap();
        assert!(response.headers().contains_key(header::ETAG));
    }
}

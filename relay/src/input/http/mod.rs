//! HTTP and HTTPS: an endless body, or a playlist that leads to others.
//!
//! Providers' servers are old and odd, so the client is lenient: it follows redirects (to https
//! too), keeps cookies on the way, sends basic credentials from the address (and to that host
//! only), and takes a body with or without chunks or a length. One agent and one connection per
//! upstream: its cookies are its own, and dropping it closes the connection, which frees the
//! provider's slot.
//!
//! Whether the body is a transport stream, an HLS playlist or radio is decided by its first bytes,
//! whatever the address and the declared type say.

mod radio;
mod titles;

use bytes::{Bytes, BytesMut};
use forebay_core::ingest::Facts;
use forebay_core::playlist::parse::{MAX_BODY, begins_like_a_playlist};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, Stream, StreamExt, stream};
use http::HeaderMap;

use self::titles::Untitled;
use super::agent::{Agent, Client, Response};
use super::encoding::Decoded;
use super::hls::{self, Session};
use super::{Context, Error, Pace, Piece, SocketGuard, Upstream};
use crate::model::Source;
use crate::net::{self, Body};

impl Client {
    /// Fetches the whole of a short file: an error if it has more than `limit` bytes.
    pub(super) async fn whole(&self, source: &Source, limit: usize) -> Result<Bytes, Error> {
        let agent = Agent::new(self, source, SocketGuard::default());
        let response = agent.get(source.url.expose(), &HeaderMap::new(), None).await?;
        if !response.status.is_success() {
            return Err(Error::Status { status: response.status.as_u16() });
        }
        let mut body = Decoded::new(response.body, &response.headers)?;
        let mut whole = BytesMut::new();
        while let Some(more) = body.next().await {
            whole.extend_from_slice(&more?);
            // Counted here and not by `Content-Length`: it may
            // be missing, wrong, or of the compressed body.
            if whole.len() > limit {
                return Err(Error::File(format!("it has more than {limit} bytes")));
            }
        }
        Ok(whole.freeze())
    }

    /// Sends the request; what comes back is an upstream if the answer is a success.
    pub(super) fn open(
        &self,
        source: &Source,
        context: &Context,
        hold: SocketGuard,
    ) -> BoxFuture<'static, Result<Upstream, Error>> {
        let session = Session::new(Agent::new(self, source, hold.clone()));
        let (source, context) = (source.clone(), context.clone());
        async move {
            // Taken before the request: the age of a playlist counts from when it was asked for.
            let asked_at = context.memory.now();
            let Response { url, status, headers, body } = session.entry(&source).await?;
            if !status.is_success() {
                return Err(Error::Status { status: status.as_u16() });
            }
            // A body that has a length will end: a film or a recording behind a live address.
            let has_length = body.has_length();
            let mut body = Untitled::new(Decoded::new(body, &headers)?, &headers);
            let mut beginning = begin(&mut body).await;
            if beginning.is_playlist {
                let body = read_whole(beginning.bytes, body).await?;
                let entry = hls::Entry { asked_at, url, body };
                return hls::open(session, &source, context, entry, hls::MAX_WAITING, hold).await;
            }
            let codec = if beginning.error.is_none() && radio::may_be_radio(&headers, &beginning.bytes) {
                radio::find(&mut beginning.bytes, &mut body).await?
            } else {
                None
            };
            let bytes = stream::iter((!beginning.bytes.is_empty()).then(|| Ok(beginning.bytes.freeze())))
                // The bytes go first: what came before the failure tells what the source is.
                .chain(stream::iter(beginning.error.map(Err)))
                .chain(body);
            let media = match codec {
                Some(codec) => radio::remux(codec, bytes).boxed(),
                None => bytes.boxed(),
            };
            let pieces = media
                .map(|bytes| bytes.map(Piece::Bytes))
                // A live stream has no end, so that of its body is a failure like any other.
                .chain(stream::once(std::future::ready(Err(Error::Ended))));
            let facts = Facts { has_length, ..Facts::new(Pace::Live) };
            Ok(Upstream { pieces: pieces.boxed(), facts, parts: None, hold })
        }
        .boxed()
    }
}

impl From<net::Error> for Error {
    fn from(error: net::Error) -> Self {
        match error {
            net::Error::Refused => Self::Refused,
            net::Error::Unreachable(why) => Self::Unreachable(why),
            net::Error::Private => Self::Private,
            net::Error::Untrusted(why) => Self::Untrusted(why),
            net::Error::Tls(why) => Self::Tls(why),
            net::Error::Proxy(why) => Self::Proxy(why),
            net::Error::Broken(why) => Self::Broken(why),
            // A configured address is of a good kind; one that cannot be asked for is where it has
            // led to.
            net::Error::Address(why) => Self::Redirect(why),
        }
    }
}

/// The first bytes of a body.
struct Beginning {
    bytes: BytesMut,
    is_playlist: bool,
    /// What followed them instead of more.
    error: Option<Error>,
}

/// Reads no further than it takes to tell a playlist from anything else.
async fn begin(body: &mut Untitled<Decoded<Body>>) -> Beginning {
    let mut bytes = BytesMut::new();
    loop {
        // Asked again with each piece: the first may be a single byte.
        if let Some(is_playlist) = begins_like_a_playlist(&bytes) {
            return Beginning { bytes, is_playlist, error: None };
        }
        match body.next().await {
            Some(Ok(more)) => bytes.extend_from_slice(&more),
            Some(Err(error)) => return Beginning { bytes, is_playlist: false, error: Some(error) },
            None => return Beginning { bytes, is_playlist: false, error: None },
        }
    }
}

/// The whole of a playlist; of a longer one than [`MAX_BODY`] a little more than that.
pub(super) async fn read_whole<B>(mut bytes: BytesMut, mut body: B) -> Result<Bytes, Error>
where
    B: Stream<Item = Result<Bytes, Error>> + Unpin,
{
    // A little more than the limit shows the parser
    // that it is too long, without a count of its own.
    while bytes.len() <= MAX_BODY
        && let Some(more) = body.next().await
    {
        bytes.extend_from_slice(&more?);
    }
    Ok(bytes.freeze())
}

#[cfg(test)]
mod tests;

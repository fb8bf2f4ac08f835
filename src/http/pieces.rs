//! Documents with a line or an object for each channel, made piece by piece as somebody takes them.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use futures_util::{Stream, stream};

use crate::catalogue::{BEGINNING, List, Place};
use crate::db::Error;
use crate::db::listing::Entry;

/// How much of a document is made at once, in bytes: whoever does not read it costs no more than
/// this.
pub(super) const PIECE: usize = 64 * 1024;

/// Channels that are looked at for one piece, where most of them are not listed: a millisecond.
const MAX_LOOKED_AT: usize = 2_000;

/// How a document is written.
pub(super) trait Listing: Send + Sync + 'static {
    /// What it begins with.
    fn head(&self) -> &str;

    /// What it ends with.
    fn tail(&self) -> &'static str {
        ""
    }

    /// Writes a channel behind so many others, if it is listed; says whether it is.
    fn writer(&self) -> impl FnMut(&mut String, &Entry<'_>, usize) -> bool;
}

/// A document of which some was made.
///
/// Its length is not known before, and the channels may change meanwhile: it has no
/// `Content-Length`. Where the rest cannot be read, the answer breaks off, so that nobody takes
/// half a list for the whole.
#[derive(Debug)]
pub(super) struct Pieces<F> {
    list: Arc<List>,
    form: Arc<F>,
    /// What comes next; none once the end is written.
    at: Option<Place>,
    /// Channels that are listed so far.
    written: usize,
}

impl<F: Listing> Pieces<F> {
    pub(super) fn new(list: Arc<List>, form: F) -> Self {
        Self { list, form: Arc::new(form), at: Some(BEGINNING), written: 0 }
    }

    pub(super) fn into_body(self) -> Body {
        Body::from_stream(self.into_stream())
    }

    pub(super) fn into_stream(self) -> impl Stream<Item = Result<Bytes, Error>> + Send {
        stream::try_unfold(self, Self::next)
    }

    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Error> {
        let Some(first) = self.at else { return Ok(None) };
        let mut piece = if first == BEGINNING { self.form.head().to_owned() } else { String::new() };
        let mut at = first;
        // An empty piece would be the end of the body: a part without any listed channel is not.
        while piece.is_empty() || at == BEGINNING {
            let (form, written) = (Arc::clone(&self.form), self.written);
            (piece, at, self.written) = match at {
                Place::End => break,
                // It is in memory.
                Place::File(_) => fill(&*form, piece, &self.list, None, at, written)?,
                Place::Behind(..) => {
                    let read = move |list: &List, connection: Option<&rusqlite::Connection>| {
                        fill(&*form, piece, list, connection, at, written)
                    };
                    self.list.read(read).await?
                }
            };
        }
        self.at = Some(at);
        if at == Place::End {
            piece.push_str(self.form.tail());
            // The tail is written once; the next call ends the stream.
            self.at = None;
        }
        Ok((!piece.is_empty()).then(|| (piece.into(), self)))
    }
}

/// Writes what comes next behind a piece; that, what comes behind it, and how many are listed then.
fn fill<F: Listing>(
    form: &F,
    mut piece: String,
    list: &List,
    connection: Option<&rusqlite::Connection>,
    from: Place,
    mut written: usize,
) -> Result<(String, Place, usize), Error> {
    piece.reserve(PIECE + PIECE / 8);
    let (mut looked_at, mut write) = (0, form.writer());
    let next = list.walk(connection, from, |entry| {
        written += usize::from(write(&mut piece, &entry, written));
        looked_at += 1;
        piece.len() < PIECE && looked_at < MAX_LOOKED_AT
    })?;
    drop(write);
    Ok((piece, next, written))
}

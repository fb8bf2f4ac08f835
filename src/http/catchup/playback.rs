//! An archive on its way to a viewer.
//!
//! A task owns the connection to the provider and feeds a short queue, from which the answer takes.
//! So the connection is closed as soon as it has to be, even while the viewer takes nothing: nobody
//! asks an answer for more while the socket of its player is full.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use forebay_core::failover::SourceId;
use forebay_relay::model::ChannelId;
use forebay_relay::provider_archives::Playback;
use futures_util::FutureExt as _;
use futures_util::future::select;
use futures_util::stream::{self, BoxStream, StreamExt as _};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, info, info_span};

use crate::http::State;
use crate::http::films::FilmViewer;

/// Pieces that wait for the viewer, each as much as is read from a socket at once: the next one is
/// there when one is taken.
const MAX_PIECES: usize = 2;

/// How often a playback looks whether there is a new list of channels, which costs nothing where
/// there is none.
const LOOKS: Duration = Duration::from_secs(1);

/// What is sent to the viewer of a playback, from a task of its own.
pub(super) fn body(
    state: &State,
    channel: &ChannelId,
    Playback { source, bytes, needed, .. }: Playback,
    viewer: Arc<FilmViewer>,
    replaced: CancellationToken,
) -> Body {
    let (pieces, queue) = mpsc::channel(MAX_PIECES);
    let gone = removed(state.clone(), channel.clone(), source);
    let needed = select(needed.map(|()| "the provider's connection is needed").boxed(), gone.boxed());
    let task = run(bytes, needed.map(|why| why.factor_first().0), Arc::clone(&viewer), replaced, pieces);
    let task = state.process.connections.spawn(task.instrument(info_span!("archive", %channel)));
    Body::from_stream(stream::unfold(Some((queue, task, viewer)), next))
}

/// Completes when the channel has no such source any more, or none that may be asked.
async fn removed(state: State, id: ChannelId, source: SourceId) -> &'static str {
    let mut seen = None;
    loop {
        let revision = state.channels.revision();
        if seen.replace(revision) != Some(revision) {
            match state.catalogue.find(id.as_str()).await {
                Ok(Some(found)) if found.channel.source(source).is_some() => {}
                Ok(_) => return "the source was removed",
                // Without an answer it stays as it was, and is asked for again.
                Err(_) => seen = None,
            }
        }
        sleep(LOOKS).await;
    }
}

/// Feeds the queue until the archive ends or has to; everything is closed when it returns.
async fn run(
    bytes: BoxStream<'static, io::Result<Bytes>>,
    given_up: impl Future<Output = &'static str>,
    viewer: Arc<FilmViewer>,
    replaced: CancellationToken,
    pieces: mpsc::Sender<Bytes>,
) -> io::Result<()> {
    let why = tokio::select! {
        // A connection that has to be closed is closed at once, whatever has come.
        biased;
        () = viewer.ended() => "the viewer may not go on",
        // An archive may have no end.
        () = viewer.closed() => "the server ends",
        () = replaced.cancelled() => "the player has asked for something else",
        why = given_up => why,
        () = pieces.closed() => return Ok(()),
        fed = feed(bytes, &pieces) => return fed,
    };
    info!(why, "archive broken off");
    Err(io::Error::other(why))
}

async fn feed(
    mut bytes: BoxStream<'static, io::Result<Bytes>>,
    pieces: &mpsc::Sender<Bytes>,
) -> io::Result<()> {
    while let Some(next) = bytes.next().await {
        if pieces.send(next?).await.is_err() {
            // The viewer has left.
            break;
        }
    }
    Ok(())
}

type Sending = (mpsc::Receiver<Bytes>, JoinHandle<io::Result<()>>, Arc<FilmViewer>);

async fn next(sending: Option<Sending>) -> Option<(io::Result<Bytes>, Option<Sending>)> {
    let (mut queue, task, viewer) = sending?;
    if let Some(next) = queue.recv().await {
        return Some((Ok(next), Some((queue, task, viewer))));
    }
    // Its word comes last: an answer that broke off must not look like one that is complete.
    match task.await.unwrap_or_else(|error| Err(io::Error::other(error))) {
        Ok(()) => {
            // A slow line may take longer for the end than a viewer is waited for.
            viewer.touch();
            None
        }
        Err(error) => Some((Err(error), None)),
    }
}

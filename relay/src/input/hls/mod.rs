//! HLS playlists: [`Follower`] decides, and here is what carries it out.
//!
//! One task fetches, of the variant and of its separate sound at most one playlist and one segment
//! at a time, and puts the bytes into a bounded queue, from which the driver takes them at the pace
//! of their media time. It belongs to the stream of pieces, and ends with it.

mod body;
mod data;
mod decrypt;
mod delivery;
mod files;
mod front;
mod lanes;
mod life;
mod memory;
mod monitor;
mod outlet;
mod remuxing;
mod renewal;
mod run;
mod segment;
mod session;
#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::ingest::Facts;
use forebay_core::playlist::follow::{Failure, Follower, Options};
use forebay_core::time::Moment;
use forebay_core::ts::packet::PACKET_SIZE;
use futures_util::{StreamExt, stream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;
use tracing::Instrument;
use url::Url;

pub use self::memory::Memory;
pub use self::monitor::{Monitor, Snapshot, Variant};
use self::renewal::Renewal;
use self::run::Run;
pub(super) use self::session::Session;
use super::{Context, Error, Pace, Piece, SocketGuard, Upstream};
use crate::model::Source;

/// Bytes in a piece: whole packets, and few, so that the pace is even.
const PIECE: usize = 87 * PACKET_SIZE;

/// Bytes that wait for a channel: more than three segments of anything but the highest rates. A
/// fetch goes on no faster then.
pub(super) const MAX_WAITING: usize = 64 << 20;

/// What waits in the queue.
#[derive(Debug)]
enum Item {
    Piece(Piece),
    /// A segment of this duration is complete.
    End(Duration),
    /// There is no more.
    Failed(Error),
}

/// The answer of the entry.
pub(super) struct Entry {
    /// When it was asked for, by the clock of the source's memory.
    pub(super) asked_at: Moment,
    /// Where it came from in the end.
    pub(super) url: Url,
    pub(super) body: Bytes,
}

/// Follows the playlist that the entry has answered; so many bytes at most wait to be taken.
pub(super) async fn open(
    session: Session,
    source: &Source,
    Context { memory, others, has_head_start, followed }: Context,
    entry: Entry,
    max_waiting: usize,
    hold: SocketGuard,
) -> Result<Upstream, Error> {
    let monitor = Arc::new(Monitor::default());
    let (out, mut queue) = mpsc::channel((max_waiting / PIECE).max(1));
    // The opening waits for a playlist that can be followed, so that
    // a bad one fails at once and not as a stream without media.
    let (ready, is_ready) = oneshot::channel();
    let options = Options {
        max_bandwidth: source.max_bitrate,
        prefer: source.variant,
        others,
        has_head_start: has_head_start.load(Ordering::Relaxed),
    };
    let follower = Follower::new(entry.asked_at, source.url.expose().clone(), options);
    let follower = follower.remembering(memory.ladder());
    let renewal = followed.map(Renewal::new);
    let run = Run::new(follower, session, memory, Arc::clone(&monitor), renewal, (out, ready));
    let mut tasks = JoinSet::new();
    tasks.spawn(run.run(entry.url, entry.body).in_current_span());
    match is_ready.await {
        Ok(()) => {}
        // The task put its reason into the queue before it dropped its end.
        Err(_) => return Err(failure(queue.recv().await)),
    }
    let taken = Arc::clone(&monitor);
    let pieces = stream::unfold((queue, tasks), move |(mut queue, tasks)| {
        let monitor = Arc::clone(&taken);
        async move {
            loop {
                match queue.recv().await {
                    Some(Item::Piece(piece)) => return Some((Ok(piece), (queue, tasks))),
                    // Counted where the driver takes it: what waits in the queue is the store.
                    Some(Item::End(media)) => monitor.took(media),
                    last => return Some((Err(failure(last)), (queue, tasks))),
                }
            }
        }
    });
    // `EXT-X-ENDLIST` is the provider's word that no more comes (RFC 8216, 4.3.3.4).
    let facts = Facts { ends_for_good: true, ..Facts::new(Pace::MediaTime) };
    Ok(Upstream { pieces: pieces.boxed(), facts, parts: Some(monitor), hold })
}

/// What the task has left as its last word.
fn failure(item: Option<Item>) -> Error {
    match item {
        Some(Item::Failed(error)) => error,
        _ => Error::Broken("following the playlist ended unexpectedly".to_owned()),
    }
}

/// What users are told; `trouble` is what went wrong with the segments, if anything did, and
/// `has_begun` is whether there was a list of them.
fn explain(failure: Failure, trouble: Option<Error>, has_begun: bool) -> Error {
    match failure {
        Failure::Playlist(error) => Error::Playlist(error.to_string()),
        Failure::NoVariant => {
            Error::Playlist("it offers no variant with a picture or sound that can be passed on".to_owned())
        }
        Failure::Encrypted(reason) => Error::Encrypted(reason),
        // It was there before, so the address may have
        // expired: that is told apart from a wrong address.
        Failure::Refused(status) if has_begun => Error::Gone { status },
        Failure::Refused(status) => Error::Status { status },
        Failure::Over => Error::Over,
        Failure::Unreachable => trouble.unwrap_or_else(|| Error::Unreachable("no answer".to_owned())),
        Failure::Unusable => {
            trouble.unwrap_or_else(|| Error::Format("they are of an unknown kind".to_owned()))
        }
        Failure::Stalled => match trouble {
            Some(error @ (Error::Segments(_) | Error::Encrypted(_) | Error::Stalled)) => error,
            Some(error) => Error::Segments(error.to_string()),
            None => Error::Stalled,
        },
    }
}

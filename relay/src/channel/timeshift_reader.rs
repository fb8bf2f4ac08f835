//! A viewer behind the window: the position from which it reads, and its pace.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::store_index::MAX_CHUNK;
use forebay_core::time::duration_to_ticks;
use forebay_core::timeshift::pace::Pace;
use tokio::sync::watch;
use tracing::debug;

use super::feed::Feed;
use super::window::Window;
use crate::clock::Clock;

/// A position behind the window, and the pace at which it moves.
#[derive(Debug)]
pub(super) struct TimeshiftReader {
    pace: Pace,
    clock: Clock,
    at: u64,
}

impl TimeshiftReader {
    /// Begins at the byte `at`. The first `burst` of media is sent at once, as to any viewer.
    pub(super) fn new(burst: Duration, at: u64) -> Self {
        let clock = Clock::start();
        Self { pace: Pace::new(clock.now(), burst, at), clock, at }
    }

    /// The position.
    pub(super) fn at(&self) -> u64 {
        self.at
    }

    /// The random access point that is `offset` behind live, or the oldest one of this
    /// presentation, and how far behind it is. An older presentation has another timeline, from
    /// which a transport stream cannot change to this one.
    pub(super) fn find(feed: &Feed, offset: Duration) -> Option<(u64, Duration)> {
        let keyframes = feed.keyframes();
        let wanted = keyframes.position().shifted(-duration_to_ticks(offset));
        let (at, shown, is_late) = keyframes.reach(wanted)?;
        // The disk's index is asked only when memory does not reach as far.
        let older = feed
            .media
            .archive
            .as_ref()
            .filter(|_| is_late)
            .and_then(|archive| archive.reach(feed.media.base, wanted));
        let (at, shown) = older.filter(|&(older, _)| older < at).unwrap_or((at, shown));
        Some((at, keyframes.position().since(shown)))
    }

    /// Waits until media is due, and reads it. `None` when the feed is over, or the next media is
    /// gone.
    pub(super) async fn next(
        &mut self,
        feed: &Arc<Feed>,
        window: &mut watch::Receiver<Window>,
    ) -> Option<Bytes> {
        loop {
            if window.borrow_and_update().is_over {
                return None;
            }
            if !self.pace.knows(self.at) {
                let (recent, head) = {
                    let keyframes = feed.keyframes();
                    (keyframes.at(self.at), keyframes.head())
                };
                let span = recent.or_else(|| feed.media.archive.as_ref()?.span(self.at));
                match span {
                    Some(span) => self.pace.enter(span, self.at),
                    // The source has stood still for longer than this viewer is behind: it waits
                    // like a live one.
                    None if self.at >= head => {
                        window.changed().await.ok()?;
                        continue;
                    }
                    None => return None,
                }
            }
            let now = self.clock.now();
            // After a delay of this task much media is due at
            // once: it is read one chunk at a time.
            let end = self.pace.due(now).min(self.at + MAX_CHUNK);
            if end > self.at {
                let bytes = self.read(feed, end).await?;
                self.at = end;
                return Some(bytes);
            }
            tokio::time::sleep_until(self.clock.instant(self.pace.next(self.at).max(now + SHORTEST))).await;
        }
    }

    async fn read(&self, feed: &Feed, end: u64) -> Option<Bytes> {
        // Memory first: a viewer that is a little behind costs the disk nothing.
        let recent = feed.media.store.read(self.at, end);
        let bytes = match (recent, &feed.media.archive) {
            (Ok(None), Some(archive)) => archive.read(self.at, end).await,
            (recent, _) => recent,
        };
        bytes.inspect_err(|error| debug!(%error, "cannot read the time-shift of a channel")).ok()?
    }
}

/// The least time between two looks at the clock.
const SHORTEST: Duration = Duration::from_millis(10);

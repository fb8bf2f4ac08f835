//! A cursor on a feed: what a viewer holds.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use forebay_core::ring::{Cursor, Step};
use tokio::sync::watch;

use super::feed::{Feed, Stage, StartFailure, Window};

/// The driver gives up first, since it knows more.
const SLACK: Duration = Duration::from_millis(500);

/// One watcher of a channel. Dropping it is leaving; the last one to leave starts the linger.
#[derive(Debug)]
pub struct Subscription {
    feed: Arc<Feed>,
    window: watch::Receiver<Window>,
    cursor: Cursor,
    /// Bytes handed out.
    sent: u64,
}

/// How a start went.
#[derive(Debug, Clone)]
pub enum Start {
    /// There is a picture to send.
    Started,
    /// No source answered in time.
    Failed(Arc<StartFailure>),
    /// The channel was removed, or the process is ending.
    Ended,
}

impl Subscription {
    /// Joins; the caller holds the lock of the map.
    pub(super) fn new(feed: &Arc<Feed>) -> Self {
        feed.demand.send_modify(|viewers| *viewers += 1);
        feed.counts.viewers.fetch_add(1, Ordering::Relaxed);
        Self { feed: Arc::clone(feed), window: feed.window.subscribe(), cursor: Cursor::default(), sent: 0 }
    }

    /// Bytes handed out so far.
    pub fn sent(&self) -> u64 {
        self.sent
    }

    /// Waits until there is a picture to send, or there is not going to be one. Who comes while an open channel has no source
    /// waits as long for one as the first viewer did: an old picture and then nothing would be no start.
    pub async fn started(&mut self) -> Start {
        let is_decided = |window: &Window| match window.stage {
            Stage::Starting => false,
            Stage::Started => window.is_live,
            Stage::Failed(_) | Stage::Ended => true,
        };
        let limit = self.feed.channel.borrow().policy.start_timeout + SLACK;
        let Ok(decided) = tokio::time::timeout(limit, self.window.wait_for(is_decided)).await else {
            return Start::Failed(Arc::new(StartFailure { sources: self.feed.report().sources }));
        };
        match decided.as_deref().map(|window| &window.stage) {
            Ok(Stage::Failed(failure)) => Start::Failed(Arc::clone(failure)),
            Ok(Stage::Starting | Stage::Started) => Start::Started,
            Ok(Stage::Ended) | Err(_) => Start::Ended,
        }
    }

    /// The next bytes: whole packets, the first of them a PAT in front of a random access point. `None` when the feed is over.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let (step, recent) = {
                let window = self.window.borrow_and_update();
                if matches!(window.stage, Stage::Ended | Stage::Failed(_)) {
                    return Ok(None);
                }
                (self.cursor.step(&window.edges), Arc::clone(&window.recent))
            };
            match step {
                Step::Wait => {
                    if self.window.changed().await.is_err() {
                        return Ok(None);
                    }
                }
                Step::Lagged { missed } => {
                    self.feed.counts.lagged.fetch_add(1, Ordering::Relaxed);
                    self.feed.counts.missed.fetch_add(missed, Ordering::Relaxed);
                    tracing::debug!(missed, "viewer fell behind, moved on");
                }
                Step::Read { start, end } => {
                    // Who keeps up shares one read with all others; who has fallen behind reads alone.
                    let shared = recent.partition_point(|block| block.end <= start);
                    let bytes = match recent.get(shared).filter(|block| block.start <= start) {
                        Some(block) => block
                            .read(&self.feed.store)?
                            .map(|bytes| bytes.slice(usize::try_from(start - block.start).unwrap_or(0)..)),
                        None => self.feed.store.read(start, end)?,
                    };
                    if let Some(bytes) = bytes {
                        self.cursor.advance(start + bytes.len() as u64);
                        self.sent += bytes.len() as u64;
                        self.feed.counts.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                        return Ok(Some(bytes));
                    }
                    // Gone between the look and the read: the next look says so.
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        self.feed.demand.send_modify(|viewers| *viewers -= 1);
    }
}

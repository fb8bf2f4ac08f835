//! Segments that are sent as they are made.

use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use forebay_core::playlist::opening::MAX_ANNOUNCED;
use forebay_core::segmenter::Segment;
use tokio::sync::watch;

use super::feed::Feed;
use super::store::BLOCK;
use super::window::Window;

/// A segment that is being made, or is about to be, and that is sent as it grows.
#[derive(Debug)]
pub struct GrowingSegmentReader {
    feed: Arc<Feed>,
    window: watch::Receiver<Window>,
    number: u64,
    /// How far it has been read; `None` before the segment begins.
    at: Option<u64>,
}

/// The part of a segment that exists now.
struct Stretch {
    start: u64,
    end: u64,
    is_whole: bool,
}

impl GrowingSegmentReader {
    /// The segment with this number, if it is the one that grows, or one of the few that
    /// playlists already name after it.
    pub(super) fn find(feed: &Arc<Feed>, number: u64) -> Option<Self> {
        let next = feed.hls.growing.borrow().as_ref()?.segment.number;
        (next..next + MAX_ANNOUNCED).contains(&number).then(|| Self {
            feed: Arc::clone(feed),
            window: feed.windows[0].subscribe(),
            number,
            at: None,
        })
    }

    /// The next bytes of the segment, as soon as there are any; `None` at its end.
    ///
    /// # Errors
    /// If the channel ends before the segment does, or if its next bytes are gone.
    pub async fn next(&mut self) -> io::Result<Option<Bytes>> {
        loop {
            let (head, block) = {
                let window = self.window.borrow_and_update();
                if window.is_over {
                    return Err(io::Error::other("the channel is over"));
                }
                (window.edges.head, window.newest.clone())
            };
            // Read after the window, which changes last: so the ends of all segments up to `head`
            // are known.
            if let Some(Stretch { start, end, is_whole }) = self.stretch(head)? {
                let at = *self.at.get_or_insert(start);
                if at < end {
                    // The block that all viewers are sent is shared here,
                    // too, unless it reaches into the next segment.
                    let block = block.filter(|block| block.start == at && block.end <= end);
                    let bytes = match block {
                        Some(block) => block.read(&self.feed.media.store)?,
                        None => self.feed.media.store.read(at, end.min(at + BLOCK))?,
                    };
                    let bytes = bytes.ok_or_else(|| io::Error::other("the segment is gone"))?;
                    self.at = Some(at + bytes.len() as u64);
                    self.feed.counts.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed);
                    return Ok(Some(bytes));
                }
                if is_whole {
                    return Ok(None);
                }
            }
            if self.window.changed().await.is_err() {
                return Err(io::Error::other("the channel is over"));
            }
        }
    }

    /// The part of the segment in a store that ends at `head`; `None` before it begins.
    fn stretch(&self, head: u64) -> io::Result<Option<Stretch>> {
        // Before the playlist, which names the segment before the next one grows:
        // between the two looks it cannot be gone from both.
        let growing = self.feed.hls.growing.borrow().as_ref().map(|growing| growing.segment);
        let playlist = self.feed.hls.playlist.borrow().clone();
        if let Some(cached) = playlist.and_then(|playlist| playlist.find(self.number).cloned()) {
            let Segment { start, end, .. } = cached.segment;
            return Ok(Some(Stretch { start, end, is_whole: true }));
        }
        match growing {
            Some(Segment { number, start, .. }) if number == self.number => {
                Ok(Some(Stretch { start, end: head.max(start), is_whole: false }))
            }
            Some(Segment { number, .. }) if number < self.number => Ok(None),
            _ => Err(io::Error::other("the segment is gone")),
        }
    }
}

//! A part of a channel's time-shift, readable like a file: from any byte, at any speed.

use std::io;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use forebay_core::segmenter::Segment;
use forebay_core::time::ticks_to_duration;
use forebay_core::timeshift::Extract;

use super::Channels;
use super::archive::Archive;
use super::feed::{Feed, Totals};
use super::hls::rate;
use super::playlist::Rendered;
use super::store::BLOCK;
use crate::model::ChannelId;

/// The segments of a stretch of time, from the one that shows its first moment to the one that
/// shows its last.
#[derive(Debug)]
pub struct Excerpt {
    /// At least one.
    segments: Vec<Segment>,
    discontinuity_sequence: u64,
    reader: ExcerptReader,
}

/// The bytes of an excerpt. It takes little memory, and does not keep the channel open.
#[derive(Debug)]
pub struct ExcerptReader {
    archive: Arc<Archive>,
    /// The open channel, of which the newest media is in memory only.
    feed: Weak<Feed>,
    totals: Arc<Totals>,
    /// Where the bytes lie: segments that follow each other are one run.
    runs: Vec<Run>,
}

/// Bytes that follow each other in the store, too.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Run {
    /// Where it begins in the excerpt.
    at: u64,
    start: u64,
    end: u64,
}

impl Channels {
    /// What the time-shift of this channel has kept of the time from `from` until `until`, whether
    /// the channel is open or not; `None` where that is nothing.
    pub fn excerpt(&self, id: &ChannelId, from: SystemTime, until: SystemTime) -> Option<Excerpt> {
        let (feed, archive) = self.media_of(id);
        Excerpt::find(archive?, feed, Arc::clone(&self.totals), (from, until))
    }

    /// Of which times the time-shift of this channel has something, the oldest first: from when
    /// until when, by the clock on the wall.
    pub fn kept(&self, id: &ChannelId) -> Vec<(SystemTime, SystemTime)> {
        let (_, archive) = self.media_of(id);
        archive.map(|archive| archive.stretches()).unwrap_or_default()
    }
}

impl Excerpt {
    /// What is kept of the time from `from` until `until`; `None` where that is nothing.
    pub(super) fn find(
        archive: Arc<Archive>,
        feed: Option<Arc<Feed>>,
        totals: Arc<Totals>,
        (from, until): (SystemTime, SystemTime),
    ) -> Option<Self> {
        let Extract { mut segments, discontinuity_sequence } = archive.between(from, until);
        if feed.is_none() {
            // What never got to the disk went with the memory.
            let written = archive.written();
            segments.retain(|segment| segment.end <= written);
        }
        // A download takes hours, and the channel may close meanwhile: its memory goes then.
        let feed = feed.map_or_else(Weak::new, |feed| Arc::downgrade(&feed));
        let reader = ExcerptReader { archive, feed, totals, runs: runs(&segments) };
        let is_some = !segments.is_empty();
        is_some.then_some(Self { segments, discontinuity_sequence, reader })
    }

    /// Its size in bytes.
    pub fn size(&self) -> u64 {
        self.reader.runs.last().map_or(0, |run| run.at + (run.end - run.start))
    }

    /// How long it plays.
    pub fn duration(&self) -> Duration {
        ticks_to_duration(self.segments.iter().map(|segment| segment.ticks).sum())
    }

    /// Bits a second that a viewer needs.
    pub fn rate(&self) -> u64 {
        rate(self.size(), self.duration())
    }

    /// What tells these bytes from those of any other excerpt of the channel: offsets in a store
    /// never come again.
    pub fn tag(&self) -> String {
        let (first, last) = (self.segments.first(), self.segments.last());
        let [start, end] = [first.map_or(0, |it| it.start), last.map_or(0, |it| it.end)];
        format!("{start:x}-{end:x}-{:x}", self.size())
    }

    /// Its playlist, which is whole: players begin with the first segment, and may seek. Renders
    /// the text, which takes some milliseconds for a day.
    pub fn playlist(&self) -> Rendered {
        let longest = self.segments.iter().map(|segment| segment.duration().as_secs_f64().round());
        let target = longest.fold(1.0, f64::max);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "segments are no longer than an hour"
        )]
        Rendered::whole(target as u64, self.discontinuity_sequence, &self.segments)
    }

    /// Its bytes alone: a day has some twenty thousand segments, which nobody needs to read it.
    pub fn into_reader(self) -> ExcerptReader {
        self.reader
    }
}

impl ExcerptReader {
    /// Bytes from `at` on, up to `end` or less: at least one, where `at` lies before its end. Fails
    /// where they are not kept any more.
    pub async fn read(&self, at: u64, end: u64) -> io::Result<Bytes> {
        let gone = || io::Error::new(io::ErrorKind::NotFound, "the time-shift does not have that any more");
        let nth = self.runs.partition_point(|run| run.at <= at).checked_sub(1).ok_or_else(gone)?;
        let run = self.runs[nth];
        let start = run.start + (at - run.at);
        let end = run.end.min(start + BLOCK).min(run.start.saturating_add(end - run.at));
        if start >= end {
            return Ok(Bytes::new());
        }
        let feed = self.feed.upgrade();
        let mut bytes = match &feed {
            // Memory first: who watches what has just been shown costs the disk nothing.
            Some(feed) => feed.media.store.read(start, end)?,
            None => None,
        };
        if bytes.is_none() {
            // The file may end within what is asked for: memory has the rest.
            let end = if start < self.archive.written() { end.min(self.archive.written()) } else { end };
            bytes = self.archive.read(start, end).await?;
        }
        let bytes = bytes.ok_or_else(gone)?;
        match &feed {
            Some(feed) => _ = feed.counts.sent.fetch_add(bytes.len() as u64, Ordering::Relaxed),
            None => self.totals.note_sent(bytes.len() as u64),
        }
        Ok(bytes)
    }
}

fn runs(segments: &[Segment]) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for segment in segments {
        match runs.last_mut() {
            Some(last) if last.end == segment.start => last.end = segment.end,
            last => {
                let at = last.map_or(0, |last| last.at + (last.end - last.start));
                runs.push(Run { at, start: segment.start, end: segment.end });
            }
        }
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;
    use forebay_core::time::MediaTime;

    #[test]
    fn segments_that_follow_each_other_are_one_run() {
        let segment = |start, end| Segment {
            number: 0,
            start,
            end,
            shown: MediaTime::new(0),
            wall: SystemTime::UNIX_EPOCH,
            ticks: 90_000,
            is_discontinuous: false,
            is_independent: true,
        };
        let found = runs(&[segment(188, 376), segment(376, 564), segment(1880, 2068)]);
        assert_eq!(found, [Run { at: 0, start: 188, end: 564 }, Run { at: 376, start: 1880, end: 2068 }]);
        assert_eq!(runs(&[]), []);
    }
}

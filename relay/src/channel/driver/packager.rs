//! A driver's part in HLS: while somebody wants it, the random access points of the store become segments, and each new one a playlist.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::SystemTime;

use forebay_core::segmenter::{self, Numbers, Segmenter};
use forebay_core::time::{Moment, WallClock};
use forebay_core::ts::splice::Mark;
use tracing::debug;

use super::Driver;
use crate::channel::audience::Audience;
use crate::channel::making::Making;
use crate::channel::playlist::{Playlist, opening};
use crate::model::Hls;

/// The segments of a channel that is watched by HLS.
#[derive(Debug)]
pub(super) struct Packager {
    segmenter: Segmenter,
    /// When it is given up, if nobody comes until then.
    until: Option<Moment>,
}

pub(super) fn settings(hls: &Hls) -> segmenter::Settings {
    segmenter::Settings { segment: hls.segment, window: hls.segment * hls.window, bytes: hls.max_bytes }
}

impl Driver {
    /// There are more or fewer who watch by HLS.
    pub(super) fn handle_audience(&mut self, now: Moment) {
        let audience = *self.audience.borrow_and_update();
        self.note_who_waits();
        match &mut self.packager {
            Some(packager) => {
                let idle_timeout = self.channel.policy.idle_timeout;
                let is_wanted = audience.sessions > 0 || self.timeshift.is_some();
                packager.until = (!is_wanted).then(|| now + idle_timeout);
                packager.set_haste(audience);
            }
            None if audience.sessions > 0 => self.start_packager(),
            None => {}
        }
    }

    /// Notes whether all readers wait for whole segments.
    pub(super) fn note_who_waits(&self) {
        let whole = self.audience.borrow().whole;
        self.waits_for_whole
            .store(whole > 0 && whole == self.demand.readers().keeping_open(), Ordering::Relaxed);
    }

    /// The channel has new settings.
    pub(super) fn set_packager(&mut self) {
        if let Some(packager) = &mut self.packager {
            packager.segmenter.set_settings(settings(&self.channel.policy.hls));
        }
    }

    /// When the packager is given up.
    pub(super) fn packager_ends_at(&self) -> Option<Moment> {
        self.packager.as_ref()?.until
    }

    /// Gives up a packager that nobody wants.
    pub(super) fn end_packager_if_due(&mut self, now: Moment) {
        // Somebody may have come since the last wake-up.
        if self.packager_ends_at().is_some_and(|until| until <= now) && self.audience.borrow().sessions == 0 {
            debug!("nobody watches by HLS any more");
            self.packager = None;
            self.feed.playlist.send_replace(None);
            self.feed.making.send_replace(None);
            self.release();
        }
    }

    /// The window holds the past, so there are segments at once.
    fn start_packager(&mut self) {
        let entries: Vec<(u64, Mark)> = self.ring.entries().collect();
        let hls = &self.channel.policy.hls;
        let mut packager = Packager::new(hls, self.numbering.get(&self.channel.id));
        if let Some((_, newest)) = entries.last() {
            packager.segmenter.set_clock(WallClock { media: newest.shown, wall: SystemTime::now() });
        }
        let audience = *self.audience.borrow();
        packager.set_haste(audience);
        debug!(entries = entries.len(), "somebody watches by HLS");
        let mut has_new = false;
        for &(at, mark) in &entries {
            let is_segment = packager.segmenter.push(at, mark);
            has_new |= is_segment;
            if is_segment {
                packager.set_haste(audience);
            }
        }
        self.packager = Some(packager);
        if has_new {
            self.publish();
        }
        self.publish_making();
    }

    /// What was written to the store has these marks, at offsets from `base`.
    pub(super) fn package(&mut self, base: u64, marks: &[Mark]) {
        let Some(packager) = &mut self.packager else { return };
        let audience = *self.audience.borrow();
        let mut has_new = false;
        for mark in marks {
            packager.segmenter.set_clock(WallClock { media: mark.shown, wall: SystemTime::now() });
            if packager.segmenter.push(base + mark.at as u64, *mark) {
                has_new = true;
                packager.set_haste(audience);
                let newest = packager.segmenter.segments().last();
                if let (Some(timeshift), Some(segment)) = (&mut self.timeshift, newest) {
                    timeshift.push(*segment);
                }
            }
        }
        if has_new {
            self.publish();
        }
        if !marks.is_empty() {
            self.publish_making();
        }
    }

    /// Tells of the segment that is being made, after the playlist has named the one before.
    fn publish_making(&self) {
        let making = self.packager.as_ref().and_then(|packager| Making::new(&packager.segmenter));
        self.feed.making.send_replace(making);
    }

    fn publish(&mut self) {
        let Some(packager) = &mut self.packager else { return };
        let before = self.feed.playlist.borrow().clone();
        let playlist = Playlist::new(&mut packager.segmenter, before.as_deref());
        packager.set_haste(*self.audience.borrow());
        if self.numbering.set(&self.channel.id, packager.segmenter.numbers()) {
            let numbering = Arc::clone(&self.numbering);
            self.tasks.spawn_blocking(move || numbering.write());
        }
        self.feed.playlist.send_replace(Some(Arc::new(playlist)));
    }

    /// The first byte that players may still ask for.
    pub(super) fn packaged_tail(&self) -> Option<u64> {
        self.packager.as_ref()?.segmenter.tail()
    }
}

impl Packager {
    /// One whose numbers go on at these.
    pub(super) fn new(hls: &Hls, numbers: Numbers) -> Self {
        Self { segmenter: Segmenter::new(settings(hls), numbers), until: None }
    }

    /// Segments are as short as they may be while somebody watches who began with little, or waits
    /// for whole segments to begin.
    fn set_haste(&mut self, audience: Audience) {
        let is_hasty = audience.near_edge > 0 || audience.whole > 0 && !self.has_plenty();
        self.segmenter.set_hasty(is_hasty);
    }

    /// Whether nobody who begins now runs dry, even if the next segment is as long as wanted.
    fn has_plenty(&mut self) -> bool {
        // Nothing is asked before there is a segment: that would fix the target duration.
        let has_segments = self.segmenter.listed().len() > 0;
        let opening = has_segments.then(|| opening(&mut self.segmenter)).flatten();
        opening.is_some_and(|opening| opening.pending <= self.segmenter.pending())
    }
}

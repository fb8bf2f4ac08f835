//! A driver's part in HLS: while somebody wants it, the random access points of the store become segments, and each new one a playlist.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, SystemTime};

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
    /// The short list's, while somebody may want that.
    short: Option<Segmenter>,
    /// When it is given up, if nobody comes until then.
    until: Option<Moment>,
}

pub(super) fn settings(hls: &Hls) -> segmenter::Settings {
    segmenter::Settings { segment: hls.segment, window: hls.segment * hls.window, bytes: hls.max_bytes }
}

/// How long the segments of the short list are. A player begins with a target duration of 2 s and
/// one of them; were they to become longer, it would run dry.
const SHORT: Duration = Duration::from_secs(1);

/// 2020 began so much later than 1970. Numbers that are counted in quarters of a second since then
/// are far beyond those of any usual list, and fit into 31 bits, as some players want it, until
/// 2037.
const NUMBERED_FROM: Duration = Duration::from_hours(438_288);

fn short_settings(hls: &Hls) -> segmenter::Settings {
    segmenter::Settings { segment: SHORT, ..settings(hls) }
}

/// One for the short list. Its numbers never go back, and need not be kept: they begin with the
/// time, in quarters of a second, and no channel makes so many segments.
fn short_segmenter(hls: &Hls) -> Segmenter {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let number = now.saturating_sub(NUMBERED_FROM).as_secs() * 4;
    let numbers = Numbers { segment: number, discontinuity: number, target: None };
    Segmenter::new(short_settings(hls), numbers)
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
        self.arrange_short(audience);
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
            let hls = &self.channel.policy.hls;
            packager.segmenter.set_settings(settings(hls));
            if let Some(short) = &mut packager.short {
                short.set_settings(short_settings(hls));
            }
        }
    }

    /// When the packager is given up.
    pub(super) fn packager_ends_at(&self) -> Option<Moment> {
        self.packager.as_ref()?.until
    }

    /// Begins the short list if somebody plays it, or may be led to it who opens the channel, and
    /// ends it when there is nobody of either kind.
    fn arrange_short(&mut self, audience: Audience) {
        let is_new = self.ring.head() == self.feed.base;
        let Some(packager) = &mut self.packager else { return };
        if audience.short + audience.undecided == 0 {
            self.end_short();
        } else if (is_new || audience.short > 0) && packager.short.is_none() {
            packager.short = Some(short_segmenter(&self.channel.policy.hls));
        }
    }

    /// Usual segments come as soon as short ones would: ends the short list, unless somebody plays it.
    pub(super) fn end_short_unless_played(&mut self) {
        if self.audience.borrow().short == 0 {
            self.end_short();
        }
    }

    fn end_short(&mut self) {
        let short = self.packager.as_mut().and_then(|packager| packager.short.take());
        if short.is_some() {
            self.feed.short.send_replace(None);
            self.release();
        }
    }

    /// Gives up a packager that nobody wants.
    pub(super) fn end_packager_if_due(&mut self, now: Moment) {
        // Somebody may have come since the last wake-up.
        if self.packager_ends_at().is_some_and(|until| until <= now) && self.audience.borrow().sessions == 0 {
            debug!("nobody watches by HLS any more");
            self.end_short();
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

    /// What was written to the store has these marks, at offsets from `base`; in front of the
    /// pictures at `cuts` segments of the short list may begin.
    pub(super) fn package(&mut self, base: u64, marks: &[Mark], cuts: &[Mark]) {
        self.package_short(base, marks, cuts);
        let packager = self.packager.as_mut().expect("it is packaged where there is a packager");
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

    fn package_short(&mut self, base: u64, marks: &[Mark], cuts: &[Mark]) {
        let Some(short) = self.packager.as_mut().and_then(|packager| packager.short.as_mut()) else { return };
        let mut all: Vec<&Mark> = marks.iter().collect();
        // The first segment begins with a random access point.
        all.extend(
            cuts.iter().filter(|cut| short.making().is_some() || marks.iter().any(|mark| mark.at < cut.at)),
        );
        all.sort_by_key(|mark| mark.at);
        let mut has_new = false;
        for mark in all {
            short.set_clock(WallClock { media: mark.shown, wall: SystemTime::now() });
            has_new |= short.push(base + mark.at as u64, *mark);
        }
        if has_new {
            let before = self.feed.short.borrow().clone();
            let playlist = Playlist::new(short, before.as_deref());
            self.feed.short.send_replace(Some(Arc::new(playlist)));
        }
    }

    /// Tells of the segment that is being made, after the playlist has named the one before.
    fn publish_making(&self) {
        let making = self.packager.as_ref().and_then(|packager| Making::new(&packager.segmenter));
        self.feed.making.send_replace(making);
    }

    fn publish(&mut self) {
        let packager = self.packager.as_mut().expect("a segment comes of a packager");
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
        let packager = self.packager.as_ref()?;
        let short = packager.short.as_ref().and_then(Segmenter::tail);
        packager.segmenter.tail().into_iter().chain(short).min()
    }
}

impl Packager {
    /// One whose numbers go on at these.
    pub(super) fn new(hls: &Hls, numbers: Numbers) -> Self {
        Self { segmenter: Segmenter::new(settings(hls), numbers), short: None, until: None }
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

//! The HLS output of a channel. While it has viewers by HLS, the store is cut into segments at its
//! random access points, and each new segment makes a new playlist.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, SystemTime};

use forebay_core::segmenter::{self, Segmenter, SequenceNumbers};
use forebay_core::time::{Moment, WallClock};
use forebay_core::ts::splice::AccessPoint;
use tokio_util::task::TaskTracker;
use tracing::debug;

use super::timeshift::Timeshift;
use crate::channel::feed::Feed;
use crate::channel::growing_segment::GrowingSegment;
use crate::channel::hls_viewers::HlsViewers;
use crate::channel::playlist::{Playlist, opening};
use crate::channel::reader_kind::Readers;
use crate::channel::sequence_store::SequenceStore;
use crate::model::{Channel, Hls};

/// The length of the segments of the short list. A player begins with a target duration of 2 s and
/// one of them; if they became longer, it would run dry.
const SHORT: Duration = Duration::from_secs(1);

/// From 1970 to 2020. Numbers that count quarters of a second since 2020 are far beyond those of
/// any usual list, and fit into 31 bits, as some players need, until 2037.
const NUMBERED_FROM: Duration = Duration::from_hours(438_288);

/// The HLS output of a channel.
pub(super) struct HlsOutput {
    /// There while viewers watch by HLS and some time after, and always if the channel has a
    /// time-shift.
    packager: Option<Packager>,
    /// Whether all readers wait for whole segments: then an input with a head start leaves no
    /// reader behind.
    waits_for_whole: Arc<AtomicBool>,
    sequences: Arc<SequenceStore>,
    tasks: TaskTracker,
}

/// The segments of a channel that is watched by HLS.
struct Packager {
    segmenter: Segmenter,
    /// The segmenter of the short list, while a viewer may want that.
    short: Option<Segmenter>,
    /// When the packager is dropped, if no viewer comes before.
    until: Option<Moment>,
}

/// What the packager needs to know of its channel.
#[derive(Clone, Copy)]
pub(super) struct PackagingContext<'a> {
    pub(super) feed: &'a Feed,
    pub(super) settings: &'a Hls,
    pub(super) hls_viewers: HlsViewers,
}

impl<'a> PackagingContext<'a> {
    pub(super) fn of(feed: &'a Feed, channel: &'a Channel, hls_viewers: HlsViewers) -> Self {
        Self { feed, settings: &channel.policy.hls, hls_viewers }
    }
}

/// Output that has been written to the store.
#[derive(Clone, Copy)]
pub(super) struct Written<'a> {
    /// The offset in the store.
    pub(super) base: u64,
    /// Its access points, at offsets from `base`.
    pub(super) points: &'a [AccessPoint],
    /// The other pictures with which segments of the short list may begin.
    pub(super) cuts: &'a [AccessPoint],
}

fn settings(hls: &Hls) -> segmenter::Settings {
    segmenter::Settings { segment: hls.segment, window: hls.segment * hls.window, bytes: hls.max_bytes }
}

fn short_settings(hls: &Hls) -> segmenter::Settings {
    segmenter::Settings { segment: SHORT, ..settings(hls) }
}

/// A segmenter for the short list. Its numbers never go back, and need not be stored: they begin
/// with the time in quarters of a second, and no channel makes so many segments.
fn short_segmenter(hls: &Hls) -> Segmenter {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let number = now.saturating_sub(NUMBERED_FROM).as_secs() * 4;
    let numbers = SequenceNumbers { segment: number, discontinuity: number, target: None };
    Segmenter::new(short_settings(hls), numbers)
}

/// The clocks by which the segmenter says when a segment was shown.
fn clock_of(point: &AccessPoint) -> WallClock {
    WallClock { media: point.shown, wall: SystemTime::now() }
}

impl HlsOutput {
    /// Output without a packager.
    pub(super) fn new(sequences: Arc<SequenceStore>, tasks: TaskTracker) -> Self {
        Self { packager: None, waits_for_whole: Arc::default(), sequences, tasks }
    }

    /// Output that has a packager from the beginning, for a channel with a time-shift. Its sequence
    /// numbers go on at these.
    pub(super) fn with_packager(self, hls: &Hls, numbers: SequenceNumbers) -> Self {
        Self { packager: Some(Packager::new(hls, numbers)), ..self }
    }

    /// Whether all readers wait for whole segments; shared with the inputs.
    pub(super) fn waits_for_whole(&self) -> &Arc<AtomicBool> {
        &self.waits_for_whole
    }

    /// Notes whether all readers wait for whole segments.
    pub(super) fn note_who_waits(&self, hls_viewers: HlsViewers, readers: Readers) {
        let whole = hls_viewers.whole;
        self.waits_for_whole.store(whole > 0 && whole == readers.keeping_open(), Ordering::Relaxed);
    }

    /// Takes the changed viewers by HLS. Returns whether a packager is needed and there is none. A
    /// packager without viewers is dropped at `until`, if that is set.
    pub(super) fn handle_viewers(&mut self, hls_viewers: HlsViewers, until: Option<Moment>) -> bool {
        match &mut self.packager {
            Some(packager) => {
                // Kept for some time without viewers: a player that lost
                // its network comes back to the same numbers and segments.
                packager.until = until.filter(|_| hls_viewers.sessions == 0);
                packager.prefer_short_segments(hls_viewers);
                false
            }
            None => hls_viewers.sessions > 0,
        }
    }

    /// Starts a packager with the access points in the window, so that there are segments at once.
    pub(super) fn start(&mut self, context: PackagingContext<'_>, entries: &[(u64, AccessPoint)]) {
        debug!(entries = entries.len(), "somebody watches by HLS");
        let mut packager = Packager::new(context.settings, self.sequences.get(context.feed.id()));
        // The newest point is shown now; the others are
        // dated back from it by the time of the media.
        if let Some((_, newest)) = entries.last() {
            packager.segmenter.set_clock(clock_of(newest));
        }
        packager.prefer_short_segments(context.hls_viewers);
        let mut has_new = false;
        for &(at, point) in entries {
            if packager.segmenter.push(at, point) {
                has_new = true;
                packager.prefer_short_segments(context.hls_viewers);
            }
        }
        let packager = self.packager.insert(packager);
        if has_new {
            packager.publish(context, &self.sequences, &self.tasks);
        }
        packager.publish_growing(context.feed);
    }

    /// The channel has new settings.
    pub(super) fn set_settings(&mut self, hls: &Hls) {
        if let Some(packager) = &mut self.packager {
            packager.segmenter.set_settings(settings(hls));
            if let Some(short) = &mut packager.short {
                short.set_settings(short_settings(hls));
            }
        }
    }

    /// When the packager is dropped.
    pub(super) fn ends_at(&self) -> Option<Moment> {
        self.packager.as_ref()?.until
    }

    /// Begins the short list if a viewer plays it, or may be sent to it while the channel opens;
    /// ends it if there is no such viewer. Returns whether that frees part of the store.
    pub(super) fn arrange_short(&mut self, context: PackagingContext<'_>, is_opening: bool) -> bool {
        let HlsViewers { short, undecided, .. } = context.hls_viewers;
        if short + undecided == 0 {
            return self.end_short(context.feed);
        }
        if let Some(packager) = &mut self.packager
            && packager.short.is_none()
            && (is_opening || short > 0)
        {
            packager.short = Some(short_segmenter(context.settings));
        }
        false
    }

    /// Ends the short list, and returns whether that frees part of the store.
    pub(super) fn end_short(&mut self, feed: &Feed) -> bool {
        let short = self.packager.as_mut().and_then(|packager| packager.short.take());
        if short.is_some() {
            feed.hls.short.send_replace(None);
        }
        short.is_some()
    }

    /// Drops a packager whose time is over. Returns whether it did.
    pub(super) fn end_if_due(&mut self, now: Moment, context: PackagingContext<'_>) -> bool {
        // A viewer may have come since the last wake-up.
        if self.ends_at().is_none_or(|until| until > now) || context.hls_viewers.sessions > 0 {
            return false;
        }
        debug!("nobody watches by HLS any more");
        self.end_short(context.feed);
        self.packager = None;
        context.feed.hls.playlist.send_replace(None);
        context.feed.hls.growing.send_replace(None);
        true
    }

    /// Takes output that has been written to the store. Whole segments go to the `timeshift`, too.
    pub(super) fn package(
        &mut self,
        context: PackagingContext<'_>,
        written: Written<'_>,
        timeshift: Option<&mut Timeshift>,
    ) {
        let Some(packager) = &mut self.packager else { return };
        packager.package_short(context.feed, written);
        if packager.package(written, context.hls_viewers, timeshift) {
            packager.publish(context, &self.sequences, &self.tasks);
        }
        if !written.points.is_empty() {
            packager.publish_growing(context.feed);
        }
    }

    /// The first byte of the store that players may still request.
    pub(super) fn tail(&self) -> Option<u64> {
        let packager = self.packager.as_ref()?;
        let short = packager.short.as_ref().and_then(Segmenter::tail);
        packager.segmenter.tail().into_iter().chain(short).min()
    }
}

impl Packager {
    /// A packager whose sequence numbers go on at these.
    fn new(hls: &Hls, numbers: SequenceNumbers) -> Self {
        Self { segmenter: Segmenter::new(settings(hls), numbers), short: None, until: None }
    }

    /// Makes segments as short as possible while a viewer has few buffered, or waits for whole
    /// segments to begin.
    fn prefer_short_segments(&mut self, hls_viewers: HlsViewers) {
        let is_hasty = hls_viewers.near_edge > 0 || hls_viewers.whole > 0 && !self.has_plenty();
        self.segmenter.set_hasty(is_hasty);
    }

    /// Whether a player that begins now does not run dry, even if the next segment has the full
    /// length.
    fn has_plenty(&mut self) -> bool {
        // Asking before there is a segment would fix the target duration.
        let has_segments = self.segmenter.listed().len() > 0;
        let opening = has_segments.then(|| opening(&mut self.segmenter)).flatten();
        opening.is_some_and(|opening| opening.grown <= self.segmenter.grown())
    }

    /// Takes output. Returns whether a segment has ended.
    fn package(
        &mut self,
        written: Written<'_>,
        hls_viewers: HlsViewers,
        mut timeshift: Option<&mut Timeshift>,
    ) -> bool {
        let mut has_new = false;
        for point in written.points {
            self.segmenter.set_clock(clock_of(point));
            if !self.segmenter.push(written.base + point.at as u64, *point) {
                continue;
            }
            has_new = true;
            self.prefer_short_segments(hls_viewers);
            if let (Some(timeshift), Some(segment)) = (&mut timeshift, self.segmenter.segments().last()) {
                timeshift.push(*segment);
            }
        }
        has_new
    }

    fn package_short(&mut self, feed: &Feed, Written { base, points, cuts }: Written<'_>) {
        let Some(short) = &mut self.short else { return };
        let mut all: Vec<&AccessPoint> = points.iter().collect();
        // The first segment must begin with a random access point.
        all.extend(
            cuts.iter()
                .filter(|cut| short.growing().is_some() || points.iter().any(|point| point.at < cut.at)),
        );
        all.sort_by_key(|point| point.at);
        let mut has_new = false;
        for point in all {
            short.set_clock(clock_of(point));
            has_new |= short.push(base + point.at as u64, *point);
        }
        if has_new {
            // Cloned, not borrowed: readers of the list do not wait while the next one is rendered.
            let before = feed.hls.short.borrow().clone();
            let playlist = Playlist::new(short, before.as_deref());
            feed.hls.short.send_replace(Some(Arc::new(playlist)));
        }
    }

    /// Publishes the growing segment, after the playlist has named the one before.
    fn publish_growing(&self, feed: &Feed) {
        feed.hls.growing.send_replace(GrowingSegment::new(&self.segmenter));
    }

    fn publish(
        &mut self,
        context: PackagingContext<'_>,
        sequences: &Arc<SequenceStore>,
        tasks: &TaskTracker,
    ) {
        let before = context.feed.hls.playlist.borrow().clone();
        let playlist = Playlist::new(&mut self.segmenter, before.as_deref());
        self.prefer_short_segments(context.hls_viewers);
        if sequences.set(context.feed.id(), self.segmenter.numbers()) {
            let sequences = Arc::clone(sequences);
            // Not waited for: the file has numbers ahead, so there is
            // time until the ones that are given out now reach them.
            tasks.spawn_blocking(move || sequences.write());
        }
        context.feed.hls.playlist.send_replace(Some(Arc::new(playlist)));
    }
}

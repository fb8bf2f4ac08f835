//! A channel's HLS playlist as it is published: rendered once for each new segment, however many
//! viewers ask.

use std::fmt::Write as _;
use std::io::{self, Write as _};
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};
use std::time::Duration;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use forebay_core::playlist::opening::{NAMED_FROM_THE_START, Opening, Player, announced};
use forebay_core::playlist::render::Listing;
use forebay_core::segmenter::{Segment, Segmenter};
use tokio::time::Instant;

use super::growing_segment::GrowingSegment;
use super::store::{BLOCK, Store};

/// Durations are rounded to whole seconds where they are compared with a target duration.
const HALF_A_SECOND: Duration = Duration::from_millis(500);

/// The folder of the segments, relative to the playlist: the same from each of its addresses.
const PREFIX: &str = "hls/segment_";

/// A multivariant playlist whose only variant is the short list, at an address that is right from
/// each address of the usual playlist. A bandwidth is required, and no player chooses by it: that
/// of a common HD channel.
const LEAD: &str = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=8000000\nhls?list=short\n";

/// A playlist as it is sent.
#[derive(Debug)]
pub struct Rendered {
    /// The text.
    pub text: Bytes,
    /// The text, compressed by gzip, once a player has asked for that.
    gzip: OnceLock<Bytes>,
    /// The entity tag, which differs for each text.
    pub etag: String,
}

impl Rendered {
    /// The playlist of these segments, with the target duration in seconds.
    pub fn new(target_duration: u64, discontinuity_sequence: u64, segments: &[Segment]) -> Self {
        Self::of(Listing { target_duration, discontinuity_sequence, segments, is_whole: false })
    }

    /// The same of segments behind which nothing comes.
    pub(super) fn whole(target_duration: u64, discontinuity_sequence: u64, segments: &[Segment]) -> Self {
        Self::of(Listing { target_duration, discontinuity_sequence, segments, is_whole: true })
    }

    /// A playlist that was written elsewhere. The tag differs for each text at the same address.
    pub fn written(text: String, etag: String) -> Self {
        Self { gzip: OnceLock::new(), text: text.into(), etag }
    }

    fn of(listing: Listing<'_>) -> Self {
        let text = listing.render(PREFIX);
        let Listing { target_duration, discontinuity_sequence, segments, .. } = listing;
        let etag = Self::etag(target_duration, segments, discontinuity_sequence);
        Self { gzip: OnceLock::new(), text: text.into(), etag }
    }

    /// The text, compressed by gzip when it is first asked for: each new viewer has a list of its
    /// own, and many players take no gzip.
    pub fn gzip(&self) -> Bytes {
        self.gzip.get_or_init(|| compress(&self.text)).clone()
    }

    /// The same playlist with `query`, such as `token=abc`, at the end of each address. The media
    /// at those addresses is the same for all viewers.
    #[must_use]
    pub fn with_query(&self, query: &str) -> Self {
        let text = String::from_utf8_lossy(&self.text);
        let mut all = String::with_capacity(text.len() + 16 * query.len());
        for line in text.lines() {
            all.push_str(line);
            if !line.is_empty() && !line.starts_with('#') {
                all.push(if line.contains('?') { '&' } else { '?' });
                all.push_str(query);
            }
            all.push('\n');
        }
        // The entity tag may stay: the address with its query
        // is another one, and caches tell them apart by that.
        Self { gzip: OnceLock::new(), text: all.into(), etag: self.etag.clone() }
    }

    /// The multivariant playlist that sends a player to the short list.
    fn lead() -> Self {
        Self { gzip: OnceLock::new(), text: LEAD.into(), etag: "short".to_owned() }
    }

    /// The entity tag of a playlist of these segments.
    pub(super) fn etag(target_duration: u64, segments: &[Segment], discontinuity_sequence: u64) -> String {
        let [first, last] = [segments.first(), segments.last()].map(|end| end.map_or(0, |end| end.number));
        format!("{first}-{last}-{discontinuity_sequence}-{target_duration}")
    }
}

/// The playlist of a channel, and the facts by which new viewers are given all or part of it.
#[derive(Debug)]
pub struct Playlist {
    /// The playlist as it is sent.
    pub rendered: Arc<Rendered>,
    /// The target duration in seconds.
    pub target_duration: u64,
    /// The media sequence number of the first segment that it names.
    pub media_sequence: u64,
    /// The discontinuity sequence number of that segment.
    pub discontinuity_sequence: u64,
    /// Segments that it no longer names, earlier than by their age, since they took too many bytes.
    pub evicted: u64,
    /// All segments that are kept; the first ones are no longer named.
    segments: Vec<Arc<SegmentCache>>,
    /// How many of the newest segments it names.
    listed: usize,
    /// Whether the text is that of [`Rendered::lead`].
    is_lead: bool,
    /// When the playlist was made.
    made: Instant,
    /// How much of the next segment had been made by then.
    grown: Duration,
    /// How a new viewer begins, if segments of the configured length follow; none if more segments
    /// are needed first.
    unhurried: Option<Opening>,
    /// How long the next segment can be, if segments are made as short as possible.
    next_in_haste: Duration,
    /// The same playlist with other target durations, for viewers who have few segments buffered.
    others: Mutex<Vec<Arc<Self>>>,
}

/// A segment, and the bytes of it that viewers are being sent.
#[derive(Debug)]
pub(super) struct SegmentCache {
    /// Where the segment lies, and how long it plays.
    pub(super) segment: Segment,
    blocks: Box<[Mutex<CachedBlock>]>,
}

/// A part of a segment as it is sent.
#[derive(Debug, Default)]
struct CachedBlock {
    /// The bytes while any viewer is being sent them: others who ask meanwhile share them.
    bytes: Weak<Vec<u8>>,
    /// The bytes, kept if more than one viewer asked: players ask one after the other, within the
    /// length of a segment.
    kept: Option<Arc<Vec<u8>>>,
    /// How many viewers asked since the last playlist.
    readers: u64,
}

impl SegmentCache {
    pub(super) fn new(segment: Segment) -> Self {
        let blocks = (0..(segment.end - segment.start).div_ceil(BLOCK)).map(|_| Mutex::default()).collect();
        Self { segment, blocks }
    }

    /// Its size in bytes.
    pub(super) fn size(&self) -> u64 {
        self.segment.end - self.segment.start
    }

    /// The range of the store that a read of the segment from `at` to `end` covers, up to the end
    /// of a block.
    pub(super) fn place(&self, at: u64, end: u64) -> (u64, u64) {
        let block_end = (at / BLOCK + 1) * BLOCK;
        (self.segment.start + at, self.segment.start + end.min(block_end))
    }

    /// Bytes of the segment from `at` on, up to `end` or the end of a block. `None` when memory no
    /// longer has them.
    pub(super) fn read(&self, store: &Store, at: u64, end: u64) -> io::Result<Option<Bytes>> {
        let index = at / BLOCK;
        let start = index * BLOCK;
        let block_end = self.size().min(start + BLOCK);
        let offset = |number: u64| usize::try_from(number - start).map_err(io::Error::other);
        let range = offset(at)?..offset(end.min(block_end))?;
        let block = &self.blocks[usize::try_from(index).map_err(io::Error::other)?];
        // The first viewer reads, and the others wait for that: it takes no longer than a copy.
        let mut block = block.lock().unwrap_or_else(PoisonError::into_inner);
        block.readers += 1;
        let bytes = if let Some(bytes) = block.bytes.upgrade() {
            bytes
        } else {
            let (start, end) = (self.segment.start + start, self.segment.start + block_end);
            let Some(bytes) = store.read(start, end)? else { return Ok(None) };
            let bytes = Arc::new(Vec::from(bytes));
            block.bytes = Arc::downgrade(&bytes);
            bytes
        };
        if block.readers > 1 && block.kept.is_none() {
            block.kept = Some(Arc::clone(&bytes));
        }
        Ok(Some(Bytes::from_owner(Shared(bytes)).slice(range)))
    }

    /// Drops the bytes of blocks that fewer than two viewers asked for since the last call.
    fn tidy(&self) {
        for block in &self.blocks {
            let mut block = block.lock().unwrap_or_else(PoisonError::into_inner);
            if std::mem::take(&mut block.readers) < 2 {
                block.kept = None;
            }
        }
    }
}

struct Shared(Arc<Vec<u8>>);

impl AsRef<[u8]> for Shared {
    fn as_ref(&self) -> &[u8] {
        &self.0
    }
}

impl Playlist {
    /// The playlist of the segments that `segmenter` has now. Blocks that viewers share are taken
    /// over from `before`, the last playlist.
    pub(super) fn new(segmenter: &mut Segmenter, before: Option<&Self>) -> Self {
        let mut known = before.map(|before| before.segments.as_slice()).unwrap_or_default();
        for cached in known {
            cached.tidy();
        }
        let segments: Vec<Arc<SegmentCache>> = segmenter
            .segments()
            .map(|&segment| {
                let at = known.iter().position(|cached| cached.segment == segment);
                // Both are in order, so the next look begins where this one ended.
                known = at.map_or(known, |at| &known[at..]);
                at.map_or_else(|| Arc::new(SegmentCache::new(segment)), |_| Arc::clone(&known[0]))
            })
            .collect();
        let named: Vec<Segment> = segmenter.listed().copied().collect();
        let target_duration = segmenter.fix_target_duration();
        let discontinuity_sequence = segmenter.discontinuity_sequence();
        let unhurried = opening(segmenter);
        Self {
            rendered: Arc::new(Rendered::new(target_duration, discontinuity_sequence, &named)),
            target_duration,
            media_sequence: named.first().map_or(0, |segment| segment.number),
            discontinuity_sequence,
            evicted: segmenter.evicted(),
            listed: named.len(),
            is_lead: false,
            segments,
            made: Instant::now(),
            grown: segmenter.grown(),
            unhurried,
            next_in_haste: segmenter.longest_next(true),
            others: Mutex::default(),
        }
    }

    /// Whether a player that begins with it does not run dry, even if the next segment has the full
    /// length.
    pub(super) fn is_plenty(&self) -> bool {
        self.unhurried.is_some_and(|opening| self.grown + self.made.elapsed() >= opening.grown)
    }

    /// The first playlist for a player that begins with whole segments: with a target duration, and
    /// so many segments, that it does not run dry. `None` if it needs more segments first.
    pub(super) fn opening(self: &Arc<Self>, player: Player) -> Option<Arc<Self>> {
        let unhurried = self.unhurried.filter(|_| self.is_plenty());
        let hasty = || {
            let segments: Vec<Duration> = self.durations().collect();
            Opening::in_haste(player, &segments, self.target_duration, self.next_in_haste)
        };
        let opening = unhurried.or_else(hasty)?;
        (self.grown + self.made.elapsed() >= opening.grown).then(|| self.opened(opening))
    }

    /// As [`Self::opening`], of the short list. A decoder cannot begin with most of its segments,
    /// so this names the first three: every player begins with the first of so few. `None` when the
    /// first one is gone.
    pub(super) fn short_opening(self: &Arc<Self>, player: Player) -> Option<Arc<Self>> {
        let is_all = self.listed == self.segments.len();
        let is_independent = self.listed().first().is_some_and(|cached| cached.segment.is_independent);
        if !self.has_enough_short() || !is_all || !is_independent {
            return None;
        }
        let named: Vec<Duration> = self.durations().take(NAMED_FROM_THE_START).collect();
        let opening = Opening::in_haste(player, &named, self.target_duration, self.next_in_haste)?;
        Some(self.opened(Opening { grown: Duration::ZERO, ..opening }))
    }

    /// Whether the short list has as many segments as a player begins with.
    pub(super) fn has_enough_short(&self) -> bool {
        self.listed >= NAMED_FROM_THE_START
    }

    /// A multivariant playlist that leads to this short list, for a player that asked for the usual
    /// one.
    pub(super) fn leading_to_short(&self) -> Arc<Self> {
        let lead = self.with_target(self.target_duration, self.segments.clone(), self.listed);
        Arc::new(Self { rendered: Arc::new(Rendered::lead()), is_lead: true, ..lead })
    }

    /// Whether it sends the player to the short list.
    pub(super) fn is_lead(&self) -> bool {
        self.is_lead
    }

    /// [`Self::opening`], or else the playlist as it is.
    pub(super) fn for_opening(self: &Arc<Self>, player: Player) -> Arc<Self> {
        self.opening(player).unwrap_or_else(|| Arc::clone(self))
    }

    fn opened(self: &Arc<Self>, Opening { target, named, .. }: Opening) -> Arc<Self> {
        if named == self.listed {
            return self.for_target(target);
        }
        let segments = self.segments[..self.segments.len() - self.listed + named].to_vec();
        Arc::new(self.with_target(target, segments, named))
    }

    /// A playlist that also names the growing segment and those after it. A viewer's first
    /// playlist leaves out the whole segments of `before` in front of the one with index `first`.
    ///
    /// The target duration grows if a segment has become longer than expected.
    pub(super) fn with_announced(
        before: Option<&Self>,
        growing: &GrowingSegment,
        first: Option<usize>,
        target: u64,
    ) -> Self {
        let known = before.map(Self::listed).unwrap_or_default();
        let (passed_over, whole) = known.split_at(first.unwrap_or(0).min(known.len()));
        let rounded = |segment: &Segment| (segment.duration() + HALF_A_SECOND).as_secs();
        let longest = whole.iter().map(|cached| rounded(&cached.segment)).max().unwrap_or(0);
        let target = target.max(longest).max(rounded(&growing.segment));
        let named_first = first.map(|_| whole.len());
        let count = announced(named_first, Duration::from_secs(target), growing.segment.duration());
        let number = before.map_or(growing.segment.number, |before| before.newest() + 1);
        let whole = whole.iter().map(|cached| cached.segment);
        let named: Vec<Segment> = whole.chain(growing.announced(number, count)).collect();
        let passed = passed_over.iter().filter(|cached| cached.segment.is_discontinuous).count() as u64;
        let discontinuity_sequence =
            passed + before.map_or(growing.discontinuity_sequence, |before| before.discontinuity_sequence);
        let mut rendered = Rendered::new(target, discontinuity_sequence, &named);
        // Its text changes as segments grow and become whole.
        write!(rendered.etag, "-{number}-{}", growing.segment.ticks).expect("a string takes all");
        Self {
            rendered: Arc::new(rendered),
            target_duration: target,
            media_sequence: named.first().map_or(0, |segment| segment.number),
            discontinuity_sequence,
            evicted: before.map_or(0, |before| before.evicted),
            segments: before.map(|before| before.segments.clone()).unwrap_or_default(),
            listed: known.len() - passed_over.len(),
            is_lead: false,
            made: before.map_or_else(Instant::now, |before| before.made),
            grown: before.map_or(Duration::ZERO, |before| before.grown),
            unhurried: None,
            next_in_haste: growing.segment.duration(),
            others: Mutex::default(),
        }
    }

    /// The playlist with this target duration.
    pub(super) fn for_target(self: &Arc<Self>, target: u64) -> Arc<Self> {
        if target == self.target_duration {
            return Arc::clone(self);
        }
        // Locked while the text is rendered: requests for
        // the same playlist at the same time share it.
        let mut others = self.others.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = others.iter().find(|other| other.target_duration == target) {
            return Arc::clone(known);
        }
        let other = Arc::new(self.with_target(target, self.segments.clone(), self.listed));
        others.push(Arc::clone(&other));
        other
    }

    /// A copy of the playlist with another target duration, or fewer segments.
    fn with_target(&self, target_duration: u64, segments: Vec<Arc<SegmentCache>>, listed: usize) -> Self {
        let named: Vec<Segment> =
            segments[segments.len() - listed..].iter().map(|cached| cached.segment).collect();
        let rendered = Rendered::new(target_duration, self.discontinuity_sequence, &named);
        Self {
            rendered: Arc::new(rendered),
            target_duration,
            segments,
            listed,
            others: Mutex::default(),
            ..*self
        }
    }

    /// The whole segments that it names.
    pub(super) fn listed(&self) -> &[Arc<SegmentCache>] {
        &self.segments[self.segments.len() - self.listed..]
    }

    /// The durations of the named segments.
    pub(super) fn durations(&self) -> impl Iterator<Item = Duration> {
        self.listed().iter().map(|cached| cached.segment.duration())
    }

    /// How many segments it names.
    pub fn count(&self) -> usize {
        self.listed
    }

    /// The duration of all named segments.
    pub fn length(&self) -> Duration {
        self.durations().sum()
    }

    /// The number of the newest whole segment.
    pub(super) fn newest(&self) -> u64 {
        self.segments.last().map_or(0, |cached| cached.segment.number)
    }

    /// Whether the next segment is more than half done, if it is as long as the newest.
    pub(super) fn is_next_due(&self) -> bool {
        self.segments.last().is_some_and(|cached| self.made.elapsed() * 2 >= cached.segment.duration())
    }

    /// The segment with this number, whether it is still named or not.
    pub(super) fn find(&self, number: u64) -> Option<&Arc<SegmentCache>> {
        let first = self.segments.first()?.segment.number;
        self.segments.get(usize::try_from(number.checked_sub(first)?).ok()?)
    }

    /// The bytes of the store that all kept segments take, whether they are still named or not.
    pub fn bytes(&self) -> u64 {
        let ends = self.segments.first().zip(self.segments.last());
        ends.map_or(0, |(first, last)| last.segment.end - first.segment.start)
    }
}

/// How a new viewer begins with the segments of `segmenter`, if segments of the configured length
/// follow; none if more segments are needed first.
pub(super) fn opening(segmenter: &mut Segmenter) -> Option<Opening> {
    let segments: Vec<Duration> = segmenter.listed().map(Segment::duration).collect();
    let (target, next) = (segmenter.fix_target_duration(), segmenter.longest_next(false));
    if segmenter.is_full() {
        // A full list never has more: waiting for more would take for ever.
        return Some(Opening { target, named: segments.len(), grown: Duration::ZERO });
    }
    Opening::new(&segments, target, next)
}

fn compress(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    let written = encoder.write_all(text).and_then(|()| encoder.finish());
    written.expect("a vector takes all").into()
}

#[cfg(test)]
mod tests {
    use forebay_core::time::MediaTime;

    use super::*;

    /// A segment of three packets, in a store.
    fn cached() -> (SegmentCache, Store) {
        let store = Store::new(0).unwrap();
        store.write(0, &[7; 4 * 188]).unwrap();
        let segment = Segment {
            number: 5,
            start: 188,
            end: 4 * 188,
            shown: MediaTime::default(),
            wall: std::time::SystemTime::UNIX_EPOCH,
            ticks: 180_000,
            is_discontinuous: false,
            is_independent: true,
        };
        (SegmentCache::new(segment), store)
    }

    fn is_kept(cached: &SegmentCache) -> bool {
        cached.blocks[0].lock().unwrap().kept.is_some()
    }

    #[test]
    fn what_several_ask_for_is_kept_while_they_ask() {
        let (cached, store) = cached();
        let read = || cached.read(&store, 188, 3 * 188).unwrap().unwrap();
        assert_eq!(read(), [7; 2 * 188][..]);
        assert!(!is_kept(&cached), "one alone needs no memory afterwards");
        drop((read(), read()));
        assert!(is_kept(&cached) && cached.blocks[0].lock().unwrap().bytes.upgrade().is_some());
        cached.tidy();
        assert!(is_kept(&cached), "several asked since the last playlist");
        drop(read());
        cached.tidy();
        assert!(!is_kept(&cached) && cached.blocks[0].lock().unwrap().bytes.upgrade().is_none());
        drop((read(), read()));
        assert!(is_kept(&cached), "they are there again");
    }
}

//! How the media of a source that sends by itself goes on: to viewers as it comes, or, where it
//! comes in lumps, over the time that it lasts.

use std::collections::VecDeque;
use std::time::Duration;

use crate::rhythm::{Arrival, MAX_AHEAD, Rhythm, Spread};
use crate::time::{MediaTime, Moment};
use crate::ts::PACKET_SIZE;
use crate::ts::packet::Bytes;

/// The most that is held back, in bytes: a lump of 10 s at 25 Mbit/s. With so much, nothing more is
/// read.
const MAX_HELD: usize = 32 << 20;

/// What viewers are given of a lump at once, in bytes: at 1 Mbit/s an eighth of a second.
pub(super) const STEP: usize = 16 * 1024;

/// The way of one source's media.
#[derive(Debug)]
pub(super) struct Flow {
    /// How far media may be ahead of time.
    read_ahead: Duration,
    /// How many bytes the store keeps.
    kept_bytes: u64,
    rhythm: Rhythm,
    /// Where media stands with the last packets that came, and how many bytes it has brought.
    media: Option<MediaTime>,
    begun_at: Option<MediaTime>,
    bytes: u64,
    /// While lumps are spread.
    spread: Option<Spread>,
    held: VecDeque<Held>,
    held_packets: usize,
}

/// Packets that are not due yet.
#[derive(Debug)]
struct Held {
    /// Where media stood in front of them.
    media: MediaTime,
    packets: Vec<Bytes>,
}

impl Flow {
    /// Starts with a source that has sent nothing yet. Its media may run ahead of time by
    /// `read_ahead`. Unless that is more than [`MAX_AHEAD`], it may also run ahead by no more than
    /// the `kept_bytes` that the store keeps.
    pub(super) fn new(read_ahead: Duration, kept_bytes: u64) -> Self {
        Self {
            read_ahead,
            kept_bytes,
            rhythm: Rhythm::default(),
            media: None,
            begun_at: None,
            bytes: 0,
            spread: None,
            held: VecDeque::new(),
            held_packets: 0,
        }
    }

    /// Takes note of packets that came at `now`, after which media stands at `media`; whether they
    /// may go on at once. If so, what is still held goes first.
    pub(super) fn arrive(
        &mut self,
        now: Moment,
        media: Option<MediaTime>,
        packets: &[Bytes],
        is_active: bool,
    ) -> bool {
        let Some(media) = media else { return true };
        let before = self.media.replace(media).unwrap_or(media);
        let begun_at = *self.begun_at.get_or_insert(media);
        // The first packets only tell where media begins: their bytes have brought none of it.
        if media > begun_at {
            self.bytes += (packets.len() * PACKET_SIZE) as u64;
        }
        let arrival = self.rhythm.advance(now, media);
        if !is_active || !self.rhythm.is_lumpy() {
            self.spread = None;
            return true;
        }
        if arrival == Arrival::AfterLull {
            let reserve = self.held_media(before);
            match &mut self.spread {
                Some(spread) => spread.begin_lump(reserve),
                None => self.spread = Some(Spread::new(now, before)),
            }
        }
        // A source that is lumpy is spread from its next lump on.
        let Some(spread) = &mut self.spread else { return true };
        if self.held.is_empty() {
            spread.run_dry(now, before);
            if spread.due(before) <= now {
                return true;
            }
        }
        self.held_packets += packets.len();
        // Copied, since the piece belongs to the reader.
        self.held.push_back(Held { media: before, packets: packets.to_vec() });
        false
    }

    /// Whether any media has come.
    pub(super) fn has_begun(&self) -> bool {
        self.rhythm.has_begun()
    }

    /// How much media has come.
    pub(super) fn length(&self) -> Duration {
        self.media.zip(self.begun_at).map_or(Duration::ZERO, |(media, begun_at)| media.since(begun_at))
    }

    /// How long the media that has come still lasts.
    pub(super) fn ahead(&self, now: Moment) -> Duration {
        self.rhythm.ahead(now)
    }

    /// How much of what viewers have been given is not due yet. Where a source may run ahead
    /// further than is usual, what came last is taken for live.
    pub(super) fn not_due(&self, now: Moment) -> Duration {
        if self.read_ahead > MAX_AHEAD { Duration::ZERO } else { self.given_ahead(now) }
    }

    /// How long that lasts which viewers have been given.
    fn given_ahead(&self, now: Moment) -> Duration {
        let held = self.media.map_or(Duration::ZERO, |media| self.held_media(media));
        self.ahead(now).saturating_sub(held)
    }

    /// When to read on, where there is enough: media is ahead by as much as it may be, viewers have
    /// as much of it as the store keeps, or as much is held as can be.
    pub(super) fn reads_at(&mut self, now: Moment) -> Option<Moment> {
        let limit = self.read_ahead;
        // An operator who sets more than the default wants it for the time-shift, whatever the
        // store keeps.
        let is_usual = limit <= MAX_AHEAD;
        let kept = self.time_of(self.kept_bytes).filter(|_| is_usual).map_or(limit, |kept| kept.min(limit));
        // Either limit counts: what is ahead in all, and what of it viewers have been given.
        let over = self.ahead(now).saturating_sub(limit).max(self.given_ahead(now).saturating_sub(kept));
        let is_full = self.memory() > MAX_HELD;
        let at = self.due().filter(|_| is_full).max((!over.is_zero()).then(|| now + over))?;
        self.rhythm.hold(at);
        Some(at)
    }

    /// When the next held packets are due.
    pub(super) fn due(&self) -> Option<Moment> {
        let first = self.held.front()?;
        Some(self.spread.as_ref().map_or(Moment::ZERO, |spread| spread.due(first.media)))
    }

    /// The next held packets, if they are due.
    pub(super) fn take_due(&mut self, now: Moment) -> Option<Vec<Bytes>> {
        if self.due()? > now {
            return None;
        }
        self.take_held()
    }

    /// The next held packets, due or not.
    pub(super) fn take_held(&mut self) -> Option<Vec<Bytes>> {
        let first = self.held.pop_front()?;
        self.held_packets -= first.packets.len();
        Some(first.packets)
    }

    /// Memory that it takes, in bytes.
    pub(super) fn memory(&self) -> usize {
        self.held_packets * PACKET_SIZE
    }

    /// How much media is held, where it stands at `media`.
    fn held_media(&self, media: MediaTime) -> Duration {
        self.held.front().map_or(Duration::ZERO, |first| media.since(first.media))
    }

    /// How long so many bytes play, as far as is known.
    fn time_of(&self, bytes: u64) -> Option<Duration> {
        let span = self.length();
        let micros = span.as_micros() * u128::from(bytes) / u128::from(self.bytes.max(1));
        // Less than a second says too little of the rate.
        (span >= Duration::from_secs(1))
            .then(|| Duration::from_micros(u64::try_from(micros).unwrap_or(u64::MAX)))
    }
}

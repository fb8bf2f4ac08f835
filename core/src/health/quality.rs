//! Whether what comes can be decoded: scrambled and damaged packets.
//!
//! Both are counted in beats of a quarter of a second, by the clock on the wall or by the stream's,
//! whichever is first: a burst of ten seconds is not a second of ten times the errors.

use std::time::Duration;

use crate::time::{Moment, duration_to_ticks};

/// How finely is counted.
const BEAT: Duration = Duration::from_millis(250);

/// Beats in a second.
const SECOND: usize = 4;

/// Seconds that must each have their errors: a single loss, however long, is none of the source's
/// habits.
const SECONDS: usize = 3;

/// Packets of pictures or sound that a beat must have to say anything about them: sound at 64
/// kbit/s has ten.
const MIN_PACKETS: u32 = 4;

/// Counts by beats.
#[derive(Debug, Default)]
pub(super) struct Quality {
    begin: Option<(Moment, i64)>,
    packets: u32,
    scrambled_packets: u32,
    /// For how long most packets were scrambled.
    scrambled: Duration,
    /// Errors in each of the last beats, that on hand last.
    errors: [u32; SECOND * SECONDS],
}

impl Quality {
    /// A packet of the pictures came, or of the sound where there are none.
    #[inline]
    pub(super) fn handle_packet(&mut self, is_scrambled: bool) {
        self.packets += 1;
        self.scrambled_packets += u32::from(is_scrambled);
    }

    /// A packet is damaged, or something is missing in front of it.
    pub(super) fn handle_errors(&mut self, count: u32) {
        let beat = &mut self.errors[SECOND * SECONDS - 1];
        *beat = beat.saturating_add(count);
    }

    /// Time is `now`, and `media` in ticks by the stream.
    pub(super) fn advance(&mut self, now: Moment, media: i64) {
        let (since, first) = *self.begin.get_or_insert((now, media));
        let is_over = now.since(since) >= BEAT || media - first >= duration_to_ticks(BEAT);
        if !is_over {
            return;
        }
        self.begin = Some((now, media));
        if self.packets >= MIN_PACKETS {
            let is_scrambled = self.scrambled_packets * 2 > self.packets;
            self.scrambled = if is_scrambled { self.scrambled + BEAT } else { Duration::ZERO };
            (self.packets, self.scrambled_packets) = (0, 0);
        }
        self.errors.rotate_left(1);
        self.errors[SECOND * SECONDS - 1] = 0;
    }

    /// For how long most packets have been scrambled.
    pub(super) fn scrambled(&self) -> Duration {
        self.scrambled
    }

    /// Errors in the last seconds, where each of those had at least `threshold`, and how long they
    /// are.
    pub(super) fn errors(&self, threshold: u32) -> Option<(u32, Duration)> {
        let (seconds, _) = self.errors.as_chunks::<SECOND>();
        let each = seconds.iter().map(|beats| beats.iter().sum::<u32>());
        let time = BEAT * u32::try_from(SECOND * SECONDS).unwrap_or(u32::MAX);
        each.clone().all(|errors| errors >= threshold).then(|| (each.sum(), time))
    }
}

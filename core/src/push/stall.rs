//! Whether a server stands still, by what it acknowledges.
//!
//! The kernel takes megabytes for a server that has stopped, so writing says nothing for long. A
//! server that acknowledges falls silent at once. Some never do: who has not acknowledged twice is
//! not expected to.

use std::time::Duration;

use crate::time::Moment;

/// The shortest silence that counts.
const MIN_SILENCE: Duration = Duration::from_secs(5);

/// So many times as long as usual is a silence.
const INTERVALS: u32 = 4;

/// How much of the usual interval a new one makes: a quarter.
const WEIGHT: u32 = 4;

/// Remembers acknowledgements.
#[derive(Debug, Clone, Default)]
pub struct Acknowledgements {
    last: Option<Last>,
    /// The usual time between two.
    interval: Option<Duration>,
}

#[derive(Debug, Clone, Copy)]
struct Last {
    at: Moment,
    /// Bytes that had been sent by then.
    sent: u64,
}

impl Acknowledgements {
    /// The server has acknowledged something, when so many bytes had been sent.
    pub fn handle(&mut self, now: Moment, sent: u64) {
        if let Some(last) = self.last {
            let interval = now.since(last.at);
            self.interval = Some(match self.interval {
                Some(usual) => usual * (WEIGHT - 1) / WEIGHT + interval / WEIGHT,
                None => interval,
            });
        }
        self.last = Some(Last { at: now, sent });
    }

    /// How long ago the last one was.
    pub fn age(&self, now: Moment) -> Option<Duration> {
        Some(now.since(self.last?.at))
    }

    /// Whether the server is silent that used to acknowledge, though more than `window` bytes went
    /// to it since.
    pub fn is_silent(&self, now: Moment, sent: u64, window: u64) -> bool {
        let Some((last, interval)) = self.last.zip(self.interval) else { return false };
        let limit = MIN_SILENCE.max(interval * INTERVALS);
        now.since(last.at) > limit && sent.saturating_sub(last.sent) > window
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    fn acknowledged(times: &[u64]) -> Acknowledgements {
        let mut acknowledgements = Acknowledgements::default();
        for &millis in times {
            acknowledgements.handle(at(millis), millis * 100);
        }
        acknowledgements
    }

    #[test]
    fn silence_counts_after_two_and_where_there_is_something_to_acknowledge() {
        for (times, now, sent, expected) in [
            (&[][..], 100_000, 10_000_000, false),
            (&[1000], 100_000, 10_000_000, false),
            (&[1000, 2000], 6900, 10_000_000, false),
            (&[1000, 2000], 7100, 10_000_000, true),
            // Nothing was sent: the channel has an outage.
            (&[1000, 2000], 60_000, 200_000, false),
            // A slow one is waited for four times as long as it takes.
            (&[0, 3000, 6000], 17_900, 10_000_000, false),
            (&[0, 3000, 6000], 18_100, 10_000_000, true),
        ] {
            let found = acknowledged(times).is_silent(at(now), sent, 50_000);
            assert_eq!(found, expected, "{times:?} {now}");
        }
        assert_eq!(acknowledged(&[1000]).age(at(1500)), Some(Duration::from_millis(500)));
    }
}

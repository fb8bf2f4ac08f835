//! When a push is tried again: always, whatever the reason was.

use std::time::Duration;

use crate::time::Moment;

/// A server that is not reached is asked again after this. An attempt to connect costs it nothing,
/// and it is published to within a second or two once it is back.
const UNREACHABLE: Duration = Duration::from_secs(1);

/// The same of one that was away for [`LONG`].
const LONG_UNREACHABLE: Duration = Duration::from_secs(5);

/// Whoever is away for so long is not restarting.
const LONG: Duration = Duration::from_mins(10);

/// The longest pause of attempts that a server answers and that fail.
const MAX: Duration = Duration::from_mins(1);

/// How often a key that is in use is tried: our own connection of before may hold it, and servers
/// take up to [`GHOST`] to notice that it is gone.
const IN_USE: Duration = Duration::from_secs(5);
const GHOST: Duration = Duration::from_secs(90);

/// The pause after the first attempts that find a key in use: most servers are through at once.
const IN_USE_AT_FIRST: Duration = Duration::from_secs(1);
const FIRST_ATTEMPTS: u32 = 3;

/// How long a stream must have been published for what failed before it to be forgotten.
const PROOF: Duration = Duration::from_mins(1);

/// A server that restarts again and again is published to within a second each time, so often.
/// After that, a server that takes the stream and drops it counts as one that does not take it.
const MANY_LOSSES: u32 = 30;

/// How a connection ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    /// Nothing answered.
    Unreachable,
    /// The server answered, and no stream came of it.
    Failed,
    /// It was published for so long.
    Lost {
        /// Since the server took the stream.
        published: Duration,
    },
    /// Somebody publishes with this key.
    KeyInUse,
    /// The server does not take the key, or the stream.
    Refused,
    /// The channel has nothing to send.
    NoPicture,
    /// The stream goes on in a new connection.
    Renewed,
}

/// Remembers how attempts have ended.
#[derive(Debug, Clone, Default)]
pub struct Retry {
    /// Attempts that failed in a row.
    failures: u32,
    /// Streams that were taken and lost soon, in a row.
    losses: u32,
    /// Since when the server is not reached.
    away_since: Option<Moment>,
    /// Since when the key is in use, and how often it was tried since.
    in_use: Option<(Moment, u32)>,
}

impl Retry {
    /// The pause after an attempt that ended now. `jitter` is from 0 to 1: pushes to one server do
    /// not all come at once.
    pub fn pause(&mut self, now: Moment, ending: Ending, jitter: f64) -> Duration {
        // It answered, so it is no longer away.
        if ending != Ending::Unreachable {
            self.away_since = None;
        }
        if ending != Ending::KeyInUse {
            self.in_use = None;
        }
        match ending {
            Ending::Renewed => Duration::ZERO,
            Ending::Refused => spread(MAX, jitter),
            Ending::Unreachable => {
                let since = *self.away_since.get_or_insert(now);
                spread(if now.since(since) < LONG { UNREACHABLE } else { LONG_UNREACHABLE }, jitter)
            }
            Ending::KeyInUse => {
                let (since, tried) = self.in_use.get_or_insert((now, 0));
                *tried += 1;
                match now.since(*since) {
                    // At first often: our own connection of before is mostly gone within a second.
                    _ if *tried <= FIRST_ATTEMPTS => IN_USE_AT_FIRST,
                    waited if waited < GHOST => spread(IN_USE, jitter),
                    _ => spread(MAX, jitter),
                }
            }
            Ending::Lost { published } => {
                self.losses = if published < PROOF { self.losses + 1 } else { 0 };
                // A stream that played and was lost says that the server is fine; too many say that
                // it is not.
                if self.losses <= MANY_LOSSES {
                    self.failures = 0;
                }
                self.next(jitter)
            }
            Ending::Failed | Ending::NoPicture => self.next(jitter),
        }
    }

    /// 1, 2, 4 … 60 s.
    fn next(&mut self, jitter: f64) -> Duration {
        let pause = Duration::from_secs(1 << self.failures.min(6)).min(MAX);
        self.failures = self.failures.saturating_add(1);
        spread(pause, jitter)
    }
}

/// A pause, up to a fifth shorter.
fn spread(pause: Duration, jitter: f64) -> Duration {
    pause.mul_f64(1.0 - 0.2 * jitter.clamp(0.0, 1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: u64) -> Moment {
        Moment::from_millis(seconds * 1000)
    }

    /// The pauses in whole seconds after attempts that end at these seconds.
    fn pauses(script: &[(u64, Ending)]) -> Vec<u64> {
        let mut retry = Retry::default();
        script.iter().map(|&(second, ending)| retry.pause(at(second), ending, 0.0).as_secs()).collect()
    }

    #[test]
    fn each_ending_has_its_pause() {
        use Ending::{Failed, KeyInUse, Lost, NoPicture, Refused, Renewed, Unreachable};
        let lost = |seconds| Lost { published: Duration::from_secs(seconds) };
        let failed = |times| vec![(0, Failed); times];
        assert_eq!(pauses(&failed(9)), [1, 2, 4, 8, 16, 32, 60, 60, 60], "never beyond a minute");
        assert_eq!(pauses(&[(0, Failed), (9, Failed), (99, lost(60)), (99, Failed)]), [1, 2, 1, 2]);
        assert_eq!(
            pauses(&[(0, lost(5)), (9, lost(59)), (19, NoPicture)]),
            [1, 1, 2],
            "a server that restarts"
        );
        let drops = pauses(&[(0, lost(5)); 40]);
        assert!(drops[..30].iter().all(|&pause| pause == 1), "{drops:?}");
        assert_eq!(drops[30..34], [2, 4, 8, 16], "a server that drops every stream");
        assert_eq!(pauses(&[(0, Refused), (60, Refused), (120, Renewed)]), [60, 60, 0]);
        let away = [(0, Unreachable), (599, Unreachable), (600, Unreachable), (9999, Unreachable)];
        assert_eq!(pauses(&away), [1, 1, 5, 5], "a server that restarts is published to at once");
        assert_eq!(pauses(&[(0, Unreachable), (700, Failed), (800, Unreachable)]), [1, 1, 1]);
        let ghost = [0, 1, 2, 3, 89, 90, 150].map(|second| (second, KeyInUse));
        assert_eq!(pauses(&ghost), [1, 1, 1, 5, 5, 60, 60]);
    }

    #[test]
    fn pauses_are_spread_and_never_longer() {
        let mut retry = Retry::default();
        let pause = retry.pause(at(0), Ending::Unreachable, 1.0);
        assert_eq!(pause, Duration::from_millis(800));
        assert_eq!(retry.pause(at(0), Ending::Refused, 0.5), Duration::from_secs(54));
    }
}

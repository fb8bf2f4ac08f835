//! How much of an input that can be read at any speed viewers are given at once.

use std::time::Duration;

use super::facts::PartsState;

/// How much media comes at once when an input becomes active.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lead {
    /// The channel opens. Nobody watches yet, so nobody is left behind: a part of an input that
    /// comes in parts, or at least `burst`. Beyond that, what an input in parts has for a head
    /// start, or of any other input `head_start`.
    Opening {
        /// How far behind live a new viewer begins.
        burst: Duration,
        /// Media for viewers who wait for whole segments.
        head_start: Duration,
    },
    /// This much: viewers have had nothing for a while.
    Burst(Duration),
    /// Nothing: viewers have enough.
    None,
}

impl Lead {
    /// The media that comes at once, and how much of it every viewer is ahead of time beyond the
    /// burst: those who join later begin where they would without a head start.
    pub(super) fn media(self, parts: Option<PartsState>) -> (Duration, Duration) {
        match self {
            Self::Opening { burst, head_start } => {
                let (part, head_start) =
                    parts.map_or((Duration::ZERO, head_start), |parts| (parts.at_once, parts.head_start));
                let beyond_burst = part.saturating_sub(burst);
                (burst + beyond_burst + head_start, beyond_burst)
            }
            Self::Burst(burst) => (burst, Duration::ZERO),
            Self::None => (Duration::ZERO, Duration::ZERO),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn s(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn an_opening_gives_a_part_at_once_and_what_the_input_has_for_a_head_start() {
        let opening = Lead::Opening { burst: s(2), head_start: s(7) };
        assert_eq!(opening.media(None), (s(9), s(0)));
        let parts = |at_once, head_start| Some(PartsState { at_once, head_start, ..PartsState::default() });
        assert_eq!(opening.media(parts(s(6), s(0))), (s(6), s(4)));
        assert_eq!(opening.media(parts(s(6), s(12))), (s(18), s(4)));
        assert_eq!(opening.media(parts(s(1), s(0))), (s(2), s(0)), "never less than the burst");
        assert_eq!(Lead::Burst(s(2)).media(parts(s(6), s(6))), (s(2), s(0)));
        assert_eq!(Lead::None.media(parts(s(6), s(6))), (s(0), s(0)));
    }
}

//! The pace of a source that can be read faster than it plays: a file, a clip, a list of segments.

use std::time::Duration;

use crate::time::{MediaTime, Moment, ticks_to_duration};

/// A reader that is later than this against its pace was held up (a suspended machine, a slow disk): the pace begins anew instead of
/// being caught up with in a rush.
const MAX_LATE: Duration = Duration::from_secs(2);

/// Says when to read on, from where the output timeline has got to.
///
/// The output timeline and not the source's: so the pace cannot drift against what the viewers are sent, however often a clip is looped.
#[derive(Debug)]
pub struct Pacer {
    lead: Duration,
    anchor: Option<(Moment, MediaTime)>,
}

impl Pacer {
    /// A pace that lets `lead` of media through at once, so that the first viewers have something to start with.
    pub fn new(lead: Duration) -> Self {
        Self { lead, anchor: None }
    }

    /// When to read on, now that the output is at `position`.
    pub fn due(&mut self, now: Moment, position: MediaTime) -> Moment {
        let (start, origin) = *self.anchor.get_or_insert((now, position));
        let due = start + ticks_to_duration(position.ticks() - origin.ticks());
        if now.since(due) > MAX_LATE {
            self.anchor = Some((now, position));
            return now;
        }
        due - self.lead
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn media_time_is_wall_time() {
        let mut pacer = Pacer::new(Duration::from_secs(2));
        let start = Moment::from_millis(5_000);
        assert_eq!(pacer.due(start, MediaTime::new(900)), Moment::from_millis(3_000));
        assert_eq!(pacer.due(start, MediaTime::new(900 + 10 * 90_000)), Moment::from_millis(13_000));
    }

    #[test]
    fn a_reader_that_was_held_up_starts_anew() {
        let mut pacer = Pacer::new(Duration::ZERO);
        pacer.due(Moment::ZERO, MediaTime::new(0));
        let late = Moment::from_millis(60_000);
        assert_eq!(pacer.due(late, MediaTime::new(90_000)), late);
        assert_eq!(pacer.due(late, MediaTime::new(180_000)), Moment::from_millis(61_000));
    }
}

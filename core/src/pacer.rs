//! The pace of a source that can be read faster than it plays: a file, a clip, a list of segments.

use std::time::Duration;

use crate::time::{MediaTime, Moment, ticks_to_duration};

/// A reader that is later than this against its pace was held up (a suspended machine, a slow
/// disk): the pace begins anew instead of being caught up with in a rush.
const MAX_LATE: Duration = Duration::from_secs(2);

/// How often the speed is set.
const STEER_EVERY: Duration = Duration::from_mins(1);

/// In what time a difference is to be made up for: several measurements, so that one that is off
/// does little.
const STEER_OVER: Duration = Duration::from_mins(4);

/// The most that the speed differs from that of our own clock, in millionths: nobody hears or sees
/// a hundredth.
const MAX_STEER: i64 = 10_000;

/// Says when to read on, from where the output timeline has got to.
///
/// The output timeline and not the source's: so the pace cannot drift against what the viewers are
/// sent, however often a clip is looped.
#[derive(Debug)]
pub struct Pacer {
    lead: Duration,
    anchor: Option<(Moment, MediaTime)>,
    /// How much faster than our clock, in millionths.
    speed: i64,
    steering: Option<Steering>,
}

/// What waits to be read, over the time since the speed was set.
#[derive(Debug, Clone, Copy)]
struct Steering {
    since: Moment,
    seen: Moment,
    /// Milliseconds that wait, each for a millisecond.
    sum: u128,
    /// The mean that is aimed at, in milliseconds: the first.
    aim: Option<i64>,
}

impl Pacer {
    /// A pace that lets `lead` of media through at once, so that the first viewers have something
    /// to start with.
    pub fn new(lead: Duration) -> Self {
        Self { lead, anchor: None, speed: 0, steering: None }
    }

    /// When to read on, now that the output is at `position`.
    pub fn due(&mut self, now: Moment, position: MediaTime) -> Moment {
        let (start, origin) = *self.anchor.get_or_insert((now, position));
        let ticks = position.ticks() - origin.ticks();
        let due = start + ticks_to_duration(ticks - ticks.saturating_mul(self.speed) / 1_000_000);
        if now.since(due) > MAX_LATE {
            self.anchor = Some((now, position));
            (self.speed, self.steering) = (0, None);
            return now;
        }
        due - self.lead
    }

    /// Tells how much media waits to be read, now that the output is at `position`. The source's
    /// clock is not ours: where over minutes more comes to wait than did at first, the pace
    /// quickens by up to a hundredth, and where less does it slows.
    pub fn steer(&mut self, now: Moment, position: MediaTime, waiting: Duration) {
        let steering = self.steering.get_or_insert(Steering { since: now, seen: now, sum: 0, aim: None });
        steering.sum += waiting.as_millis() * now.since(steering.seen).as_millis();
        steering.seen = now;
        let over = now.since(steering.since);
        if over < STEER_EVERY {
            return;
        }
        let mean = i64::try_from(steering.sum / over.as_millis()).unwrap_or(i64::MAX);
        let aim = *steering.aim.get_or_insert(mean);
        (steering.since, steering.sum) = (now, 0);
        let horizon = i64::try_from(STEER_OVER.as_millis()).unwrap_or(i64::MAX);
        let speed = mean.saturating_sub(aim).saturating_mul(1_000_000) / horizon;
        let due = self.due(now, position) + self.lead;
        self.anchor = Some((due, position));
        self.speed = speed.clamp(-MAX_STEER, MAX_STEER);
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

    /// Plays for so many minutes from a source whose clock runs faster than ours by `parts` in a
    /// million; how much waits at the end of each, in milliseconds, where it was 10 s at first.
    fn play_with_drift(parts: i64, minutes: usize) -> Vec<i64> {
        let mut pacer = Pacer::new(Duration::ZERO);
        let (mut now, mut position) = (Moment::ZERO, 0);
        let waiting = |now: Moment, position: i64| {
            let elapsed = i64::try_from(now.elapsed().as_millis()).unwrap();
            10_000 + elapsed + elapsed * parts / 1_000_000 - position / 90
        };
        let mut levels = Vec::new();
        while levels.len() < minutes {
            position += 9_000;
            let level = u64::try_from(waiting(now, position)).unwrap();
            pacer.steer(now, MediaTime::new(position), Duration::from_millis(level));
            now = pacer.due(now, MediaTime::new(position)).max(now);
            if now.elapsed().as_secs() / 60 > levels.len() as u64 {
                levels.push(waiting(now, position));
            }
        }
        levels
    }

    #[test]
    fn a_clock_that_drifts_is_followed() {
        for parts in [0, 500, -500, 3_000, -3_000] {
            let levels = play_with_drift(parts, 180);
            let last = *levels.last().unwrap();
            // Where it settles, the difference is as large as makes up for the drift.
            let settled = 10_000 + parts * 240 / 1_000;
            assert!((last - settled).abs() < 200, "{parts}: {last} instead of {settled}: {levels:?}");
        }
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

//! How often the viewers of a channel are sent to.
//!
//! A send costs about the same whether it carries little or much, so few viewers are served often,
//! for the sake of latency, and many rarely, for the sake of the machine. What has arrived is
//! written to the store once a tick. The viewers of a channel are spread over [`GROUPS`], and each
//! group is woken once in a whole number of ticks, another group at every tick: so a long interval
//! does not become a burst of sends.

use std::time::Duration;

use crate::time::Moment;

/// Groups of viewers in a channel. A number with many divisors: each of them is a possible interval
/// in ticks.
pub const GROUPS: usize = 12;

/// From write to write, and from send to send, while there is little to do: half a picture at 25
/// pictures a second.
pub const SHORTEST: Duration = Duration::from_millis(20);

/// From write to write while many are: a wake-up of a channel costs as much as several sends.
const TICK_OF_MANY: Duration = Duration::from_millis(40);

/// What "many channels" are.
const MANY_CHANNELS: usize = 100;

/// Sends a second for which intervals are lengthened: about a tenth of one core.
const SENDS_PER_SECOND: usize = 20_000;

/// No viewer waits longer than this for what has arrived.
pub const LONGEST: Duration = Duration::from_millis(240);

/// A send that carries this much, in bytes, does not wait for more. Half as much costs 40 % more
/// for 4,000 viewers at 8 Mbit/s; a socket holds no more than this unsent.
const FULL_SEND: u64 = 128 * 1024;

/// The most that is read from one upstream within a tick, in bytes: 400 Mbit/s with the shortest
/// tick. Taking them costs 4 ms.
pub const MAX_READ: u64 = 1 << 20;

/// What reading a piece costs at least, in bytes of [`MAX_READ`]: however little it brings, it is
/// work.
const MIN_COST: u64 = 1024;

/// What of [`MAX_READ`] has been used: an upstream that always has something must leave time for
/// other channels.
#[derive(Debug, Clone, Copy, Default)]
pub struct Allowance {
    since: Moment,
    used: u64,
}

impl Allowance {
    /// A piece of so many bytes was read at `now`, with ticks of this length; whether nothing is
    /// left.
    pub fn spend(&mut self, now: Moment, tick: Duration, bytes: u64) -> bool {
        if now >= self.since + tick {
            (self.since, self.used) = (now, 0);
        }
        self.used += bytes.max(MIN_COST);
        self.used >= MAX_READ
    }

    /// When there is some again, if it is used up.
    pub fn renews_at(&self, tick: Duration) -> Option<Moment> {
        (self.used >= MAX_READ).then(|| self.since + tick)
    }
}

/// What the process has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Viewers of all channels.
    pub viewers: usize,
    /// Open channels.
    pub channels: usize,
}

/// How often a channel writes, and how often it wakes each viewer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cadence {
    tick: Duration,
    every: usize,
}

impl Cadence {
    /// The cadence of a channel of `bytes_per_second` (0 while unknown) in a process with this
    /// load.
    pub fn new(load: Load, bytes_per_second: u64) -> Self {
        let tick = if load.channels > MANY_CHANNELS { TICK_OF_MANY } else { SHORTEST };
        let millis = load.viewers.saturating_mul(1000) / SENDS_PER_SECOND;
        let by_load = Duration::from_millis(u64::try_from(millis).unwrap_or(u64::MAX));
        let by_bytes = match FULL_SEND.saturating_mul(1000).checked_div(bytes_per_second) {
            Some(millis) => Duration::from_millis(millis),
            None => LONGEST,
        };
        let wanted = by_load.min(by_bytes).min(LONGEST);
        let fits = |every: &usize| tick.saturating_mul(u32::try_from(*every).unwrap_or(u32::MAX)) <= wanted;
        let every = (1..=GROUPS).rev().filter(|every| GROUPS.is_multiple_of(*every)).find(fits).unwrap_or(1);
        Self { tick, every }
    }

    /// From write to write.
    pub fn tick(self) -> Duration {
        self.tick
    }

    /// From wake-up to wake-up of a viewer: a whole number of ticks, 20 to 240 ms.
    pub fn interval(self) -> Duration {
        self.tick * u32::try_from(self.every).unwrap_or(1)
    }

    /// Which groups are woken at this tick.
    pub fn due(self, tick: u64) -> impl Iterator<Item = usize> {
        let every = self.every;
        let turn = usize::try_from(tick % GROUPS as u64).unwrap_or(0) % every;
        (turn..GROUPS).step_by(every)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_are_served_often_and_many_rarely() {
        let table: &[(usize, usize, u64, u64, u64)] = &[
            // viewers, channels, bits a second: tick, interval in ms
            (1, 1, 2_000_000, 20, 20),
            (10, 1, 0, 20, 20),
            (500, 1, 2_000_000, 20, 20),
            (1_000, 1, 2_000_000, 20, 40),
            (2_000, 1, 2_000_000, 20, 80),
            (5_000, 1, 0, 20, 240),
            (5_000, 1, 2_000_000, 20, 240),
            (1_000_000, 1, 2_000_000, 20, 240),
            // A full send is not delayed.
            (4_000, 1, 8_000_000, 20, 120),
            (4_000, 1, 100_000_000, 20, 20),
            // Many channels.
            (1_000, 500, 2_000_000, 40, 40),
            (10_000, 500, 2_000_000, 40, 240),
            (usize::MAX, 500, u64::MAX, 40, 40),
        ];
        for &(viewers, channels, bits, tick, interval) in table {
            let cadence = Cadence::new(Load { viewers, channels }, bits / 8);
            let got = (cadence.tick().as_millis(), cadence.interval().as_millis());
            assert_eq!(
                got,
                (tick.into(), interval.into()),
                "{viewers} viewers, {channels} channels, {bits} bit/s"
            );
        }
    }

    #[test]
    fn an_upstream_that_always_has_something_is_read_in_shares() {
        for (piece, most) in [(64 * 1024, 16), (256, 1024)] {
            let mut allowance = Allowance::default();
            for tick in 1..4 {
                let now = Moment::from_millis(tick * 20);
                let mut pieces = 0;
                while allowance.renews_at(SHORTEST).is_none_or(|at| at <= now) {
                    allowance.spend(now, SHORTEST, piece);
                    pieces += 1;
                }
                assert_eq!((pieces, allowance.renews_at(SHORTEST)), (most, Some(now + SHORTEST)));
            }
        }
    }

    #[test]
    fn every_group_has_its_turn_once_an_interval() {
        for viewers in [0, 1_000, 2_000, 3_000, 5_000] {
            let cadence = Cadence::new(Load { viewers, channels: 1 }, 250_000);
            let ticks = cadence.interval().as_millis() / cadence.tick().as_millis();
            let from = 1_000_003;
            let mut turns = vec![0; GROUPS];
            let per_tick: Vec<usize> = (from..from + u64::try_from(ticks).unwrap())
                .map(|tick| cadence.due(tick).inspect(|&group| turns[group] += 1).count())
                .collect();
            assert_eq!(turns, vec![1; GROUPS], "{viewers} viewers");
            assert!(per_tick.iter().all(|&count| count == per_tick[0]), "the same at every tick");
        }
    }
}

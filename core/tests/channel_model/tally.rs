//! What has happened, so that the tests can tell that it did.

/// Counts over all cases.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) hedges: u64,
    pub(crate) probes: u64,
    /// Granted connections to sources that had just failed.
    pub(crate) retries: u64,
    /// Probes that became active.
    pub(crate) returns: u64,
    pub(crate) promotions: u64,
    pub(crate) preempted_watched: u64,
    pub(crate) preempted_lingering: u64,
    pub(crate) preempted_retries: u64,
    pub(crate) preempted_beside: u64,
    pub(crate) refusals: u64,
    /// Claims that had to wait for a provider that settles connections.
    pub(crate) settled: u64,
    /// Channels that were woken since there is a slot.
    pub(crate) connection_wakes: u64,
    pub(crate) give_ups: u64,
    /// Those for want of a slot, after the first picture.
    pub(crate) told_of_slots: u64,
    pub(crate) overrides: u64,
    pub(crate) removals: u64,
    pub(crate) latecomers: u64,
    pub(crate) stalls: u64,
    pub(crate) faults: u64,
}

impl Tally {
    /// All of them, with their names.
    fn counts(&mut self) -> [(&'static str, &mut u64); 19] {
        [
            ("hedges", &mut self.hedges),
            ("probes", &mut self.probes),
            ("retries", &mut self.retries),
            ("returns", &mut self.returns),
            ("promotions", &mut self.promotions),
            ("preempted_watched", &mut self.preempted_watched),
            ("preempted_lingering", &mut self.preempted_lingering),
            ("preempted_retries", &mut self.preempted_retries),
            ("preempted_beside", &mut self.preempted_beside),
            ("refusals", &mut self.refusals),
            ("settled", &mut self.settled),
            ("connection_wakes", &mut self.connection_wakes),
            ("give_ups", &mut self.give_ups),
            ("told_of_slots", &mut self.told_of_slots),
            ("overrides", &mut self.overrides),
            ("removals", &mut self.removals),
            ("latecomers", &mut self.latecomers),
            ("stalls", &mut self.stalls),
            ("faults", &mut self.faults),
        ]
    }

    pub(crate) fn add(&mut self, mut other: Self) {
        for ((_, sum), (_, count)) in self.counts().into_iter().zip(other.counts()) {
            *sum += *count;
        }
    }

    /// What has never happened.
    pub(crate) fn missing(&mut self) -> Vec<&'static str> {
        self.counts().into_iter().filter(|(_, count)| **count == 0).map(|(name, _)| name).collect()
    }
}

//! What a channel may open beside what it has open, and what it tells a provider that it is for.

use crate::failover::{Failover, SourceId};
use crate::lifecycle;
use crate::provider::Purpose;
use crate::time::Moment;

/// The server of a source, as far as two connections to it are concerned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Server<H> {
    /// Whether a provider counts the connections of the source.
    pub is_counted: bool,
    /// Host and port; `None` for a source that needs no server.
    pub host: Option<H>,
}

impl<H: PartialEq> Server<H> {
    /// Whether a source there can be opened beside one at `other` without a second connection to
    /// the same server. If no provider says how many connections a server allows, only one can be
    /// relied on.
    fn is_apart_from(&self, other: &Self) -> bool {
        self.is_counted && other.is_counted || self.host.is_none() || self.host != other.host
    }
}

/// Whether a source on this server may be opened for `purpose` beside those that are open. Viewers
/// who have nothing else come before the limits that a server may have.
pub fn may_open<H: PartialEq>(
    purpose: lifecycle::Purpose,
    server: &Server<H>,
    mut open: impl Iterator<Item = Server<H>>,
) -> bool {
    purpose == lifecycle::Purpose::Active || open.all(|other| server.is_apart_from(&other))
}

/// What a provider is told that a connection to this source is for, one of those that `failover`
/// chooses from.
pub fn purpose_at(
    now: Moment,
    failover: &Failover,
    source: SourceId,
    purpose: lifecycle::Purpose,
) -> Purpose {
    match purpose {
        lifecycle::Purpose::Active if failover.has_failed_recently(now, source) => Purpose::Retry,
        lifecycle::Purpose::Active => Purpose::Active,
        lifecycle::Purpose::Hedge => Purpose::Hedge,
        lifecycle::Purpose::Probe => Purpose::Probe,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::failover::Loss;

    #[test]
    fn a_standby_needs_a_server_of_its_own_or_providers_that_count() {
        let server = |is_counted, host| Server { is_counted, host };
        let cases = [
            (server(false, Some(1)), server(false, Some(1)), false),
            (server(false, Some(1)), server(false, Some(2)), true),
            (server(true, Some(1)), server(true, Some(1)), true),
            (server(true, Some(1)), server(false, Some(1)), false),
            (server(false, Some(1)), server(true, Some(1)), false),
            (server(false, None), server(false, None), true),
        ];
        for (new, open, expected) in cases {
            let asked = |purpose| may_open(purpose, &new, [open].into_iter());
            assert_eq!(asked(lifecycle::Purpose::Hedge), expected, "{new:?} beside {open:?}");
            assert_eq!(asked(lifecycle::Purpose::Probe), expected, "{new:?} beside {open:?}");
            assert!(asked(lifecycle::Purpose::Active));
        }
    }

    #[test]
    fn a_source_that_failed_is_retried_until_its_cool_down_is_over() {
        let (good, bad) = (SourceId(1), SourceId(2));
        let mut failover = Failover::new(&[good, bad]);
        let failed_at = Moment::from_millis(5000);
        failover.cool_down(failed_at, bad, Loss::Undelivered);
        let purpose = |after, source, purpose| {
            purpose_at(failed_at + Duration::from_millis(after), &failover, source, purpose)
        };
        assert_eq!(purpose(9999, bad, lifecycle::Purpose::Active), Purpose::Retry);
        assert_eq!(purpose(10_000, bad, lifecycle::Purpose::Active), Purpose::Active);
        assert_eq!(purpose(0, good, lifecycle::Purpose::Active), Purpose::Active);
        assert_eq!(purpose(0, bad, lifecycle::Purpose::Hedge), Purpose::Hedge);
        assert_eq!(purpose(0, bad, lifecycle::Purpose::Probe), Purpose::Probe);
    }
}

//! What of viewers who come and go gets into the log: who joins a hundred times a second would fill
//! any disk.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, header};
use tokio_util::sync::CancellationToken;
use tracing::info;

use super::admission::household;
use crate::telemetry;
use crate::telemetry::bucket::{Bucket, Rate};

/// A household, or a hall behind one address, that zaps; each visit is two lines.
const RATE: Rate = Rate { burst: 60, every: Duration::from_secs(2) };

/// Addresses that are remembered at a time. The limit of a kind of line holds for all beyond.
const MAX_ADDRESSES: usize = 16_384;

/// How often the others are told.
const TELL_EVERY: Duration = Duration::from_secs(5);

/// The longest that names a viewer, in bytes; what is longer is cut.
const MAX_NAME: usize = 256;

/// The viewer's `User-Agent`, or a dash.
pub(super) fn agent(headers: &HeaderMap) -> &str {
    cut(headers.get(header::USER_AGENT).and_then(|agent| agent.to_str().ok()).unwrap_or("-"))
}

/// No more of a name than is kept.
pub(super) fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME)]
}

/// Which visits are told, by the viewers' addresses.
#[derive(Debug, Clone, Default)]
pub(super) struct Visits(Arc<Mutex<HashMap<IpAddr, Visitor>>>);

#[derive(Debug)]
struct Visitor {
    bucket: Bucket,
    /// Visits that were not told.
    untold: u64,
}

impl Visits {
    /// Whether the log tells when a viewer from `address` joins and leaves. Those that it does not
    /// tell are counted.
    pub(super) fn is_told(&self, address: IpAddr) -> bool {
        self.is_told_at(address, Instant::now())
    }

    fn is_told_at(&self, address: IpAddr, now: Instant) -> bool {
        let address = household(address);
        let mut visitors = self.visitors();
        if !visitors.contains_key(&address) && visitors.len() >= MAX_ADDRESSES {
            // Rather a few lines too many than a table without an end.
            return true;
        }
        let visitor =
            visitors.entry(address).or_insert_with(|| Visitor { bucket: Bucket::full(now), untold: 0 });
        if visitor.bucket.take(RATE, now) {
            return true;
        }
        visitor.untold += 1;
        drop(visitors);
        telemetry::count_suppressed(2);
        false
    }

    /// Says now and then how many visits were not told, and forgets who has been quiet, until
    /// `stop`.
    pub(super) async fn run(&self, stop: CancellationToken) {
        while stop.run_until_cancelled(tokio::time::sleep(TELL_EVERY)).await.is_some() {
            for (address, viewers) in self.take_untold(Instant::now()) {
                info!(%address, viewers, "more viewers came than are told one by one");
            }
        }
    }

    fn take_untold(&self, now: Instant) -> Vec<(IpAddr, u64)> {
        let mut untold = Vec::new();
        self.visitors().retain(|&address, visitor| {
            if visitor.untold > 0 {
                untold.push((address, std::mem::take(&mut visitor.untold)));
            }
            // A full bucket knows nothing: whoever comes back gets a full one, too.
            !visitor.bucket.is_full(now)
        });
        untold
    }

    fn visitors(&self) -> MutexGuard<'_, HashMap<IpAddr, Visitor>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn an_address_that_comes_and_goes_is_told_in_sum_and_others_one_by_one() {
        let visits = Visits::default();
        let [one, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let start = Instant::now();
        let told = (0..1000).filter(|_| visits.is_told_at(one, start)).count();
        assert_eq!(told, 60);
        assert!(visits.is_told_at(other, start));
        assert_eq!(visits.take_untold(start), [(one, 940)]);
        assert_eq!(visits.take_untold(start), []);
        assert!(visits.is_told_at(one, start + RATE.every), "in time, one more");
        assert_eq!(visits.take_untold(start + RATE.every * (RATE.burst + 1)), []);
        assert!(visits.visitors().is_empty(), "who has been quiet is forgotten");
    }

    #[test]
    fn addresses_without_end_take_no_memory_without_end() {
        let visits = Visits::default();
        for address in 0..100_000_u32 {
            visits.is_told(std::net::Ipv4Addr::from(address).into());
        }
        assert_eq!(visits.visitors().len(), MAX_ADDRESSES);
    }

    #[test]
    fn an_agent_is_cut_between_characters() {
        let mut headers = HeaderMap::new();
        assert_eq!(agent(&headers), "-");
        headers.insert(header::USER_AGENT, HeaderValue::from_str(&"a".repeat(16_000)).unwrap());
        assert_eq!(agent(&headers).len(), MAX_NAME);
        assert_eq!(cut(&"ä".repeat(200)).len(), MAX_NAME);
        assert_eq!(cut(&format!("a{}", "ä".repeat(200))).len(), MAX_NAME - 1);
    }
}

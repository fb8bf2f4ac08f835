//! Samples of what the origins and the relay say, and what is held against them.

use std::time::Duration;

use forebay_testkit::client;
use serde_json::Value;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::crowd::{Famine, LONG};
use super::world::{PROVIDERS, World};
use crate::program::Program;

const SECOND: Duration = Duration::from_secs(1);

/// Between two samples.
const PERIOD: Duration = Duration::from_millis(100);

/// How long the relay's count of leases may be another than the origin's of sockets: a lease is had before there is a
/// socket, and outlives it by what it takes to notice. Of HLS the origin sees only requests, and a list that is gone is asked
/// for every three seconds.
const SETTLING: [Duration; 3] = [SECOND, SECOND, Duration::from_secs(4)];

/// How much later than [`LONG`] data may come on a busy machine; segments are two seconds long.
const SLACK: Duration = SECOND;
const SEGMENT: Duration = Duration::from_secs(4);

/// One look at everything.
struct Sample {
    at: Instant,
    usable: Vec<[bool; 2]>,
}

/// What was seen.
#[derive(Default)]
pub(super) struct Audit {
    samples: Vec<Sample>,
    /// For each provider, the longest time that the two counts were not the same.
    pub(super) apart: [Duration; 3],
    /// For each provider, the most leases.
    pub(super) most: [u64; 3],
    pub(super) faults: Vec<String>,
}

/// Takes samples until told to stop.
pub(super) async fn sample(relay: &Program, world: &World, stop: CancellationToken) -> Audit {
    let mut audit = Audit::default();
    let mut same_at = [Instant::now(); 3];
    while !stop.is_cancelled() {
        let (_, status) = client::get_json(relay.address(), "/api/streams/status").await;
        let now = Instant::now();
        for (at, provider) in PROVIDERS.iter().enumerate() {
            let leases = leases(&status, provider.id);
            let Some((leases, settling)) = leases else {
                audit.fault(format!("the status has no provider {}", provider.id));
                continue;
            };
            audit.most[at] = audit.most[at].max(leases);
            if leases > provider.limit as u64 {
                audit.fault(format!("{} has {leases} leases of {}", provider.id, provider.limit));
            }
            // What the relay has closed, the origin may still count, and the relay knows that.
            if (leases..=leases + settling).contains(&(world.accounts[at].open() as u64)) {
                same_at[at] = now;
            }
            let apart = now - same_at[at];
            audit.apart[at] = audit.apart[at].max(apart);
            if apart > SETTLING[at] {
                let open = world.accounts[at].open();
                audit
                    .fault(format!("{} has {leases} leases and {open} sockets for {apart:.1?}", provider.id));
                same_at[at] = now;
            }
        }
        audit.samples.push(Sample { at: now, usable: world.usable() });
        sleep(PERIOD).await;
    }
    audit
}

/// What the relay says of a provider: connections that are open, and closed ones that the provider may still count.
pub(super) fn leases(status: &Value, id: &str) -> Option<(u64, u64)> {
    let of = status["providers"].as_array()?.iter().find(|provider| provider["id"] == id)?;
    Some((of["open"].as_u64()?, of["settling"].as_u64()?))
}

impl Audit {
    fn fault(&mut self, fault: String) {
        // The same is not said again and again.
        if self.faults.len() < 20 && !self.faults.contains(&fault) {
            self.faults.push(fault);
        }
    }

    /// Looks at a time without data: one source of the channel must not have been there all the while.
    pub(super) fn judge(&mut self, famine: &Famine) {
        let allowed = LONG + if famine.is_hls { SEGMENT } else { Duration::ZERO } + SLACK;
        if famine.to - famine.from <= allowed {
            return;
        }
        for source in 0..2 {
            let mut since = None;
            let mut longest = Duration::ZERO;
            let within = |sample: &&Sample| (famine.from..famine.to).contains(&sample.at);
            for sample in self.samples.iter().filter(within) {
                since = if sample.usable[famine.channel][source] { since.or(Some(sample.at)) } else { None };
                longest = longest.max(since.map_or(Duration::ZERO, |since| sample.at - since));
            }
            if longest > allowed {
                let Famine { channel, from, to, is_hls } = famine;
                let (begun, span) = (self.samples.first().map_or(*from, |first| first.at), *to - *from);
                self.fault(format!(
                    "c{channel} (HLS: {is_hls}) had nothing for {span:.1?} from {:.1?} on, with source {source} there for {longest:.1?}",
                    from.saturating_duration_since(begun)
                ));
            }
        }
    }
}

//! Providers as somebody wrote them.

use std::ops::RangeInclusive;
use std::time::Duration;

use super::access::check_access;
use super::checker::Checker;
use super::house::{House, Shared};
use super::units::{DurationText, Limits, limits_ms};
use crate::model::header::parse_user_agent;
use crate::model::{Access, Provider, ProviderId};

/// Accounts allow a few; what allows more has no limit that is worth counting.
const MAX_CONNECTIONS: i64 = 1000;

/// Panels that free a connection late take some seconds; none that can be used takes more than a
/// minute.
const SETTLE: Limits<Duration> = limits_ms(0, 60_000);

/// Probes cost the provider as much as viewers do.
const MAX_PROBES: RangeInclusive<i64> = 0..=10;

/// One probe at a time finds out about a few sources a minute, and leaves the other connections
/// free.
const DEFAULT_PROBES: u32 = 1;

crate::table! {
    /// A provider, with every field optional and as it was typed.
    pub struct ProviderSpec {
        /// Its name in sources.
        id: String,
        /// How many connections it allows at a time.
        max_connections: i64,
        /// The `User-Agent` of its sources.
        user_agent: String,
        /// How long after the end of a connection it is still counted.
        settle: DurationText,
        /// How many sources are probed at a time.
        max_probes: i64,
        /// Of its sources, see [`Scope`](crate::model::Scope).
        allow_private: bool,
        /// verify or unverified.
        tls: String,
        /// The address of a proxy, or none.
        proxy: String,
    }
}

impl ProviderSpec {
    /// The provider, which `house` knows from then on; none without a good id. Where there are
    /// errors, nobody may use it.
    pub fn check(&self, checker: &mut Checker, house: &mut House) -> Option<Provider> {
        if self.id.is_none() {
            checker.fault("id", "this provider has no id");
        }
        let id = checker.field("id", self.id.as_ref(), |text| text.parse::<ProviderId>());
        if self.max_connections.is_none() {
            let provider =
                id.as_ref().map_or_else(|| "this provider".into(), |id| format!("provider \"{id}\""));
            checker.fault(
                "max_connections",
                format!("{provider} has no max_connections: how many does the account allow?"),
            );
        }
        let max_connections =
            checker.number("max_connections", self.max_connections.as_ref(), MAX_CONNECTIONS);
        let settle = checker.duration("settle", self.settle.as_ref(), &SETTLE);
        let max_probes = checker.number_within("max_probes", self.max_probes.as_ref(), MAX_PROBES);
        let user_agent = checker.field("user_agent", self.user_agent.as_ref(), |text| parse_user_agent(text));
        let access = check_access(
            checker,
            self.allow_private,
            self.tls.as_ref(),
            self.proxy.as_ref(),
            Access::default(),
        );
        let id = id?;
        // Also where other fields are wrong: sources that
        // name it must not be told that it does not exist.
        house.shared.insert(id.clone(), Shared { user_agent, access });
        Some(Provider {
            id,
            // Without one it is refused.
            max_connections: max_connections.unwrap_or(1),
            settle: settle.unwrap_or_default(),
            max_probes: max_probes.unwrap_or(DEFAULT_PROBES),
        })
    }
}

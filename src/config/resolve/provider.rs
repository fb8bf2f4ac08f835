//! `[[providers]]`, and which of them a source is of.

use std::collections::HashMap;
use std::ops::{Range, RangeInclusive};
use std::time::Duration;

use toml::Spanned;

use super::super::file::{ProviderFile, Table};
use super::super::header::parse_user_agent;
use super::super::nearest::did_you_mean;
use super::super::units::{Limits, limits_ms};
use super::super::{Access, Provider, ProviderId};
use super::Resolver;

/// Accounts allow a few; what allows more has no limit that is worth counting.
const MAX_CONNECTIONS: i64 = 1000;

/// Panels that free a connection late take some seconds; none that can be used takes more than a minute.
const SETTLE: Limits<Duration> = limits_ms(0, 60_000);

/// Probes cost the provider as much as viewers do.
const MAX_PROBES: RangeInclusive<i64> = 0..=10;

/// One probe at a time finds out about a few sources a minute, and leaves the other connections free.
const DEFAULT_PROBES: u32 = 1;

/// What the sources of a provider have in common, unless they say otherwise.
#[derive(Debug, Clone, Default)]
pub(super) struct Shared {
    pub(super) user_agent: Option<String>,
    pub(super) access: Access,
}

impl Resolver<'_> {
    pub(super) fn providers(&mut self, typed: Vec<Spanned<Table<ProviderFile>>>) -> Vec<Provider> {
        let mut taken = HashMap::new();
        typed
            .into_iter()
            .filter_map(|typed| {
                let header = typed.span();
                self.provider(typed.into_inner().0, &header, &mut taken)
            })
            .collect()
    }

    /// The provider which begins at `header`; none without a good id, for then the file is refused anyway.
    fn provider(
        &mut self,
        typed: ProviderFile,
        header: &Range<usize>,
        taken: &mut HashMap<ProviderId, Range<usize>>,
    ) -> Option<Provider> {
        let ProviderFile {
            id: typed_id,
            max_connections: typed_limit,
            user_agent,
            settle,
            max_probes,
            allow_private,
            tls,
            proxy,
        } = typed;
        if typed_id.is_none() {
            self.fault(header, "this provider has no id");
        }
        let id = self.checked("id", typed_id.as_ref(), |text| text.parse::<ProviderId>());
        if let (Some(id), Some(typed)) = (&id, &typed_id) {
            self.unique(taken, id.clone(), typed.span(), |id| format!("the provider \"{id}\""));
        }
        if typed_limit.is_none() {
            let provider =
                id.as_ref().map_or_else(|| "this provider".into(), |id| format!("provider \"{id}\""));
            self.fault(
                header,
                format!("{provider} has no max_connections: how many does the account allow?"),
            );
        }
        let max_connections = self.number("max_connections", &typed_limit, MAX_CONNECTIONS);
        let settle = self.duration("settle", &settle, &SETTLE);
        let max_probes = self.number_within("max_probes", &max_probes, MAX_PROBES);
        let user_agent = self.checked("user_agent", user_agent.as_ref(), |text| parse_user_agent(text));

        let access = self.access(allow_private, &tls, &proxy, Access::default());

        let id = id?;
        self.shared.insert(id.clone(), Shared { user_agent, access });
        Some(Provider {
            id,
            // Without one the file is refused.
            max_connections: max_connections.unwrap_or(1),
            settle: settle.unwrap_or_default(),
            max_probes: max_probes.unwrap_or(DEFAULT_PROBES),
        })
    }

    /// The provider that a source names.
    pub(super) fn provider_of(&mut self, typed: Option<&Spanned<String>>) -> Option<ProviderId> {
        let id = self.checked("provider", typed, |text| text.parse::<ProviderId>())?;
        if !self.shared.contains_key(&id) {
            let mut known: Vec<&str> = self.shared.keys().map(ProviderId::as_str).collect();
            known.sort_unstable();
            let message = format!(
                "provider: there is no \"{id}\" in [[providers]]{}",
                did_you_mean(id.as_str(), &known)
            );
            self.fault(&typed?.span(), message);
        }
        Some(id)
    }
}

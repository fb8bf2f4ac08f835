//! A channel's claims to connections of its sources' providers.

use forebay_core::failover::SourceId;
use forebay_core::lifecycle;
use tokio::sync::watch;

use crate::model::{Channel, Source};
use crate::providers::{Claim, Providers, Purpose};

/// The claim of a channel with this priority to a connection.
pub(super) fn claim_of(channel: &Channel, priority: i32, purpose: Purpose) -> Claim {
    Claim { channel: channel.id.clone(), priority, purpose }
}

/// What a provider is told that a connection is for.
pub(super) fn purpose_of(purpose: lifecycle::Purpose) -> Purpose {
    match purpose {
        lifecycle::Purpose::Active => Purpose::Active,
        lifecycle::Purpose::Hedge => Purpose::Hedge,
        lifecycle::Purpose::Probe => Purpose::Probe,
    }
}

/// Waits until there would be a connection for one of these sources, and returns that source.
pub(super) async fn connection_for(
    sources: &[SourceId],
    (channel, priority): (&Channel, i32),
    providers: &Providers,
    changed: &mut watch::Receiver<u64>,
) -> SourceId {
    let claim = claim_of(channel, priority, Purpose::Active);
    let would_serve = |source: SourceId| {
        let provider = channel.source(source)?.provider.as_ref()?;
        Some(providers.would_serve(provider, &claim))
    };
    loop {
        changed.borrow_and_update();
        if let Some(&source) = sources.iter().find(|&&source| would_serve(source) == Some(true)) {
            return source;
        }
        if changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Whether a source can be opened beside another one without a second connection to the same
/// server. If no provider says how many connections a server allows, only one can be relied on.
pub(super) fn is_apart(source: &Source, other: &Source) -> bool {
    let host = |source: &Source| {
        let url = source.url.expose();
        url.host_str()
            .filter(|host| !host.is_empty())
            .map(|host| (host.to_owned(), url.port_or_known_default()))
    };
    let is_counted = source.provider.is_some() && other.provider.is_some();
    is_counted || host(source).is_none() || host(source) != host(other)
}

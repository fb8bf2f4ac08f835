//! A channel's claims for connections of its sources' providers.

use forebay_core::channel::claims::{Server, purpose_at};
use forebay_core::failover::SourceId;
use forebay_core::lifecycle::{self, Lifecycle};
use forebay_core::time::Moment;
use tokio::sync::watch;

use crate::model::{Channel, Source};
use crate::providers::{Claim, Providers, Purpose};

/// The claim of a channel with this priority to a connection.
pub(super) fn claim_of(channel: &Channel, priority: i32, purpose: Purpose) -> Claim {
    Claim { channel: channel.id.clone(), priority, purpose }
}

/// The sources that wait for a connection, and what each is for.
pub(super) fn waiting_for_slot(now: Moment, life: &Lifecycle) -> Vec<(SourceId, Purpose)> {
    let purpose = |source| purpose_at(now, life.failover(), source, lifecycle::Purpose::Active);
    life.waiting_for_slot().into_iter().map(|source| (source, purpose(source))).collect()
}

/// Waits until a claim for one of these sources, each for its purpose, would be granted, and
/// returns that source.
pub(super) async fn connection_for(
    sources: &[(SourceId, Purpose)],
    (channel, priority): (&Channel, i32),
    providers: &Providers,
    changed: &mut watch::Receiver<u64>,
) -> SourceId {
    let would_serve = |source: SourceId, purpose: Purpose| {
        let provider = channel.source(source)?.provider.as_ref()?;
        Some(providers.would_serve(provider, &claim_of(channel, priority, purpose)))
    };
    loop {
        // Before the look, or a connection that becomes free
        // between the look and the wait would be missed.
        changed.borrow_and_update();
        let is_served = |&&(source, purpose): &&_| would_serve(source, purpose) == Some(true);
        if let Some(&(source, _)) = sources.iter().find(is_served) {
            return source;
        }
        // The providers are gone only when the process ends, which is told in another way.
        if changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Where a connection to this source goes.
pub(super) fn server_of(source: &Source) -> Server<(String, Option<u16>)> {
    let url = source.url.expose();
    let host = url.host_str().filter(|host| !host.is_empty());
    Server {
        is_counted: source.provider.is_some(),
        host: host.map(|host| (host.to_owned(), url.port_or_known_default())),
    }
}

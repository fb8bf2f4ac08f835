//! Publishes what happens to a channel.

use forebay_core::lifecycle::AttemptId;

use super::Driver;
use crate::events::Event;
use crate::model::{ChannelId, ProviderId};

impl Driver {
    /// Publishes an event.
    pub(super) fn publish(&self, event: impl FnOnce(ChannelId) -> Event) {
        self.feed.events.publish(event(self.channel.id.clone()));
    }

    /// The provider of an attempt's source.
    pub(super) fn provider_of(&self, attempt: AttemptId) -> Option<ProviderId> {
        self.listed(self.ingests.of(attempt).source).provider.clone()
    }
}

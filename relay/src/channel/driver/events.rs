//! Tells what happens to a channel.

use forebay_core::lifecycle::AttemptId;

use super::Driver;
use crate::events::Event;
use crate::model::{ChannelId, ProviderId};

impl Driver {
    /// Tells whoever wants to know.
    pub(super) fn happened(&self, event: impl FnOnce(ChannelId) -> Event) {
        self.feed.events.publish(event(self.channel.id.clone()));
    }

    /// Whose connection an attempt has, or wants.
    pub(super) fn provider_of(&self, attempt: AttemptId) -> Option<ProviderId> {
        self.listed(self.ingests.of(attempt).source).provider.clone()
    }
}

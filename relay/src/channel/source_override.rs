//! Source overrides: an admin pins, skips, disables or enables a channel's sources.

use std::sync::Arc;

use forebay_core::failover::{Failover, SourceHealth, SourceId};
use forebay_core::lifecycle::{OverrideError, SourceOverride};
use tokio::sync::oneshot;

use super::command::Command;
use super::feed::Feed;
use super::report::SourceReport;
use super::{Channels, Table};
use crate::model::Channel;

impl Channels {
    /// Carries out an order. A pin or a disabled source lasts until the process ends, whether the
    /// channel is open or not.
    pub async fn override_source(
        &self,
        channel: &Arc<Channel>,
        order: SourceOverride,
    ) -> Result<(), OverrideError> {
        while let Some(feed) = self.override_if_closed(channel, order)? {
            let (answer, answered) = oneshot::channel();
            if feed.commands.send(Command { order, answer }).await.is_ok()
                && let Ok(answer) = answered.await
            {
                return answer;
            }
            // The driver ended before it took the command. The feed has left the table by now.
        }
        Ok(())
    }

    /// Carries out an order on a closed channel, which cannot be opened meanwhile. Returns the feed
    /// instead if the channel is open.
    fn override_if_closed(
        &self,
        channel: &Arc<Channel>,
        order: SourceOverride,
    ) -> Result<Option<Arc<Feed>>, OverrideError> {
        let mut table = self.table();
        if let Some(feed) = table.feeds.get(&channel.id) {
            return Ok(Some(Arc::clone(feed)));
        }
        let mut failover = table.failover(channel);
        // On a copy: an order that is refused changes nothing.
        failover.override_source(order)?;
        table.failovers.insert(channel.id.clone(), failover);
        Ok(None)
    }

    /// The health of the sources of a closed channel, in the order of its list.
    pub fn source_health(&self, channel: &Channel) -> Vec<SourceHealth> {
        let (failover, now) = (self.table().failover(channel), self.clock.now());
        channel.sources.iter().filter_map(|source| failover.health(now, source.id)).collect()
    }

    /// The sources of a channel that an admin has disabled, whether it is open or not.
    pub fn disabled_sources(&self, channel: &Channel) -> Vec<SourceId> {
        if let Some(report) = self.report(channel.id.as_str()) {
            let is_disabled = |source: &&SourceReport| source.health.is_some_and(|it| it.is_disabled);
            return report.sources.iter().filter(is_disabled).map(|source| source.id).collect();
        }
        let failover = self.table().failover(channel);
        channel.source_ids().into_iter().filter(|&source| failover.is_disabled(source)).collect()
    }

    /// Keeps the failover of a channel for the next time that it is opened.
    pub(super) fn remember(&self, channel: &Channel, failover: &Failover) {
        self.table().failovers.insert(channel.id.clone(), failover.clone());
    }
}

impl Table {
    /// The failover of a channel: the one kept from before with its present sources, or a new one.
    pub(super) fn failover(&self, channel: &Channel) -> Failover {
        let sources = channel.source_ids();
        let Some(history) = self.failovers.get(&channel.id) else { return Failover::new(&sources) };
        // The list of sources may have changed since.
        let mut failover = history.clone();
        failover.set_sources(&sources);
        failover
    }
}

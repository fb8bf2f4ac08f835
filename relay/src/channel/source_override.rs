//! What an admin wants of a channel.

use std::sync::Arc;

use forebay_core::failover::{Failover, SourceHealth};
use forebay_core::lifecycle::{OverrideError, SourceOverride};
use tokio::sync::oneshot;

use super::command::Command;
use super::feed::Feed;
use super::{Channels, Table};
use crate::model::Channel;

impl Channels {
    /// Chooses a channel's source. What is pinned or disabled stays so while the process runs, whether the channel is open or not.
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
            // Its driver ended before it took the command, and had left the table by then.
        }
        Ok(())
    }

    /// Steers a channel that nobody can open meanwhile; its feed, if it is open.
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
        failover.override_source(order)?;
        table.histories.insert(channel.id.clone(), failover);
        Ok(None)
    }

    /// How the sources of a channel stand that is closed, in the order of its list.
    pub fn source_health(&self, channel: &Channel) -> Vec<SourceHealth> {
        let (failover, now) = (self.table().failover(channel), self.clock.now());
        channel.sources.iter().filter_map(|source| failover.health(now, source.id)).collect()
    }

    /// Keeps it for the next time that the channel is opened.
    pub(super) fn remember(&self, channel: &Channel, failover: &Failover) {
        self.table().histories.insert(channel.id.clone(), failover.clone());
    }
}

impl Table {
    /// How a channel's sources have done, as far as that is known.
    pub(super) fn failover(&self, channel: &Channel) -> Failover {
        let sources = channel.source_ids();
        let Some(history) = self.histories.get(&channel.id) else { return Failover::new(&sources) };
        // The list may be another since.
        let mut failover = history.clone();
        failover.set_sources(&sources);
        failover
    }
}

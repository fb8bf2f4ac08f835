//! What an admin wants of a channel.

use std::sync::Arc;

use forebay_core::failover::{Failover, Standing};
use forebay_core::lifecycle::{Steer, Unsteerable};
use tokio::sync::oneshot;

use super::command::Command;
use super::feed::Feed;
use super::{Channels, Table};
use crate::model::{Channel, Source};

/// What is known of a channel's sources, of a channel that may be closed: by the list as it was then.
#[derive(Debug, Clone)]
pub(super) struct History {
    channel: Arc<Channel>,
    failover: Failover,
}

impl History {
    pub(super) fn new(channel: &Arc<Channel>, failover: &Failover) -> Self {
        Self { channel: Arc::clone(channel), failover: failover.clone() }
    }

    /// The same for the list as it is now.
    pub(super) fn of(&self, channel: &Channel) -> Failover {
        let mut failover = self.failover.clone();
        failover.arrange(&places(&self.channel, channel));
        failover
    }
}

/// Of each source of the new list, where it stood in the old one. Of several that are the same, the first was the first.
pub(super) fn places(old: &Channel, new: &Channel) -> Vec<Option<usize>> {
    let mut is_taken = vec![false; old.sources.len()];
    let place = |source: &Source| {
        let is_it = |&at: &usize| !is_taken[at] && old.sources[at].is_same_as(source);
        let found = (0..old.sources.len()).find(is_it)?;
        is_taken[found] = true;
        Some(found)
    };
    new.sources.iter().map(place).collect()
}

impl Channels {
    /// Chooses a channel's source. What is pinned or disabled stays so while the process runs, whether the channel is open or not.
    pub async fn steer(&self, channel: &Arc<Channel>, steer: Steer) -> Result<(), Unsteerable> {
        while let Some(feed) = self.steer_if_closed(channel, steer)? {
            let (answer, answered) = oneshot::channel();
            if feed.steering.send(Command { steer, answer }).await.is_ok()
                && let Ok(answer) = answered.await
            {
                return answer;
            }
            // Its driver ended before it took the command, and had left the table by then.
        }
        Ok(())
    }

    /// Steers a channel that nobody can open meanwhile; its feed, if it is open.
    fn steer_if_closed(
        &self,
        channel: &Arc<Channel>,
        steer: Steer,
    ) -> Result<Option<Arc<Feed>>, Unsteerable> {
        let mut table = self.table();
        if let Some(feed) = table.feeds.get(&channel.id) {
            return Ok(Some(Arc::clone(feed)));
        }
        let mut failover = table.failover(channel);
        failover.steer(steer)?;
        table.remember(channel, &failover);
        Ok(None)
    }

    /// How the sources of a channel stand that is closed, in the order of its list.
    pub fn standings(&self, channel: &Channel) -> Vec<Standing> {
        let (failover, now) = (self.table().failover(channel), self.clock.now());
        (0..channel.sources.len()).filter_map(|source| failover.standing(now, source)).collect()
    }

    /// Keeps it for the next time that the channel is opened.
    pub(super) fn remember(&self, channel: &Arc<Channel>, failover: &Failover) {
        self.table().remember(channel, failover);
    }
}

impl Table {
    /// How a channel's sources have done, as far as that is known.
    pub(super) fn failover(&self, channel: &Channel) -> Failover {
        let history = self.histories.get(&channel.id);
        history.map_or_else(|| Failover::new(channel.sources.len()), |history| history.of(channel))
    }

    fn remember(&mut self, channel: &Arc<Channel>, failover: &Failover) {
        self.histories.insert(channel.id.clone(), History::new(channel, failover));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture::Fixture;

    fn channel(sources: &str) -> Arc<Channel> {
        let text = format!("[[channels]]\nid = \"one\"\nsources = {sources}\n");
        Arc::clone(&Fixture::parse(&text).channels[0])
    }

    #[test]
    fn each_source_has_one_place() {
        let old = channel(r#"["http://h/a", "http://h/b", "http://h/a"]"#);
        for (sources, expected) in [
            (r#"["http://h/a", "http://h/b", "http://h/a"]"#, vec![Some(0), Some(1), Some(2)]),
            (
                r#"["http://h/b", "http://h/a", "http://h/c", "http://h/a"]"#,
                vec![Some(1), Some(0), None, Some(2)],
            ),
            (r#"[{ url = "http://h/a", max_bitrate = "5 Mbit/s" }]"#, vec![Some(0)]),
            (r#"[{ url = "http://h/a", user_agent = "VLC" }]"#, vec![None]),
        ] {
            assert_eq!(places(&old, &channel(sources)), expected, "{sources}");
        }
    }
}

//! Whether there is room for one more reader: of the channel, in the bandwidth of all, and in the
//! share of the viewer's address.

use std::collections::HashMap;
use std::sync::Arc;

use super::Refusal;
use super::feed::Feed;
use super::reader_kind::ReaderKind;
use crate::model::{Channel, ChannelId};

/// How many viewers of one address are sent something, by channel.
pub type Served = HashMap<ChannelId, usize>;

/// What is left for one more viewer.
#[derive(Debug)]
pub struct Room<'a> {
    /// What all viewers together may be sent, in bits a second.
    pub max_bandwidth: Option<u64>,
    /// Those of the viewer's own address.
    pub served: &'a Served,
}

/// So many viewers of a channel one address may have, however few the channel may have: a
/// household.
const HOUSEHOLD: u64 = 4;

impl Room<'_> {
    pub(super) fn check(
        &self,
        kind: ReaderKind,
        channel: &Channel,
        feeds: &HashMap<ChannelId, Arc<Feed>>,
    ) -> Result<(), Refusal> {
        let feed = feeds.get(&channel.id);
        if let Some(limit) = channel.policy.max_viewers.filter(|_| kind.is_viewer()) {
            if feed.is_some_and(|feed| feed.served() as u64 >= u64::from(limit)) {
                return Err(Refusal::ChannelFull { limit });
            }
            let own = self.served.get(&channel.id).copied().unwrap_or_default() as u64;
            if own >= share(limit.into()).max(HOUSEHOLD.min(limit.into())) {
                return Err(Refusal::AddressShare);
            }
        }
        if let Some(limit) = self.max_bandwidth.filter(|_| kind.takes_bandwidth()) {
            let outgoing: u64 = feeds.values().map(|feed| feed.outgoing()).sum();
            // A limit below what is assumed must not keep out the first one, of whom alone it can
            // be learned.
            let needed = feed.map_or_else(|| Feed::ASSUMED_BITRATE.min(limit), |feed| feed.bitrate());
            if outgoing + needed > limit {
                return Err(Refusal::NoBandwidth { limit });
            }
            let own: u64 = self
                .served
                .iter()
                .filter_map(|(id, &viewers)| Some(feeds.get(id)?.bitrate() * viewers as u64))
                .sum();
            // The first viewer of an address may need more than its share.
            if own > 0 && own + needed > share(limit) {
                return Err(Refusal::AddressShare);
            }
        }
        Ok(())
    }
}

/// What of `limit` one address may have: three quarters, so that nobody alone can keep all others
/// out.
fn share(limit: u64) -> u64 {
    limit - limit / 4
}

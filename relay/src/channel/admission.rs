//! Whether the limits allow one more reader: the channel's viewers, the bandwidth of the relay, and
//! the share of the viewer's address in both.

use std::collections::HashMap;
use std::sync::Arc;

use super::Refusal;
use super::feed::Feed;
use super::reader_kind::ReaderKind;
use crate::model::{Channel, ChannelId};

/// How many viewers of one address are sent media, by channel.
pub type ViewersByChannel = HashMap<ChannelId, usize>;

/// The limits that one more reader is checked against.
#[derive(Debug)]
pub struct AdmissionLimits<'a> {
    /// What all readers together may be sent, in bits a second.
    pub max_bandwidth: Option<u64>,
    /// The viewers at the new viewer's address that are sent media, by channel.
    pub served: &'a ViewersByChannel,
}

/// The viewers of a channel that one address may always have, within `max_viewers`: a household.
const MIN_PER_ADDRESS: u64 = 4;

impl AdmissionLimits<'_> {
    pub(super) fn check(
        &self,
        kind: ReaderKind,
        channel: &Channel,
        feeds: &HashMap<ChannelId, Arc<Feed>>,
    ) -> Result<(), Refusal> {
        let feed = feeds.get(&channel.id);
        if let Some(limit) = channel.policy.max_viewers.filter(|_| kind.is_viewer()) {
            // Only viewers that are sent media count: an app that only
            // looks through playlists must not take their places.
            if feed.is_some_and(|feed| feed.served() as u64 >= u64::from(limit)) {
                return Err(Refusal::ChannelFull { limit });
            }
            let own = self.served.get(&channel.id).copied().unwrap_or_default() as u64;
            if own >= share(limit.into()).max(MIN_PER_ADDRESS.min(limit.into())) {
                return Err(Refusal::AddressShare);
            }
        }
        if let Some(limit) = self.max_bandwidth.filter(|_| kind.takes_bandwidth()) {
            // Added up each time, not kept: the rates of channels change all the time.
            let outgoing: u64 = feeds.values().map(|feed| feed.outgoing()).sum();
            // A limit below the assumed rate must not keep out the first viewer, from whose stream
            // the real rate is learned.
            let needed = feed.map_or_else(|| Feed::ASSUMED_BITRATE.min(limit), |feed| feed.bitrate());
            if outgoing + needed > limit {
                return Err(Refusal::NoBandwidth { limit });
            }
            let own: u64 = self
                .served
                .iter()
                .filter_map(|(id, &viewers)| Some(feeds.get(id)?.bitrate() * viewers as u64))
                .sum();
            // The first viewer of an address may take more than the share.
            if own > 0 && own + needed > share(limit) {
                return Err(Refusal::AddressShare);
            }
        }
        Ok(())
    }
}

/// The share of `limit` that one address may have: three quarters, so that no address can keep all
/// others out.
fn share(limit: u64) -> u64 {
    limit - limit / 4
}

//! The channels of the configuration.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use forebay_core::lineup::player_id;
use forebay_core::transcode::Profile;
use forebay_relay::model::{Channel, ChannelId};

use super::variant::variant_of;
use crate::config::Config;
use crate::db::listing::searched;

/// The channels of a configuration, in memory. It never changes.
#[derive(Debug, Default)]
pub struct Snapshot {
    in_order: Vec<Arc<Channel>>,
    by_id: HashMap<ChannelId, Arc<Channel>>,
    by_number: HashMap<u32, Arc<Channel>>,
    /// By which players of Xtream Codes know them, in the order of lists.
    player_ids: Vec<u32>,
    by_player_id: HashMap<u32, Arc<Channel>>,
    /// What is searched of each, made when somebody searches for the first time.
    searched: OnceLock<Vec<Box<str>>>,
    /// What variants are encoded as.
    profiles: Vec<Profile>,
}

impl Snapshot {
    /// The channels and the profiles of a configuration.
    pub(super) fn of(config: &Config) -> Self {
        Self { profiles: config.transcode.profiles.clone(), ..Self::new(config.channels.clone()) }
    }

    /// A channel through the profile of this name, if there is one.
    pub(super) fn variant(&self, base: &Channel, profile: &str) -> Option<Arc<Channel>> {
        let profile = self.profiles.iter().find(|known| known.name.as_str() == profile)?;
        Some(Arc::new(variant_of(base, profile)))
    }

    /// These channels, each id and number once.
    pub(super) fn new(channels: Vec<Arc<Channel>>) -> Self {
        let by_id = channels.iter().map(|channel| (channel.id.clone(), Arc::clone(channel))).collect();
        let by_number = channels.iter().filter_map(|c| Some((c.number?, Arc::clone(c)))).collect();
        let player_ids = player_id::of_texts(channels.iter().map(|channel| channel.id.as_str()));
        let by_player_id = player_ids.iter().copied().zip(channels.iter().cloned()).collect();
        Self {
            in_order: channels,
            by_id,
            by_number,
            player_ids,
            by_player_id,
            searched: OnceLock::new(),
            profiles: Vec::new(),
        }
    }

    /// All channels, in the order of lists.
    pub fn channels(&self) -> &[Arc<Channel>] {
        &self.in_order
    }

    /// The channel with this id.
    pub fn find(&self, id: &str) -> Option<&Arc<Channel>> {
        self.by_id.get(id)
    }

    /// The channels with the numbers by which players know them, in the order of lists.
    pub(super) fn with_player_ids(&self) -> impl Iterator<Item = (&Arc<Channel>, u32)> {
        self.in_order.iter().zip(self.player_ids.iter().copied())
    }

    /// The channel that players know by this.
    pub(super) fn find_by_player_id(&self, id: u32) -> Option<&Arc<Channel>> {
        self.by_player_id.get(&id)
    }

    /// The channel with this number.
    pub fn find_by_number(&self, number: u32) -> Option<&Arc<Channel>> {
        self.by_number.get(&number)
    }

    /// Its place in the list, from 0.
    pub(super) fn position(&self, wanted: &Arc<Channel>) -> Option<usize> {
        self.in_order.iter().position(|channel| Arc::ptr_eq(channel, wanted))
    }

    /// The places of the channels that hold each of these folded words.
    pub(super) fn search(&self, words: &[String]) -> impl Iterator<Item = usize> {
        let text = |channel: &Arc<Channel>| searched(&channel.name, channel.group.as_deref()).into();
        // Made by the first search: most servers with large configurations are never searched.
        let texts = self.searched.get_or_init(|| self.in_order.iter().map(text).collect());
        let holds = |text: &str| words.iter().all(|word| text.contains(&**word));
        texts.iter().enumerate().filter(move |(_, text)| holds(text)).map(|(at, _)| at)
    }
}

//! The channels that can be watched: those of the configuration, then those of the database.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_relay::channel::Changes;
use forebay_relay::model::{Channel, ChannelId, FieldError, House};
use tracing::{error, warn};

use crate::catalogue::Catalogue;
use crate::config::{Config, InForce};
use crate::db::relays::{self, Relay, RelayId};
use crate::db::{Database, Error};

/// Relays that are read at a time.
const PAGE: usize = 1000;

/// Puts channels into force. Each change waits for the one before.
#[derive(Debug)]
pub struct InForceChannels {
    catalogue: Arc<Catalogue>,
    config: InForce,
    relays: Mutex<RelayChannels>,
}

/// The relays of a database that can be had with a configuration, as channels.
#[derive(Debug, Default)]
pub struct RelayChannels(BTreeMap<RelayId, Arc<Channel>>);

impl InForceChannels {
    /// What is in force already.
    pub fn new(catalogue: Arc<Catalogue>, config: InForce, relays: RelayChannels) -> Self {
        Self { catalogue, config, relays: Mutex::new(relays) }
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.get()
    }

    /// Takes another configuration, and all relays anew: it may have other defaults and providers.
    /// Waits for the disk.
    ///
    /// Where the database cannot be read, the relays stay as they are.
    pub fn configure(&self, database: &Database, config: Arc<Config>) -> Changes {
        let mut relays = self.relays();
        match RelayChannels::read(database, &config) {
            Ok(all) => *relays = all,
            Err(error) => error!(%error, "the relays cannot be read"),
        }
        let changes = self.apply(&config, &relays);
        self.config.replace(config);
        changes
    }

    /// Takes one relay as the database has it now. Waits for the disk.
    pub(super) fn take(&self, database: &Database, id: RelayId) {
        let mut relays = self.relays();
        let config = self.config.get();
        match database.read_here(|connection| relays::get(connection, id)) {
            Ok(relay) => match relay.and_then(|relay| Terms::of(&config).channel(&relay)) {
                Some(channel) => drop(relays.0.insert(id, channel)),
                None => drop(relays.0.remove(&id)),
            },
            Err(error) => return error!(relay = id.0, %error, "a relay cannot be read and stays as it was"),
        }
        self.apply(&config, &relays);
    }

    fn apply(&self, config: &Config, relays: &RelayChannels) -> Changes {
        self.catalogue.channels().set_providers(&config.providers);
        self.catalogue.replace(relays.behind(config))
    }

    fn relays(&self) -> MutexGuard<'_, RelayChannels> {
        // What a panic has left was in force, or is read anew with the next configuration.
        self.relays.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl RelayChannels {
    /// Reads all of them. Waits for the disk.
    pub fn read(database: &Database, config: &Config) -> Result<Self, Error> {
        let (mut all, mut last) = (BTreeMap::new(), None);
        let terms = Terms::of(config);
        while database.is_on() {
            let page = database.read_here(|connection| relays::list(connection, last, PAGE))?;
            all.extend(page.iter().filter_map(|relay| Some((relay.id, terms.channel(relay)?))));
            match page.last() {
                Some(relay) if page.len() == PAGE => last = Some(relay.id),
                _ => break,
            }
        }
        Ok(Self(all))
    }

    /// All channels: those of the configuration, and these behind them.
    pub fn behind(&self, config: &Config) -> Vec<Arc<Channel>> {
        config.channels.iter().chain(self.0.values()).cloned().collect()
    }
}

/// What a configuration lets relays be.
struct Terms<'a> {
    house: House,
    /// Those of the configuration's own channels.
    ids: HashSet<&'a ChannelId>,
    numbers: HashMap<u32, &'a ChannelId>,
}

impl<'a> Terms<'a> {
    fn of(config: &'a Config) -> Self {
        let channels = &config.channels;
        let numbered = |channel: &'a Arc<Channel>| Some((channel.number?, &channel.id));
        Self {
            house: config.api_house(),
            ids: channels.iter().map(|channel| &channel.id).collect(),
            numbers: channels.iter().filter_map(numbered).collect(),
        }
    }

    /// The channel of a relay. What cannot be with this configuration, which people may have changed
    /// since, is left out and told of; the database keeps it.
    fn channel(&self, relay: &Relay) -> Option<Arc<Channel>> {
        let id = relay.id.0;
        let mut channel = match relay.document.spec().check(&self.house) {
            Ok(channel) => channel,
            Err(errors) => {
                for FieldError { path, message } in errors {
                    warn!(relay = id, field = %path, "relay left out: {message}");
                }
                return None;
            }
        };
        if self.ids.contains(&channel.id) {
            warn!(relay = id, channel = %channel.id, "relay left out: the configuration has its path");
            return None;
        }
        if let Some(owner) = channel.number.and_then(|number| self.numbers.get(&number)) {
            warn!(relay = id, channel = %channel.id, %owner, "relay without its number: the configuration has it");
            channel.number = None;
        }
        Some(Arc::new(channel))
    }
}

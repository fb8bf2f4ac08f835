//! The channels that can be watched: those of the configuration, then those of the database.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_relay::channel::Changes;
use forebay_relay::model::{Channel, ChannelId, FieldError, House, Provider};
use rusqlite::Connection;
use tracing::{debug, error, warn};

use crate::catalogue::Catalogue;
use crate::config::{Config, InForce};
use crate::db::lineup::{self, Changed};
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
pub struct RelayChannels {
    relays: BTreeMap<RelayId, Arc<Channel>>,
    /// Channels of playlists, by their places in lists.
    lineup: BTreeMap<i64, Arc<Channel>>,
    /// The providers of playlists.
    providers: Vec<Provider>,
}

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
                Some(channel) => drop(relays.relays.insert(id, channel)),
                None => drop(relays.relays.remove(&id)),
            },
            Err(error) => return error!(relay = id.0, %error, "a relay cannot be read and stays as it was"),
        }
        self.apply(&config, &relays);
    }

    /// Takes channels of playlists as the database has them now. Waits for the disk.
    pub fn lineup_changed(&self, database: &Database, changed: &Changed) {
        let mut relays = self.relays();
        let config = self.config.get();
        let different: HashSet<&str> = changed
            .added
            .iter()
            .chain(&changed.changed)
            .chain(&changed.removed)
            .map(String::as_str)
            .collect();
        if let Err(error) = relays.read_lineup(database, &config, |path| different.contains(path)) {
            return error!(%error, "the channels of playlists cannot be read and stay as they were");
        }
        self.apply(&config, &relays);
    }

    fn apply(&self, config: &Config, relays: &RelayChannels) -> Changes {
        self.catalogue.channels().set_providers(&relays.providers(config));
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
        let mut all = Self { relays: all, ..Self::default() };
        all.read_lineup(database, config, |_| true)?;
        Ok(all)
    }

    /// All channels: those of the configuration, and these behind them.
    pub fn behind(&self, config: &Config) -> Vec<Arc<Channel>> {
        let taken: HashSet<&ChannelId> =
            config.channels.iter().chain(self.relays.values()).map(|channel| &channel.id).collect();
        let lineup = self.lineup.values().filter(|channel| !taken.contains(&channel.id));
        let mut numbers = HashSet::new();
        let mut all: Vec<Arc<Channel>> =
            config.channels.iter().chain(self.relays.values()).chain(lineup).cloned().collect();
        // Of two channels with one number, the first one has it.
        for channel in &mut all {
            if channel.number.is_some_and(|number| !numbers.insert(number)) {
                Arc::make_mut(channel).number = None;
            }
        }
        all
    }

    /// All providers: those of the configuration, and those of playlists.
    pub fn providers(&self, config: &Config) -> Vec<Provider> {
        config.providers.iter().chain(&self.providers).cloned().collect()
    }

    /// Reads the channels of playlists, anew where `is_different` says so.
    fn read_lineup(
        &mut self,
        database: &Database,
        config: &Config,
        is_different: impl Fn(&str) -> bool,
    ) -> Result<(), Error> {
        if !database.is_on() {
            return Ok(());
        }
        let (lineup, providers) = database.read_here(|connection| {
            let (mut all, mut last) = (BTreeMap::new(), None);
            loop {
                let page = lineup::list(connection, last, PAGE)?;
                for row in &page {
                    let known = self.lineup.get(&row.rank).filter(|known| known.id.as_str() == row.path);
                    match known.filter(|_| !is_different(&row.path)) {
                        Some(known) => drop(all.insert(row.rank, Arc::clone(known))),
                        None => drop(channel_of(connection, config, row)?.map(|it| all.insert(row.rank, it))),
                    }
                }
                match page.last() {
                    Some(row) if page.len() == PAGE => last = Some(row.rank),
                    _ => return Ok::<_, Error>((all, lineup::providers(connection)?)),
                }
            }
        })?;
        (self.lineup, self.providers) = (lineup, providers);
        Ok(())
    }
}

/// The channel of a row; none where it has no source that can be opened.
fn channel_of(
    connection: &Connection,
    config: &Config,
    row: &lineup::Row,
) -> Result<Option<Arc<Channel>>, Error> {
    let Some(found) = lineup::find(connection, &row.path)? else { return Ok(None) };
    match found.channel(config) {
        Ok(channel) => Ok(Some(Arc::new(channel))),
        Err(errors) => {
            let wrong = errors.first().map(|error| &error.message);
            debug!(channel = row.path, ?wrong, "a channel of a playlist cannot be watched");
            Ok(None)
        }
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

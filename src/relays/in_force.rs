//! The channels that can be watched: those of the configuration, then those of the database.

use std::sync::Arc;

use forebay_relay::channel::Changes;
use forebay_relay::model::Provider;
use tracing::error;

use crate::catalogue::{Catalogue, RelayChange};
use crate::config::{Config, InForce};
use crate::db::{Database, Error, lineup};

/// Puts channels into force.
#[derive(Debug)]
pub struct InForceChannels {
    catalogue: Arc<Catalogue>,
    database: Database,
    config: InForce,
}

/// All providers: those of the configuration, and those of playlists. Waits for the disk.
pub fn providers(database: &Database, config: &Config) -> Result<Vec<Provider>, Error> {
    let mut all = config.providers.clone();
    if database.is_on() {
        all.extend(database.read_here(lineup::providers)?);
    }
    Ok(all)
}

impl InForceChannels {
    /// What is in force already.
    pub fn new(catalogue: Arc<Catalogue>, database: Database, config: InForce) -> Self {
        Self { catalogue, database, config }
    }

    /// The configuration in force.
    pub fn config(&self) -> Arc<Config> {
        self.config.get()
    }

    /// Which channels there are.
    pub fn catalogue(&self) -> &Catalogue {
        &self.catalogue
    }

    /// Takes another configuration: its channels, its providers, and what its defaults make of the
    /// channels of the database. Waits for the disk.
    pub fn configure(&self, config: Arc<Config>) -> Changes {
        self.set_providers(&config);
        let changes = self.catalogue.configure(&config);
        self.config.replace(config);
        changes
    }

    /// Takes one relay as the database has it now. Waits for the disk.
    pub(super) fn take(&self, change: &RelayChange) {
        self.catalogue.take_relay(change);
    }

    /// Takes the channels of playlists that a transaction has changed. Waits for the disk; calls
    /// come in the order of the transactions.
    pub fn lineup_changed(&self, changed: &lineup::Changed) {
        self.set_providers(&self.config.get());
        self.catalogue.take_lineup(changed);
    }

    fn set_providers(&self, config: &Config) {
        match providers(&self.database, config) {
            Ok(providers) => self.catalogue.channels().set_providers(&providers),
            Err(error) => error!(%error, "the providers of playlists cannot be read and stay as they were"),
        }
    }
}

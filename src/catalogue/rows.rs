//! The channels that are rows of the database.

use std::collections::BTreeSet;
use std::sync::Arc;

use forebay_relay::model::{Channel, FieldError, House};
use rusqlite::Connection;
use tracing::{error, warn};

use super::RelayChange;
use super::snapshot::Snapshot;
use crate::config::Config;
use crate::db::listing::{Hidden, RELAYS};
use crate::db::relays::{self, Relay};
use crate::db::{Database, Error};

/// How the rows become channels with a configuration, and which of them it leaves no room for.
#[derive(Debug, Clone, Default)]
pub(super) struct Rows {
    house: Arc<House>,
    /// Relays, the hidden ones among them.
    relays: usize,
    clashes: Arc<Clashes>,
}

/// What relays and the configuration both have: the configuration has it.
#[derive(Debug, Clone, Default)]
struct Clashes {
    /// Relays whose path is that of a channel of the configuration.
    hidden: Hidden,
    /// Relays whose number is.
    unnumbered: BTreeSet<i64>,
}

impl Rows {
    /// The rows of a database beside the channels of a configuration. Waits for the disk.
    pub(super) fn read(database: &Database, config: &Config, file: &Snapshot) -> Result<Self, Error> {
        let house = Arc::new(config.api_house());
        if !database.is_on() {
            return Ok(Self { house, ..Self::default() });
        }
        database.read_here(|connection| {
            let count = RELAYS.count(connection)?;
            if count == 0 {
                // A configuration may have a hundred thousand channels, each of which would be looked up.
                return Ok(Self { house, ..Self::default() });
            }
            let paths = file.channels().iter().map(|channel| channel.id.as_str());
            let numbers = file.channels().iter().filter_map(|channel| channel.number);
            let (hidden, unnumbered) = relays::clashes(connection, paths, numbers)?;
            for relay in &hidden {
                let (relay, channel) = (relay.id.0, relay.document.spec().id.as_deref());
                warn!(relay, channel, "relay left out: the configuration has its path");
            }
            for relay in &unnumbered {
                let (relay, channel) = (relay.id.0, relay.document.spec().id.as_deref());
                warn!(relay, channel, "relay without its number: the configuration has it");
            }
            let keys = |relays: Vec<Relay>| relays.iter().map(|relay| relay.id.0).collect();
            let clashes = Clashes { hidden: keys(hidden), unnumbered: keys(unnumbered) };
            Ok(Self { house, relays: count, clashes: Arc::new(clashes) })
        })
    }

    /// The same after a relay has changed, which is like this now.
    pub(super) fn after(&self, change: &RelayChange, now: Option<&Relay>, file: &Snapshot) -> Self {
        let relays = self.relays + usize::from(change.after.is_some());
        let relays = relays.saturating_sub(usize::from(change.before.is_some()));
        let (spec, key) = (now.map(|relay| relay.document.spec()), change.relay.0);
        let id = spec.and_then(|spec| spec.id.as_deref());
        let number = spec.and_then(|spec| u32::try_from(spec.number?).ok());
        let is_hidden = id.is_some_and(|id| file.find(id).is_some());
        let is_unnumbered = number.is_some_and(|number| file.find_by_number(number).is_some());
        let mut clashes = Arc::clone(&self.clashes);
        // The API refuses what clashes, so there is seldom anything to do.
        if clashes.hidden.contains(&key) != is_hidden || clashes.unnumbered.contains(&key) != is_unnumbered {
            let Clashes { hidden, unnumbered } = Arc::make_mut(&mut clashes);
            for (keys, is_in) in [(hidden, is_hidden), (unnumbered, is_unnumbered)] {
                if is_in {
                    keys.insert(key)
                } else {
                    keys.remove(&key)
                };
            }
        }
        Self { house: Arc::clone(&self.house), relays, clashes }
    }

    /// Whether there are any, listed or not.
    pub(super) fn has_any(&self) -> bool {
        self.relays > 0
    }

    /// How many are listed.
    pub(super) fn len(&self) -> usize {
        self.relays.saturating_sub(self.clashes.hidden.len())
    }

    /// Those that are not listed.
    pub(super) fn hidden(&self) -> &Hidden {
        &self.clashes.hidden
    }

    /// Whether a relay is listed without its number.
    pub(super) fn is_unnumbered(&self, key: i64) -> bool {
        self.clashes.unnumbered.contains(&key)
    }

    /// The channel with this id, which is none of the configuration.
    pub(super) fn find(&self, connection: &Connection, id: &str) -> Result<Option<Arc<Channel>>, Error> {
        Ok(relays::find(connection, id)?.and_then(|relay| self.channel(&relay)))
    }

    /// The channel with this number, which no channel of the configuration has.
    pub(super) fn find_by_number(
        &self,
        connection: &Connection,
        number: u32,
    ) -> Result<Option<Arc<Channel>>, Error> {
        Ok(relays::find_by_number(connection, number)?.and_then(|relay| self.channel(&relay)))
    }

    /// The channel of a relay. What cannot be with this configuration, which people may have changed
    /// since, is not to be had, and the log tells why; the database keeps it.
    fn channel(&self, relay: &Relay) -> Option<Arc<Channel>> {
        if self.clashes.hidden.contains(&relay.id.0) {
            return None;
        }
        match relay.document.spec().check(&self.house) {
            Ok(mut channel) => {
                channel.number = channel.number.filter(|_| !self.is_unnumbered(relay.id.0));
                Some(Arc::new(channel))
            }
            Err(errors) => {
                for FieldError { path, message } in errors {
                    warn!(relay = relay.id.0, field = %path, "relay cannot be watched: {message}");
                }
                None
            }
        }
    }
}

/// Tells of a failure that nobody is answered with.
pub(super) fn tell(error: &Error) {
    error!(%error, "channels of the database cannot be read and stay as they were");
}

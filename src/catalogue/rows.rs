//! The channels that are rows of the database.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::lineup::player_id;
use forebay_relay::model::{Channel, FieldError, House};
use rusqlite::Connection;
use tracing::{error, info, warn};

use super::RelayChange;
use super::snapshot::Snapshot;
use crate::config::Config;
use crate::db::lineup::SourceId;
use crate::db::listing::{Hidden, LINEUP, RELAYS, Table};
use crate::db::relays::{self, Relay, RelayId};
use crate::db::{Database, Error, lineup};

/// A kind of rows. They are listed in this order, and what an earlier one has a later one cannot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Made through the API.
    Relay,
    /// Of playlists.
    Lineup,
}

/// How the rows become channels with a configuration, and which of them it leaves no room for.
#[derive(Debug, Clone)]
pub(super) struct Rows {
    config: Arc<Config>,
    /// What relays are checked against.
    house: Arc<House>,
    relays: Part,
    lineup: Part,
    /// Relays whose number is that of a channel of the configuration.
    unnumbered: Arc<BTreeSet<i64>>,
}

/// Why a relay cannot be watched with the configuration in force, which is another one than when it
/// was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RelayFault {
    /// A channel of the configuration has its path, and is served there.
    PathOfFile,
    /// Its settings are not allowed any more: at least one field.
    Fields(Vec<FieldError>),
}

/// Rows of one kind.
#[derive(Debug, Clone, Default)]
struct Part {
    /// How many there are, the hidden ones among them.
    count: usize,
    /// Those whose path somebody has who comes before them. There are hardly ever any.
    hidden: Arc<Hidden>,
}

impl Kind {
    /// All of them.
    pub(super) const ALL: [Self; 2] = [Self::Relay, Self::Lineup];

    /// How they are read.
    pub(super) fn table(self) -> &'static Table {
        match self {
            Self::Relay => &RELAYS,
            Self::Lineup => &LINEUP,
        }
    }

    /// What is listed behind them.
    pub(super) fn next(self) -> Option<Self> {
        match self {
            Self::Relay => Some(Self::Lineup),
            Self::Lineup => None,
        }
    }
}

impl Rows {
    /// The rows of a database beside the channels of a configuration. Waits for the disk.
    pub(super) fn read(database: &Database, config: &Arc<Config>, file: &Snapshot) -> Result<Self, Error> {
        let rows = Self {
            config: Arc::clone(config),
            house: Arc::new(config.api_house()),
            relays: Part::default(),
            lineup: Part::default(),
            unnumbered: Arc::default(),
        };
        if !database.is_on() {
            return Ok(rows);
        }
        database.read_here(|connection| rows.with_relays(connection, file)?.with_lineup(connection, file))
    }

    /// With the relays as they are now.
    fn with_relays(self, connection: &Connection, file: &Snapshot) -> Result<Self, Error> {
        let count = RELAYS.count(connection)?;
        if count == 0 {
            // A configuration may have a hundred thousand channels, each of which would be looked
            // up.
            return Ok(self);
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
        let relays = Part { count, hidden: Arc::new(keys(hidden)) };
        Ok(Self { relays, unnumbered: Arc::new(keys(unnumbered)), ..self })
    }

    /// With the channels of playlists as they are now.
    pub(super) fn with_lineup(self, connection: &Connection, file: &Snapshot) -> Result<Self, Error> {
        let count = LINEUP.count(connection)?;
        let mut hidden = Hidden::new();
        if count > 0 {
            hidden = LINEUP.shared_with(connection, &RELAYS)?;
            for channel in file.channels() {
                hidden.extend(LINEUP.key(connection, channel.id.as_str())?);
            }
        }
        Ok(Self { lineup: Part { count, hidden: Arc::new(hidden) }, ..self })
    }

    /// The same after a relay has changed.
    pub(super) fn after(
        &self,
        connection: &Connection,
        change: &RelayChange,
        file: &Snapshot,
    ) -> Result<Self, Error> {
        let mut rows = self.clone();
        rows.relays.count += usize::from(change.after.is_some());
        rows.relays.count = rows.relays.count.saturating_sub(usize::from(change.before.is_some()));
        // Another change may have come in between: what counts is what is there.
        let now = relays::get(connection, change.relay)?;
        let spec = now.as_ref().map(|relay| relay.document.spec());
        let number = spec.and_then(|spec| u32::try_from(spec.number?).ok());
        let is_hidden = spec.and_then(|spec| file.find(spec.id.as_deref()?)).is_some();
        let is_unnumbered = number.is_some_and(|number| file.find_by_number(number).is_some());
        set(&mut rows.relays.hidden, change.relay.0, is_hidden);
        set(&mut rows.unnumbered, change.relay.0, is_unnumbered);
        for id in change.before.iter().chain(&change.after).filter(|_| rows.lineup.count > 0) {
            // A relay with the path of a channel of a playlist
            // hides it, and shows it again when it goes.
            if let Some(rank) = LINEUP.key(connection, id.as_str())? {
                let is_taken =
                    file.find(id.as_str()).is_some() || RELAYS.key(connection, id.as_str())?.is_some();
                set(&mut rows.lineup.hidden, rank, is_taken);
            }
        }
        Ok(rows)
    }

    /// Whether there are any, listed or not.
    pub(super) fn has_any(&self) -> bool {
        self.relays.count + self.lineup.count > 0
    }

    fn part(&self, kind: Kind) -> &Part {
        match kind {
            Kind::Relay => &self.relays,
            Kind::Lineup => &self.lineup,
        }
    }

    /// How many of a kind are listed.
    pub(super) fn listed(&self, kind: Kind) -> usize {
        let Part { count, hidden } = self.part(kind);
        count.saturating_sub(hidden.len())
    }

    /// Those of a kind that are not listed.
    pub(super) fn hidden(&self, kind: Kind) -> &Hidden {
        &self.part(kind).hidden
    }

    /// How much of their past rows keep that say nothing of it.
    pub(super) fn timeshift(&self) -> Option<Duration> {
        self.house.policy.timeshift
    }

    /// Whether a row is listed without its number.
    pub(super) fn is_unnumbered(&self, kind: Kind, key: i64) -> bool {
        kind == Kind::Relay && self.unnumbered.contains(&key)
    }

    /// The channel with this id, which is none of the configuration.
    pub(super) fn find(&self, connection: &Connection, id: &str) -> Result<Option<Arc<Channel>>, Error> {
        match relays::find(connection, id)? {
            Some(relay) => Ok(self.of_relay(&relay)),
            None => Ok(lineup::find(connection, id)?.and_then(|found| self.of_lineup(&found))),
        }
    }

    /// The channel with this number, which no channel of the configuration has.
    pub(super) fn find_by_number(
        &self,
        connection: &Connection,
        number: u32,
    ) -> Result<Option<Arc<Channel>>, Error> {
        match relays::find_by_number(connection, number)? {
            Some(relay) => Ok(self.of_relay(&relay)),
            None => Ok(lineup::find_by_number(connection, number)?.and_then(|found| self.of_lineup(&found))),
        }
    }

    /// The channel that players know by this.
    pub(super) fn find_by_player_id(
        &self,
        connection: &Connection,
        id: u32,
    ) -> Result<Option<Arc<Channel>>, Error> {
        if let Some(row) = player_id::row_of(player_id::OF_PLAYLISTS, id) {
            let Some((path, _)) = lineup::path(connection, SourceId(row))? else { return Ok(None) };
            return self.find(connection, &path);
        }
        let row = player_id::row_of(player_id::OF_RELAYS, id).map(|row| RelayId(row.into()));
        let relay = row.map_or(Ok(None), |row| relays::get(connection, row))?;
        Ok(relay.and_then(|relay| self.of_relay(&relay)))
    }

    /// The channel of a relay. One that cannot be watched with this configuration, which people may
    /// have changed since, stays in the database, and the log tells why.
    fn of_relay(&self, relay: &Relay) -> Option<Arc<Channel>> {
        match self.channel_of(relay) {
            Ok(channel) => Some(Arc::new(channel)),
            // The log has told so once, when the configuration came.
            Err(RelayFault::PathOfFile) => None,
            Err(RelayFault::Fields(errors)) => {
                for FieldError { path, message } in errors {
                    warn!(relay = relay.id.0, field = %path, "relay cannot be watched: {message}");
                }
                None
            }
        }
    }

    /// Why a relay cannot be watched; `None` where it can.
    pub(super) fn fault_of(&self, relay: &Relay) -> Option<RelayFault> {
        self.channel_of(relay).err()
    }

    fn channel_of(&self, relay: &Relay) -> Result<Channel, RelayFault> {
        if self.relays.hidden.contains(&relay.id.0) {
            return Err(RelayFault::PathOfFile);
        }
        let mut channel = relay.document.spec().check(&self.house).map_err(RelayFault::Fields)?;
        channel.number = channel.number.filter(|_| !self.unnumbered.contains(&relay.id.0));
        Ok(channel)
    }

    /// The channel of a playlist. What a provider writes may be anything: it is told to those who
    /// look for it.
    fn of_lineup(&self, found: &lineup::Found) -> Option<Arc<Channel>> {
        match found.channel(&self.config) {
            Ok(channel) => Some(Arc::new(channel)),
            Err(errors) => {
                for FieldError { path, message } in errors {
                    info!(channel = found.row.path, field = %path, "channel cannot be watched: {message}");
                }
                None
            }
        }
    }
}

/// Has a key in a set or not. There is seldom anything to do.
fn set(keys: &mut Arc<BTreeSet<i64>>, key: i64, is_in: bool) {
    // Looked at first: a copy of the whole set is made only where something changes.
    match (keys.contains(&key), is_in) {
        (false, true) => _ = Arc::make_mut(keys).insert(key),
        (true, false) => _ = Arc::make_mut(keys).remove(&key),
        _ => {}
    }
}

/// Tells of a failure that nobody is answered with.
pub(super) fn tell(error: &Error) {
    error!(%error, "channels of the database cannot be read and stay as they were");
}

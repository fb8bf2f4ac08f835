//! All channels: those of the configuration in memory, and behind them the rows of the database.

use std::sync::Arc;

use forebay_core::lineup::names::fold;
use forebay_relay::channel::{Lookup, Unreadable};
use forebay_relay::model::{Channel, ChannelId};
use rusqlite::Connection;
use tokio::task::spawn_blocking;

use super::made::Made;
use super::rows::{Kind, RelayFault, Rows, tell};
use super::snapshot::Snapshot;
use crate::db::listing::{BEFORE_ALL, Entry, searched};
use crate::db::relays::Relay;
use crate::db::{Database, Error};

/// Words of a search that count. Nobody types more to find a channel.
const MAX_WORDS: usize = 8;

/// The channels that there are.
///
/// Those of the configuration never change: another configuration makes another list. Rows are read
/// when they are asked for, as they are then; a list keeps those that were asked for last, and
/// whatever changes a row makes another list without it.
#[derive(Debug)]
pub struct List {
    pub(super) file: Arc<Snapshot>,
    pub(super) rows: Rows,
    pub(super) made: Made,
    pub(super) database: Database,
}

/// Where somebody is who goes through a list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// At this channel of the configuration, from 0.
    File(usize),
    /// Behind this row of a kind.
    Behind(Kind, i64),
    /// Behind all.
    End,
}

/// In front of all channels.
pub const BEGINNING: Place = Place::File(0);

/// What is looked for.
#[derive(Debug, Clone, Default)]
pub struct Search {
    /// Words, each of which a channel's name or group is to hold.
    pub text: String,
    /// A channel that is listed in front, whatever it is called: its number or id was typed.
    pub exact: Option<Arc<Channel>>,
    /// How many to pass over.
    pub skip: usize,
    /// How many to show.
    pub limit: usize,
}

/// A channel that was looked for.
enum Hit<'a> {
    Exact(&'a Channel),
    File(&'a Channel),
    Row(Kind, i64),
}

impl List {
    /// How many channels are listed.
    pub fn len(&self) -> usize {
        self.file.channels().len() + Kind::ALL.map(|kind| self.rows.listed(kind)).iter().sum::<usize>()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The channels of the configuration.
    pub fn file(&self) -> &Snapshot {
        &self.file
    }

    /// Does `work`, which goes through the list, on a thread that may wait for the disk. Where
    /// there are no rows, it gets no connection.
    pub async fn read<T: Send + 'static>(
        self: &Arc<Self>,
        work: impl FnOnce(&Self, Option<&Connection>) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let list = Arc::clone(self);
        if self.has_rows() {
            return self.database.read(move |connection| work(&list, Some(connection))).await;
        }
        spawn_blocking(move || work(&list, None)).await.map_err(|_| Error::Closed)?
    }

    /// Shows `take` what is listed from a place on, for as long as it says yes; returns the place
    /// that comes next. Without a connection, it ends in front of the rows.
    pub fn walk(
        &self,
        connection: Option<&Connection>,
        from: Place,
        mut take: impl FnMut(Entry<'_>) -> bool,
    ) -> Result<Place, Error> {
        let (mut kind, mut behind) = match from {
            Place::File(at) => {
                for (at, (channel, id)) in self.file.with_player_ids().enumerate().skip(at) {
                    if !take(Entry { player_id: Some(id), ..Entry::from(&**channel) }) {
                        return Ok(Place::File(at + 1));
                    }
                }
                (Kind::ALL[0], BEFORE_ALL)
            }
            Place::Behind(kind, key) => (kind, key),
            Place::End => return Ok(Place::End),
        };
        let Some(connection) = connection else {
            return Ok(if self.has_rows() { Place::Behind(kind, behind) } else { Place::End });
        };
        loop {
            let (mut is_over, hidden) = (true, self.rows.hidden(kind));
            kind.table().walk(connection, behind, |key, entry| {
                behind = key;
                // A hidden row is passed over without being shown, and the walk goes on.
                is_over = hidden.contains(&key) || take(self.shown(kind, key, entry));
                is_over
            })?;
            if !is_over {
                return Ok(Place::Behind(kind, behind));
            }
            let Some(next) = kind.next() else { return Ok(Place::End) };
            (kind, behind) = (next, BEFORE_ALL);
        }
    }

    /// Shows `take` up to `limit` channels of the list behind the first `skip`.
    pub fn window(
        &self,
        connection: Option<&Connection>,
        skip: usize,
        limit: usize,
        mut take: impl FnMut(Entry<'_>),
    ) -> Result<(), Error> {
        let mut left = limit;
        let from = match (skip.checked_sub(self.file.channels().len()), connection) {
            (None, _) => Place::File(skip),
            (Some(skip), Some(connection)) => self.place_of_row(connection, skip)?,
            (Some(_), None) => Place::End,
        };
        self.walk(connection, from, |entry| {
            take(entry);
            left = left.saturating_sub(1);
            left > 0
        })?;
        Ok(())
    }

    /// The place of the row that has so many listed ones before it.
    fn place_of_row(&self, connection: &Connection, mut skip: usize) -> Result<Place, Error> {
        for kind in Kind::ALL {
            let listed = self.rows.listed(kind);
            if skip < listed {
                let key = kind.table().behind(connection, skip, self.rows.hidden(kind))?;
                return Ok(Place::Behind(kind, key));
            }
            skip -= listed;
        }
        Ok(Place::End)
    }

    /// A channel's place in the list, from 0; none if it is not listed any more.
    pub fn position(
        &self,
        connection: Option<&Connection>,
        channel: &Arc<Channel>,
    ) -> Result<Option<usize>, Error> {
        let Some(connection) = connection else { return Ok(self.file.position(channel)) };
        if let Some(position) = self.file.position(channel) {
            return Ok(Some(position));
        }
        let mut before = self.file.channels().len();
        for kind in Kind::ALL {
            let hidden = self.rows.hidden(kind);
            if let Some(position) = kind.table().position(connection, channel.id.as_str(), hidden)? {
                return Ok(Some(before + position));
            }
            before += self.rows.listed(kind);
        }
        Ok(None)
    }

    /// How many channels match, of which it shows `take` those that are asked for.
    pub fn search(
        &self,
        connection: Option<&Connection>,
        search: &Search,
        mut take: impl FnMut(Entry<'_>),
    ) -> Result<usize, Error> {
        let text = fold(&search.text);
        let words: Vec<String> = text.split_whitespace().take(MAX_WORDS).map(str::to_owned).collect();
        let exact = search.exact.as_deref();
        let is_other = |channel: &&Channel| exact.is_none_or(|exact| exact.id != channel.id);
        let of_file = self.file.search(&words).map(|at| &*self.file.channels()[at]).filter(is_other);
        let mut hits: Vec<Hit<'_>> =
            exact.map(Hit::Exact).into_iter().chain(of_file.map(Hit::File)).collect();
        if let Some(connection) = connection {
            for kind in Kind::ALL {
                let keys = kind.table().search(connection, &words, self.rows.hidden(kind))?;
                let exact = match exact {
                    Some(exact) => kind.table().key(connection, exact.id.as_str())?,
                    None => None,
                };
                // It stands in front already, and must not be shown twice.
                let others = keys.into_iter().filter(|key| Some(*key) != exact);
                hits.extend(others.map(|key| Hit::Row(kind, key)));
            }
        }
        for hit in hits.iter().skip(search.skip).take(search.limit) {
            match (hit, connection) {
                (Hit::Exact(channel) | Hit::File(channel), _) => take(Entry::from(*channel)),
                (Hit::Row(kind, key), Some(connection)) => {
                    let show = |entry: Entry<'_>| take(self.shown(*kind, *key, entry));
                    kind.table().one(connection, *key, show)?;
                }
                (Hit::Row(..), None) => unreachable!("rows are found by a connection"),
            }
        }
        Ok(hits.len())
    }

    /// The same among those that `sees` says yes to, for which all are looked at.
    pub fn search_among(
        &self,
        connection: Option<&Connection>,
        search: &Search,
        sees: impl Fn(&Entry<'_>) -> bool,
        mut take: impl FnMut(Entry<'_>),
    ) -> Result<usize, Error> {
        let text = fold(&search.text);
        let words: Vec<&str> = text.split_whitespace().take(MAX_WORDS).collect();
        let exact = search.exact.as_deref();
        let mut total = 0;
        let mut hit = |entry: Entry<'_>| {
            if (search.skip..search.skip.saturating_add(search.limit)).contains(&total) {
                take(entry);
            }
            // All are counted, also those beyond the part that is shown: pages need the number.
            total += 1;
        };
        if let Some(exact) = exact {
            hit(Entry::from(exact));
        }
        self.walk(connection, BEGINNING, |entry| {
            let is_other = exact.is_none_or(|exact| exact.id.as_str() != entry.id);
            let holds = || {
                let text = searched(entry.name, entry.group);
                words.iter().all(|word| text.contains(word))
            };
            if is_other && sees(&entry) && (words.is_empty() || holds()) {
                hit(entry);
            }
            true
        })?;
        Ok(total)
    }

    /// A row as it is listed.
    fn shown<'a>(&self, kind: Kind, key: i64, entry: Entry<'a>) -> Entry<'a> {
        let archive = match kind {
            Kind::Relay => entry.archive.or_else(|| self.rows.timeshift()),
            // What its provider has does not say how much it keeps itself.
            Kind::Lineup => entry.archive.max(self.rows.timeshift()),
        };
        let entry = Entry { archive, ..entry };
        if self.rows.is_unnumbered(kind, key) { Entry { number: None, ..entry } } else { entry }
    }

    /// The channel with this id, if it is in memory.
    pub(super) fn at_hand(&self, id: &str) -> Option<Arc<Channel>> {
        self.file.find(id).cloned().or_else(|| self.made.by_id(id))
    }

    /// The same by its id, else by its number.
    pub(super) fn at_hand_by_id_or_number(&self, text: &str) -> Option<Arc<Channel>> {
        let number = text.parse().ok();
        let by_player_id = |number| self.file.find_by_player_id(number);
        // Numbers before ids of players, which are large and met by chance only.
        let by_number = || self.file.find_by_number(number?).or_else(|| by_player_id(number?)).cloned();
        let made = || self.made.by_id(text).or_else(|| self.made.by_number(number?));
        self.file.find(text).cloned().or_else(by_number).or_else(made)
    }

    /// The channel of the row with this id, which is kept for the next who asks.
    pub(super) fn find_row(&self, connection: &Connection, id: &str) -> Result<Option<Arc<Channel>>, Error> {
        let found = self.rows.find(connection, id)?;
        Ok(found.inspect(|channel| self.made.keep(channel, None)))
    }

    /// The same by its id, else by its number.
    pub(super) fn find_row_by_id_or_number(
        &self,
        connection: &Connection,
        text: &str,
    ) -> Result<Option<Arc<Channel>>, Error> {
        let found = self.find_row(connection, text)?;
        let (None, Ok(number)) = (&found, text.parse()) else { return Ok(found) };
        let found = match self.rows.find_by_number(connection, number)? {
            None => self.rows.find_by_player_id(connection, number)?,
            found => found,
        };
        Ok(found.inspect(|channel| self.made.keep(channel, Some(number))))
    }

    /// Why a relay cannot be watched with this configuration; `None` where it can.
    pub fn fault_of(&self, relay: &Relay) -> Option<RelayFault> {
        self.rows.fault_of(relay)
    }

    /// Whether the database is to be asked.
    pub(super) fn has_rows(&self) -> bool {
        self.rows.has_any()
    }
}

impl Lookup for List {
    fn find(&self, id: &str) -> Result<Option<Arc<Channel>>, Unreadable> {
        let Some((base, profile)) = ChannelId::split(id) else { return self.find_listed(id) };
        Ok(self.find_listed(base)?.and_then(|base| self.file.variant(&base, profile)))
    }
}

impl List {
    fn find_listed(&self, id: &str) -> Result<Option<Arc<Channel>>, Unreadable> {
        let found = self.at_hand(id);
        if found.is_some() || !self.has_rows() {
            return Ok(found);
        }
        let read = self.database.read_here(|connection| self.find_row(connection, id));
        read.map_err(|error| unreadable(&error))
    }
}

fn unreadable(error: &Error) -> Unreadable {
    tell(error);
    Unreadable
}

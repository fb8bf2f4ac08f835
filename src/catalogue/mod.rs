//! Which channels there are: the only producer of that list.
//!
//! A [`List`] has the channels of the configuration in memory. Those of the database stay rows: one
//! becomes a [`Channel`] when somebody asks for it, and lists are read from the table. So a hundred
//! thousand rows cost a start nothing, and an edit costs what it changes.
//!
//! What a reader sees: whatever is committed. Whoever changes the database commits, puts that into
//! force here, and answers then. In between, a channel may be the old or the new one; after the
//! answer it is the new one (docs/adr/0015-channels-are-rows.md).

mod difference;
mod list;
mod made;
mod rows;
mod snapshot;
#[cfg(test)]
mod tests;
mod variant;

use std::collections::HashSet;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use forebay_relay::channel::{Changes, Channels, Difference, ListedChannel, Lookup};
use forebay_relay::model::{Channel, ChannelId};
use rusqlite::Connection;

pub use self::list::{BEGINNING, List, Place, Search};
use self::made::Made;
pub use self::rows::{Kind, RelayFault};
use self::rows::{Rows, tell};
pub use self::snapshot::Snapshot;
pub use self::variant::variant_of;
use crate::config::Config;
use crate::db::relays::{self, RelayId};
use crate::db::{Database, Error, lineup};

/// Far longer than a request takes to look a channel up.
const LONGEST_LOOKUP: Duration = Duration::from_secs(1);

/// The channels, and who runs those that are open.
#[derive(Debug)]
pub struct Catalogue {
    channels: Arc<Channels>,
    database: Database,
    current: Mutex<Arc<List>>,
    /// Held by whoever changes the channels: one after the other, or a change would be lost.
    changing: Mutex<()>,
}

/// A relay that was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RelayChange {
    /// Which.
    pub relay: RelayId,
    /// Its channel's id before; none if it was created.
    pub before: Option<ChannelId>,
    /// Its channel's id since; none if it was removed.
    pub after: Option<ChannelId>,
}

/// How a channel is looked up in the database.
type ReadRow = fn(&List, &Connection, &str) -> Result<Option<Arc<Channel>>, Error>;

/// Drops a list that is no longer in force, which takes milliseconds where it is long. A request
/// that still looks a channel up in it must not be the one that has to: its viewer would wait.
fn drop_here(list: Arc<List>) {
    let until = Instant::now() + LONGEST_LOOKUP;
    while Arc::strong_count(&list) > 1 && Instant::now() < until {
        thread::sleep(Duration::from_millis(1));
    }
    drop(list);
}

impl Catalogue {
    /// The channels of this configuration and of this database; `run` makes who runs those that are
    /// open. Waits for the disk.
    pub fn start(
        config: &Arc<Config>,
        database: Database,
        run: impl FnOnce(Arc<dyn Lookup>) -> Arc<Channels>,
    ) -> Result<Self, Error> {
        let file = Arc::new(Snapshot::of(config));
        let rows = Rows::read(&database, config, &file)?;
        let list = Arc::new(List { file, rows, made: Made::default(), database: database.clone() });
        let channels = run(Arc::clone(&list) as _);
        Ok(Self { channels, database, current: Mutex::new(list), changing: Mutex::default() })
    }

    /// Who runs the channels that are open.
    pub fn channels(&self) -> &Arc<Channels> {
        &self.channels
    }

    /// The channels as they are now.
    pub fn list(&self) -> Arc<List> {
        Arc::clone(&self.current())
    }

    /// The channel with this id.
    pub async fn find(&self, id: &str) -> Result<Option<ListedChannel>, Error> {
        self.look_up(id, List::at_hand, List::find_row).await
    }

    /// The channel with this id, else the one with this number. What the configuration has comes
    /// first either way.
    pub async fn find_by_id_or_number(&self, text: &str) -> Result<Option<ListedChannel>, Error> {
        self.look_up(text, List::at_hand_by_id_or_number, List::find_row_by_id_or_number).await
    }

    /// Why the channel with this id cannot be played, though a relay or a playlist has it. Anybody
    /// may read it: what is wrong with a relay is for operators.
    pub async fn why_unplayable(&self, id: &str) -> Result<Option<&'static str>, Error> {
        // Where none can be played, the list has no rows.
        if !self.database.is_on() {
            return Ok(None);
        }
        let (id, list) = (id.to_owned(), self.list());
        let read = move |connection: &_| {
            if let Some(relay) = relays::find(connection, &id)? {
                let why = "the configuration does not allow its settings any more: GET /api/relays says why";
                return Ok(list.fault_of(&relay).map(|_| why));
            }
            Ok(lineup::why_unusable(connection, &id)?.map(lineup::Unusable::message))
        };
        self.database.read(read).await
    }

    /// Looks up a channel, or the one of which a variant is asked for.
    async fn look_up(
        &self,
        text: &str,
        at_hand: fn(&List, &str) -> Option<Arc<Channel>>,
        read: ReadRow,
    ) -> Result<Option<ListedChannel>, Error> {
        let Some((base, profile)) = ChannelId::split(text) else {
            return self.look_up_listed(text, at_hand, read).await;
        };
        let found = self.look_up_listed(base, at_hand, read).await?;
        Ok(found.and_then(|found| {
            let variant = self.list().file().variant(&found.channel, profile)?;
            Some(ListedChannel::new(variant, found.revision()))
        }))
    }

    /// Looks in memory, and then in the database.
    async fn look_up_listed(
        &self,
        text: &str,
        at_hand: fn(&List, &str) -> Option<Arc<Channel>>,
        read: ReadRow,
    ) -> Result<Option<ListedChannel>, Error> {
        // Before the list: what is found is of this one or of a later one.
        let revision = self.channels.revision();
        let list = self.list();
        let mut found = at_hand(&list, text);
        if found.is_none() && list.has_rows() {
            let text = text.to_owned();
            found = self.database.read(move |connection| read(&list, connection, &text)).await?;
        }
        Ok(found.map(|channel| ListedChannel::new(channel, revision)))
    }

    /// Takes the channels of another configuration, and the rows as they are with it. Waits for the
    /// disk; nobody else waits. Where the rows cannot be read, they stay as they were.
    pub fn configure(&self, config: &Arc<Config>) -> Changes {
        // Changes one after the other: each begins with the list that the last one has left.
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.list();
        let file = Arc::new(Snapshot::of(config));
        let rows = Rows::read(&self.database, config, &file).unwrap_or_else(|error| {
            tell(&error);
            // A database that cannot be read now must not empty the list.
            before.rows.clone()
        });
        let list = Arc::new(List { file, rows, made: Made::default(), database: self.database.clone() });
        let difference = list.since(&before);
        let changes = difference.count();
        self.put_in_force(list, &difference);
        drop(difference);
        drop_here(before);
        changes
    }

    /// Takes a relay as the database has it now. Waits for the disk.
    pub fn take_relay(&self, change: &RelayChange) {
        let ids = change.before.iter().chain(&change.after).cloned().collect();
        self.take(
            &ids,
            |connection, rows, file| rows.after(connection, change, file),
            |lookup| change.difference(lookup),
        );
    }

    /// Takes the channels of playlists as the database has them now. Waits for the disk.
    pub fn take_lineup(&self, changed: &lineup::Changed) {
        // What is in the database was checked when it was written.
        let ids = |paths: &[String]| paths.iter().filter_map(|path| path.parse().ok()).collect();
        let [added, changed, removed]: [HashSet<ChannelId>; 3] =
            [&changed.added, &changed.changed, &changed.removed].map(|paths| ids(paths));
        let all = [&added, &changed, &removed].into_iter().flatten().cloned().collect();
        self.take(
            &all,
            |connection, rows, file| rows.clone().with_lineup(connection, file),
            |lookup| Difference { lookup, added, changed, removed, is_incomplete: false },
        );
    }

    /// Takes another list of the same configuration, in which these channels are other ones.
    fn take(
        &self,
        ids: &HashSet<ChannelId>,
        rows: impl FnOnce(&Connection, &Rows, &Snapshot) -> Result<Rows, Error>,
        difference: impl FnOnce(Arc<dyn Lookup>) -> Difference,
    ) {
        let _changing = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let before = self.list();
        let read = self.database.read_here(|connection| rows(connection, &before.rows, &before.file));
        let rows = read.unwrap_or_else(|error| {
            tell(&error);
            before.rows.clone()
        });
        let list = Arc::new(List {
            file: Arc::clone(&before.file),
            rows,
            made: before.made.without(ids),
            database: self.database.clone(),
        });
        self.put_in_force(Arc::clone(&list), &difference(list as _));
    }

    /// First the list, then the relay: see [`ListedChannel`].
    fn put_in_force(&self, list: Arc<List>, difference: &Difference) {
        // Dropped without the lock.
        // The list first and the channels behind it: whoever looks up in between finds the new one.
        let _gone = std::mem::replace(&mut *self.current(), list);
        self.channels.apply(difference);
    }

    fn current(&self) -> MutexGuard<'_, Arc<List>> {
        // It is replaced in one step: a panic elsewhere leaves nothing half done.
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Playlists and their channels, as rows: see `schema/0004-lineup.sql`.
//!
//! This reads and writes rows and decides nothing. What a refresh, a rule or an edit makes of them
//! is decided in `crate::lineup`, which writes all that follows in one transaction.

mod accounts;
mod channels;
mod decisions;
mod edits;
mod entry;
mod found;
mod groups;
mod playlists;
mod refreshes;
mod rules;
mod settled;
mod sources;
#[cfg(test)]
mod tests;

use std::collections::HashSet;

use forebay_core::lineup::names::fold;
use rusqlite::{Connection, Row as SqlRow};

use super::Error;
use super::open::CACHE;

pub use self::accounts::{Account, account, providers, set_account};
pub use self::channels::{
    Columns, Detail, Hidden, MAX_PLACE, New, Row, Unusable, count, count_shown_after, detail, details,
    insert, list, path, paths, paths_merged_with, rank, remove, set_channel_absent, update, why_unusable,
};
pub use self::decisions::{decide, decisions};
pub use self::edits::{
    BatchId, MAX_BATCHES, begin_batch, edit_of, edits, edits_of_playlist, field_of, free_place, last_batch,
    numbers_set, stored, take_batch, word, write_edit,
};
pub use self::found::{Found, find, find_by_number};
pub use self::groups::{
    GroupRow, StoredGroup, group_of, group_positions, groups, insert_group, list_groups, move_group,
    order_of_group,
};
pub use self::playlists::{
    Playlist, PlaylistError, PlaylistId, all_playlists, insert_playlist, note_reach, playlist,
    playlist_of_file, remove_playlist, set_of_host, update_playlist,
};
pub use self::refreshes::{Digest, HeldDocument, Taken, forget_marks, held, hold, release, set_taken, taken};
pub use self::rules::{rules, set_rules};
pub use self::settled::{
    MergeRow, Merged, NamedRow, NumberRow, for_each_name, has_merges, last_id, merge_rows, number_rows,
    numbers, relay_numbers, set_merge, set_number,
};
pub use self::sources::{
    Source, for_each_entry, insert_source, known, playlist_of, set_absent, source, update_source,
};

pub use forebay_core::lineup::identity::{GroupId, SourceId};

/// What a transaction has changed of the channels that can be had: their paths, each once.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changed {
    /// How many are new: nobody can watch one of these yet, and so they have no names here.
    pub new: usize,
    /// Were there, and could not be had.
    pub added: Vec<String>,
    /// Have other settings or sources.
    pub changed: Vec<String>,
    /// Cannot be had any more: their viewers are to be ended.
    pub removed: Vec<String>,
    /// They come in another order.
    pub is_reordered: bool,
}

impl Changed {
    /// Has all of these among what was changed.
    pub fn all_of(&mut self, paths: Vec<String>) {
        let known: HashSet<&String> = self.added.iter().chain(&self.changed).chain(&self.removed).collect();
        let new: Vec<String> = paths.into_iter().filter(|path| !known.contains(path)).collect();
        self.changed.extend(new);
    }

    /// Puts what a later step of the transaction has changed behind what this one has.
    pub fn followed_by(&mut self, next: Self) {
        self.new += next.new;
        self.added.extend(next.added);
        self.removed.extend(next.removed);
        self.is_reordered |= next.is_reordered;
        self.all_of(next.changed);
    }

    /// Whether nothing has.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// Memory for pages while a list is taken, in KiB. Paths and groups come in an order of their own,
/// so their indices are written all over: in less memory each page goes to the disk many times.
const CACHE_OF_LISTS: &str = "-12288";

/// Does `work`, which writes many rows, with memory for their pages. It is given back afterwards.
pub fn with_many_pages<T, E: From<Error>>(
    connection: &Connection,
    work: impl FnOnce() -> Result<T, E>,
) -> Result<T, E> {
    let set = |size| connection.pragma_update(None, "cache_size", size).map_err(Error::from);
    set(CACHE_OF_LISTS)?;
    let done = work();
    set(CACHE)?;
    done
}

/// A number that grows with each transaction that changes what lists show.
pub fn version(connection: &Connection) -> Result<u64, Error> {
    let version: i64 = connection.query_row("SELECT version FROM lineup_version", [], |row| row.get(0))?;
    Ok(version.unsigned_abs())
}

/// Makes that number another one.
pub fn bump_version(connection: &Connection) -> Result<(), Error> {
    connection.execute("UPDATE lineup_version SET version = version + 1", [])?;
    Ok(())
}

/// What is searched of a channel: its name and its group, each as [`fold`] makes them.
pub fn searched(name: &str, group: &str) -> String {
    format!("{}\n{}", fold(name), fold(group))
}

/// A stored id. Ids are given by SQLite one after the other, so they fit for as long as anybody
/// lives.
fn id_of(row: &SqlRow<'_>, column: &str) -> rusqlite::Result<SourceId> {
    Ok(SourceId(row.get::<_, u32>(column)?))
}

/// SQLite's numbers have a sign. The bits are what counts.
fn signed(mark: u64) -> i64 {
    mark.cast_signed()
}

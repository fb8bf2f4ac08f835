//! What lists of channels show of the rows of a table. No channel is made for that, and no more is
//! read than is shown.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use forebay_core::lineup::names::fold;
use forebay_core::lineup::player_id;
use forebay_relay::model::Channel;
use rusqlite::{Connection, OptionalExtension as _, Row, params_from_iter};

use super::error::Error;

/// What a list shows of a channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// Its id, which is its name in addresses.
    pub id: &'a str,
    /// Its name for people.
    pub name: &'a str,
    /// Its number.
    pub number: Option<Number>,
    /// The group it is listed in.
    pub group: Option<&'a str>,
    /// Address of its logo.
    pub logo: Option<&'a str>,
    /// The id by which guides know it, where that is not its own.
    pub guide_id: Option<&'a str>,
    /// The number of its station at Gracenote.
    pub gracenote_id: Option<&'a str>,
    /// Seconds that are to be added to the times of its guide.
    pub guide_shift: i64,
    /// How much of its past can be had, where it has any: what it keeps, or its provider.
    pub archive: Option<Duration>,
    /// The number by which players of Xtream Codes know it, in lists that are walked through.
    pub player_id: Option<u32>,
}

/// A number as lists show it: 5, or 5.1.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Number {
    /// The part before the dot.
    pub major: u32,
    /// The part behind the dot; 0 where there is none.
    pub minor: u16,
}

impl Number {
    /// It, where it has nothing behind a dot.
    pub fn whole(self) -> Option<u32> {
        (self.minor == 0).then_some(self.major)
    }
}

impl fmt::Display for Number {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.minor {
            0 => write!(f, "{}", self.major),
            minor => write!(f, "{}.{minor}", self.major),
        }
    }
}

impl Entry<'_> {
    /// Days of its archive as players count them: a part of one is one. `None` without an archive.
    pub fn archive_days(&self) -> Option<u64> {
        const DAY: u64 = 24 * 60 * 60;
        self.archive.map(|archive| archive.as_secs().div_ceil(DAY).max(1))
    }
}

impl<'a> From<&'a Channel> for Entry<'a> {
    fn from(channel: &'a Channel) -> Self {
        Self {
            id: channel.id.as_str(),
            name: &channel.name,
            number: channel.number.map(|major| Number { major, minor: 0 }),
            group: channel.group.as_deref(),
            logo: channel.logo.as_deref(),
            guide_id: channel.tvg_id.as_deref(),
            gracenote_id: None,
            guide_shift: 0,
            archive: channel.policy.timeshift.max(channel.provider_archive_days().map(days)),
            player_id: None,
        }
    }
}

/// So many days.
fn days(count: u32) -> Duration {
    Duration::from_hours(24) * count
}

/// What is searched of a channel: its name and its group, each as [`fold`] makes them.
pub fn searched(name: &str, group: Option<&str>) -> String {
    format!("{}\n{}", fold(name), fold(group.unwrap_or_default()))
}

/// A table of channels, and how it is read.
#[derive(Debug)]
pub struct Table {
    /// The table.
    name: &'static str,
    /// The same through an index that holds the key and `search` only: a small part of its pages.
    narrow: &'static str,
    /// What names a row, and gives the order of lists.
    key: &'static str,
    /// The column that holds the part of a number behind the dot.
    minor: &'static str,
    /// The columns with the number at Gracenote, with how much of its past is kept here and how
    /// many days of it by its providers, and with the shift of the guide, where it has them.
    more: &'static str,
    /// Where the ids of its rows begin by which players know them.
    player_ids: u32,
}

/// The channels that were made through the API.
pub const RELAYS: Table = Table {
    name: "relays",
    narrow: "relays INDEXED BY relays_search",
    key: "id",
    minor: "0",
    more: "NULL, timeshift, 0, 0",
    player_ids: player_id::OF_RELAYS,
};

/// The channels of playlists.
pub const LINEUP: Table = Table {
    name: "lineup_channels",
    narrow: "lineup_channels",
    key: "rank",
    minor: "number_minor",
    more: "nullif(gracenote_id, ''), NULL, archive_days, guide_shift",
    player_ids: player_id::OF_PLAYLISTS,
};

/// Rows of a table that are not listed, by their keys. There are hardly ever any.
pub type Hidden = BTreeSet<i64>;

/// The first row's key is greater.
pub const BEFORE_ALL: i64 = i64::MIN;

impl Table {
    /// How many rows there are, the hidden ones among them.
    pub fn count(&self, connection: &Connection) -> Result<usize, Error> {
        let sql = format!("SELECT count(*) FROM {}", self.name);
        Ok(connection.query_row(&sql, [], counted)?)
    }

    /// Shows `take` the rows behind this key, in the order of lists, for as long as it says yes.
    pub fn walk(
        &self,
        connection: &Connection,
        behind: i64,
        mut take: impl FnMut(i64, Entry<'_>) -> bool,
    ) -> Result<(), Error> {
        let Self { name, key, minor, more, player_ids, .. } = self;
        let sql = format!(
            "SELECT {key}, path, name, number, {minor}, group_title, logo, tvg_id, id, {more} FROM {name}
             WHERE {key} > ?1 ORDER BY {key}"
        );
        let mut statement = connection.prepare(&sql)?;
        let mut rows = statement.query([behind])?;
        while let Some(row) = rows.next()? {
            let (key, entry) = read(row, *player_ids)?;
            // Rows are read one by one: a list that is left halfway has not read the rest.
            if !take(key, entry) {
                break;
            }
        }
        Ok(())
    }

    /// The key behind which the row begins that has so many listed ones before it.
    pub fn behind(&self, connection: &Connection, skip: usize, hidden: &Hidden) -> Result<i64, Error> {
        let Some(last) = skip.checked_sub(1) else { return Ok(BEFORE_ALL) };
        let Self { narrow, key, .. } = self;
        let sql = format!(
            "SELECT {key} FROM {narrow} WHERE {} ORDER BY {key} LIMIT 1 OFFSET {last}",
            self.listed(hidden)
        );
        let found = connection.query_row(&sql, [], |row| row.get(0)).optional()?;
        Ok(found.unwrap_or(i64::MAX))
    }

    /// What names the row of the channel with this id, listed or not.
    pub fn key(&self, connection: &Connection, id: &str) -> Result<Option<i64>, Error> {
        let sql = format!("SELECT {} FROM {} WHERE path = ?1", self.key, self.name);
        Ok(connection.query_row(&sql, [id], |row| row.get(0)).optional()?)
    }

    /// The keys of the rows whose paths another table has, too.
    pub fn shared_with(&self, connection: &Connection, other: &Self) -> Result<Hidden, Error> {
        // From the table that has fewer rows.
        let (first, second) =
            if other.count(connection)? < self.count(connection)? { (other, self) } else { (self, other) };
        let sql = format!(
            "SELECT {}.{} FROM {} CROSS JOIN {} USING (path)",
            self.name, self.key, first.name, second.name
        );
        let mut statement = connection.prepare(&sql)?;
        let keys = statement.query_map([], |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    /// How many listed rows stand before the channel with this id; none if it is not listed.
    pub fn position(
        &self,
        connection: &Connection,
        id: &str,
        hidden: &Hidden,
    ) -> Result<Option<usize>, Error> {
        let Self { narrow, key, .. } = self;
        let Some(at) = self.key(connection, id)?.filter(|key| !hidden.contains(key)) else { return Ok(None) };
        // Through the narrow index: the rows themselves are many times its size.
        let sql = format!("SELECT count(*) FROM {narrow} WHERE {key} < ?1 AND {}", self.listed(hidden));
        Ok(Some(connection.query_row(&sql, [at], counted)?))
    }

    /// The keys of the listed rows that hold each of these folded words, in the order of lists.
    pub fn search(
        &self,
        connection: &Connection,
        words: &[String],
        hidden: &Hidden,
    ) -> Result<Vec<i64>, Error> {
        let Self { narrow, key, .. } = self;
        let mut conditions: Vec<String> =
            (1..=words.len()).map(|at| format!("instr(search, ?{at})")).collect();
        conditions.push(self.listed(hidden));
        let conditions = conditions.join(" AND ");
        let sql = format!("SELECT {key} FROM {narrow} WHERE {conditions} ORDER BY {key}");
        let mut statement = connection.prepare(&sql)?;
        let keys = statement.query_map(params_from_iter(words), |row| row.get(0))?;
        Ok(keys.collect::<rusqlite::Result<_>>()?)
    }

    /// Shows `take` the row with this key, if it is still there.
    pub fn one(
        &self,
        connection: &Connection,
        key: i64,
        mut take: impl FnMut(Entry<'_>),
    ) -> Result<(), Error> {
        self.walk(connection, key - 1, |found, entry| {
            if found == key {
                take(entry);
            }
            false
        })
    }

    /// A condition: a row is not among the hidden ones.
    fn listed(&self, hidden: &Hidden) -> String {
        if hidden.is_empty() {
            return "true".into();
        }
        let keys: Vec<String> = hidden.iter().map(i64::to_string).collect();
        format!("{} NOT IN ({})", self.key, keys.join(","))
    }
}

fn counted(row: &Row<'_>) -> rusqlite::Result<usize> {
    // No file has as many rows as an address space has bytes.
    Ok(usize::try_from(row.get::<_, i64>(0)?).unwrap_or(usize::MAX))
}

fn read<'a>(row: &'a Row<'_>, player_ids: u32) -> Result<(i64, Entry<'a>), Error> {
    let key = row.get(0)?;
    let text = |at| row.get_ref(at).map(|value| value.as_str_or_null().ok().flatten());
    // What somebody has written by hand is no reason to have no list.
    let part = |at| row.get::<_, Option<i64>>(at);
    let number = |major, minor| {
        Some(Number { major: u32::try_from(major?).ok()?, minor: u16::try_from(minor?).ok()? })
    };
    let of_provider = Some(row.get::<_, u32>(11)?).filter(|&count| count > 0).map(days);
    let entry = Entry {
        id: text(1)?.unwrap_or_default(),
        name: text(2)?.unwrap_or_default(),
        number: number(part(3)?, part(4)?),
        group: text(5)?,
        logo: text(6)?,
        guide_id: text(7)?,
        gracenote_id: text(9)?,
        guide_shift: row.get(12)?,
        // It was checked when it was written.
        archive: text(10)?.and_then(|text| humantime::parse_duration(text).ok()).max(of_provider),
        player_id: part(8)?.and_then(|row| player_id::of_row(player_ids, row)),
    };
    Ok((key, entry))
}

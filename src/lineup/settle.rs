//! What follows from all channels together: their numbers, and which of them are one.

use std::collections::{HashMap, HashSet};

use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::merge::{self, Candidate, Decisions};
use forebay_core::lineup::number::{ChannelNumber, Claim, assign};
use rusqlite::Connection;

use super::derive::provider_of;
use crate::config::Config;
use crate::db::Error;
use crate::db::lineup::{self, Changed, Hidden, MergeRow, Merged, NumberRow, PlaylistId};

/// Channels that a transaction has touched, and whether each could be had before.
///
/// A list may have a hundred thousand new ones. They are known by their ids, which are greater than
/// all that there were, and so take no memory here.
#[derive(Debug)]
pub(super) struct Touched {
    /// The greatest id that there was.
    last_id: SourceId,
    /// There are new ones.
    has_new: bool,
    could_be_had: HashMap<SourceId, bool>,
    removed: Vec<String>,
    /// A channel may have a number that it may not have, or lack one.
    is_numbering_due: bool,
    /// Users have decided something about merges.
    is_merging_due: bool,
}

impl Touched {
    /// Nothing yet: at the beginning of a transaction.
    pub(super) fn begin(connection: &Connection) -> Result<Self, Error> {
        Ok(Self {
            last_id: lineup::last_id(connection)?,
            has_new: false,
            could_be_had: HashMap::new(),
            removed: Vec::new(),
            is_numbering_due: false,
            is_merging_due: false,
        })
    }

    /// A channel is new, and has its number.
    pub(super) fn added(&mut self) {
        self.has_new = true;
    }

    /// A channel was written, if there is a word whether it could be had.
    pub(super) fn written(&mut self, id: SourceId, could_be_had: Option<bool>) {
        if let Some(could_be_had) = could_be_had {
            self.touched(id, could_be_had);
            self.is_numbering_due = true;
        }
    }

    /// A channel has another source, or looks otherwise.
    pub(super) fn touched(&mut self, id: SourceId, could_be_had: bool) {
        if !self.is_new(id) {
            self.could_be_had.entry(id).or_insert(could_be_had);
        }
    }

    /// Has all merges made anew, whatever was touched.
    pub(super) fn merge_anew(&mut self) {
        self.is_merging_due = true;
    }

    /// A channel goes; `row` is what it was.
    pub(super) fn removed(&mut self, id: SourceId, row: Option<(String, bool)>) {
        let could_be_had = self.could_be_had.remove(&id);
        if let Some((path, is_shown)) = row
            && could_be_had.unwrap_or(is_shown)
        {
            self.removed.push(path);
        }
    }

    fn is_new(&self, id: SourceId) -> bool {
        id > self.last_id
    }

    fn is_touched(&self, id: SourceId) -> bool {
        self.is_new(id) || self.could_be_had.contains_key(&id)
    }

    fn is_empty(&self) -> bool {
        self.has_only_new() && !self.has_new
    }

    /// Whether channels that there were are as they were.
    fn has_only_new(&self) -> bool {
        self.could_be_had.is_empty() && self.removed.is_empty() && !self.is_merging_due
    }
}

/// Writes what follows from what was touched, and says what has changed for viewers.
pub(super) fn settle(
    connection: &Connection,
    config: &Config,
    mut touched: Touched,
) -> Result<Changed, Error> {
    if touched.is_empty() {
        return Ok(Changed::default());
    }
    if touched.is_numbering_due {
        number(connection, config, &mut touched)?;
    }
    merge_all(connection, &mut touched)?;
    let changed = changed(connection, touched)?;
    if !changed.is_empty() {
        lineup::bump_version(connection)?;
    }
    Ok(changed)
}

/// What follows for the others when a playlist is gone.
pub(super) fn after_removal(connection: &Connection, config: &Config) -> Result<Changed, Error> {
    let mut touched = Touched::begin(connection)?;
    touched.merge_anew();
    let changed = settle(connection, config, touched)?;
    lineup::bump_version(connection)?;
    Ok(changed)
}

fn changed(connection: &Connection, touched: Touched) -> Result<Changed, Error> {
    let mut changed = Changed { removed: touched.removed, ..Changed::default() };
    if touched.has_new {
        changed.new = lineup::count_shown_after(connection, touched.last_id)?;
    }
    // In the order of the table, so that each of its pages is read once.
    let mut could_be_had: Vec<(SourceId, bool)> = touched.could_be_had.into_iter().collect();
    could_be_had.sort_unstable();
    for (id, could_be_had) in could_be_had {
        let Some((path, can_be_had)) = lineup::path(connection, id)? else { continue };
        match (could_be_had, can_be_had) {
            (false, false) => {}
            (false, true) => changed.added.push(path),
            (true, false) => changed.removed.push(path),
            (true, true) => changed.changed.push(path),
        }
    }
    Ok(changed)
}

/// Gives numbers to channels that have none, or may not have theirs. All others keep them.
fn number(connection: &Connection, config: &Config, touched: &mut Touched) -> Result<(), Error> {
    // Channels of the configuration and relays have theirs already.
    let others = config.channels.iter().filter_map(|channel| channel.number);
    let mut claims: Vec<Claim> =
        others.chain(lineup::relay_numbers(connection)?).map(claim_of_other).collect();
    let first = claims.len();
    let edits = lineup::numbers_set(connection)?;
    let mut rows = lineup::number_rows(connection)?;
    // One that a rule leaves out takes no number from the others.
    rows.retain(|row| row.number.is_some() || row.hidden != Hidden::ByRule);
    claims.reserve_exact(rows.len());
    for row in &rows {
        let provider = match row.number {
            Some(_) => None,
            // It was left out until now.
            None => number_in_list(connection, row.id)?,
        };
        let edit = edits.get(&row.id).copied();
        claims.push(Claim { current: row.number, edit, range: row.range.clone(), provider });
    }
    let numbers = assign(&claims).numbers.split_off(first);
    for (NumberRow { id, number: before, .. }, number) in rows.into_iter().zip(numbers) {
        if number != before {
            let can_be_had = lineup::set_number(connection, id, number)?;
            touched.touched(id, can_be_had);
        }
    }
    Ok(())
}

fn claim_of_other(number: u32) -> Claim {
    Claim { current: ChannelNumber::whole(number), ..Claim::default() }
}

fn number_in_list(connection: &Connection, id: SourceId) -> Result<Option<ChannelNumber>, Error> {
    let source = lineup::source(connection, id)?;
    Ok(source.and_then(|source| source.entry.number()?.parse().ok()))
}

/// What merging depends on besides the channels.
struct Merging {
    /// Playlists whose channels are one with no others.
    apart: HashSet<PlaylistId>,
    decisions: Decisions,
    /// There are channels that could be one: those of several playlists, or that users say so of.
    may_merge: bool,
}

impl Merging {
    fn read(connection: &Connection) -> Result<Self, Error> {
        let (mut apart, mut others) = (HashSet::new(), 0);
        for playlist in lineup::all_playlists(connection)? {
            if playlist.document.spec().merge == Some(false) {
                apart.insert(playlist.id);
            } else {
                others += 1;
            }
        }
        let decisions = lineup::decisions(connection)?;
        let may_merge = others > 1 || decisions.list().next().is_some();
        Ok(Self { apart, decisions, may_merge })
    }

    fn takes_part(&self, row: &MergeRow) -> bool {
        row.hidden != Hidden::ByRule && !self.apart.contains(&row.playlist)
    }
}

/// Finds the channels that are one, and writes what is different from before.
fn merge_all(connection: &Connection, touched: &mut Touched) -> Result<(), Error> {
    let merging = Merging::read(connection)?;
    if !merging.may_merge && touched.has_only_new() && !lineup::has_merges(connection)? {
        return Ok(());
    }
    let rows = lineup::merge_rows(connection)?;
    let place = |id: SourceId| rows.binary_search_by_key(&id, |row| row.id).ok();
    let groups = if merging.may_merge { groups(&merging, &rows) } else { Vec::new() };
    let mut merged: Vec<Merged> = rows.iter().map(alone).collect();
    for group in &groups {
        let members: Vec<usize> = group.members.iter().filter_map(|&id| place(id)).collect();
        merge_group(&rows, &members, &mut merged);
    }
    for (row, merged) in rows.iter().zip(&merged) {
        if row.merged != *merged {
            lineup::set_merge(connection, row.id, *merged)?;
            touched.touched(row.id, row.merged.is_shown);
            // Those that were listed for it, and are now, have other sources.
            for leader in [row.merged.leader, merged.leader].into_iter().flatten().filter_map(place) {
                touched.touched(rows[leader].id, rows[leader].merged.is_shown);
            }
        }
    }
    // What has one source more, less or another has all its names with it.
    for group in &groups {
        if group.members.iter().any(|&id| touched.is_touched(id)) {
            for member in group.members.iter().filter_map(|&id| place(id)) {
                touched.touched(rows[member].id, rows[member].merged.is_shown);
            }
        }
    }
    Ok(())
}

/// The groups of channels that are one.
fn groups(merging: &Merging, rows: &[MergeRow]) -> Vec<merge::Group> {
    let mut playlists = rows.iter().filter(|row| merging.takes_part(row)).map(|row| row.playlist);
    let first = playlists.next();
    if playlists.all(|playlist| Some(playlist) == first) && merging.decisions.list().next().is_none() {
        return Vec::new();
    }
    let leaders: HashSet<SourceId> = rows.iter().filter_map(|row| row.merged.leader).collect();
    let candidate = |row: &MergeRow| {
        Candidate::of_marks(row.id, provider_of(row.playlist), leaders.contains(&row.id), row.marks)
    };
    let mut candidates = Vec::with_capacity(rows.len());
    candidates.extend(rows.iter().filter(|row| merging.takes_part(row)).map(candidate));
    merge::merge(&candidates, &merging.decisions).groups
}

fn alone(row: &MergeRow) -> Merged {
    Merged { leader: None, is_duplicate: false, is_shown: row.hidden == Hidden::No && !row.is_absent }
}

/// The members of a group, the leader first: it is listed for all while one of them has a source.
fn merge_group(rows: &[MergeRow], members: &[usize], merged: &mut [Merged]) {
    let Some(&leader) = members.first() else { return };
    let has_source = members.iter().any(|&at| !rows[at].is_absent);
    let is_shown = rows[leader].hidden == Hidden::No && has_source;
    let mut sources = HashSet::new();
    for &at in members {
        let [.., source] = rows[at].marks;
        let is_duplicate = !rows[at].is_absent && !sources.insert(source);
        let leader = (at != leader).then_some(rows[leader].id);
        merged[at] = Merged { leader, is_duplicate, is_shown };
    }
}

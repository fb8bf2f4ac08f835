//! What follows from all channels together: their numbers, and which of them are one.

use std::collections::{HashMap, HashSet};

use forebay_core::lineup::edits::Edit;
use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::merge::{self, Candidate};
use forebay_core::lineup::number::{ChannelNumber, Claim, assign};
use rusqlite::Connection;

use super::derive::provider_of;
use crate::config::Config;
use crate::db::Error;
use crate::db::lineup::{self, Changed, Hidden, MergeRow, Merged, NumberRow, PlaylistId};

/// Channels that a transaction has touched, and whether each could be had before.
#[derive(Debug, Default)]
pub(super) struct Touched {
    could_be_had: HashMap<SourceId, bool>,
    removed: Vec<String>,
    /// A channel has no number yet, or one that it may not have.
    is_numbering_due: bool,
    /// Users have decided something about merges.
    is_merging_due: bool,
}

impl Touched {
    pub(super) fn added(&mut self, id: SourceId) {
        self.could_be_had.insert(id, false);
        self.is_numbering_due = true;
    }

    /// A channel was written, if there is a word whether it could be had.
    pub(super) fn written(&mut self, id: SourceId, could_be_had: Option<bool>) {
        if let Some(could_be_had) = could_be_had {
            self.note(id, could_be_had);
            self.is_numbering_due = true;
        }
    }

    /// A channel has another source.
    pub(super) fn touched(&mut self, id: SourceId, could_be_had: bool) {
        self.note(id, could_be_had);
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

    fn note(&mut self, id: SourceId, could_be_had: bool) {
        self.could_be_had.entry(id).or_insert(could_be_had);
    }

    fn is_touched(&self, id: SourceId) -> bool {
        self.could_be_had.contains_key(&id)
    }

    fn is_empty(&self) -> bool {
        self.could_be_had.is_empty() && self.removed.is_empty() && !self.is_merging_due
    }
}

/// Writes what follows from what was touched, and says what has changed for viewers.
///
/// `numbers` is what lists say of the numbers of new channels.
pub(super) fn settle(
    connection: &Connection,
    config: &Config,
    mut touched: Touched,
    numbers: &HashMap<SourceId, ChannelNumber>,
) -> Result<Changed, Error> {
    if touched.is_empty() {
        return Ok(Changed::default());
    }
    if touched.is_numbering_due {
        number(connection, config, &mut touched, numbers)?;
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
    let touched = Touched { is_merging_due: true, ..Touched::default() };
    let changed = settle(connection, config, touched, &HashMap::new())?;
    lineup::bump_version(connection)?;
    Ok(changed)
}

fn changed(connection: &Connection, touched: Touched) -> Result<Changed, Error> {
    let mut changed = Changed { removed: touched.removed, ..Changed::default() };
    for (id, could_be_had) in touched.could_be_had {
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
fn number(
    connection: &Connection,
    config: &Config,
    touched: &mut Touched,
    of_lists: &HashMap<SourceId, ChannelNumber>,
) -> Result<(), Error> {
    // Channels of the configuration and relays have theirs already.
    let others = config.channels.iter().filter_map(|channel| channel.number);
    let mut claims: Vec<Claim> =
        others.chain(lineup::relay_numbers(connection)?).map(claim_of_other).collect();
    let first = claims.len();
    let edits = lineup::numbers_set(connection)?;
    let mut rows = lineup::number_rows(connection)?;
    // One that a rule leaves out takes no number from the others.
    rows.retain(|row| row.number.is_some() || row.hidden != Hidden::ByRule);
    for row in &rows {
        let edit = edits.get(&row.id).and_then(|edits| match edits.list()[..] {
            [Edit::Number(number)] => number,
            _ => None,
        });
        let provider = match (row.number, of_lists.get(&row.id)) {
            (Some(_), _) => None,
            (None, Some(number)) => Some(*number),
            // It was left out until now.
            (None, None) => number_in_list(connection, row.id)?,
        };
        claims.push(Claim { current: row.number, edit, range: row.range.clone(), provider });
    }
    let numbers = assign(&claims).numbers.split_off(first);
    for (NumberRow { id, number: before, .. }, number) in rows.into_iter().zip(numbers) {
        if number != before {
            let can_be_had = lineup::set_number(connection, id, number)?;
            touched.note(id, can_be_had);
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

/// Finds the channels that are one, and writes what is different from before.
fn merge_all(connection: &Connection, touched: &mut Touched) -> Result<(), Error> {
    let rows = lineup::merge_rows(connection)?;
    let place = |id: SourceId| rows.binary_search_by_key(&id, |row| row.id).ok();
    let groups = groups(connection, &rows)?;
    let mut merged: Vec<Merged> = rows.iter().map(alone).collect();
    for group in &groups {
        let members: Vec<usize> = group.members.iter().filter_map(|&id| place(id)).collect();
        merge_group(&rows, &members, &mut merged);
    }
    for (row, merged) in rows.iter().zip(&merged) {
        if row.merged != *merged {
            lineup::set_merge(connection, row.id, *merged)?;
            touched.note(row.id, row.merged.is_shown);
            // Those that were listed for it, and are now, have other sources.
            for leader in [row.merged.leader, merged.leader].into_iter().flatten().filter_map(place) {
                touched.note(rows[leader].id, rows[leader].merged.is_shown);
            }
        }
    }
    // What has one source more, less or another has all its names with it.
    for group in &groups {
        if group.members.iter().any(|&id| touched.is_touched(id)) {
            for member in group.members.iter().filter_map(|&id| place(id)) {
                touched.note(rows[member].id, rows[member].merged.is_shown);
            }
        }
    }
    Ok(())
}

/// The groups of channels that are one.
fn groups(connection: &Connection, rows: &[MergeRow]) -> Result<Vec<merge::Group>, Error> {
    let apart: HashSet<PlaylistId> = lineup::all_playlists(connection)?
        .into_iter()
        .filter(|playlist| playlist.document.spec().merge == Some(false))
        .map(|playlist| playlist.id)
        .collect();
    let decisions = lineup::decisions(connection)?;
    let takes_part = |row: &&MergeRow| row.hidden != Hidden::ByRule && !apart.contains(&row.playlist);
    let mut playlists = rows.iter().filter(takes_part).map(|row| row.playlist);
    let first = playlists.next();
    let is_one_list = playlists.all(|playlist| Some(playlist) == first);
    if is_one_list && decisions.list().next().is_none() {
        return Ok(Vec::new());
    }
    let leaders: HashSet<SourceId> = rows.iter().filter_map(|row| row.merged.leader).collect();
    let candidate = |row: &MergeRow| {
        Candidate::of_marks(row.id, provider_of(row.playlist), leaders.contains(&row.id), row.marks)
    };
    let candidates: Vec<Candidate> = rows.iter().filter(takes_part).map(candidate).collect();
    Ok(merge::merge(&candidates, &decisions).groups)
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

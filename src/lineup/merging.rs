//! Which channels of several playlists are one: it is found anew for all of them, and written where
//! it is different from before.

use std::collections::{BTreeMap, HashSet};

use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::merge::{self, Candidate, Decision, Decisions, Pair};
use rusqlite::Connection;

use super::derive::provider_of;
use super::touched::Touched;
use crate::db::Error;
use crate::db::lineup::{self, Hidden, MergeRow, Merged, PlaylistId};

/// Decisions and playlists to try, on top of those in force.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergeTrial {
    /// Decisions; none takes one back.
    pub decisions: Vec<(Pair, Option<Decision>)>,
    /// Playlists whose channels may be one with those of others, or may not.
    pub playlists: BTreeMap<PlaylistId, bool>,
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
    /// What is in force, with what is tried above it.
    fn read(connection: &Connection, trial: &MergeTrial) -> Result<Self, Error> {
        let (mut apart, mut others) = (HashSet::new(), 0);
        for playlist in lineup::all_playlists(connection)? {
            let is_merged = playlist.document.spec().merge != Some(false);
            if *trial.playlists.get(&playlist.id).unwrap_or(&is_merged) {
                others += 1;
            } else {
                apart.insert(playlist.id);
            }
        }
        let mut decisions = lineup::decisions(connection)?;
        for (pair, decision) in &trial.decisions {
            decisions.decide(*pair, *decision);
        }
        // Channels of one playlist are never merged by
        // themselves: providers list variants on purpose.
        let may_merge = others > 1 || decisions.list().next().is_some();
        Ok(Self { apart, decisions, may_merge })
    }

    fn takes_part(row: &MergeRow) -> bool {
        row.hidden != Hidden::ByRule
    }

    /// By what a channel may be one with others. Those of a playlist that stays apart may have
    /// further addresses, which are told by decisions alone.
    fn marks(&self, row: &MergeRow) -> [u64; 3] {
        let [guide_id, name, source] = row.marks;
        if self.apart.contains(&row.playlist) { [0, 0, source] } else { [guide_id, name, source] }
    }

    /// The decisions without those that would join a playlist that stays apart to another one.
    fn decisions_for(&self, rows: &[MergeRow]) -> Decisions {
        let mut decisions = self.decisions.clone();
        if self.apart.is_empty() {
            return decisions;
        }
        let playlist = |id| place_of(rows, id).map(|at| rows[at].playlist);
        for (pair, _) in self.decisions.list() {
            let (one, other) = pair.channels();
            let (one, other) = (playlist(one), playlist(other));
            if one != other && [one, other].into_iter().flatten().any(|it| self.apart.contains(&it)) {
                decisions.decide(pair, None);
            }
        }
        decisions
    }
}

/// What merging would make of each of these channels. Nothing is written.
pub(super) fn tried(
    connection: &Connection,
    trial: &MergeTrial,
    rows: &[MergeRow],
) -> Result<Vec<Merged>, Error> {
    let (_, merged) = merge_rows(&Merging::read(connection, trial)?, rows);
    Ok(merged)
}

/// Finds the channels that are one, and writes what is different from before. Says whether any
/// stands alone again, and so needs a number.
pub(super) fn merge_all(connection: &Connection, touched: &mut Touched) -> Result<bool, Error> {
    let merging = Merging::read(connection, &MergeTrial::default())?;
    if !merging.may_merge && touched.has_only_new() && !lineup::has_merges(connection)? {
        return Ok(false);
    }
    let rows = lineup::merge_rows(connection)?;
    let place = |id: SourceId| place_of(&rows, id);
    let (groups, merged) = merge_rows(&merging, &rows);
    let mut has_parted = false;
    for (row, merged) in rows.iter().zip(&merged) {
        has_parted |= row.merged.leader.is_some() && merged.leader.is_none();
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
    Ok(has_parted)
}

/// The groups of channels that are one, and what that makes of each channel.
fn merge_rows(merging: &Merging, rows: &[MergeRow]) -> (Vec<merge::Group>, Vec<Merged>) {
    let groups = if merging.may_merge { groups(merging, rows) } else { Vec::new() };
    let mut merged: Vec<Merged> = rows.iter().map(alone).collect();
    for group in &groups {
        let members: Vec<usize> = group.members.iter().filter_map(|&id| place_of(rows, id)).collect();
        merge_group(rows, &members, &mut merged);
    }
    (groups, merged)
}

/// Where the row of a channel is: rows are in the order of their ids.
fn place_of(rows: &[MergeRow], id: SourceId) -> Option<usize> {
    rows.binary_search_by_key(&id, |row| row.id).ok()
}

/// The groups of channels that are one.
fn groups(merging: &Merging, rows: &[MergeRow]) -> Vec<merge::Group> {
    let mut playlists = rows.iter().filter(|row| Merging::takes_part(row)).map(|row| row.playlist);
    let first = playlists.next();
    if playlists.all(|playlist| Some(playlist) == first) && merging.decisions.list().next().is_none() {
        return Vec::new();
    }
    // Who leads now goes on to lead: its address is the one that viewers have.
    let leaders: HashSet<SourceId> = rows.iter().filter_map(|row| row.merged.leader).collect();
    let candidate = |row: &MergeRow| {
        Candidate::of_marks(row.id, provider_of(row.playlist), leaders.contains(&row.id), merging.marks(row))
    };
    let mut candidates = Vec::with_capacity(rows.len());
    candidates.extend(rows.iter().filter(|row| Merging::takes_part(row)).map(candidate));
    merge::merge(&candidates, &merging.decisions_for(rows)).groups
}

fn alone(row: &MergeRow) -> Merged {
    Merged { leader: None, is_duplicate: false, is_shown: row.hidden == Hidden::No && !row.is_absent }
}

/// The members of a group, the leader first: it is listed for all while one of them has a source.
fn merge_group(rows: &[MergeRow], members: &[usize], merged: &mut [Merged]) {
    let Some(&leader) = members.first() else { return };
    // The leader may be missing from its list while another's source still plays.
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

//! Decisions of users about merges, and previews of them.

use std::collections::BTreeMap;

use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::merge::{Decision, Likeness, Pair};
use rusqlite::Connection;
use serde_json::json;

use super::merging::{self, MergeTrial};
use super::settle::settle;
use super::touched::Touched;
use super::{Lineup, Refusal, audit};
use crate::accounts::Actor;
use crate::db::Error;
use crate::db::lineup::{self, Merged, NamedRow, PlaylistId};

/// Changes that a preview shows; it counts all.
const MAX_CHANGES: usize = 500;

/// Channels that are suggested for one.
const MAX_SUGGESTIONS: usize = 20;

/// The effect of a merge trial.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MergePreview {
    /// Channels that are listed now.
    pub listed_before: u64,
    /// Channels that would be.
    pub listed: u64,
    /// Channels that would stand behind another leader than now, or would not stand behind one any
    /// more. These are all that there are.
    pub changes: u64,
    /// The first of them.
    pub examples: Vec<MergeChange>,
}

/// What merging would do to one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MergeChange {
    /// The channel.
    pub channel: SourceId,
    /// Its name.
    pub name: String,
    /// The channel that is listed for it now.
    pub before: Option<SourceId>,
    /// The channel that would be.
    pub leader: Option<SourceId>,
    /// The name of that.
    pub leader_name: Option<String>,
}

/// A channel that may be the same as another, for a person to look at.
#[derive(Debug, Clone, PartialEq)]
pub struct Suggestion {
    /// The channel.
    pub channel: SourceId,
    /// Its name.
    pub name: String,
    /// Its playlist.
    pub playlist: PlaylistId,
    /// How alike the names are, up to 1.
    pub likeness: f64,
}

impl Lineup {
    /// Says that two channels are one, or two, or takes that back. Returns what was said before.
    pub async fn decide(
        &self,
        pair: Pair,
        decision: Option<Decision>,
        actor: &Actor,
    ) -> Result<Option<Decision>, Refusal> {
        let actor = actor.clone();
        self.commit(move |connection, config| {
            let (one, other) = pair.channels();
            // Inside the transaction: a channel that goes
            // meanwhile must not leave a decision behind.
            known_pair(connection, pair)?;
            let before = lineup::decisions(connection)?.decide(pair, None);
            lineup::decide(connection, pair, decision)?;
            let told = [before, decision].map(|decision| {
                let word = decision.map(|it| if it == Decision::Force { "force" } else { "forbid" });
                Some(json!({ "other": other.0, "decision": word }))
            });
            audit::note(connection, &actor, "channel.merge", format!("channel:{}", one.0), told)?;
            let mut touched = Touched::begin(connection)?;
            // A single decision can join or part whole groups, so all are looked at.
            touched.merge_anew();
            let changed = settle(connection, config, touched)?;
            Ok::<_, Refusal>((before, changed))
        })
        .await
    }

    /// The channels that are one, by their leaders.
    pub async fn merges(&self) -> Result<Vec<(SourceId, Vec<SourceId>)>, Refusal> {
        let read = self.0.database.read(|connection| {
            let mut groups: BTreeMap<SourceId, Vec<SourceId>> = BTreeMap::new();
            for row in lineup::merge_rows(connection)? {
                if let Some(leader) = row.merged.leader {
                    groups.entry(leader).or_default().push(row.id);
                }
            }
            Ok::<_, Refusal>(groups.into_iter().collect())
        });
        read.await
    }

    /// What merging would do with these decisions and playlists. Nothing is written.
    pub async fn preview_merges(&self, trial: MergeTrial) -> Result<MergePreview, Refusal> {
        self.0.database.read(move |connection| preview(connection, &trial)).await
    }

    /// Channels of other playlists whose names are much like that of this one, and that are not one
    /// with it. Most of them are other channels: nothing is decided by it.
    pub async fn suggest_merges(&self, id: SourceId) -> Result<Vec<Suggestion>, Refusal> {
        self.0.database.read(move |connection| suggest(connection, id)).await
    }
}

fn preview(connection: &Connection, trial: &MergeTrial) -> Result<MergePreview, Refusal> {
    for id in trial.playlists.keys() {
        lineup::playlist(connection, *id)?.ok_or(Refusal::Unknown(*id))?;
    }
    for (pair, _) in &trial.decisions {
        known_pair(connection, *pair)?;
    }
    let rows = lineup::merge_rows(connection)?;
    let merged = merging::tried(connection, trial, &rows)?;
    let is_listed = |merged: &Merged| merged.is_shown && merged.leader.is_none();
    let count = |listed: usize| listed as u64;
    let mut preview = MergePreview {
        listed_before: count(rows.iter().filter(|row| is_listed(&row.merged)).count()),
        listed: count(merged.iter().filter(|merged| is_listed(merged)).count()),
        ..MergePreview::default()
    };
    let name = |id| Ok::<_, Error>(lineup::detail(connection, id)?.map(|detail| detail.row.name));
    for (row, merged) in rows.iter().zip(&merged) {
        if row.merged.leader == merged.leader {
            continue;
        }
        preview.changes += 1;
        if preview.examples.len() < MAX_CHANGES {
            preview.examples.push(MergeChange {
                channel: row.id,
                name: name(row.id)?.unwrap_or_default(),
                before: row.merged.leader,
                leader: merged.leader,
                leader_name: merged.leader.map(name).transpose()?.flatten(),
            });
        }
    }
    Ok(preview)
}

fn suggest(connection: &Connection, id: SourceId) -> Result<Vec<Suggestion>, Refusal> {
    let own = lineup::detail(connection, id)?.ok_or(Refusal::UnknownChannel(id))?;
    let leader = own.leader.unwrap_or(id);
    let likeness = Likeness::to(&own.row.name);
    let mut found = Vec::new();
    lineup::for_each_name(connection, |NamedRow { id: channel, playlist, name, leader: its }| {
        if playlist != own.playlist
            && its.unwrap_or(channel) != leader
            && let Some(likeness) = likeness.of(&name)
        {
            found.push(Suggestion { channel, name, playlist, likeness });
            // Sorted now and then: a sort for each of a hundred thousand names would take seconds.
            if found.len() >= 2 * MAX_SUGGESTIONS {
                keep_likest(&mut found);
            }
        }
    })?;
    keep_likest(&mut found);
    Ok(found)
}

/// Sorts suggestions by their likeness, and keeps as many as are told.
fn keep_likest(found: &mut Vec<Suggestion>) {
    // Of equal ones the older first, so that the same question has the same answer.
    found.sort_by(|one, other| other.likeness.total_cmp(&one.likeness).then(one.channel.cmp(&other.channel)));
    found.truncate(MAX_SUGGESTIONS);
}

/// Refuses a pair with a channel that is not there.
fn known_pair(connection: &Connection, pair: Pair) -> Result<(), Refusal> {
    let (one, other) = pair.channels();
    for id in [one, other] {
        lineup::path(connection, id)?.ok_or(Refusal::UnknownChannel(id))?;
    }
    Ok(())
}

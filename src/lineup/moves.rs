//! The order of channels and of groups by hand.

use std::collections::HashMap;
use std::fmt;

use forebay_core::lineup::edits::Edit;
use forebay_core::lineup::identity::{GroupId, SourceId};
use forebay_core::lineup::order::{places_after_move, reordered};
use forebay_relay::model::{FieldError, FieldPath};
use rusqlite::Connection;
use serde_json::json;
use tracing::info;

use super::edit::{MAX_EDITED, write_edits};
use super::{ChannelEdit, Lineup, Refusal, audit};
use crate::accounts::Actor;
use crate::db::lineup::{self, BatchId, Changed, GroupRow, MAX_PLACE, PlaylistId};

impl Lineup {
    /// Moves channels of one group in front of another one of it, or behind all others. Returns
    /// what undoes it. Refuses a move that changes nothing: as a batch it would push another one
    /// out of those that can be undone.
    pub async fn move_channels(
        &self,
        moved: Vec<SourceId>,
        before: Option<SourceId>,
        actor: &Actor,
    ) -> Result<BatchId, Refusal> {
        let (count, actor) = (moved.len(), actor.clone());
        let batch = self.commit(move |connection, config| {
            let edits = edits_of_move(connection, &moved, before)?;
            let (batch, changed) = write_edits(connection, config, &edits)?;
            let told = json!({
                "channels": moved.len(),
                "first": moved.first().map(|it| it.0),
                "before": before.map(|it| it.0),
            });
            let object = format!("edits:{}", batch.0);
            audit::note(connection, &actor, "channel.move", object, [None, Some(told)])?;
            Ok::<_, Refusal>((batch, changed))
        });
        let batch = batch.await?;
        info!(channels = count, batch = batch.0, "channels moved");
        Ok(batch)
    }

    /// A part of the list of groups, of one playlist or of all: those behind the position `after`.
    pub async fn groups(
        &self,
        playlist: Option<PlaylistId>,
        after: u32,
        limit: usize,
    ) -> Result<Vec<GroupRow>, Refusal> {
        let read =
            self.0.database.read(move |connection| lineup::list_groups(connection, playlist, after, limit));
        Ok(read.await?)
    }

    /// Moves groups in front of another one, or behind all others. Says how many groups are at
    /// another position then.
    pub async fn move_groups(
        &self,
        moved: Vec<GroupId>,
        before: Option<GroupId>,
        actor: &Actor,
    ) -> Result<usize, Refusal> {
        let actor = actor.clone();
        let count = self.commit(move |connection, _| {
            let (count, [old, new]) = write_order_of_groups(connection, &moved, before)?;
            if count == 0 {
                return Ok((0, Changed::default()));
            }
            let groups: Vec<u32> = moved.iter().map(|it| it.0).collect();
            let told = [
                json!({ "groups": &groups, "places": old }),
                json!({ "groups": &groups, "places": new, "before": before.map(|it| it.0) }),
            ];
            audit::note(connection, &actor, "group.move", "groups".to_owned(), told.map(Some))?;
            lineup::bump_version(connection)?;
            Ok::<_, Refusal>((count, Changed { is_reordered: true, ..Changed::default() }))
        });
        let count = count.await?;
        if count > 0 {
            info!(groups = count, "groups moved");
        }
        Ok(count)
    }
}

/// Gives the positions of the groups to them in another order: a group that stays where it is
/// among all others is not written. Returns how many are written, and the positions of the moved
/// ones before and after.
fn write_order_of_groups(
    connection: &Connection,
    moved: &[GroupId],
    before: Option<GroupId>,
) -> Result<(usize, [Vec<u32>; 2]), Refusal> {
    let positions = lineup::group_positions(connection)?;
    let of: HashMap<GroupId, u32> = positions.iter().copied().collect();
    if let Some(unknown) = moved.iter().chain(&before).find(|id| !of.contains_key(id)) {
        return Err(Refusal::UnknownGroup(*unknown));
    }
    if before.is_some_and(|before| moved.contains(&before)) {
        return Err(wrong(field("before"), "it is one of the groups that are moved"));
    }
    let order: Vec<GroupId> = positions.iter().map(|(id, _)| *id).collect();
    let (mut count, mut new) = (0, HashMap::new());
    for (id, (_, to)) in reordered(&order, moved, before).into_iter().zip(&positions) {
        // Only those that move are written: each write changes the rank of all channels of a group.
        if of[&id] != *to {
            lineup::move_group(connection, id, [of[&id], *to])?;
            count += 1;
        }
        new.insert(id, *to);
    }
    let places = [&of, &new].map(|places| moved.iter().map(|id| places[id]).collect());
    Ok((count, places))
}

fn wrong(path: FieldPath, message: impl fmt::Display) -> Refusal {
    Refusal::Fields(vec![FieldError { message: format!("{path}: {message}"), path }])
}

fn field(name: &'static str) -> FieldPath {
    FieldPath::default().to(name)
}

/// The places that a move gives to channels of the group.
fn edits_of_move(
    connection: &Connection,
    moved: &[SourceId],
    before: Option<SourceId>,
) -> Result<Vec<ChannelEdit>, Refusal> {
    let group_of = |id| {
        let group = lineup::group_of(connection, id)?;
        group.ok_or(Refusal::UnknownChannel(id))
    };
    let Some(&first) = moved.first() else { return Err(wrong(field("channels"), "there are none")) };
    let group = group_of(first)?;
    for (at, &id) in moved.iter().enumerate() {
        // The place is one within the group; across groups it would mean nothing.
        if group_of(id)? != group {
            return Err(wrong(field("channels").to(at), "it is in another group than the first one"));
        }
    }
    if let Some(before) = before {
        if group_of(before)? != group {
            return Err(wrong(field("before"), "it is in another group than the channels"));
        }
        if moved.contains(&before) {
            return Err(wrong(field("before"), "it is one of the channels that are moved"));
        }
    }
    let (order, placed) = lineup::order_of_group(connection, group)?;
    let new = places_after_move(&order, placed, moved, before);
    if new.is_empty() {
        return Err(Refusal::Nothing("they stand there already"));
    }
    if new.len() > MAX_EDITED {
        return Err(wrong(field("channels"), format!("more than {MAX_EDITED} would get a place")));
    }
    // New places lie behind all that were ever given, so an undo finds the old ones free.
    let free = lineup::free_place(connection)?;
    if u32::try_from(new.len()).is_ok_and(|count| free.saturating_add(count) > MAX_PLACE) {
        return Err(Refusal::Nothing("no places are left: take places back from some channels first"));
    }
    let edit = |(channel, place)| ChannelEdit { channel, edit: Edit::Place(Some(place)) };
    Ok(new.into_iter().zip(free..).map(edit).collect())
}

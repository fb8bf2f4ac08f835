//! The order of channels by hand.

use forebay_core::lineup::edits::Edit;
use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::order::places_after_move;
use forebay_relay::model::{FieldError, FieldPath};
use rusqlite::Connection;
use serde_json::json;
use tracing::info;

use super::edit::write_edits;
use super::{ChannelEdit, Lineup, Refusal, audit};
use crate::accounts::Actor;
use crate::db::lineup::{self, BatchId, MAX_PLACE};

impl Lineup {
    /// Moves channels of one group in front of another one of it, or behind all others. Returns
    /// what undoes it.
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
}

/// The places that a move gives to channels of the group.
fn edits_of_move(
    connection: &Connection,
    moved: &[SourceId],
    before: Option<SourceId>,
) -> Result<Vec<ChannelEdit>, Refusal> {
    let wrong = |path: FieldPath, message: &str| {
        Refusal::Fields(vec![FieldError { message: format!("{path}: {message}"), path }])
    };
    let field = |name: &'static str| FieldPath::default().to(name);
    let group_of = |id| {
        let group = lineup::group_of(connection, id)?;
        group.ok_or(Refusal::UnknownChannel(id))
    };
    let Some(&first) = moved.first() else { return Err(wrong(field("channels"), "there are none")) };
    let group = group_of(first)?;
    for (at, &id) in moved.iter().enumerate() {
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
    let free = lineup::free_place(connection)?;
    if u32::try_from(new.len()).is_ok_and(|count| free.saturating_add(count) > MAX_PLACE) {
        return Err(Refusal::Nothing("no places are left: take places back from some channels first"));
    }
    let edit = |(channel, place)| ChannelEdit { channel, edit: Edit::Place(Some(place)) };
    Ok(new.into_iter().zip(free..).map(edit).collect())
}

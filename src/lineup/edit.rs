//! What users make of channels: edits and rules.

use std::collections::{BTreeSet, HashMap};

use forebay_core::lineup::edits::{Edit, Edits};
use forebay_core::lineup::identity::SourceId;
use forebay_core::lineup::names::fold;
use forebay_core::lineup::rules::{Run, Warning};
use rusqlite::Connection;
use serde_json::{Value, json};
use tracing::info;

use super::apply::{self, RuleCount, rule_counts};
use super::derive::Deriver;
use super::rules::{self, RuleDocument};
use super::settle::settle;
use super::touched::Touched;
use super::{Lineup, Refusal, audit, object, settings_for_rows};
use crate::accounts::Actor;
use crate::config::Config;
use crate::db::Error;
use crate::db::lineup::{self, BatchId, Changed, Detail, Playlist, PlaylistId};

/// Channels that can be edited at once, and that one move can give places to.
pub const MAX_EDITED: usize = 100_000;

/// Changes of a rule that a preview shows.
const EXAMPLES: usize = 5;

/// An edit of one channel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelEdit {
    /// Which channel.
    pub channel: SourceId,
    /// What is set or reset.
    pub edit: Edit,
}

/// A channel as admins see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelView {
    /// The channel.
    pub detail: Detail,
    /// What users have set of it.
    pub edits: Edits,
}

/// A part of the list of all channels.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChannelsPage {
    /// The channels.
    pub channels: Vec<ChannelView>,
    /// Behind which rank the next part begins; none where this is the last.
    pub next: Option<i64>,
}

/// What rules would do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulesPreview {
    /// Channels that there are.
    pub channels: u64,
    /// Channels that would be left out.
    pub left_out: u64,
    /// What each rule would do.
    pub rules: Vec<RuleCount>,
    /// Rules that look wrong, by their places.
    pub warnings: Vec<(usize, &'static str)>,
    /// Some changes: the place of the rule, before and after.
    pub examples: Vec<(usize, String, String)>,
}

impl Lineup {
    /// Sets and resets fields of channels, all of them or none. Returns what undoes it.
    pub async fn edit(&self, edits: Vec<ChannelEdit>, actor: &Actor) -> Result<BatchId, Refusal> {
        let (count, actor) = (edits.len(), actor.clone());
        let batch = self.commit(move |connection, config| {
            let (batch, changed) = write_edits(connection, config, &edits)?;
            let object = format!("edits:{}", batch.0);
            audit::note(connection, &actor, "channel.edit", object, [None, Some(told_of(&edits))])?;
            Ok::<_, Refusal>((batch, changed))
        });
        let batch = batch.await?;
        info!(edits = count, batch = batch.0, "channels edited");
        Ok(batch)
    }

    /// Takes edits back that were made at once.
    pub async fn undo(&self, batch: BatchId, actor: &Actor) -> Result<(), Refusal> {
        let actor = actor.clone();
        self.commit(move |connection, config| {
            // Taken and not read: edits can be undone once, and undoing makes a batch of its own.
            let undo = lineup::take_batch(connection, batch)?;
            let undo =
                undo.ok_or(Refusal::Nothing("there are no such edits, or they are too old to be undone"))?;
            let edits: Vec<ChannelEdit> =
                undo.into_iter().map(|(channel, edit)| ChannelEdit { channel, edit }).collect();
            let (_, changed) = write_edits(connection, config, &edits)?;
            let object = format!("edits:{}", batch.0);
            audit::note(connection, &actor, "channel.undo", object, [None, Some(told_of(&edits))])?;
            Ok::<_, Refusal>(((), changed))
        })
        .await
    }

    /// One channel.
    pub async fn channel(&self, id: SourceId) -> Result<ChannelView, Refusal> {
        let read = self.0.database.read(move |connection| {
            let detail = lineup::detail(connection, id)?.ok_or(Refusal::UnknownChannel(id))?;
            Ok(ChannelView { detail, edits: lineup::edits(connection, id)? })
        });
        read.await
    }

    /// A part of the list of all channels, hidden and missing ones too.
    pub async fn channels(
        &self,
        playlist: Option<PlaylistId>,
        search: String,
        after: Option<i64>,
        limit: usize,
    ) -> Result<ChannelsPage, Refusal> {
        let read = self.0.database.read(move |connection| {
            let details = lineup::details(connection, playlist, &fold(&search), after, limit)?;
            let next = details.last().filter(|_| details.len() == limit).map(|detail| detail.row.rank);
            let view = |detail: Detail| {
                let edits = lineup::edits(connection, detail.row.id)?;
                Ok::<_, Error>(ChannelView { detail, edits })
            };
            let channels = details.into_iter().map(view).collect::<Result<_, _>>()?;
            Ok::<_, Refusal>(ChannelsPage { channels, next })
        });
        read.await
    }

    /// The rules of a playlist.
    pub async fn rules(&self, id: PlaylistId) -> Result<Vec<RuleDocument>, Refusal> {
        let read = self.0.database.read(move |connection| {
            lineup::playlist(connection, id)?.ok_or(Refusal::Unknown(id))?;
            Ok(rules::documents(connection, id)?)
        });
        read.await
    }

    /// Gives a playlist these rules, and its channels what follows. Says what they did.
    pub async fn set_rules(
        &self,
        id: PlaylistId,
        documents: Vec<RuleDocument>,
        actor: &Actor,
    ) -> Result<RulesPreview, Refusal> {
        rules::check(&documents).map_err(Refusal::Rule)?;
        let actor = actor.clone();
        let run = self.commit(move |connection, config| {
            let playlist = lineup::playlist(connection, id)?.ok_or(Refusal::Unknown(id))?;
            let settings = settings_for_rows(config, &playlist)?;
            let before = rules::documents(connection, id)?.len();
            rules::store(connection, id, &documents)?;
            let told = [before, documents.len()].map(|count| Some(json!({ "rules": count })));
            audit::note(connection, &actor, "playlist.rules", object(id), told)?;
            let (changed, run) = apply::rewrite(connection, config, (id, &settings))?;
            Ok::<_, Refusal>((run, changed))
        });
        let run = run.await?;
        info!(playlist = id.0, rules = run.counts().len(), "rules changed");
        Ok(preview_of(&run))
    }

    /// What these rules would do to the channels of a playlist.
    pub async fn preview_rules(
        &self,
        id: PlaylistId,
        documents: Vec<RuleDocument>,
    ) -> Result<RulesPreview, Refusal> {
        let rules = rules::check(&documents).map_err(Refusal::Rule)?;
        let read = self.0.database.read(move |connection| {
            lineup::playlist(connection, id)?.ok_or(Refusal::Unknown(id))?;
            let mut run = Run::with_examples(EXAMPLES);
            lineup::for_each_entry(connection, id, |_, entry, _| {
                let mut channel = forebay_core::lineup::edits::Effective::of(entry);
                rules.apply(entry, &mut channel, &mut run);
                Ok::<_, Refusal>(())
            })?;
            Ok(preview_of(&run))
        });
        read.await
    }
}

/// Writes edits as one batch, and what follows from them.
pub(super) fn write_edits(
    connection: &Connection,
    config: &Config,
    edits: &[ChannelEdit],
) -> Result<(BatchId, Changed), Refusal> {
    let batch = lineup::begin_batch(connection)?;
    let mut edited = BTreeSet::new();
    for ChannelEdit { channel, edit } in edits {
        // The first that is unknown refuses all: half of
        // a selection is nothing that anybody asked for.
        lineup::path(connection, *channel)?.ok_or(Refusal::UnknownChannel(*channel))?;
        if lineup::write_edit(connection, batch, *channel, edit)? {
            edited.insert(*channel);
        }
    }
    let mut of_playlists: HashMap<PlaylistId, Vec<SourceId>> = HashMap::new();
    for &id in &edited {
        if let Some(playlist) = lineup::playlist_of(connection, id)? {
            of_playlists.entry(playlist).or_default().push(id);
        }
    }
    let mut touched = Touched::begin(connection)?;
    // Playlist by playlist: rules and groups are read once for each.
    for playlist in lineup::all_playlists(connection)? {
        if let Some(edited) = of_playlists.get(&playlist.id) {
            rewrite_some(connection, config, &playlist, edited, &mut touched)?;
        }
    }
    // A number may be set without any other column being another.
    for &id in &edited {
        if let Some((_, could_be_had)) = lineup::path(connection, id)? {
            touched.written(id, Some(could_be_had));
        }
    }
    let changed = settle(connection, config, touched)?;
    Ok((batch, changed))
}

/// Writes these channels of a playlist anew.
fn rewrite_some(
    connection: &Connection,
    config: &Config,
    playlist: &Playlist,
    edited: &[SourceId],
    touched: &mut Touched,
) -> Result<(), Refusal> {
    let settings = settings_for_rows(config, playlist)?;
    let mut deriver = Deriver::new(connection, config, playlist, &settings)?;
    for &id in edited {
        let Some(source) = lineup::source(connection, id)? else { continue };
        let could_be_had = deriver.update(id, &source.entry, source.absent_since.is_some())?;
        touched.written(id, could_be_had);
    }
    Ok(())
}

/// Edits for the audit log: how many channels, and which fields.
fn told_of(edits: &[ChannelEdit]) -> Value {
    let channels: BTreeSet<SourceId> = edits.iter().map(|edit| edit.channel).collect();
    let fields: BTreeSet<&str> =
        edits.iter().map(|edit| lineup::word(lineup::stored(&edit.edit).0)).collect();
    json!({ "channels": channels.len(), "first": channels.first().map(|it| it.0), "fields": fields })
}

fn preview_of(run: &Run) -> RulesPreview {
    let word = |warning| match warning {
        Warning::MatchesAll => "matches_all",
        Warning::MatchesNothing => "matches_nothing",
        Warning::Fails => "fails",
        Warning::Stopped => "stopped",
    };
    RulesPreview {
        channels: run.entries(),
        left_out: run.left_out(),
        rules: rule_counts(run),
        warnings: run.warnings().into_iter().map(|(at, warning)| (at, word(warning))).collect(),
        examples: run
            .examples()
            .iter()
            .map(|example| (example.rule, example.before.clone(), example.after.clone()))
            .collect(),
    }
}

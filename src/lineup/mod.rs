//! Playlists: reading them, keeping what users made of their channels, and putting both into force.
//!
//! A list comes to the disk first (`fetch`). Then it becomes rows in one transaction (`apply`):
//! each entry is found among those that are known, the rules of the playlist and the edits of users
//! make of it what everybody sees (`derive`), and numbers and merges follow from all channels
//! together (`settle`). What was changed is put into force behind the commit, by one at a time.
//!
//! A list that would take away too much, or that is no list, changes nothing: it is held until an
//! admin accepts or discards it. One that is the same as before writes no row.

mod apply;
mod audit;
mod decide;
mod derive;
mod edit;
mod fetch;
mod further;
mod merging;
mod moves;
mod read;
mod refresh;
mod refusal;
pub mod rules;
mod runs;
mod schedule;
mod settle;
mod spool;
#[cfg(test)]
mod tests;
mod touched;

use std::fmt;
use std::panic::resume_unwind;
use std::path::Path;
use std::sync::Arc;

use forebay_relay::events::Bus;
use forebay_relay::input::document::Documents;
use forebay_relay::model::{FieldError, House};
use rusqlite::Connection;
use tokio::sync::{Mutex, Notify};
use tokio::task::spawn_blocking;
use tokio_util::task::TaskTracker;
use tracing::info;

pub use self::apply::{Progress, RuleCount, Summary};
pub use self::decide::{MergeChange, MergePreview, Suggestion};
pub use self::edit::{ChannelEdit, ChannelView, ChannelsPage, MAX_EDITED, RulesPreview};
pub use self::fetch::FetchError;
pub(crate) use self::fetch::{Got, fetch};
pub use self::merging::MergeTrial;
pub use self::read::Contents;
pub use self::refresh::{Refreshed, reason_of};
pub use self::refusal::Refusal;
use self::runs::Runs;
pub use self::runs::{Attempt, Readings};
pub(crate) use self::spool::Spool;
use crate::accounts::Actor;
use crate::config::playlist::{Origin, Playlist as Settings, PlaylistSpec};
use crate::config::{Config, InForce};
use crate::db::lineup::{self, Account, Changed, HeldDocument, Playlist, PlaylistId, Taken};
use crate::db::{Database, Document, Error};

/// What can be done with playlists. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Lineup(Arc<Inner>);

struct Inner {
    database: Database,
    config: InForce,
    put_in_force: PutInForce,
    documents: Documents,
    spool: Spool,
    events: Bus,
    runs: Runs,
    /// Held from before a write until what it changed is in force.
    committing: Arc<Mutex<()>>,
    /// Writes that are to be put into force whatever becomes of those who asked for them.
    tasks: TaskTracker,
    /// Playlists are other ones: the schedule is to be looked at.
    rescheduled: Notify,
}

/// Who gives a playlist its address or its list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// A command on this machine: the operator. What it names may be on private networks.
    Host,
    /// Anybody who may use the API. What it names is on the internet, unless the configuration says
    /// otherwise.
    Api,
}

impl Authority {
    /// That of whoever asks.
    fn of(actor: &Actor) -> Self {
        match actor {
            Actor::Command => Self::Host,
            Actor::Address(_) | Actor::User(_) | Actor::Key(_) | Actor::Console | Actor::IdentityProvider => {
                Self::Api
            }
        }
    }
}

/// Puts what a transaction has changed into force; it may wait for the disk.
pub type PutInForce = Arc<dyn Fn(&Database, &Changed) + Send + Sync>;

impl fmt::Debug for Inner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lineup").field("runs", &self.runs).finish_non_exhaustive()
    }
}

/// All that is known of a playlist.
#[derive(Debug)]
pub struct View {
    /// The playlist.
    pub playlist: Playlist,
    /// The document that its channels are of.
    pub taken: Option<Taken>,
    /// The document that is held.
    pub held: Option<HeldDocument>,
    /// What its panel says of the account.
    pub account: Option<Account>,
    /// How it is read.
    pub readings: Readings,
}

impl Lineup {
    /// Of this database, which is in the folder `data`.
    pub fn new(
        database: Database,
        config: InForce,
        put_in_force: PutInForce,
        events: Bus,
        data: &Path,
    ) -> Self {
        Self(Arc::new(Inner {
            database,
            config,
            put_in_force,
            documents: Documents::new(),
            spool: Spool::new(data),
            events,
            runs: Runs::default(),
            committing: Arc::default(),
            tasks: TaskTracker::new(),
            rescheduled: Notify::new(),
        }))
    }

    /// Adds a playlist, which is read at once if it can be.
    pub async fn create(&self, document: Document<PlaylistSpec>, actor: &Actor) -> Result<View, Refusal> {
        let (config, actor) = (self.0.config.get(), actor.clone());
        let is_of_host = Authority::of(&actor) == Authority::Host;
        check(document.spec(), &config.house_of(is_of_host))?;
        let write = move |connection: &_| {
            let playlist = lineup::insert_playlist(connection, &document, None)?;
            lineup::set_of_host(connection, playlist.id, is_of_host)?;
            let told = [None, Some(audit::settings(&document))];
            audit::note(connection, &actor, "playlist.create", object(playlist.id), told)?;
            Ok::<_, Refusal>(playlist)
        };
        let playlist = self.0.database.write(write).await?;
        info!(playlist = playlist.id.0, name = playlist.name(), "playlist created");
        self.0.rescheduled.notify_one();
        self.get(playlist.id).await
    }

    /// Makes of a playlist what `change` says, and of its channels what follows.
    pub async fn change(
        &self,
        id: PlaylistId,
        change: impl Fn(&Document<PlaylistSpec>) -> Result<Document<PlaylistSpec>, FieldError>
        + Send
        + Sync
        + 'static,
        actor: &Actor,
    ) -> Result<View, Refusal> {
        let actor = actor.clone();
        self.commit(move |connection, config| {
            let playlist = of_api(connection, config, id)?;
            let new = change(&playlist.document).map_err(|error| Refusal::Fields(vec![error]))?;
            // An address that somebody gives through the API is not the operator's any more.
            let is_of_host = Authority::of(&actor) == Authority::Host
                || (playlist.is_of_host && playlist.document.spec().leads_where(new.spec()));
            let settings = check(new.spec(), &config.house_of(is_of_host))?;
            lineup::update_playlist(connection, id, &new)?;
            lineup::set_of_host(connection, id, is_of_host)?;
            let told = [&playlist.document, &new].map(|document| Some(audit::settings(document)));
            audit::note(connection, &actor, "playlist.change", object(id), told)?;
            let (mut changed, _) = apply::rewrite(connection, config, (id, &settings))?;
            // The way to its streams may be another, which no row of a channel says.
            if new.spec() != playlist.document.spec() {
                changed.all_of(lineup::paths(connection, id)?);
            }
            lineup::forget_marks(connection, id)?;
            Ok::<_, Refusal>(((), changed))
        })
        .await?;
        info!(playlist = id.0, "playlist changed");
        let view = self.get(id).await?;
        if self.settings(&view.playlist)?.origin != Origin::Upload {
            self.0.runs.ask(id);
        }
        self.0.rescheduled.notify_one();
        Ok(view)
    }

    /// Removes a playlist with all of its channels. Their viewers are ended.
    pub async fn remove(&self, id: PlaylistId, actor: &Actor) -> Result<(), Refusal> {
        self.0.runs.cancel(id);
        let actor = actor.clone();
        self.commit(move |connection, config| {
            let playlist = of_api(connection, config, id)?;
            let told = [Some(audit::settings(&playlist.document)), None];
            audit::note(connection, &actor, "playlist.remove", object(id), told)?;
            let removed = lineup::paths(connection, id)?;
            let merged = lineup::paths_merged_with(connection, id)?;
            lineup::remove_playlist(connection, id)?;
            let mut changed = settle::after_removal(connection, config)?;
            changed.removed.extend(removed);
            // They have one source less, which none of their own rows says.
            changed.all_of(merged);
            Ok::<_, Refusal>(((), changed))
        })
        .await?;
        self.0.runs.forget(id);
        self.0.spool.held(&refresh::held_file(id)).release();
        info!(playlist = id.0, "playlist removed");
        Ok(())
    }

    /// All that is known of a playlist.
    pub async fn get(&self, id: PlaylistId) -> Result<View, Refusal> {
        let runs = self.0.runs.clone();
        let read = self.0.database.read(move |connection| {
            let playlist = lineup::playlist(connection, id)?.ok_or(Refusal::Unknown(id))?;
            view(connection, &runs, playlist)
        });
        read.await
    }

    /// All playlists.
    pub async fn list(&self) -> Result<Vec<View>, Refusal> {
        let runs = self.0.runs.clone();
        let read = self.0.database.read(move |connection| {
            let all = lineup::all_playlists(connection)?;
            all.into_iter().map(|playlist| view(connection, &runs, playlist)).collect()
        });
        read.await
    }

    /// Has a playlist read soon.
    pub async fn ask(&self, id: PlaylistId) -> Result<View, Refusal> {
        let view = self.get(id).await?;
        if self.settings(&view.playlist)?.origin == Origin::Upload {
            return Err(FetchError::Nowhere.into());
        }
        self.0.runs.ask(id);
        self.0.rescheduled.notify_one();
        Ok(view)
    }

    /// How a playlist is read.
    pub fn readings(&self, id: PlaylistId) -> Readings {
        self.0.runs.of(id)
    }

    /// Has the reading of a playlist end.
    pub fn cancel(&self, id: PlaylistId) -> Result<(), Refusal> {
        if self.0.runs.cancel(id) { Ok(()) } else { Err(Refusal::Nothing("the playlist is not being read")) }
    }

    /// Does `work` in a transaction, and puts what it changed into force. Whoever asked may go
    /// meanwhile.
    async fn commit<T, E>(
        &self,
        work: impl Fn(&Connection, &Config) -> Result<(T, Changed), E> + Send + Sync + 'static,
    ) -> Result<T, E>
    where
        T: Send + 'static,
        E: From<Error> + Send + 'static,
    {
        let this = self.clone();
        let task = self.0.tasks.spawn(async move {
            let _in_order = this.0.committing.lock().await;
            let config = this.0.config.get();
            let write = move |connection: &Connection| work(connection, &config);
            let (value, changed) = this.0.database.write(write).await?;
            this.put_in_force(changed).await;
            Ok(value)
        });
        match task.await {
            Ok(result) => result,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime ends.
                Err(_) => Err(Error::Closed.into()),
            },
        }
    }

    async fn put_in_force(&self, changed: Changed) {
        if changed.is_empty() {
            return;
        }
        let (database, put) = (self.0.database.clone(), Arc::clone(&self.0.put_in_force));
        let work = spawn_blocking(move || put(&database, &changed));
        if let Err(error) = work.await
            && let Ok(panic) = error.try_into_panic()
        {
            resume_unwind(panic);
        }
    }

    /// What the settings of a playlist mean with the configuration in force.
    fn settings(&self, playlist: &Playlist) -> Result<Settings, Refusal> {
        let config = self.0.config.get();
        check(playlist.document.spec(), &config.house_of(playlist.has_operators_settings()))
    }
}

/// A playlist in the words of the audit log.
fn object(PlaylistId(id): PlaylistId) -> String {
    format!("playlist:{id}")
}

fn check(spec: &PlaylistSpec, house: &House) -> Result<Settings, Refusal> {
    spec.check(house).map_err(Refusal::Fields)
}

/// What the settings of a playlist mean for its rows, whatever they may name by now: nothing is
/// opened.
fn settings_for_rows(config: &Config, playlist: &Playlist) -> Result<Settings, Refusal> {
    check(playlist.document.spec(), &config.house_of(true))
}

/// Whether the channels of a playlist may be on private networks. Each connection is judged by
/// itself, too; this says what is listed.
fn reaches_private(config: &Config, playlist: &Playlist) -> bool {
    let is_allowed = playlist.has_operators_list() || config.server.allow_private_sources;
    is_allowed && playlist.document.spec().allow_private != Some(false)
}

/// A playlist that the API may change.
fn of_api(connection: &Connection, config: &Config, id: PlaylistId) -> Result<Playlist, Refusal> {
    let playlist = lineup::playlist(connection, id)?.ok_or(Refusal::Unknown(id))?;
    match playlist.file_key {
        None => Ok(playlist),
        Some(_) => Err(Refusal::FileOwns(config.path.clone())),
    }
}

fn view(connection: &Connection, runs: &Runs, playlist: Playlist) -> Result<View, Refusal> {
    let id = playlist.id;
    Ok(View {
        taken: lineup::taken(connection, id)?,
        held: lineup::held(connection, id)?,
        account: lineup::account(connection, id)?,
        readings: runs.of(id),
        playlist,
    })
}

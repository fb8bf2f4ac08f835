//! Relays: channels that are made, changed and removed while the server runs.
//!
//! A change is checked, written to the database and put into force, in this order. Whatever else
//! happens at the same time, what is in force is what the database holds then: it is read from
//! there again, by one at a time.

mod audit;
mod in_force;
mod refusal;

use std::panic::resume_unwind;
use std::sync::Arc;

use forebay_relay::channel::Changes;
use forebay_relay::model::{ChannelId, FieldError};
use rusqlite::Connection;
use tokio::task::{JoinError, spawn_blocking};
use tracing::info;

pub use self::in_force::{InForceChannels, providers};
pub use self::refusal::Refusal;
use crate::accounts::Actor;
use crate::catalogue::{List, RelayChange};
use crate::config::Config;
use crate::db::relays::{self, Relay, RelayId};
use crate::db::{Database, Document, Error};

/// What can be done with relays. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Relays {
    database: Database,
    in_force: Arc<InForceChannels>,
}

impl Relays {
    /// Of this database, into this list of channels.
    pub fn new(database: Database, in_force: Arc<InForceChannels>) -> Self {
        Self { database, in_force }
    }

    /// Puts another configuration in force, with its channels and all relays. Waits for the disk.
    pub fn configure(&self, config: Arc<Config>) -> Changes {
        self.in_force.configure(config)
    }

    /// Adds a relay, which can be watched when this returns.
    pub async fn create(&self, document: Document, actor: &Actor) -> Result<Relay, Refusal> {
        let (terms, actor) = (self.terms(), actor.clone());
        let write = move |connection: &_| {
            terms.check(&document)?;
            let relay = relays::insert(connection, &document)?;
            audit::note(connection, &actor, "relay.create", relay.id, [None, Some(&relay.document)])?;
            Ok((RelayChange { relay: relay.id, before: None, after: id(&relay) }, relay))
        };
        let relay = self.write(write).await?;
        info!(relay = relay.id.0, channel = path(&relay), "relay created");
        Ok(relay)
    }

    /// Makes of a relay what `change` says. Its viewers stay: where its sources change, they are
    /// switched.
    pub async fn change(
        &self,
        relay: RelayId,
        change: impl Fn(&Document) -> Result<Document, FieldError> + Send + 'static,
        actor: &Actor,
    ) -> Result<Relay, Refusal> {
        let (terms, actor) = (self.terms(), actor.clone());
        let write = move |connection: &_| {
            let mut before = None;
            let changed = relays::update(connection, relay, |old| {
                before = Some(old.clone());
                let new = change(&old.document).map_err(|error| Refusal::Fields(vec![error]))?;
                terms.check(&new)?;
                Ok::<_, Refusal>(new)
            })?;
            let changed = changed.ok_or(Refusal::Unknown(relay))?;
            let before = before.expect("what was changed was there");
            let told = [Some(&before.document), Some(&changed.document)];
            audit::note(connection, &actor, "relay.change", relay, told)?;
            Ok((RelayChange { relay, before: id(&before), after: id(&changed) }, changed))
        };
        let changed = self.write(write).await?;
        info!(relay = relay.0, channel = path(&changed), "relay changed");
        Ok(changed)
    }

    /// Removes a relay. Its viewers are ended, and its connection is closed.
    pub async fn remove(&self, relay: RelayId, actor: &Actor) -> Result<(), Refusal> {
        let actor = actor.clone();
        let write = move |connection: &_| {
            let removed = relays::remove(connection, relay)?.ok_or(Refusal::Unknown(relay))?;
            audit::note(connection, &actor, "relay.remove", relay, [Some(&removed.document), None])?;
            Ok((RelayChange { relay, before: id(&removed), after: None }, removed))
        };
        let removed = self.write(write).await?;
        info!(relay = relay.0, channel = path(&removed), "relay removed");
        Ok(())
    }

    /// One relay.
    pub async fn get(&self, id: RelayId) -> Result<Relay, Refusal> {
        let read = self.database.read(move |connection| relays::get(connection, id));
        read.await?.ok_or(Refusal::Unknown(id))
    }

    /// A part of the list, and how many there are in all.
    pub async fn list(&self, after: Option<RelayId>, limit: usize) -> Result<(Vec<Relay>, u64), Refusal> {
        let read = self.database.read(move |connection| {
            Ok::<_, Error>((relays::list(connection, after, limit)?, relays::count(connection)?))
        });
        Ok(read.await?)
    }

    /// Writes, and puts into force what was written. Both are done even if whoever asked goes away
    /// meanwhile: the connection breaks, for example.
    async fn write(
        &self,
        write: impl Fn(&Connection) -> Result<(RelayChange, Relay), Refusal> + Send + 'static,
    ) -> Result<Relay, Refusal> {
        let Self { database, in_force } = self.clone();
        let work = tokio::spawn(async move {
            let (change, relay) = database.write(write).await?;
            let taken = spawn_blocking(move || in_force.take(&change)).await;
            taken.map(|()| relay).map_err(|error| pass_on(error).into())
        });
        work.await.unwrap_or_else(|error| Err(pass_on(error).into()))
    }

    fn terms(&self) -> Terms {
        Terms { config: self.in_force.config(), list: self.in_force.catalogue().list() }
    }
}

/// A panic of a task goes on here; else the runtime ends.
fn pass_on(error: JoinError) -> Error {
    match error.try_into_panic() {
        Ok(panic) => resume_unwind(panic),
        Err(_) => Error::Closed,
    }
}

/// The id of a relay's channel, by which others know it.
fn id(relay: &Relay) -> Option<ChannelId> {
    path(relay).parse().ok()
}

fn path(relay: &Relay) -> &str {
    relay.document.spec().id.as_deref().unwrap_or_default()
}

/// What a relay has to fit in with.
struct Terms {
    config: Arc<Config>,
    list: Arc<List>,
}

impl Terms {
    /// Whether a document stands for a channel, which may be one beside those of the configuration.
    fn check(&self, document: &Document) -> Result<(), Refusal> {
        let (file, path) = (self.list.file(), &self.config.path);
        let channel = document.spec().check(&self.config.api_house()).map_err(Refusal::Fields)?;
        let owned = |what| Err(Refusal::FileOwns { what, file: path.clone() });
        if file.find(channel.id.as_str()).is_some() {
            return owned(format!("the path \"{}\"", channel.id));
        }
        if let Some(number) = channel.number
            && let Some(own) = file.find_by_number(number)
        {
            return owned(format!("the number {number} of \"{}\"", own.id));
        }
        Ok(())
    }
}

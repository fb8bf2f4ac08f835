//! Relays: channels that are made, changed and removed while the server runs.
//!
//! A change is checked, written to the database and put into force, in this order. Whatever else
//! happens at the same time, what is in force is what the database holds then: it is read from
//! there again, by one at a time.

mod in_force;
mod refusal;

use std::sync::Arc;

use forebay_relay::model::{Channel, FieldError};
use tokio::task::spawn_blocking;
use tracing::info;

pub use self::in_force::{InForceChannels, RelayChannels};
pub use self::refusal::Refusal;
use crate::config::Config;
use crate::db::relays::{self, Relay, RelayId};
use crate::db::{Database, Document};

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

    /// Adds a relay, which can be watched when this returns.
    pub async fn create(&self, document: Document) -> Result<Relay, Refusal> {
        let config = self.in_force.config();
        let write = move |connection: &_| {
            check(&config, &document)?;
            relays::insert(connection, &document).map_err(Refusal::from)
        };
        let relay = self.database.write(write).await?;
        self.put_in_force(relay.id).await;
        info!(relay = relay.id.0, channel = path(&relay), "relay created");
        Ok(relay)
    }

    /// Makes of a relay what `change` says. Its viewers stay: where its sources change, they are
    /// switched.
    pub async fn change(
        &self,
        id: RelayId,
        change: impl Fn(&Document) -> Result<Document, FieldError> + Send + 'static,
    ) -> Result<Relay, Refusal> {
        let config = self.in_force.config();
        let write = move |connection: &_| {
            relays::update(connection, id, |old| {
                let new = change(&old.document).map_err(|error| Refusal::Fields(vec![error]))?;
                check(&config, &new)?;
                Ok::<_, Refusal>(new)
            })
        };
        let relay = self.database.write(write).await?.ok_or(Refusal::Unknown(id))?;
        self.put_in_force(id).await;
        info!(relay = id.0, channel = path(&relay), "relay changed");
        Ok(relay)
    }

    /// Removes a relay. Its viewers are ended, and its connection is closed.
    pub async fn remove(&self, id: RelayId) -> Result<(), Refusal> {
        let removed = self.database.write(move |connection| relays::remove(connection, id)).await;
        let relay = removed?.ok_or(Refusal::Unknown(id))?;
        self.put_in_force(id).await;
        info!(relay = id.0, channel = path(&relay), "relay removed");
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
            Ok::<_, crate::db::Error>((relays::list(connection, after, limit)?, relays::count(connection)?))
        });
        Ok(read.await?)
    }

    /// Behind the write whoever asked may go: the work is done anyway.
    async fn put_in_force(&self, id: RelayId) {
        let (database, in_force) = (self.database.clone(), Arc::clone(&self.in_force));
        let work = spawn_blocking(move || in_force.take(&database, id));
        if let Err(error) = work.await
            && let Ok(panic) = error.try_into_panic()
        {
            std::panic::resume_unwind(panic);
        }
    }
}

fn path(relay: &Relay) -> &str {
    relay.document.spec().id.as_deref().unwrap_or_default()
}

/// The channel that a document stands for, if it may be one beside those of the file.
fn check(config: &Config, document: &Document) -> Result<Channel, Refusal> {
    let channel = document.spec().check(&config.api_house()).map_err(Refusal::Fields)?;
    let is_clash = |own: &&Arc<Channel>| own.number.is_some() && own.number == channel.number;
    if config.channel(channel.id.as_str()).is_some() {
        let what = format!("the path \"{}\"", channel.id);
        return Err(Refusal::FileOwns { what, file: config.path.clone() });
    }
    if let Some(own) = config.channels.iter().find(is_clash) {
        let what = format!("the number {} of \"{}\"", own.number.unwrap_or_default(), own.id);
        return Err(Refusal::FileOwns { what, file: config.path.clone() });
    }
    Ok(channel)
}

//! People: users, the browsers that they are signed in with, keys of programs, and the log of what
//! was changed by whom.
//!
//! Requests ask an immutable picture of the database ([`People`]); none waits for the disk to know
//! who asks. Each change is written together with its entry in the audit log, and then the picture
//! is made anew from what the database has. Commands on the host write to the same database: the
//! picture follows within a second.

mod actor;
pub mod commands;
mod jwt;
pub mod keys;
mod links;
mod password;
mod people;
mod refusal;
pub mod secret;
mod sessions;
#[cfg(test)]
mod tests;
mod title;
mod tokens;
mod users;
mod viewing;
mod vouched;
mod watcher;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use tokio::time::{Instant, interval};
use tokio_util::sync::CancellationToken;
use tracing::warn;

pub use self::actor::Actor;
use self::keys::LastUses;
pub use self::links::{NoLink, SignedLink};
use self::password::Passwords;
pub use self::people::People;
pub use self::refusal::Refusal;
use self::secret::Secret;
pub use self::sessions::SignedIn;
pub use self::title::Title;
pub use self::tokens::{MadeToken, Maker, NoToken};
pub use self::users::{OWN_PARTS, UserChange, name_fault};
pub use self::viewing::{Device, Form, NoSeat, Seat, Viewing};
pub use self::vouched::Vouched;
pub use self::watcher::{FilmLink, Owner, Proof, TokenHolder, Watcher};
use crate::config::Tokens;
use crate::db::audit::{self, Entry, EntryId, NewEntry};
use crate::db::users::User;
use crate::db::{Database, Error, stream_tokens, user_sessions};

/// How often it is looked whether a command on the host has changed something.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// How often it is looked whose time is over: who watches then is to end within a second.
const REVIEW_EVERY: Duration = Duration::from_millis(250);

/// How often it is written when keys were last used, and sessions that are over are taken away.
const TIDY_EVERY: Duration = Duration::from_mins(1);

/// What can be done with accounts. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Accounts(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    database: Database,
    people: RwLock<Arc<People>>,
    /// Held while the picture is made anew, so that a later one is never replaced by an earlier
    /// one.
    making: tokio::sync::Mutex<()>,
    passwords: Arc<Passwords>,
    last_uses: Mutex<LastUses>,
    viewing: Viewing,
    /// Groups of channels for adults.
    adult_groups: RwLock<Arc<[String]>>,
    token_limits: RwLock<Tokens>,
    setup: Secret,
}

impl Accounts {
    /// Those of this database. Waits for the disk.
    pub fn read(database: Database) -> Result<Self, Error> {
        let people = if database.is_on() { database.read_here(People::read)? } else { People::default() };
        Ok(Self(Arc::new(Inner {
            database,
            people: RwLock::new(Arc::new(people)),
            making: tokio::sync::Mutex::default(),
            passwords: Arc::new(Passwords::new()),
            last_uses: Mutex::default(),
            viewing: Viewing::default(),
            adult_groups: RwLock::default(),
            token_limits: RwLock::default(),
            // New at each start, and in memory only: a copy of an old console is worth nothing.
            setup: Secret::short(),
        })))
    }

    /// Who there is now.
    pub fn people(&self) -> Arc<People> {
        Arc::clone(&self.0.people.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Up to `limit` entries of the audit log from the newest back, those before `before`.
    pub async fn audit(&self, before: Option<EntryId>, limit: usize) -> Result<Vec<Entry>, Refusal> {
        let read = self.database().read(move |connection| audit::list(connection, before, limit));
        Ok(read.await?)
    }

    /// Writes down what somebody has done that is kept nowhere else.
    pub async fn note(&self, actor: &Actor, action: &'static str, object: String, before: Value) {
        let entry = NewEntry { actor: actor.to_string(), action, object, before: Some(before), after: None };
        let written = self.database().write(move |connection: &_| audit::insert(connection, &entry)).await;
        match written {
            // Without a database there is no log; the operator has chosen that.
            Ok(_) | Err(Error::Off(_)) => {}
            Err(error) => warn!(%error, action, "what was done is not in the audit log"),
        }
    }

    /// Follows what commands on the host change, and tidies up, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        let (mut ticks, mut looked, mut tidied) = (interval(REVIEW_EVERY), Instant::now(), Instant::now());
        while self.database().is_on() && stop.run_until_cancelled(ticks.tick()).await.is_some() {
            // In each tick: a user's time may be over without any change in the database.
            self.review();
            if looked.elapsed() < CHECK_INTERVAL {
                continue;
            }
            looked = Instant::now();
            let is_time = tidied.elapsed() >= TIDY_EVERY;
            if is_time {
                tidied = Instant::now();
            }
            // The database says by itself, once, that it cannot be read or written.
            if let Err(error) = self.look(is_time).await
                && is_time
            {
                warn!(%error, "accounts are as they were last read");
            }
        }
        stop.cancelled().await;
    }

    async fn look(&self, is_time_to_tidy: bool) -> Result<(), Refusal> {
        // Each change has an entry, so one number tells whether anything is different.
        let newest = self.database().read(audit::newest).await?;
        let mut is_changed = newest != self.people().newest;
        if is_time_to_tidy {
            self.write_last_uses().await?;
            is_changed |= self.database().write(user_sessions::clean).await? > 0;
            self.database().write(stream_tokens::clean).await?;
        }
        if is_changed { self.refresh().await } else { Ok(()) }
    }

    /// Makes the picture anew.
    async fn refresh(&self) -> Result<(), Refusal> {
        // Taken before the read: else a slower reader
        // could put an older picture behind a newer one.
        let _one_at_a_time = self.0.making.lock().await;
        let people = Arc::new(self.database().read(People::read).await?);
        // The proofs of users who are gone would stay for ever.
        self.passwords().keep(|user| people.user(user).is_some());
        *self.0.people.write().unwrap_or_else(PoisonError::into_inner) = people;
        self.review();
        Ok(())
    }

    /// Ends the streams of those who may not watch them any more.
    fn review(&self) {
        self.viewing().review(&self.people(), Timestamp::now(), &self.adult_groups());
    }

    /// Which streams are watched by whom.
    pub fn viewing(&self) -> &Viewing {
        &self.0.viewing
    }

    /// The groups of channels that are for adults.
    pub fn adult_groups(&self) -> Arc<[String]> {
        Arc::clone(&self.0.adult_groups.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Other groups are for adults from now on.
    pub fn set_adult_groups(&self, groups: &[String]) {
        *self.0.adult_groups.write().unwrap_or_else(PoisonError::into_inner) = groups.into();
        self.review();
    }

    /// How long tokens of streams are good, and how many one owner has.
    pub fn token_limits(&self) -> Tokens {
        *self.0.token_limits.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The same is so from now on, for what is made and begun.
    pub fn set_token_limits(&self, limits: Tokens) {
        *self.0.token_limits.write().unwrap_or_else(PoisonError::into_inner) = limits;
        self.viewing().set_token_streams(limits.max_streams);
    }

    /// The user for whom this stands in addresses of streams.
    pub fn by_stream_key(&self, key: &str) -> Option<Arc<User>> {
        let people = self.people();
        people.by_stream_key(key).filter(|user| user.is_active(Timestamp::now())).cloned()
    }

    fn database(&self) -> &Database {
        &self.0.database
    }

    fn passwords(&self) -> &Arc<Passwords> {
        &self.0.passwords
    }

    fn setup(&self) -> &Secret {
        &self.0.setup
    }

    fn last_uses(&self) -> MutexGuard<'_, LastUses> {
        self.0.last_uses.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

//! Keys of programs.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::secret::Secret;
use super::watcher::may_watch;
use super::{Accounts, Actor, Refusal};
use crate::db::Error;
use crate::db::api_keys::{self, ApiKey, KeyId, NewKey, Scope};
use crate::db::audit::{self, NewEntry};

/// How a key begins, so that people and programs that look for secrets know one.
pub const PREFIX: &str = "fbk_";

/// How much of a key is kept to be shown: a fraction of its 43 characters.
const HINT: usize = PREFIX.len() + 4;

/// Keys that there may be.
const MAX_KEYS: usize = 1000;

/// The longest name, in characters.
const MAX_NAME: usize = 64;

/// When keys were last used, until it is written.
pub(super) type LastUses = HashMap<KeyId, Timestamp>;

impl Accounts {
    /// Makes a key; its text is not to be had again.
    pub async fn create_key(
        &self,
        actor: &Actor,
        name: &str,
        scopes: Vec<Scope>,
        expires_at: Option<Timestamp>,
    ) -> Result<(ApiKey, Secret), Refusal> {
        let name = name.trim().to_owned();
        if name.is_empty() || name.chars().count() > MAX_NAME || name.chars().any(char::is_control) {
            return Err(Refusal::field("name", format!("expected 1 to {MAX_NAME} characters")));
        }
        if scopes.is_empty() {
            return Err(Refusal::field("scopes", "expected one at least"));
        }
        if self.people().keys().len() >= MAX_KEYS {
            return Err(Refusal::Taken(format!("there are {MAX_KEYS} keys, and may be no more")));
        }
        let secret = Secret::random(PREFIX);
        // Enough to tell two keys apart in a list, and too little to guess the rest by.
        let hint = secret.reveal()[..HINT].to_owned();
        let new = NewKey { name, hash: secret.hash(), hint, scopes, expires_at };
        let actor = actor.to_string();
        let write = move |connection: &_| {
            let key = api_keys::insert(connection, &new)?;
            audit::insert(connection, &entry(&actor, "key.create", None, Some(&key), key.id))?;
            Ok::<_, Error>(key)
        };
        let key = self.database().write(write).await?;
        self.refresh().await?;
        Ok((key, secret))
    }

    /// Takes a key away.
    pub async fn remove_key(&self, actor: &Actor, id: KeyId) -> Result<(), Refusal> {
        let actor = actor.to_string();
        let write = move |connection: &_| {
            let key = api_keys::remove(connection, id)?.ok_or(Refusal::Unknown { what: "key", id: id.0 })?;
            audit::insert(connection, &entry(&actor, "key.remove", Some(&key), None, id))?;
            Ok(())
        };
        self.database().write(write).await.map_err(|error: Refusal| error)?;
        self.refresh().await
    }

    /// The key whose text this is, which is used now.
    pub fn use_key(&self, text: &str) -> Option<Arc<ApiKey>> {
        let now = Timestamp::now();
        let key = Arc::clone(self.people().key(text, now)?);
        // Kept in memory: a write for each request would
        // wear the disk for a time that nobody reads.
        self.last_uses().insert(key.id, now);
        Some(key)
    }

    /// The same, if it is good for watching.
    pub fn use_key_to_watch(&self, text: &str) -> Option<Arc<ApiKey>> {
        self.use_key(text).filter(|key| may_watch(key))
    }

    /// When a key was last used, written or not.
    pub fn last_use(&self, key: &ApiKey) -> Option<Timestamp> {
        self.last_uses().get(&key.id).copied().or(key.last_used_at)
    }

    /// Writes when keys were last used.
    pub(super) async fn write_last_uses(&self) -> Result<(), Error> {
        let uses = self.last_uses().clone();
        if uses.is_empty() {
            return Ok(());
        }
        let written = uses.clone();
        let write = move |connection: &_| {
            written.iter().try_for_each(|(id, at)| api_keys::note_use(connection, *id, *at))
        };
        self.database().write(write).await?;
        // Only now, or a write that fails would lose them; what was used meanwhile is written next.
        self.last_uses().retain(|id, at| uses.get(id) != Some(at));
        Ok(())
    }
}

fn entry(
    actor: &str,
    action: &'static str,
    before: Option<&ApiKey>,
    after: Option<&ApiKey>,
    KeyId(id): KeyId,
) -> NewEntry {
    let value = |key: Option<&ApiKey>| -> Option<Value> {
        key.map(|key| json!({ "name": key.name, "scopes": key.scopes, "expires_at": key.expires_at }))
    };
    let (before, after) = (value(before), value(after));
    NewEntry { actor: actor.to_owned(), action, object: format!("key:{id}"), before, after }
}

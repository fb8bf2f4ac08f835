//! Who there is: an immutable picture of the database, which requests ask instead of it.

use std::collections::HashMap;
use std::sync::Arc;

use jiff::Timestamp;
use rusqlite::Connection;

use super::secret;
use crate::db::api_keys::{self, ApiKey, KeyId};
use crate::db::audit::{self, EntryId};
use crate::db::stream_tokens::{self, SigningKey, StreamToken, TokenId};
use crate::db::users::{self, Role, User, UserId};
use crate::db::{Error, user_sessions};

/// Everybody, as of one moment.
#[derive(Debug, Default)]
pub struct People {
    users: HashMap<UserId, Arc<User>>,
    /// By name in lower case.
    names: HashMap<String, Arc<User>>,
    /// By SHA-256 of the stream key, so that how long a look takes tells nothing of it.
    stream_keys: HashMap<[u8; 32], Arc<User>>,
    keys: HashMap<[u8; 32], Arc<ApiKey>>,
    sessions: HashMap<[u8; 32], Session>,
    /// Tokens of streams that were good when this was made.
    tokens: HashMap<[u8; 32], Arc<StreamToken>>,
    /// What signs them, the newest first.
    signing_keys: Vec<SigningKey>,
    /// Every change of users and keys is in the audit log, so this tells whether there was one.
    pub(super) newest: EntryId,
}

#[derive(Debug)]
struct Session {
    user: Arc<User>,
    host: String,
    expires_at: Timestamp,
}

impl People {
    /// Reads them.
    pub(super) fn read(connection: &Connection) -> Result<Self, Error> {
        let users = users::all(connection)?.into_iter().map(|user| (user.id, Arc::new(user)));
        let users: HashMap<UserId, Arc<User>> = users.collect();
        let sessions = user_sessions::all(connection)?.into_iter().filter_map(|session| {
            // A session without its user is one that is being removed.
            let user = Arc::clone(users.get(&session.user)?);
            Some((session.hash, Session { user, host: session.host, expires_at: session.expires_at }))
        });
        Ok(Self {
            sessions: sessions.collect(),
            names: users.values().map(|user| (folded(&user.spec.name), Arc::clone(user))).collect(),
            stream_keys: users
                .values()
                .map(|user| (secret::hash(&user.stream_key), Arc::clone(user)))
                .collect(),
            keys: api_keys::all(connection)?.into_iter().map(|key| (key.hash, Arc::new(key))).collect(),
            tokens: stream_tokens::live(connection)?
                .into_iter()
                .map(|token| (token.hash, Arc::new(token)))
                .collect(),
            signing_keys: stream_tokens::keys(connection)?,
            newest: audit::newest(connection)?,
            users,
        })
    }

    /// The users in the order in which they were made.
    pub fn users(&self) -> Vec<Arc<User>> {
        let mut users: Vec<Arc<User>> = self.users.values().cloned().collect();
        users.sort_by_key(|user| user.id);
        users
    }

    /// One user.
    pub fn user(&self, id: UserId) -> Option<&Arc<User>> {
        self.users.get(&id)
    }

    /// The user of this name, whatever the case of its letters.
    pub fn named(&self, name: &str) -> Option<&Arc<User>> {
        self.names.get(&folded(name))
    }

    /// Whether somebody is an admin, whom the setup would make.
    pub fn has_admin(&self) -> bool {
        self.users.values().any(|user| user.spec.role == Role::Admin)
    }

    /// Who is signed in with this cookie at this host.
    pub fn signed_in(&self, cookie: &str, host: &str, now: Timestamp) -> Option<&Arc<User>> {
        let session = self.sessions.get(&secret::hash(cookie))?;
        // The host too: cookies go to all ports of a name, and another service there may read them.
        let holds = now < session.expires_at && session.host == host && session.user.is_active(now);
        holds.then_some(&session.user)
    }

    /// The key whose text this is.
    pub fn key(&self, text: &str, now: Timestamp) -> Option<&Arc<ApiKey>> {
        let key = self.keys.get(&secret::hash(text))?;
        key.expires_at.is_none_or(|at| now < at).then_some(key)
    }

    /// The key with this number.
    pub fn key_of(&self, id: KeyId, now: Timestamp) -> Option<&Arc<ApiKey>> {
        let key = self.keys.values().find(|key| key.id == id)?;
        key.expires_at.is_none_or(|at| now < at).then_some(key)
    }

    /// The user for whom this stands in addresses of streams, active or not.
    pub fn by_stream_key(&self, key: &str) -> Option<&Arc<User>> {
        self.stream_keys.get(&secret::hash(key))
    }

    /// The token of streams whose text this is.
    pub fn token(&self, text: &str, now: Timestamp) -> Option<&Arc<StreamToken>> {
        self.tokens.get(&secret::hash(text)).filter(|token| now < token.expires_at)
    }

    /// The token of streams with this number.
    pub fn token_of(&self, id: TokenId) -> Option<&Arc<StreamToken>> {
        self.tokens.values().find(|token| token.id == id)
    }

    /// All tokens of streams, in any order.
    pub fn tokens(&self) -> impl Iterator<Item = &Arc<StreamToken>> {
        let now = Timestamp::now();
        self.tokens.values().filter(move |token| now < token.expires_at)
    }

    pub(super) fn signing_keys(&self) -> &[SigningKey] {
        &self.signing_keys
    }

    /// The keys in the order in which they were made.
    pub fn keys(&self) -> Vec<Arc<ApiKey>> {
        let mut keys: Vec<Arc<ApiKey>> = self.keys.values().cloned().collect();
        keys.sort_by_key(|key| key.id);
        keys
    }
}

/// Names are ASCII: see [`name_fault`](super::users::name_fault).
fn folded(name: &str) -> String {
    name.to_ascii_lowercase()
}

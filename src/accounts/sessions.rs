//! Signing in and out, and the setup of the first admin.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Map, json};
use tracing::info;

use super::secret::{self, Secret};
use super::users::{self, UserChange};
use super::{Accounts, Actor, Refusal};
use crate::db::user_sessions::{self, UserSession};
use crate::db::users::{Role, User};

/// How long a browser stays signed in: a month of not being asked, and no more.
const SESSION: Duration = Duration::from_hours(30 * 24);

/// A browser that has just been signed in.
#[derive(Debug)]
pub struct SignedIn {
    /// Who it is.
    pub user: Arc<User>,
    /// What the browser sends from now on.
    pub cookie: Secret,
    /// How long the session lasts.
    pub lifetime: Duration,
}

impl Accounts {
    /// The user with this name and password.
    pub async fn verify(&self, name: &str, password: &str) -> Result<Arc<User>, Refusal> {
        let people = self.people();
        // Somebody inactive is treated like nobody: the answer and its time are the same.
        let user = people.named(name).filter(|user| user.is_active(Timestamp::now()));
        let known = user.and_then(|user| Some((user.id, user.password.as_deref()?)));
        match self.passwords().verify(known, password).await {
            // A password verifies only against the hash of a user, so there is one here.
            Ok(true) => Ok(Arc::clone(user.expect("nobody's password is right"))),
            Ok(false) => Err(Refusal::WrongPassword),
            Err(_) => Err(Refusal::Busy),
        }
    }

    /// The same, if that was found out before: at once, and without a try that could be wrong.
    pub fn by_proven_password(&self, name: &str, password: &str) -> Option<Arc<User>> {
        let people = self.people();
        let user = people.named(name).filter(|user| user.is_active(Timestamp::now()))?;
        let is_proven = self.passwords().is_proven(user.id, user.password.as_deref()?, password);
        is_proven.then(|| Arc::clone(user))
    }

    /// Signs a browser in, for this host only. `old` is the session that it had, which ends: what
    /// somebody has put into the browser before is worth nothing behind.
    pub async fn sign_in(
        &self,
        name: &str,
        password: &str,
        host: &str,
        old: Option<&str>,
    ) -> Result<SignedIn, Refusal> {
        let user = self.verify(name, password).await?;
        let (cookie, session) = new_session(&user, host);
        let old = old.map(secret::hash);
        let write = move |connection: &_| {
            if let Some(old) = &old {
                // Session fixation: a cookie that somebody else
                // has planted must not become a signed-in one.
                user_sessions::remove(connection, old)?;
            }
            user_sessions::insert(connection, &session)
        };
        self.database().write(write).await?;
        self.refresh().await?;
        info!(user = user.spec.name, "signed in");
        Ok(SignedIn { user, cookie, lifetime: SESSION })
    }

    /// Ends the session of a browser.
    pub async fn sign_out(&self, cookie: &str) -> Result<(), Refusal> {
        let hash = secret::hash(cookie);
        self.database().write(move |connection| user_sessions::remove(connection, &hash)).await?;
        self.refresh().await
    }

    /// The token that the setup needs, as long as there is no admin and there is a database.
    pub fn setup_token(&self) -> Option<&Secret> {
        let is_open = self.database().is_on() && !self.people().has_admin();
        is_open.then_some(self.setup())
    }

    /// Makes the first admin, and signs the browser in. Whoever comes first with the token from the
    /// console is the one.
    pub async fn set_up(
        &self,
        token: &str,
        name: &str,
        password: &str,
        host: &str,
    ) -> Result<SignedIn, Refusal> {
        if !self.setup().is(token) {
            return Err(Refusal::WrongToken);
        }
        let fields = json!({ "name": name, "role": Role::Admin, "password": password });
        let new = UserChange::new(fields.as_object().cloned().unwrap_or_else(Map::new))?;
        let (spec, hash) = (new.spec().clone(), new.hash().await);
        let cookie = Secret::random("");
        let (cookie_hash, host) = (cookie.hash(), host.to_owned());
        let write = move |connection: &_| {
            let everybody = crate::db::users::all(connection)?;
            // Asked inside the transaction: of two who come with the token, one becomes the admin.
            if everybody.iter().any(|user| user.spec.role == Role::Admin) {
                return Err(Refusal::SetUp);
            }
            let actor = Actor::Console.to_string();
            let user = users::insert(connection, &actor, &spec, hash.as_deref())?;
            let session = session(&user, &host, cookie_hash, SESSION);
            user_sessions::insert(connection, &session)?;
            Ok(user)
        };
        let user = self.database().write(write).await?;
        self.refresh().await?;
        info!(user = user.spec.name, "set up");
        Ok(SignedIn { user: Arc::new(user), cookie, lifetime: SESSION })
    }
}

fn new_session(user: &User, host: &str) -> (Secret, UserSession) {
    let cookie = Secret::random("");
    let session = session(user, host, cookie.hash(), SESSION);
    (cookie, session)
}

/// A session that begins now.
pub(super) fn session(user: &User, host: &str, hash: [u8; 32], lifetime: Duration) -> UserSession {
    UserSession { hash, user: user.id, host: host.to_owned(), expires_at: Timestamp::now() + lifetime }
}

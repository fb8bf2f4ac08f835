//! People for whom a provider of identities vouches.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use rusqlite::Connection;
use tracing::info;

use super::secret::Secret;
use super::sessions::{SignedIn, session};
use super::{Accounts, Actor, Refusal, users};
use crate::db::users::{Identity, Role, User, UserSpec};
use crate::db::{self, user_sessions};

/// How long a browser stays signed in. The provider may take somebody's rights away, and is asked
/// again when the session is over: where it still knows the browser, that is one click.
const VOUCHED_SESSION: Duration = Duration::from_hours(24);

/// Somebody for whom a provider vouches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Vouched {
    /// Who it is there.
    pub identity: Identity,
    /// A name that a user may have. It makes a user, and is not looked at afterwards: people may
    /// be free to change theirs, to another one's.
    pub name: String,
    /// The role that the provider's claims give.
    pub role: Role,
    /// Whether a user of this name who was made here is the same person.
    pub may_link: bool,
}

impl Accounts {
    /// Signs a browser in, for this host only. Whoever has not been here before becomes a user, and
    /// the role is what the provider says today.
    pub async fn sign_in_vouched(&self, vouched: Vouched, host: &str) -> Result<SignedIn, Refusal> {
        let cookie = Secret::random("");
        let (hash, host) = (cookie.hash(), host.to_owned());
        let write = move |connection: &_| {
            let user = user_of(connection, &vouched)?;
            // The provider vouches for the person; whether
            // that person may watch here is decided here.
            if !user.is_active(Timestamp::now()) {
                return Err(Refusal::Inactive);
            }
            user_sessions::insert(connection, &session(&user, &host, hash, VOUCHED_SESSION))?;
            Ok(user)
        };
        let user = self.database().write(write).await?;
        self.refresh().await?;
        info!(user = user.spec.name, "signed in by the provider of identities");
        Ok(SignedIn { user: Arc::new(user), cookie, lifetime: VOUCHED_SESSION })
    }
}

/// The user who this person is: known by the identity, or by the name where that may be, or new.
fn user_of(connection: &Connection, vouched: &Vouched) -> Result<User, Refusal> {
    let actor = Actor::IdentityProvider.to_string();
    if let Some(user) = db::users::find_identity(connection, &vouched.identity)? {
        return keep_role(connection, &actor, user, vouched);
    }
    match db::users::find(connection, &vouched.name)? {
        // A user with an identity is somebody else at the provider, whatever the name.
        Some(user) if vouched.may_link && user.spec.identity.is_none() => {
            let spec = UserSpec { identity: Some(vouched.identity.clone()), ..user.spec.clone() };
            let user = users::update(connection, &actor, "user.link", &user, &spec, None)?;
            keep_role(connection, &actor, user, vouched)
        }
        Some(user) => {
            Err(Refusal::Taken(format!("the name \"{}\" is taken by another user", user.spec.name)))
        }
        None => {
            let (name, identity) = (vouched.name.clone(), Some(vouched.identity.clone()));
            let spec = UserSpec { name, role: vouched.role, identity, ..UserSpec::default() };
            users::insert(connection, &actor, &spec, None)
        }
    }
}

/// Gives a user the role of today.
fn keep_role(connection: &Connection, actor: &str, user: User, vouched: &Vouched) -> Result<User, Refusal> {
    if user.spec.role == vouched.role {
        return Ok(user);
    }
    let spec = UserSpec { role: vouched.role, ..user.spec.clone() };
    users::update(connection, actor, "user.change", &user, &spec, None)
}

//! Users: made, changed and removed, each with its entry in the audit log.

use std::ops::RangeInclusive;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::{Map, Value, json};

use super::password;
use super::secret::Secret;
use super::{Accounts, Actor, Refusal};
use crate::db::audit::{self, NewEntry};
use crate::db::users::{self, User, UserId, UserSpec};
use crate::db::{merge, read, user_sessions};

/// The longest name, in bytes.
const MAX_NAME: usize = 64;

/// Users that there may be. All are in memory, at about a kilobyte.
const MAX_USERS: usize = 10_000;

/// As of channels, to which it is added.
const PRIORITY: RangeInclusive<i32> = -1000..=1000;

/// What paths of ours begin with that have three parts, and `series`, as panels have it:
/// `/USER/PASSWORD/7` would mean something else for a user of this name.
pub const OWN_PARTS: [&str; 18] = [
    "",
    ".well-known",
    ADMIN,
    "api",
    "assets",
    "auto",
    "dash",
    "hdhr",
    "hls",
    "live",
    "logo",
    "movie",
    "s",
    "series",
    "stream",
    "t",
    "timeshift",
    "watch",
];

/// Many call their first account so. Players find it at `/live/admin/PASSWORD/7`, which all of them
/// ask for but those that leave `/live` out.
const ADMIN: &str = "admin";

/// What is wrong with a name.
pub fn name_fault(name: &str) -> Option<String> {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._@-".contains(&byte);
    if name.is_empty() || name.len() > MAX_NAME || !name.bytes().all(is_plain) {
        // Names and passwords are parts of paths in the addresses that some players make.
        return Some(format!("expected 1 to {MAX_NAME} letters, digits or \"._@-\""));
    }
    let is_route =
        OWN_PARTS.iter().any(|part| part.eq_ignore_ascii_case(name)) && !name.eq_ignore_ascii_case(ADMIN);
    is_route.then(|| format!("\"{name}\" is a part of addresses"))
}

/// A user that is to be made, or what one is to become.
#[derive(Debug, Clone)]
pub struct UserChange {
    spec: UserSpec,
    password: Option<Secret>,
}

impl UserChange {
    /// Reads the document of a user, in which `password` is the new one.
    pub fn new(mut fields: Map<String, Value>) -> Result<Self, Refusal> {
        let password = match fields.remove("password") {
            None | Some(Value::Null) => None,
            Some(Value::String(password)) => Some(Secret::from(password)),
            Some(_) => return Err(Refusal::field("password", "expected a string")),
        };
        // `null` and a field that is absent mean the same here.
        fields.retain(|_, value| !value.is_null());
        let spec: UserSpec = read(Value::Object(fields)).map_err(|error| Refusal::Fields(vec![error]))?;
        if let Some(fault) = name_fault(&spec.name) {
            return Err(Refusal::field("name", fault));
        }
        if !PRIORITY.contains(&spec.priority) {
            let (least, most) = (PRIORITY.start(), PRIORITY.end());
            return Err(Refusal::field("priority", format!("expected a number from {least} to {most}")));
        }
        if spec.identity.as_ref().is_some_and(|it| it.issuer.is_empty() || it.subject.is_empty()) {
            return Err(Refusal::field("identity", "expected an issuer and a subject"));
        }
        if let Some(fault) = password.as_ref().and_then(|password| password::fault(password.reveal())) {
            return Err(Refusal::field("password", fault));
        }
        Ok(Self { spec, password })
    }

    /// What the user is to be.
    pub(super) fn spec(&self) -> &UserSpec {
        &self.spec
    }

    /// The hash of the new password, if there is one.
    pub(super) async fn hash(&self) -> Option<String> {
        match &self.password {
            Some(password) => Some(password::hash(password.reveal().to_owned()).await),
            None => None,
        }
    }
}

impl Accounts {
    /// Adds a user.
    pub async fn create_user(&self, actor: &Actor, new: UserChange) -> Result<Arc<User>, Refusal> {
        let (actor, hash) = (actor.to_string(), new.hash().await);
        let write = move |connection: &_| insert(connection, &actor, &new.spec, hash.as_deref());
        let user = self.database().write(write).await?;
        self.refresh().await?;
        Ok(Arc::new(user))
    }

    /// Changes what is named of a user; `null` takes away (RFC 7396). With another password, or
    /// without the right to anything, the user is signed out everywhere.
    pub async fn change_user(
        &self,
        actor: &Actor,
        id: UserId,
        changes: Map<String, Value>,
    ) -> Result<Arc<User>, Refusal> {
        let unknown = Refusal::Unknown { what: "user", id: id.0 };
        let people = self.people();
        let old = people.user(id).ok_or_else(|| unknown.clone())?;
        let mut fields = document(&old.spec);
        merge(&mut fields, &changes);
        // Once outside: the hash of a password takes long, and only this thread's time.
        let hash = UserChange::new(fields)?.hash().await;
        let actor = actor.to_string();
        let write = move |connection: &_| {
            // Read again inside: a change by somebody else in between must not be undone.
            let Some(old) = users::get(connection, id)? else { return Err(unknown.clone()) };
            let mut fields = document(&old.spec);
            merge(&mut fields, &changes);
            let spec = UserChange::new(fields)?.spec;
            update(connection, &actor, "user.change", &old, &spec, hash.as_deref())
        };
        let user = self.database().write(write).await?;
        self.refresh().await?;
        Ok(Arc::new(user))
    }

    /// Gives a user another key in addresses of streams: the old addresses end.
    pub async fn renew_stream_key(&self, actor: &Actor, id: UserId) -> Result<Arc<User>, Refusal> {
        let actor = actor.to_string();
        let write = move |connection: &_| {
            let unknown = Refusal::Unknown { what: "user", id: id.0 };
            let old = users::get(connection, id)?.ok_or_else(|| unknown.clone())?;
            let key = Secret::short();
            // The password stays: only addresses that were passed on are to end.
            let user = users::update(connection, id, &old.spec, old.password.as_deref(), key.reveal())?;
            // Without before and after: both would be the key.
            note(connection, &actor, "user.renew_stream_key", id, None, None)?;
            user.ok_or(unknown)
        };
        let user = self.database().write(write).await?;
        self.refresh().await?;
        Ok(Arc::new(user))
    }

    /// Removes a user, who is signed out everywhere.
    pub async fn remove_user(&self, actor: &Actor, id: UserId) -> Result<(), Refusal> {
        let actor = actor.to_string();
        let write = move |connection: &_| {
            let old = users::remove(connection, id)?.ok_or(Refusal::Unknown { what: "user", id: id.0 })?;
            note(connection, &actor, "user.remove", id, Some(&old.spec), None)
        };
        self.database().write(write).await?;
        self.refresh().await
    }
}

/// Adds a user, and tells the audit log.
pub(super) fn insert(
    connection: &Connection,
    actor: &str,
    spec: &UserSpec,
    password: Option<&str>,
) -> Result<User, Refusal> {
    // In the same transaction as the insertion, so the limit holds exactly.
    if users::count(connection)? >= MAX_USERS {
        return Err(Refusal::Taken(format!("there are {MAX_USERS} users, and may be no more")));
    }
    check_identity(connection, spec, None)?;
    let user = users::insert(connection, spec, password, Secret::short().reveal())?;
    note(connection, actor, "user.create", user.id, None, Some(&user.spec))?;
    Ok(user)
}

/// Writes what a user becomes, and tells the audit log.
pub(super) fn update(
    connection: &Connection,
    actor: &str,
    action: &'static str,
    old: &User,
    spec: &UserSpec,
    new_password: Option<&str>,
) -> Result<User, Refusal> {
    check_identity(connection, spec, Some(old.id))?;
    let password = new_password.or(old.password.as_deref());
    let updated = users::update(connection, old.id, spec, password, &old.stream_key)?;
    let user = updated.ok_or(Refusal::Unknown { what: "user", id: old.id.0 })?;
    // Whoever knew the old password may be signed in somewhere.
    if new_password.is_some() || spec.disabled {
        user_sessions::remove_of(connection, user.id)?;
    }
    note(connection, actor, action, user.id, Some(&old.spec), Some(spec))?;
    Ok(user)
}

/// Refuses the identity of another user: a provider vouches for one person by it. `id` is the user
/// who is changed.
fn check_identity(connection: &Connection, spec: &UserSpec, id: Option<UserId>) -> Result<(), Refusal> {
    let Some(identity) = &spec.identity else { return Ok(()) };
    match users::find_identity(connection, identity)? {
        Some(other) if Some(other.id) != id => {
            Err(Refusal::Taken(format!("the identity is taken by the user \"{}\"", other.spec.name)))
        }
        _ => Ok(()),
    }
}

fn note(
    connection: &Connection,
    actor: &str,
    action: &'static str,
    id: UserId,
    before: Option<&UserSpec>,
    after: Option<&UserSpec>,
) -> Result<(), Refusal> {
    let value = |spec: Option<&UserSpec>| spec.map(|spec| json!(spec));
    audit::insert(
        connection,
        &NewEntry {
            actor: actor.to_owned(),
            action,
            object: format!("user:{}", id.0),
            before: value(before),
            after: value(after),
        },
    )?;
    Ok(())
}

fn document(spec: &UserSpec) -> Map<String, Value> {
    match json!(spec) {
        Value::Object(fields) => fields,
        _ => unreachable!("a struct is an object"),
    }
}

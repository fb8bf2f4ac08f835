//! What commands on the host do to users, beside a server that runs or without one.

use std::path::Path;

use jiff::Timestamp;

use super::secret::Secret;
use super::{Actor, Refusal, password, users};
use crate::db::users::{Role, User, UserSpec};
use crate::db::{OpenError, Shared};

/// Why a command did nothing.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// The database cannot be used.
    #[error(transparent)]
    Open(#[from] OpenError),
    /// It is refused.
    #[error("{}", shown(.0))]
    Refused(#[from] Refusal),
    /// There is no user of this name.
    #[error("there is no user \"{0}\"")]
    NoUser(String),
}

impl From<crate::db::Error> for CommandError {
    fn from(error: crate::db::Error) -> Self {
        Self::Refused(error.into())
    }
}

fn shown(refusal: &Refusal) -> String {
    match refusal {
        Refusal::Fields(errors) => {
            let each = errors.iter().map(|error| format!("{}: {}", error.path, error.message));
            each.collect::<Vec<_>>().join("; ")
        }
        other => other.to_string(),
    }
}

/// Adds a user to the database in this folder, with this password or one that is made up; returns
/// the latter.
pub fn add(
    folder: &Path,
    name: &str,
    role: Role,
    typed: Option<&str>,
) -> Result<Option<Secret>, CommandError> {
    let spec = UserSpec { name: name.to_owned(), role, ..UserSpec::default() };
    add_spec(folder, &spec, typed)
}

/// The same for a user who is and may what `spec` says.
pub fn add_spec(folder: &Path, spec: &UserSpec, typed: Option<&str>) -> Result<Option<Secret>, CommandError> {
    if let Some(fault) = users::name_fault(&spec.name) {
        return Err(Refusal::field("name", fault).into());
    }
    let (hash, made_up) = password_of(typed)?;
    Shared::open(folder)?
        .write(|connection| users::insert(connection, &Actor::Command.to_string(), spec, Some(&hash)))?;
    Ok(made_up)
}

/// Gives a user this password, or one that is made up, and lets it in again if it was disabled or
/// its time was over; returns the made-up one.
pub fn reset(folder: &Path, name: &str, typed: Option<&str>) -> Result<Option<Secret>, CommandError> {
    let (hash, made_up) = password_of(typed)?;
    Shared::open(folder)?.write(|connection| {
        let old = crate::db::users::find(connection, name)?;
        let old = old.ok_or_else(|| CommandError::NoUser(name.to_owned()))?;
        // An end that lies ahead is the admin's wish and
        // stays; one that is over would keep the user out.
        let expires_at = old.spec.expires_at.filter(|at| *at > Timestamp::now());
        let spec = UserSpec { disabled: false, expires_at, ..old.spec.clone() };
        users::update(connection, &Actor::Command.to_string(), "user.reset", &old, &spec, Some(&hash))?;
        Ok::<_, CommandError>(())
    })?;
    Ok(made_up)
}

/// All users of the database in this folder.
pub fn list(folder: &Path) -> Result<Vec<User>, CommandError> {
    let all = Shared::open(folder)?.write(crate::db::users::all);
    Ok(all?)
}

fn password_of(typed: Option<&str>) -> Result<(String, Option<Secret>), CommandError> {
    let Some(typed) = typed else {
        // Shown once, on the terminal: an argument would stand in the shell's history.
        let made_up = Secret::short();
        return Ok((password::hash_now(made_up.reveal()), Some(made_up)));
    };
    match password::fault(typed) {
        Some(fault) => Err(Refusal::field("password", fault).into()),
        None => Ok((password::hash_now(typed), None)),
    }
}

//! The schema, and how a database of an older one becomes one of the newest.
//!
//! The version of a file is its `user_version`: the number of migrations that it has had. All that
//! are missing are one transaction, and a copy of the file is made before. So a file is never half
//! upgraded, and one whose upgrade fails is as it was, byte for byte.

use std::path::Path;

use forebay_core::lineup::names::fold;
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use tracing::info;

use super::copy;
use super::error::OpenError;

/// Marks a SQLite file as ours: "FRBY" as a number, in the header of the file.
const APPLICATION_ID: i32 = 0x4652_4259;

/// One step from a version to the next.
#[derive(Debug, Clone, Copy)]
pub(super) struct Migration(pub(super) &'static str);

/// All steps; the first one leads to version 1. A step that was released never changes.
pub(super) const MIGRATIONS: &[Migration] = &[
    Migration(include_str!("schema/0001-relays.sql")),
    Migration(include_str!("schema/0002-people.sql")),
    Migration(include_str!("schema/0003-films.sql")),
    Migration(include_str!("schema/0004-lineup.sql")),
    Migration(include_str!("schema/0005-listed-relays.sql")),
    Migration(include_str!("schema/0006-jobs.sql")),
    Migration(include_str!("schema/0007-reach.sql")),
    Migration(include_str!("schema/0008-places-and-identities.sql")),
    Migration(include_str!("schema/0009-downloads.sql")),
    Migration(include_str!("schema/0010-tuners.sql")),
    Migration(include_str!("schema/0011-relays-with-archives.sql")),
    Migration(include_str!("schema/0012-shifted-guides.sql")),
    Migration(include_str!("schema/0013-archives-of-providers.sql")),
];

/// Brings a database to the newest version; refuses one that is newer, or not ours.
pub(super) fn migrate(
    connection: &Connection,
    file: &Path,
    migrations: &[Migration],
) -> Result<(), OpenError> {
    let known = number(migrations.len());
    let found = version(connection, file)?;
    if found > known {
        return Err(OpenError::Newer { path: file.to_owned(), found, known });
    }
    // No copy, and no write to the disk, at every usual start.
    if found == known {
        return Ok(());
    }
    if found > 0 {
        let copy = file.with_file_name(format!("forebay-schema-{found}.db"));
        copy::copy(connection, &copy).map_err(|error| OpenError::NoCopy {
            path: file.to_owned(),
            copy: copy.clone(),
            reason: error.to_string(),
        })?;
        info!(from = found, to = known, copy = %copy.display(), "upgrading the database");
    }
    upgrade(connection, file, migrations)
}

/// Takes all steps that a database lacks, or none.
pub(super) fn upgrade(
    connection: &Connection,
    file: &Path,
    migrations: &[Migration],
) -> Result<(), OpenError> {
    let known = number(migrations.len());
    let of = |error: rusqlite::Error| OpenError::of(file, &error);
    let found = version(connection, file)?;
    add_functions(connection).map_err(of)?;
    let transaction = connection.unchecked_transaction().map_err(of)?;
    for (Migration(step), to) in migrations.iter().zip(1..).skip(found.unsigned_abs() as usize) {
        transaction.execute_batch(step).map_err(|error| match of(error) {
            // Not the step is to blame, but the disk.
            error @ OpenError::Unwritable { .. } => error,
            error => OpenError::Upgrade { path: file.to_owned(), from: found, to, reason: error.reason() },
        })?;
    }
    transaction.pragma_update(None, "application_id", APPLICATION_ID).map_err(of)?;
    // In the same transaction as the steps, so the number and the schema never differ.
    transaction.pragma_update(None, "user_version", known).map_err(of)?;
    transaction.commit().map_err(of)
}

/// What a step may call besides what SQLite has.
fn add_functions(connection: &Connection) -> rusqlite::Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    connection.create_scalar_function("fold", 1, flags, |call| Ok(fold(call.get_raw(0).as_str()?)))
}

/// The version of a database; 0 of one that is empty.
pub(super) fn version(connection: &Connection, file: &Path) -> Result<i32, OpenError> {
    let of = |error: rusqlite::Error| OpenError::of(file, &error);
    let value = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0)).map_err(of);
    if value("application_id")? == APPLICATION_ID {
        return value("user_version");
    }
    let tables: i64 =
        connection.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0)).map_err(of)?;
    // Empty, so nobody's yet; with tables and without our mark it belongs to another program.
    if tables == 0 { Ok(0) } else { Err(OpenError::Foreign { path: file.to_owned() }) }
}

/// How many migrations that is.
pub(super) fn number(migrations: usize) -> i32 {
    i32::try_from(migrations).expect("a handful")
}

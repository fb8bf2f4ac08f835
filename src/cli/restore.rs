//! `forebay restore`: a backup becomes what the server works with.

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;

use super::backup::tell;
use crate::config::{Config, Environment};
use crate::db::backup;

/// Restores the database that this configuration names, and the configuration itself where there is
/// none; fails with 1.
pub fn restore(config: &Path, from: &Path) -> ExitCode {
    tell(put(config, from))
}

fn put(path: &Path, from: &Path) -> anyhow::Result<String> {
    let mut told = String::new();
    // It says where the database belongs.
    if !path.try_exists()?
        && let Some(text) = backup::configuration(from)?
    {
        backup::write_new(path, &text)?;
        writeln!(told, "{}: restored", path.display())?;
    }
    let config = Config::load_with(path, Environment::of_process())?;
    let backup::Restored { database, kept } = backup::restore(from, &config.data.path)?;
    write!(told, "{}: restored", database.display())?;
    if let Some(kept) = kept {
        write!(told, "; what was there is {}", kept.display())?;
    }
    Ok(told)
}

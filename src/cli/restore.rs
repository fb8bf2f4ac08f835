//! `forebay restore`: a backup becomes what the server works with.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;

use super::backup::tell;
use crate::backups::{self, Backup};
use crate::config::{Config, Environment};
use crate::db::backup;

/// Restores the database that this configuration names, and the configuration itself where there is
/// none; fails with 1.
pub fn restore(config: &Path, from: Option<&Path>) -> ExitCode {
    tell(match from {
        Some(from) => put(config, from),
        None => list(config),
    })
}

/// The backups in the folder of them.
fn list(path: &Path) -> anyhow::Result<String> {
    let config = Config::load_with(path, Environment::of_process())?;
    let folder = &config.backups.folder;
    let all = backups::list(folder);
    if all.is_empty() {
        return Ok(format!("{}: no backups", folder.display()));
    }
    let mut told = format!("{}:", folder.display());
    for Backup { name, made_at, size } in all {
        let made_at = made_at.strftime("%Y-%m-%d %H:%M:%S UTC");
        write!(told, "\n  {name}  {made_at}  {} kB", size.div_ceil(1000))?;
    }
    Ok(told)
}

/// The backup that is meant: a file, or one in the folder of backups by name or as the latest.
fn find(path: &Path, from: &Path) -> anyhow::Result<PathBuf> {
    if from.exists() {
        return Ok(from.to_owned());
    }
    let Ok(config) = Config::load_with(path, Environment::of_process()) else { return Ok(from.to_owned()) };
    let folder = &config.backups.folder;
    if from == Path::new("latest") {
        let latest = backups::list(folder).into_iter().next();
        let latest = latest.with_context(|| format!("there are no backups in {}", folder.display()))?;
        return Ok(folder.join(latest.name));
    }
    let named = from.to_str().and_then(|name| backups::file(folder, name));
    Ok(named.unwrap_or_else(|| from.to_owned()))
}

fn put(path: &Path, from: &Path) -> anyhow::Result<String> {
    let mut told = String::new();
    let from = &*find(path, from)?;
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

//! `forebay backup`: everything in one file.

use std::io::{self, Write as _};
use std::path::Path;
use std::process::ExitCode;

use crate::backups;
use crate::config::{Config, Environment};
use crate::db::backup;

/// Copies the database that this configuration names, and the configuration, to a file or into the
/// folder of backups; fails with 1.
pub fn backup(config: &Path, to: Option<&Path>) -> ExitCode {
    tell(make(config, to))
}

fn make(path: &Path, to: Option<&Path>) -> anyhow::Result<String> {
    let config = Config::load_with(path, Environment::of_process())?;
    let Some(to) = to else {
        let folder = &config.backups.folder;
        let made = backups::make(&config.data.path, path, folder, config.backups.keep)?;
        return Ok(format!("{}: ok", folder.join(made.name).display()));
    };
    backup::backup(&config.data.path, path, to)?;
    Ok(format!("{}: ok", to.display()))
}

/// Prints how a command went, and is its exit code.
pub(super) fn tell(result: anyhow::Result<String>) -> ExitCode {
    // Whoever closed the pipe does not want to read it; the exit code still tells.
    match result {
        Ok(text) => {
            let _ = writeln!(io::stdout(), "{text}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            let _ = writeln!(io::stderr(), "forebay: {error:#}");
            ExitCode::FAILURE
        }
    }
}

//! `forebay migrate`: moves in from another program.
//!
//! A file for each program reads what it has into a [`Plan`]; what is done with a plan is the same
//! for all. Channels that were edited there become a playlist with exactly those numbers, names,
//! groups and guide ids; lists and accounts become playlists that are read again.

mod dispatcharr;
mod plan;
mod tuliprox;
mod xepg;

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context as _;
use clap::ValueEnum as _;
use forebay_core::tuners::DeviceId;
use serde_json::{Map, Value};

use self::plan::{Person, Plan, Playlist};
use super::args::{Args, Import, MigrateFrom, Program};
use super::backup::tell;
use super::import;
use crate::accounts::commands::{self, CommandError};
use crate::accounts::secret::Secret;
use crate::config::{Config, Environment};
use crate::db::{Shared, backup, tuners};

/// Says what would come over, or has it come; fails with 1.
pub fn migrate(args: &Args, from: &MigrateFrom) -> ExitCode {
    tell(run(args, from))
}

fn run(args: &Args, from: &MigrateFrom) -> anyhow::Result<String> {
    let mut plan = read(from)?;
    if let Some(id) = &from.device_id {
        plan.device = Some(DeviceId::parse(id).with_context(|| format!("\"{id}\" is no id of a tuner"))?);
    }
    let mut text = plan.describe();
    if !from.apply {
        text.push_str("Nothing was changed. --apply does it.");
        return Ok(text);
    }
    apply(args, from, &plan, &mut text)?;
    Ok(text.trim_end().to_owned())
}

fn read(from: &MigrateFrom) -> anyhow::Result<Plan> {
    let place = Path::new(&from.place);
    match from.program {
        Program::Threadfin | Program::Xteve => xepg::read(place),
        Program::Tuliprox => tuliprox::read(place),
        Program::Dispatcharr => {
            let key = from.api_key_file.as_ref().context("--api-key-file is missing: a key of an admin")?;
            let key =
                std::fs::read_to_string(key).with_context(|| format!("cannot read {}", key.display()))?;
            let key = Secret::from(key.trim().to_owned());
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(dispatcharr::read(&from.place, &key))
        }
        Program::M3u | Program::Xtream => {
            let is_panel = from.program == Program::Xtream;
            let name = from.name.clone().unwrap_or_else(|| label(from.program));
            let place = Secret::from(from.place.clone());
            Ok(Plan { playlists: vec![Playlist { name, place, is_panel }], ..Plan::default() })
        }
    }
}

fn label(program: Program) -> String {
    program.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

fn apply(args: &Args, from: &MigrateFrom, plan: &Plan, text: &mut String) -> anyhow::Result<()> {
    let config = Config::load_with(&args.config, Environment::of_process())?;
    let data = &config.data.path;
    text.push_str("Done:\n");
    if !plan.channels.is_empty() {
        let list = ListFile::write(&plan.list()?)?;
        let settings = Map::from_iter([("alternates".to_owned(), Value::Bool(true))]);
        let name = from.name.clone().unwrap_or_else(|| label(from.program));
        let source = list.0.to_str().context("the folder of temporary files has a name that is no text")?;
        let import = Import { source: source.to_owned(), name: Some(name), settings };
        let _ = writeln!(text, "  {}", import::run(args, &import)?);
    }
    for Playlist { name, place, is_panel } in &plan.playlists {
        let mut settings = Map::new();
        if *is_panel {
            settings.insert("kind".to_owned(), "xtream".into());
        }
        let import = Import { source: place.reveal().to_owned(), name: Some(name.clone()), settings };
        // One provider that does not answer keeps nobody else out.
        match import::run(args, &import) {
            Ok(told) => writeln!(text, "  {told}")?,
            Err(error) => writeln!(text, "  {name}: {error:#}; it is tried again from time to time")?,
        }
    }
    for Person { spec, password } in &plan.users {
        let name = &spec.name;
        let added = match commands::add_spec(data, spec, password.as_ref().map(Secret::reveal)) {
            // Passwords here are longer than some elsewhere.
            Err(CommandError::Refused(refusal)) if password.is_some() => {
                writeln!(text, "  user {name}: its password is not taken ({refusal})")?;
                commands::add_spec(data, spec, None)
            }
            added => added,
        };
        match added {
            Ok(None) => writeln!(text, "  user {name}: added")?,
            Ok(Some(made_up)) => writeln!(text, "  user {name}: added, password {}", made_up.reveal())?,
            Err(error) => writeln!(text, "  user {name}: not added: {error}")?,
        }
    }
    if from.keep_device {
        let device = plan.device.as_ref();
        let device = device.context("the program does not tell the id of its tuner: give --device-id")?;
        Shared::open(data)?.write(|connection| tuners::rename_device(connection, 1, device))?;
        let _ = writeln!(text, "  the first tuner is {device}");
    }
    Ok(())
}

/// A list on the disk, which only its owner can read; dropped, it is removed.
struct ListFile(PathBuf);

impl ListFile {
    fn write(list: &str) -> anyhow::Result<Self> {
        let path = std::env::temp_dir().join(format!("forebay-migration-{}.m3u", std::process::id()));
        backup::write_new(&path, list.as_bytes())?;
        Ok(Self(path))
    }
}

impl Drop for ListFile {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

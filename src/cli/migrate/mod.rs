//! `forebay migrate`: moves in from another program.
//!
//! A file for each program reads what it has into a plan; what is done with a plan is the same
//! for all. Channels that were edited there become a playlist with exactly those numbers, names,
//! groups and guide ids; lists and accounts become playlists that are read again. Everything is
//! read before anything is changed.

mod apply;
mod dispatcharr;
mod files;
mod list;
mod plan;
mod tuliprox;
mod xepg;

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context as _, ensure};
use clap::ValueEnum as _;
use forebay_core::tuners::DeviceId;
use serde_json::Map;

use self::plan::Plan;
use super::args::{Args, Import, MigrateFrom, Program};
use super::backup::tell;
use crate::accounts::secret::Secret;

/// Says what would come over, or has it come; fails with 1.
pub fn migrate(args: &Args, from: &MigrateFrom) -> ExitCode {
    tell(run(args, from))
}

fn run(args: &Args, from: &MigrateFrom) -> anyhow::Result<String> {
    let mut plan = read(from)?;
    ensure!(!plan.is_empty(), "there is nothing that could come over");
    if let Some(id) = &from.device_id {
        let device = DeviceId::of_another_program(id);
        plan.device = Some(device.with_context(|| format!("\"{id}\" is no id of a tuner"))?);
    }
    let knows_device = plan.device.is_some() || !from.keep_device;
    ensure!(knows_device, "the program does not tell the id of its tuner: give --device-id");
    plan.compare();
    let mut text = plan.describe();
    if !from.apply {
        text.push_str("Nothing was changed. --apply does it.");
        return Ok(text);
    }
    let name = from.name.clone().unwrap_or_else(|| label(from.program));
    apply::apply(args, &name, &plan, from.keep_device, &mut text)?;
    Ok(text.trim_end().to_owned())
}

fn read(from: &MigrateFrom) -> anyhow::Result<Plan> {
    let place = Path::new(&from.place);
    let import = || Import { source: from.place.clone(), name: from.name.clone(), settings: Map::new() };
    match from.program {
        Program::Threadfin | Program::Xteve => xepg::read(place),
        Program::Tuliprox => tuliprox::read(place),
        Program::Dispatcharr => {
            let key = from.api_key_file.as_ref().context("--api-key-file is missing: a key of an admin")?;
            let key = Secret::from(files::secret(key)?);
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
            runtime.block_on(dispatcharr::read(&from.place, &key))
        }
        Program::M3u => list::list(&import()),
        Program::Xtream => list::account(&import()),
    }
}

/// What a program is called on the command line.
fn label(program: Program) -> String {
    program.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}

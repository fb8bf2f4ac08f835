//! A plan is carried out.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use forebay_core::lineup::number::ChannelNumber;
use serde_json::{Map, Value};

use super::plan::{Person, Plan, Playlist};
use crate::accounts::commands::{self, CommandError};
use crate::accounts::secret::Secret;
use crate::cli::args::{Args, Import};
use crate::cli::import;
use crate::config::{Config, Environment};
use crate::db::lineup::{self, PlaylistId};
use crate::db::{Error, Shared, backup, tuners};

/// Channels with another number that are told one by one.
const TOLD: usize = 20;

/// Has everything come over, and says what became of it. `name` is that of the playlist of the
/// channels.
pub(super) fn apply(
    args: &Args,
    name: &str,
    plan: &Plan,
    keep_device: bool,
    text: &mut String,
) -> anyhow::Result<()> {
    let config = Config::load_with(&args.config, Environment::of_process())?;
    let data = &config.data.path;
    let known = known_playlists(data)?;
    for (name, place) in
        plan.playlists.iter().map(|it| (it.name.as_str(), it.place.reveal())).chain(own(plan, name))
    {
        if known.get(name).is_some_and(|known| known.as_deref().is_some_and(|known| known != place)) {
            bail!("there is another playlist \"{name}\", which stays as it is: rename one of them");
        }
    }
    text.push_str("Done:\n");
    let mut names = Vec::new();
    if !plan.channels.is_empty() {
        let told = channels(args, name, plan)?;
        let _ = writeln!(text, "  {told}");
        names.push(name);
    }
    for Playlist { name, place, settings, .. } in &plan.playlists {
        let import = Import {
            source: place.reveal().to_owned(),
            name: Some(name.clone()),
            settings: settings.clone(),
        };
        // One provider that does not answer keeps nobody else out.
        match import::run(args, &import) {
            Ok(told) => writeln!(text, "  {told}")?,
            Err(error) if import.url().is_some() => {
                writeln!(text, "  {name}: {error:#}; it is tried again from time to time")?;
            }
            Err(error) => return Err(error),
        }
        names.push(name);
    }
    for line in renumbered(data, &names)? {
        let _ = writeln!(text, "  {line}");
    }
    users(data, &plan.users, text)?;
    if keep_device {
        let device = plan.device.as_ref().expect("it was looked for before anything was done");
        Shared::open(data)?.write(|connection| tuners::rename_device(connection, 1, device))?;
        let _ = writeln!(text, "  the first tuner is {device}");
    }
    Ok(())
}

/// The playlist of the channels, which is at no address.
fn own<'a>(plan: &Plan, name: &'a str) -> Option<(&'a str, &'static str)> {
    (!plan.channels.is_empty()).then_some((name, ""))
}

/// The addresses of the playlists that there are, by their names.
fn known_playlists(data: &Path) -> anyhow::Result<HashMap<String, Option<String>>> {
    let all = Shared::open(data)?.write(lineup::all_playlists)?;
    let url = |it: &lineup::Playlist| it.document.spec().url.as_ref().map(|url| url.0.clone());
    Ok(all.iter().map(|playlist| (playlist.name().to_owned(), url(playlist))).collect())
}

fn channels(args: &Args, name: &str, plan: &Plan) -> anyhow::Result<String> {
    let list = ListFile::write(&plan.list()?)?;
    let mut settings = Map::from_iter([("alternates".to_owned(), Value::Bool(true))]);
    if let Some(agent) = &plan.user_agent {
        settings.insert("user_agent".to_owned(), agent.clone().into());
    }
    let source = list.0.to_str().context("the folder of temporary files has a name that is no text")?;
    import::run(args, &Import { source: source.to_owned(), name: Some(name.to_owned()), settings })
}

/// Channels that have another number here than in their list, since another channel has it.
fn renumbered(data: &Path, names: &[&str]) -> anyhow::Result<Vec<String>> {
    let mut lines = Vec::new();
    Shared::open(data)?.write(|connection| {
        let numbers: HashMap<_, _> =
            lineup::number_rows(connection)?.into_iter().map(|row| (row.id, row)).collect();
        let leaders: HashMap<_, _> =
            lineup::merge_rows(connection)?.into_iter().map(|row| (row.id, row)).collect();
        let playlist_of = |id| leaders.get(&id).map(|row| row.playlist);
        let ours = lineup::all_playlists(connection)?;
        let ours = ours.iter().filter(|it| names.contains(&it.name())).map(|it| it.id);
        let ours: Vec<PlaylistId> = ours.collect();
        for &playlist in &ours {
            lineup::for_each_entry(connection, playlist, |id, entry, absent_since| {
                let wanted = entry.number().and_then(|number| number.parse::<ChannelNumber>().ok());
                let (Some(wanted), Some(row), None) = (wanted, numbers.get(&id), absent_since) else {
                    return Ok(());
                };
                let leader = leaders.get(&id).and_then(|row| row.merged.leader);
                let name = entry.name();
                match (leader, row.number) {
                    // Behind a channel that came over, too, it is a further source of that.
                    (Some(leader), _) if !playlist_of(leader).is_some_and(|it| ours.contains(&it)) => lines.push(format!(
                        "channel {name}: {wanted} no more, since it is a source of a channel that was there"
                    )),
                    (None, Some(number)) if number != wanted => {
                        lines.push(format!("channel {name}: {number} and not {wanted}, which is taken"));
                    }
                    _ => {}
                }
                Ok::<_, Error>(())
            })?;
        }
        Ok::<_, Error>(())
    })?;
    if lines.len() > TOLD {
        let more = lines.len() - TOLD;
        lines.truncate(TOLD);
        lines.push(format!("… and {more} more with another number"));
    }
    Ok(lines)
}

fn users(data: &Path, all: &[Person], text: &mut String) -> anyhow::Result<()> {
    let known = if all.is_empty() { Vec::new() } else { commands::list(data)? };
    for Person { spec, password } in all {
        let name = &spec.name;
        if known.iter().any(|user| user.spec.name.eq_ignore_ascii_case(name)) {
            let _ = writeln!(text, "  user {name}: is there already, and stays as it is");
            continue;
        }
        let added = match commands::add_spec(data, spec, password.as_ref().map(Secret::reveal)) {
            // Passwords here are longer than some elsewhere.
            Err(CommandError::Refused(refusal)) if password.is_some() => {
                let error = CommandError::Refused(refusal);
                let _ = writeln!(text, "  user {name}: not with its own password ({error})");
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

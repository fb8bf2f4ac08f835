//! `forebay import`: a list of channels, into the Forebay that runs or into its database.

mod local;
mod remote;
mod terminal;

use std::fmt::Write as _;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use serde_json::{Map, Value};
use url::Url;

use self::local::Local;
use self::remote::Remote;
use super::args::{Args, Import};
use super::backup::tell;
use crate::config::{Config, Environment};
use crate::db::lineup::PlaylistId;
use crate::db::{Database, OpenError};
use crate::lineup::{Refreshed, Summary};

/// How often a terminal is told how far it is, and a Forebay is asked.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// Imports a list; fails with 1.
pub fn import(args: &Args, list: &Import) -> ExitCode {
    tell(run(args, list))
}

pub(super) fn run(args: &Args, list: &Import) -> anyhow::Result<String> {
    let mut config = Config::load_with(&args.config, Environment::of_process())?;
    args.apply(&mut config);
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        match Database::open(&config.data.path) {
            Ok(database) => Box::pin(Local::new(database, config).import(list)).await,
            Err(OpenError::InUse { .. }) => Remote::new(&config)?.import(list).await,
            Err(error) => Err(error.into()),
        }
    });
    runtime.shutdown_background();
    result
}

impl Import {
    /// The name of the playlist: as given, else that of the file or of the server.
    pub(super) fn name(&self) -> String {
        let of_source = || {
            if let Some(url) = self.url() {
                return url.host_str().unwrap_or("import").to_owned();
            }
            Path::new(&self.source).file_stem().unwrap_or_default().to_string_lossy().into_owned()
        };
        self.name.clone().unwrap_or_else(of_source)
    }

    pub(super) fn url(&self) -> Option<Url> {
        Url::parse(&self.source).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
    }

    /// The address, where the playlist of that name has another one. Who has not named the playlist
    /// may mean another one at the same server.
    fn url_beside(&self, known: Option<&Value>) -> Result<Option<&str>, String> {
        let is_new = self.url().is_some() && known.and_then(Value::as_str) != Some(&self.source);
        if is_new && self.name.is_none() {
            let name = self.name();
            return Err(format!(
                "the playlist \"{name}\" is at another address: say by --name which one is meant"
            ));
        }
        Ok(is_new.then_some(&self.source))
    }

    fn fields(&self) -> Map<String, Value> {
        let mut fields = Map::from_iter([("name".to_owned(), self.name().into())]);
        if self.url().is_some() {
            fields.insert("url".to_owned(), self.source.clone().into());
        }
        fields.extend(self.settings.clone());
        fields
    }
}

fn told(name: &str, PlaylistId(id): PlaylistId, refreshed: Refreshed) -> String {
    let playlist = format!("{name} (playlist {id})");
    match refreshed {
        Refreshed::Unchanged => format!("{playlist}: unchanged"),
        Refreshed::Applied(summary) => format!("{playlist}: {}", summary_text(&summary)),
    }
}

fn summary_text(summary: &Summary) -> String {
    let Summary { contents, added, changed, absent, unplayable, .. } = summary;
    let mut text = format!("{} channels: {added} new, {changed} changed, {absent} missing", contents.live);
    let left_out = contents.movies + contents.episodes;
    if left_out > 0 {
        let _ = write!(text, "; {left_out} films and episodes left out");
    }
    if *unplayable > 0 {
        let _ = write!(text, "; {unplayable} that cannot be played: GET /api/lineup/channels says why");
    }
    text
}

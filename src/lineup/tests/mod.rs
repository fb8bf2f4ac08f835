//! Whole readings of lists, in a real database.

mod edits;
mod hostile;
mod lasting;
mod merges;
mod reach;
mod refreshes;

use std::fmt::Write as _;
use std::path::Path;
use std::sync::Mutex as StdMutex;

use bytes::Bytes;
use forebay_core::lineup::edits::Edit;
use forebay_core::lineup::identity::SourceId;
use forebay_relay::input::Error as InputError;
use futures_util::stream;
use serde_json::Value;
use tempfile::TempDir;

use super::*;
use crate::db::lineup::{Detail, Row};

/// A database with playlists that are uploaded.
struct House {
    lineup: Lineup,
    database: Database,
    /// Changes that were put into force, one transaction after the other.
    changed: Arc<StdMutex<Vec<Changed>>>,
    events: Bus,
    folder: TempDir,
}

impl House {
    fn new() -> Self {
        Self::configured("")
    }

    fn configured(text: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let database = Database::open(folder.path()).unwrap();
        let config = Config::parse(text, Path::new("channels.toml")).unwrap();
        let changed: Arc<StdMutex<Vec<Changed>>> = Arc::default();
        let into = Arc::clone(&changed);
        let put: PutInForce = Arc::new(move |_, changed| into.lock().unwrap().push(changed.clone()));
        let config = InForce::new(Arc::new(config));
        let events = Bus::new();
        let lineup = Lineup::new(database.clone(), config, put, events.clone(), folder.path());
        Self { lineup, database, changed, events, folder }
    }

    async fn add(&self, settings: Value) -> PlaylistId {
        let Value::Object(fields) = settings else { panic!("an object") };
        self.lineup.create(Document::new(fields).unwrap(), &Actor::Console).await.unwrap().playlist.id
    }

    async fn take(&self, id: PlaylistId, list: &str) -> Result<Refreshed, Refusal> {
        let pieces: Vec<Result<Bytes, InputError>> = vec![Ok(Bytes::copy_from_slice(list.as_bytes()))];
        self.lineup.upload(id, stream::iter(pieces), &Actor::Console).await
    }

    async fn applied(&self, id: PlaylistId, list: &str) -> Summary {
        match self.take(id, list).await {
            Ok(Refreshed::Applied(summary)) => *summary,
            other => panic!("{other:?}"),
        }
    }

    async fn held(&self, id: PlaylistId, list: &str) -> (String, bool) {
        let refusal = self.take(id, list).await.unwrap_err();
        assert!(matches!(refusal, Refusal::Held(_)), "{refusal}");
        let held = self.lineup.get(id).await.unwrap().held.unwrap();
        (reason_of(&held).0, held.is_acceptable)
    }

    /// What lists show.
    async fn rows(&self) -> Vec<Row> {
        self.database.read(|connection| lineup::list(connection, None, 1_000_000)).await.unwrap()
    }

    /// All channels, whatever they are.
    async fn all(&self) -> Vec<Detail> {
        let page = self.lineup.channels(None, String::new(), None, 1_000_000).await.unwrap();
        page.channels.into_iter().map(|view| view.detail).collect()
    }

    async fn by_name(&self, name: &str) -> SourceId {
        self.all().await.into_iter().find(|it| it.row.name == name).expect("it is there").row.id
    }

    async fn edit(&self, channel: SourceId, edit: Edit) -> lineup::BatchId {
        self.lineup.edit(vec![ChannelEdit { channel, edit }], &Actor::Console).await.unwrap()
    }

    fn last_changed(&self) -> Changed {
        let mut changed = self.changed.lock().unwrap().last().cloned().unwrap_or_default();
        for paths in [&mut changed.added, &mut changed.changed, &mut changed.removed] {
            paths.sort();
        }
        changed
    }

    /// Rows that were written since the database was opened.
    async fn written_rows(&self) -> u64 {
        self.database.write(|connection| Ok::<_, Error>(connection.total_changes())).await.unwrap()
    }
}

/// An entry of a list without a panel's address.
fn entry(name: &str, id: &str, group: &str, url: &str) -> String {
    format!("#EXTINF:-1 tvg-id=\"{id}\" group-title=\"{group}\",{name}\n{url}\n")
}

/// A list of a panel's streams: their numbers, named by them, in ten groups.
fn panel(numbers: impl IntoIterator<Item = u32>, host: &str, user: &str) -> String {
    let mut list = "#EXTM3U\n".to_owned();
    for number in numbers {
        let group = number % 10;
        writeln!(
            list,
            "#EXTINF:-1 tvg-id=\"c{number}.uk\" tvg-chno=\"{chno}\" group-title=\"Group {group}\",Channel {number}\n\
             {host}/live/{user}/secret/{number}.ts",
            chno = number + 100,
        )
        .unwrap();
    }
    list
}

const HOST: &str = "http://one.example:8080";

//! Into a database that nobody uses.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use forebay_relay::events::Bus;
use forebay_relay::input::Error as InputError;
use forebay_relay::model::FieldError;
use futures_util::stream;
use serde_json::{Map, Value};
use tokio::time::{MissedTickBehavior, interval};

use super::terminal::Line;
use super::{TELL_EVERY, told};
use crate::accounts::Actor;
use crate::cli::args::Import;
use crate::config::{Config, InForce};
use crate::db::lineup::PlaylistId;
use crate::db::{Database, Document};
use crate::lineup::{FetchError, Lineup, Readings, Refusal, View};

/// A file is read in such pieces.
const PIECE: usize = 64 * 1024;

/// A database that nobody uses.
pub(super) struct Local {
    database: Database,
    lineup: Lineup,
}

impl Local {
    pub(super) fn new(database: Database, config: Config) -> Self {
        let data = config.data.path.clone();
        let config = InForce::new(Arc::new(config));
        // Nobody watches anything.
        let nowhere = Arc::new(|_: &Database, _: &_| {});
        let lineup = Lineup::new(database.clone(), config, nowhere, Bus::new(), &data);
        Self { database, lineup }
    }

    pub(super) async fn import(&self, args: &Import) -> anyhow::Result<String> {
        let result = Box::pin(self.take(args)).await;
        self.database.close().await;
        result.map_err(explained)
    }

    async fn take(&self, args: &Import) -> Result<String, Refusal> {
        let id = self.playlist(args).await?;
        let work = async {
            if args.url().is_some() {
                return self.lineup.refresh(id).await;
            }
            let body = pieces(PathBuf::from(&args.source)).await.map_err(|error| unreadable(&error))?;
            self.lineup.upload(id, body, &Actor::Command).await
        };
        let refreshed = Box::pin(watched(work, || self.lineup.readings(id))).await?;
        Ok(told(&args.name(), id, refreshed))
    }

    /// The playlist of this name, at this address.
    async fn playlist(&self, args: &Import) -> Result<PlaylistId, Refusal> {
        let name = args.name();
        let known = self.lineup.list().await?.into_iter().find(|view| view.playlist.name() == name);
        let Some(View { playlist, .. }) = known else {
            let document = Document::new(args.fields()).expect("a name and an address are fields of it");
            return Ok(self.lineup.create(document, &Actor::Command).await?.playlist.id);
        };
        let url = args.url_beside(playlist.document.fields().get("url")).map_err(Refusal::Taken)?;
        if let Some(url) = url {
            let change = Map::from_iter([("url".to_owned(), Value::from(url))]);
            let change = move |old: &Document<_>| old.merged(&change);
            self.lineup.change(playlist.id, change, &Actor::Command).await?;
        }
        Ok(playlist.id)
    }
}

/// The pieces of a file.
async fn pieces(
    path: PathBuf,
) -> io::Result<impl futures_util::Stream<Item = Result<Bytes, InputError>> + Unpin> {
    let file = tokio::fs::File::open(path).await?;
    let next = |mut file: tokio::fs::File| async move {
        use tokio::io::AsyncReadExt as _;
        let mut piece = vec![0; PIECE];
        let read = file.read(&mut piece).await;
        let length = read.map_err(|error| InputError::File(error.to_string()))?;
        piece.truncate(length);
        Ok((length > 0).then(|| (Bytes::from(piece), file)))
    };
    Ok(Box::pin(stream::try_unfold(file, next)))
}

fn unreadable(error: &io::Error) -> Refusal {
    let error = InputError::File(forebay_relay::error::reason(error));
    Refusal::Fetch(FetchError::Server(error))
}

/// The error with each field that is wrong.
fn explained(refusal: Refusal) -> anyhow::Error {
    match &refusal {
        Refusal::Fields(errors) => {
            let field = |error: &FieldError| format!("{}: {}", error.path, error.message);
            let fields: Vec<String> = errors.iter().map(field).collect();
            anyhow::anyhow!("{}", fields.join("; "))
        }
        _ => refusal.into(),
    }
}

/// Waits for `work`, and tells a terminal how far it is.
async fn watched<T>(work: impl Future<Output = T>, readings: impl Fn() -> Readings) -> T {
    let mut work = std::pin::pin!(work);
    let mut ticks = interval(TELL_EVERY);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let line = Line::new();
    loop {
        tokio::select! {
            done = &mut work => return done,
            _ = ticks.tick(), if line.is_terminal() => {
                if let Some(progress) = readings().running {
                    let [bytes, length] =
                        [&progress.bytes, &progress.length].map(|count| count.load(Ordering::Relaxed));
                    line.show(bytes, length);
                }
            }
        }
    }
}

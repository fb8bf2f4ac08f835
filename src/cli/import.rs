//! `forebay import`: a list of channels, into the Forebay that runs or into its database.

use std::fmt::Write as _;
use std::io::{self, IsTerminal as _, Write as _};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use forebay_relay::events::Bus;
use forebay_relay::input::Error as InputError;
use forebay_relay::model::FieldError;
use forebay_relay::net::{self, Connector, Route, SocketGuard};
use futures_util::{StreamExt as _, stream};
use http::{HeaderMap, HeaderValue, Method, header};
use serde_json::{Map, Value, json};
use tokio::time::{MissedTickBehavior, interval};
use url::Url;

use super::args::Import;
use super::backup::tell;
use crate::config::{Config, Environment, InForce};
use crate::db::lineup::PlaylistId;
use crate::db::{Database, Document, OpenError};
use crate::lineup::{Lineup, Readings, Refreshed, Refusal, Summary};

/// A file is sent in such pieces.
const PIECE: usize = 64 * 1024;

/// How often a terminal is told how far it is.
const TELL_EVERY: Duration = Duration::from_millis(250);

/// An answer of ours has some kilobytes; a list of all playlists may have more.
const MAX_ANSWER: usize = 16 << 20;

/// Imports a list; fails with 1.
pub fn import(config: &Path, args: &Import) -> ExitCode {
    tell(run(config, args))
}

fn run(path: &Path, args: &Import) -> anyhow::Result<String> {
    let config = Config::load_with(path, Environment::of_process())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let result = runtime.block_on(async {
        match Database::open(&config.data.path) {
            Ok(database) => Box::pin(Local::new(database, config).import(args)).await,
            Err(OpenError::InUse { .. }) => Remote::new(&config)?.import(args).await,
            Err(error) => Err(error.into()),
        }
    });
    runtime.shutdown_background();
    result
}

impl Import {
    /// The name of the playlist: as given, else that of the file or of the server.
    fn name(&self) -> String {
        let of_source = || {
            if let Some(url) = self.url() {
                return url.host_str().unwrap_or("import").to_owned();
            }
            Path::new(&self.source).file_stem().unwrap_or_default().to_string_lossy().into_owned()
        };
        self.name.clone().unwrap_or_else(of_source)
    }

    fn url(&self) -> Option<Url> {
        Url::parse(&self.source).ok().filter(|url| matches!(url.scheme(), "http" | "https"))
    }

    fn fields(&self) -> Map<String, Value> {
        let fields = match self.url() {
            Some(_) => json!({ "name": self.name(), "url": self.source }),
            None => json!({ "name": self.name() }),
        };
        let Value::Object(fields) = fields else { unreachable!("it is an object") };
        fields
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

/// A database that nobody uses.
struct Local {
    database: Database,
    lineup: Lineup,
}

impl Local {
    fn new(database: Database, config: Config) -> Self {
        let data = config.data.path.clone();
        let config = InForce::new(Arc::new(config));
        // Nobody watches anything.
        let nowhere = Arc::new(|_: &Database, _: &_| {});
        let lineup = Lineup::new(database.clone(), config, nowhere, Bus::new(), &data);
        Self { database, lineup }
    }

    async fn import(&self, args: &Import) -> anyhow::Result<String> {
        let name = args.name();
        let known = self.lineup.list().await?.into_iter().find(|view| view.playlist.name() == name);
        let id = if let Some(view) = known {
            view.playlist.id
        } else {
            let document = Document::new(args.fields()).expect("a name and an address are fields of it");
            self.lineup.create(document).await.map_err(explained)?.playlist.id
        };
        let work = async {
            if args.url().is_some() {
                return self.lineup.refresh(id).await;
            }
            let body = pieces(PathBuf::from(&args.source)).await;
            self.lineup.upload(id, body.map_err(InputErrorOf)?).await
        };
        let result = Box::pin(watched(work, || self.lineup.readings(id))).await;
        self.database.close().await;
        let refreshed = result.map_err(explained)?;
        Ok(told(&name, id, refreshed))
    }
}

/// A file that cannot be read, as a refusal.
struct InputErrorOf(io::Error);

impl From<InputErrorOf> for Refusal {
    fn from(InputErrorOf(error): InputErrorOf) -> Self {
        let error = InputError::File(forebay_relay::error::reason(&error));
        Self::Fetch(crate::lineup::FetchError::Server(error))
    }
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
    let is_terminal = io::stderr().is_terminal();
    loop {
        tokio::select! {
            done = &mut work => {
                if is_terminal {
                    let _ = write!(io::stderr(), "\r\x1b[K");
                }
                return done;
            }
            _ = ticks.tick(), if is_terminal => {
                if let Some(progress) = readings().running {
                    let _ = write!(io::stderr(), "\r\x1b[K{}", progress.bar());
                }
            }
        }
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
    let Summary { contents, added, changed, absent, .. } = summary;
    let mut text = format!("{} channels: {added} new, {changed} changed, {absent} missing", contents.live);
    let left_out = contents.movies + contents.episodes;
    if left_out > 0 {
        let _ = write!(text, "; {left_out} films and episodes left out");
    }
    text
}

/// The Forebay that runs.
struct Remote {
    base: Url,
    connector: Connector,
}

impl Remote {
    fn new(config: &Config) -> anyhow::Result<Self> {
        let address = match config.server.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            address => address,
        };
        let base = Url::parse(&format!("http://{}/", SocketAddr::new(address, config.server.listen.port())))?;
        Ok(Self { base, connector: Connector::new(net::trust::client_config(Vec::new())) })
    }

    async fn import(&self, args: &Import) -> anyhow::Result<String> {
        let name = args.name();
        let all = self.ask(Method::GET, "api/playlists", None).await?;
        let is_known = |playlist: &&Value| playlist["name"] == *name;
        let known = all["playlists"].as_array().and_then(|all| all.iter().find(is_known));
        let playlist = match known {
            Some(playlist) => playlist.clone(),
            None => self.ask(Method::POST, "api/playlists", Some(&Value::Object(args.fields()))).await?,
        };
        let id = playlist["id"].as_i64().context("the answer has no id")?;
        let summary = if args.url().is_some() {
            self.refresh(id, &playlist).await?
        } else {
            let unreadable = || format!("cannot read {}", args.source);
            let list = tokio::fs::read(&args.source).await.with_context(unreadable)?;
            let path = format!("api/playlists/{id}/list");
            let taken = self.send(Method::PUT, &path, list.into(), "application/octet-stream").await?;
            (taken["unchanged"] != true).then(|| taken["summary"].clone())
        };
        let refreshed = match summary {
            None => Refreshed::Unchanged,
            Some(summary) => Refreshed::Applied(serde_json::from_value(summary)?),
        };
        Ok(told(&name, PlaylistId(id), refreshed))
    }

    /// Has it read, and waits for that.
    async fn refresh(&self, id: i64, before: &Value) -> anyhow::Result<Option<Value>> {
        let path = format!("api/playlists/{id}");
        self.ask(Method::POST, &format!("{path}/refresh"), None).await?;
        let mut ticks = interval(TELL_EVERY);
        loop {
            ticks.tick().await;
            let now = self.ask(Method::GET, &path, None).await?;
            let state = &now["state"];
            let is_read = state["read_at"].is_string() && state["read_at"] != before["state"]["read_at"];
            if !is_read || !state["progress"].is_null() {
                continue;
            }
            return match state["error"].as_str() {
                Some(error) => bail!("{error}"),
                None if state["taken_at"] == before["state"]["taken_at"] => Ok(None),
                None => Ok(Some(state["summary"].clone())),
            };
        }
    }

    async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let body = body.map(|body| body.to_string().into()).unwrap_or_default();
        self.send(method, path, body, "application/json").await
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Bytes,
        kind: &'static str,
    ) -> anyhow::Result<Value> {
        let url = self.base.join(path)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(header::CONTENT_LENGTH, body.len().into());
        let request = net::request(method, &url, headers, body)?;
        let unreachable = || format!("a Forebay uses the database, and does not answer at {}", self.base);
        let connection = self
            .connector
            .connect(&url, Route::DIRECT, SocketGuard::default())
            .await
            .with_context(unreachable)?;
        let (head, mut body) = connection.send(request).await.with_context(unreachable)?.into_parts();
        let mut answer = Vec::new();
        while let Some(piece) = body.next().await {
            answer.extend_from_slice(&piece?);
            if answer.len() > MAX_ANSWER {
                bail!("the answer is too long");
            }
        }
        let answer: Value = serde_json::from_slice(&answer).unwrap_or_default();
        if head.status.is_success() {
            return Ok(answer);
        }
        let error = &answer["error"];
        let mut message = error["message"].as_str().unwrap_or("the request was refused").to_owned();
        for field in error["details"].as_array().into_iter().flatten() {
            let _ = write!(message, "; {}", field["message"].as_str().unwrap_or_default());
        }
        bail!("{message}")
    }
}

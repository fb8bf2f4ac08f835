//! Through the API of the Forebay that runs.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use forebay_relay::net::{self, Connector, Route, SocketGuard};
use http::{HeaderMap, HeaderValue, Method, header};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::time::{interval, sleep};
use url::Url;

use super::terminal::Line;
use super::{TELL_EVERY, told};
use crate::cli::args::Import;
use crate::config::Config;
use crate::db::lineup::PlaylistId;
use crate::exchange;
use crate::lineup::Refreshed;

/// An answer of ours has some kilobytes; a list of all playlists may have more.
const MAX_ANSWER: usize = 16 << 20;

/// The Forebay that runs.
pub(super) struct Remote {
    base: Url,
    connector: Connector,
    /// What only our own user can read: that this is a command of the operator.
    token: Option<HeaderValue>,
}

impl Remote {
    pub(super) fn new(config: &Config) -> anyhow::Result<Self> {
        let address = match config.server.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            address => address,
        };
        let base = Url::parse(&format!("http://{}/", SocketAddr::new(address, config.server.listen.port())))?;
        // Without it we are anybody on this machine.
        let token = std::fs::read_to_string(config.hls_dir.join("admin.token")).ok();
        let token = token.and_then(|token| HeaderValue::try_from(format!("Bearer {}", token.trim())).ok());
        Ok(Self { base, connector: Connector::new(net::trust::client_config(Vec::new())), token })
    }

    pub(super) async fn import(&self, args: &Import) -> anyhow::Result<String> {
        let asked = async {
            let name = args.name();
            let playlist = self.playlist(args).await?;
            let id = playlist["id"].as_i64().context("the answer has no id")?;
            let summary = if args.url().is_some() {
                self.refresh(id, &playlist).await?
            } else {
                self.upload(id, args).await?
            };
            let refreshed = match summary {
                None => Refreshed::Unchanged,
                Some(summary) => Refreshed::Applied(serde_json::from_value(summary)?),
            };
            Ok::<_, anyhow::Error>(told(&name, PlaylistId(id), refreshed))
        };
        asked.await.with_context(|| format!("by the Forebay at {}", self.base))
    }

    /// The playlist of this name, at this address.
    async fn playlist(&self, args: &Import) -> anyhow::Result<Value> {
        let name = args.name();
        let all = self.ask(Method::GET, "api/playlists", None).await?;
        let is_known = |playlist: &&Value| playlist["name"] == *name;
        let known = all["playlists"].as_array().and_then(|all| all.iter().find(is_known));
        let Some(playlist) = known else {
            return self.ask(Method::POST, "api/playlists", Some(&Value::Object(args.fields()))).await;
        };
        match args.url_beside(playlist.get("url")).map_err(anyhow::Error::msg)? {
            None => Ok(playlist.clone()),
            Some(url) => {
                let path = format!("api/playlists/{}", playlist["id"]);
                self.ask(Method::PATCH, &path, Some(&json!({ "url": url }))).await
            }
        }
    }

    async fn upload(&self, id: i64, args: &Import) -> anyhow::Result<Option<Value>> {
        let unreadable = || format!("cannot read {}", args.source);
        let list = tokio::fs::read(&args.source).await.with_context(unreadable)?;
        let path = format!("api/playlists/{id}/list");
        let sent = self.send(Method::PUT, &path, list.into(), "application/octet-stream");
        let taken = tokio::select! {
            taken = sent => taken?,
            () = self.watch(id) => unreachable!("nobody ends that"),
        };
        Ok((taken["unchanged"] != true).then(|| taken["summary"].clone()))
    }

    /// Has it read, and waits for that.
    async fn refresh(&self, id: i64, before: &Value) -> anyhow::Result<Option<Value>> {
        let path = format!("api/playlists/{id}");
        // Times are told to the second: the next reading is to have another one.
        if before["state"]["read_at"] == *Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string() {
            sleep(Duration::from_secs(1)).await;
        }
        self.ask(Method::POST, &format!("{path}/refresh"), None).await?;
        let (mut ticks, line) = (interval(TELL_EVERY), Line::new());
        loop {
            ticks.tick().await;
            let now = self.ask(Method::GET, &path, None).await?;
            let state = &now["state"];
            show(&line, state);
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

    /// Tells a terminal how far the reading of a playlist is, until somebody drops this.
    async fn watch(&self, id: i64) {
        let (mut ticks, line) = (interval(TELL_EVERY), Line::new());
        if !line.is_terminal() {
            return std::future::pending().await;
        }
        let path = format!("api/playlists/{id}");
        loop {
            ticks.tick().await;
            // What goes wrong is told by the request that is waited for.
            if let Ok(playlist) = self.ask(Method::GET, &path, None).await {
                show(&line, &playlist["state"]);
            }
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
        if let Some(token) = &self.token {
            headers.insert(header::AUTHORIZATION, token.clone());
            headers.insert("forebay-command", HeaderValue::from_static("import"));
        }
        let request = net::request(method, &url, headers, body)?;
        let unreachable = "it uses the database, and does not answer there: \
                           where it was started with --listen, give that here, too";
        let connection =
            self.connector.connect(&url, Route::DIRECT, SocketGuard::default()).await.context(unreachable)?;
        let (head, body) = connection.send(request).await.context(unreachable)?.into_parts();
        let answer = exchange::read(body, MAX_ANSWER).await?;
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

/// Shows what the state of a playlist says of its reading.
fn show(line: &Line, state: &Value) {
    let progress = &state["progress"];
    if let Some(bytes) = progress["bytes"].as_u64() {
        line.show(bytes, progress["length"].as_u64().unwrap_or_default());
    }
}

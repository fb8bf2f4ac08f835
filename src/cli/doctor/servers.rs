//! The servers that channels and playlists of the configuration come from: whether they answer, and
//! what time it is there.
//!
//! They are asked for their first page only, by a HEAD, so that no connection of an account is taken
//! and no password is sent.

use std::collections::BTreeSet;
use std::time::Duration;

use bytes::Bytes;
use forebay_relay::model::{ProxyChoice, SourceKind};
use futures_util::future::join_all;
use http::{HeaderMap, Method, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822;
use tokio::time::timeout;
use url::Url;

use super::Finding;
use super::rules;
use crate::config::Config;
use crate::exchange::Client;

/// How many are asked.
const MAX_SERVERS: usize = 64;

/// How long one may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// Asks all at once.
pub(super) fn ask(config: &Config) -> Vec<Finding> {
    let all = servers(config);
    let left_out = all.len().saturating_sub(MAX_SERVERS);
    let asked: Vec<Url> = all.into_iter().take(MAX_SERVERS).collect();
    let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
        return Vec::new();
    };
    let client = Client::new(Vec::new());
    let answers = runtime.block_on(join_all(asked.iter().map(|server| head(&client, server))));
    let mut found: Vec<Finding> =
        asked.iter().zip(&answers).map(|(url, answer)| server(url, answer)).collect();
    if left_out > 0 {
        found.push(Finding::good("servers", format!("{left_out} more were not asked")));
    }
    let differences: Vec<Duration> = answers.into_iter().filter_map(|answer| answer.ok().flatten()).collect();
    found.extend(rules::clock(&differences));
    found
}

/// Each server once, without credentials and path.
fn servers(config: &Config) -> BTreeSet<Url> {
    let channels = config.channels.iter().flat_map(|channel| &channel.sources);
    let direct = channels.filter(|source| !matches!(source.access.proxy, ProxyChoice::Proxy(_)));
    let sources = direct.filter(|source| matches!(source.url.kind(), SourceKind::Http));
    let sources = sources.map(|source| source.url.expose().clone());
    let lists = config.playlists.iter().filter(|playlist| playlist.proxy.is_none());
    let lists = lists.filter_map(|playlist| Url::parse(&playlist.url.as_ref()?.0).ok());
    let with_host = |url: &Url| matches!(url.scheme(), "http" | "https") && url.has_host();
    sources.chain(lists).filter(with_host).map(root).collect()
}

fn root(mut url: Url) -> Url {
    // Cannot fail: it has a host.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url.set_path("/");
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// How far its clock is from ours, where it tells the time; or why it does not answer.
async fn head(client: &Client, server: &Url) -> Result<Option<Duration>, String> {
    let asking = client.send(Method::HEAD, server, HeaderMap::new(), Bytes::new());
    let answer = match timeout(PATIENCE, asking).await {
        Ok(answer) => answer.map_err(|error| error.to_string())?,
        Err(_) => return Err(format!("no answer within {} s", PATIENCE.as_secs())),
    };
    let date = answer.headers().get(header::DATE).and_then(|date| date.to_str().ok());
    let date = date.and_then(|date| rfc2822::parse(date).ok());
    Ok(date.map(|date| date.timestamp().duration_since(Timestamp::now()).unsigned_abs()))
}

fn server(url: &Url, answer: &Result<Option<Duration>, String>) -> Finding {
    let (host, port) = (url.host_str().unwrap_or_default(), url.port_or_known_default().unwrap_or_default());
    let subject = format!("server {host}:{port}");
    match answer {
        Ok(_) => Finding::good(subject, "answers"),
        Err(reason) => {
            let advice = "its channels do not play now; `forebay probe URL` says more about one of them";
            Finding::warning(subject, reason.clone(), advice)
        }
    }
}

//! Dispatcharr: by its API, with a key of an admin.

use std::collections::HashMap;

use anyhow::{Context as _, bail};
use bytes::Bytes;
use forebay_core::tuners::DeviceId;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use super::plan::{Channel, Person, Plan};
use crate::accounts::secret::Secret;
use crate::db::users::{Role, UserSpec};
use crate::exchange::Client;

/// Pages of a list that are read at most.
const MAX_PAGES: usize = 10_000;

/// Entries of a page: an answer stays well under a megabyte.
const PAGE: &str = "100";

/// The lowest level of an admin there.
const ADMIN: i64 = 10;

/// Reads one that runs.
pub(super) async fn read(address: &str, key: &Secret) -> anyhow::Result<Plan> {
    let api = Api::new(address, key)?;
    let channels = api.list("api/channels/channels/", &[("include_streams", "true")]).await?;
    let groups = names(&api.list("api/channels/groups/", &[]).await?, "name");
    let logos = names(&api.list("api/channels/logos/", &[]).await?, "url");
    let mut plan = Plan { device: api.device().await, ..Plan::default() };
    take_channels(&channels, &groups, &logos, &mut plan);
    match api.list("api/accounts/users/", &[]).await {
        Ok(users) => take_users(&users, &mut plan),
        Err(error) => plan.differences.push(format!("no users: {error:#}")),
    }
    let accounts = api.list("api/m3u/accounts/", &[]).await.unwrap_or_default();
    plan.differ(
        accounts.iter().filter(|account| account["is_active"] != false).count(),
        "list",
        "its channels come over as they are now; to have it read again, give its address to `forebay import`",
    );
    Ok(plan)
}

struct Api {
    client: Client,
    base: Url,
    headers: HeaderMap,
}

impl Api {
    fn new(address: &str, key: &Secret) -> anyhow::Result<Self> {
        let mut base = Url::parse(address).context("the address of Dispatcharr is none")?;
        if !base.path().ends_with('/') {
            base.set_path(&format!("{}/", base.path()));
        }
        let mut key =
            HeaderValue::try_from(key.reveal()).context("the key has characters that no key has")?;
        key.set_sensitive(true);
        let headers = HeaderMap::from_iter([
            (http::HeaderName::from_static("x-api-key"), key),
            (header::ACCEPT, HeaderValue::from_static("application/json")),
        ]);
        Ok(Self { client: Client::new(Vec::new()), base, headers })
    }

    async fn get(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Value> {
        let mut url = self.base.join(path)?;
        if !query.is_empty() {
            url.query_pairs_mut().extend_pairs(query);
        }
        let answer = self.client.send(Method::GET, &url, self.headers.clone(), Bytes::new()).await;
        let answer = answer.with_context(|| format!("cannot read {path}"))?;
        match answer.status() {
            StatusCode::OK => {}
            StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
                bail!("{path}: the key is not one of an admin")
            }
            status => bail!("{path}: answered with {status}"),
        }
        serde_json::from_slice(answer.body()).with_context(|| format!("{path}: the answer is no JSON"))
    }

    /// All entries, which come page by page or at once.
    async fn list(&self, path: &str, query: &[(&str, &str)]) -> anyhow::Result<Vec<Value>> {
        let mut all = Vec::new();
        for page in 1..=MAX_PAGES {
            let page = page.to_string();
            let paged = [query, &[("page", &*page), ("page_size", PAGE)]].concat();
            match self.get(path, &paged).await? {
                Value::Array(entries) => return Ok(entries),
                mut answer => {
                    let Value::Array(entries) = answer["results"].take() else { bail!("{path}: no list") };
                    all.extend(entries);
                    if answer["next"].is_null() {
                        return Ok(all);
                    }
                }
            }
        }
        bail!("{path}: the list does not end")
    }

    async fn device(&self) -> Option<DeviceId> {
        let answer = self.get("hdhr/discover.json", &[]).await.ok()?;
        DeviceId::parse(answer["DeviceID"].as_str()?)
    }
}

fn names(all: &[Value], key: &str) -> HashMap<i64, String> {
    all.iter().filter_map(|one| Some((one["id"].as_i64()?, one[key].as_str()?.to_owned()))).collect()
}

fn take_channels(
    all: &[Value],
    groups: &HashMap<i64, String>,
    logos: &HashMap<i64, String>,
    plan: &mut Plan,
) {
    let (mut hidden, mut without) = (0, 0);
    let mut channels: Vec<(f64, Channel)> = Vec::new();
    for channel in all {
        // What somebody has edited there wins over what the provider says.
        let field = |name: &str| {
            let edited = &channel[format!("effective_{name}")];
            if edited.is_null() { &channel[name] } else { edited }
        };
        if channel["hidden_from_output"] == true {
            hidden += 1;
            continue;
        }
        let named = |names: &HashMap<i64, String>, field: &Value| {
            field.as_i64().and_then(|id| names.get(&id)).cloned().unwrap_or_default()
        };
        let text = |name: &str| field(name).as_str().unwrap_or_default().trim().to_owned();
        let streams = channel["streams"].as_array().into_iter().flatten();
        let sources: Vec<String> =
            streams.filter_map(|stream| stream["url"].as_str()).map(str::to_owned).collect();
        if sources.is_empty() {
            without += 1;
            continue;
        }
        let number = field("channel_number").as_f64();
        channels.push((
            number.unwrap_or(f64::INFINITY),
            Channel {
                // 5.0 is 5 there.
                number: number.map(|number| number.to_string()).unwrap_or_default(),
                name: text("name"),
                group: named(groups, field("channel_group_id")),
                logo: named(logos, field("logo_id")),
                guide_id: text("tvg_id"),
                sources,
            },
        ));
    }
    channels.sort_by(|one, other| one.0.total_cmp(&other.0));
    plan.channels.extend(channels.into_iter().map(|(_, channel)| channel));
    plan.differ(hidden, "channel", "hidden there, and left out");
    plan.differ(without, "channel", "has no stream, and is left out");
}

fn take_users(all: &[Value], plan: &mut Plan) {
    let (mut hashed, mut profiles) = (0, 0);
    for user in all {
        let Some(name) = user["username"].as_str() else { continue };
        let is_admin = user["user_level"].as_i64().is_some_and(|level| level >= ADMIN);
        let role = if is_admin { Role::Admin } else { Role::Viewer };
        let password = user["custom_properties"]["xc_password"].as_str().filter(|text| !text.is_empty());
        hashed += usize::from(password.is_none());
        profiles += usize::from(user["channel_profiles"].as_array().is_some_and(|all| !all.is_empty()));
        let most = user["stream_limit"].as_u64().filter(|most| *most > 0);
        let spec = UserSpec {
            name: name.to_owned(),
            role,
            max_streams: most.and_then(|most| u32::try_from(most).ok()),
            ..UserSpec::default()
        };
        plan.users.push(Person { spec, password: password.map(|text| Secret::from(text.to_owned())) });
    }
    plan.differ(hashed, "user", "its password is kept as a hash only: another one is made up");
    plan.differ(profiles, "user", "was bound to profiles of channels: set `groups` of the user instead");
}

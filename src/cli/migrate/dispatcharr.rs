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

/// Entries of a page.
const PAGE: &str = "100";

/// The longest answer, in bytes: some lists have no pages, and one of guides has some ten thousand
/// entries.
const MAX_ANSWER: usize = 128 << 20;

/// The lowest level of an admin there.
const ADMIN: i64 = 10;

/// Reads one that runs.
pub(super) async fn read(address: &str, key: &Secret) -> anyhow::Result<Plan> {
    let api = Api::new(address, key)?;
    // All before anything is made of it: half of a program is no program.
    let channels = api.list("api/channels/channels/", &[("include_streams", "true")]).await?;
    let names = Names {
        groups: texts(&api.list("api/channels/groups/", &[]).await?, "name"),
        logos: texts(&api.list("api/channels/logos/", &[]).await?, "url"),
        guide_ids: texts(&api.list("api/epg/epgdata/", &[]).await?, "tvg_id"),
    };
    let guides = api.list("api/epg/sources/", &[]).await?;
    let users = api.list("api/accounts/users/", &[]).await?;
    let accounts = api.list("api/m3u/accounts/", &[]).await?;
    let mut plan = Plan { device: api.device().await, ..Plan::default() };
    take_channels(&channels, &names, &mut plan);
    take_guides(&guides, &mut plan);
    take_users(&users, &mut plan);
    compare_accounts(&accounts, &mut plan);
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
        if !matches!(base.scheme(), "http" | "https") {
            bail!("the address of Dispatcharr begins with http:// or https://");
        }
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
        Ok(Self { client: Client::new(Vec::new()).up_to(MAX_ANSWER), base, headers })
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
                    let Some(Value::Array(entries)) = answer.get_mut("results").map(Value::take) else {
                        bail!("{path}: the answer is no list");
                    };
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
        DeviceId::of_another_program(answer["DeviceID"].as_str()?)
    }
}

/// Texts that channels have by numbers.
struct Names {
    groups: HashMap<i64, String>,
    logos: HashMap<i64, String>,
    guide_ids: HashMap<i64, String>,
}

fn texts(all: &[Value], key: &str) -> HashMap<i64, String> {
    all.iter().filter_map(|one| Some((one["id"].as_i64()?, one[key].as_str()?.to_owned()))).collect()
}

fn take_channels(all: &[Value], names: &Names, plan: &mut Plan) {
    let (mut hidden, mut without, mut levels, mut archives) = (0, 0, 0, 0);
    let mut channels: Vec<(f64, Channel)> = Vec::new();
    for channel in all {
        if channel["hidden_from_output"] == true {
            hidden += 1;
            continue;
        }
        let streams = channel["streams"].as_array().map(Vec::as_slice).unwrap_or_default();
        let mut sources: Vec<String> = Vec::new();
        for url in streams.iter().filter_map(|stream| stream["url"].as_str()).map(str::trim) {
            if !url.is_empty() && !sources.iter().any(|source| source == url) {
                sources.push(url.to_owned());
            }
        }
        if sources.is_empty() {
            without += 1;
            continue;
        }
        levels += usize::from(channel["user_level"].as_i64().is_some_and(|level| level > 0));
        archives += usize::from(streams.iter().any(|stream| stream["is_catchup"] == true));
        let number = field(channel, "channel_number").as_f64();
        channels.push((number.unwrap_or(f64::INFINITY), take_channel(channel, number, sources, names)));
    }
    channels.sort_by(|one, other| one.0.total_cmp(&other.0));
    plan.channels.extend(channels.into_iter().map(|(_, channel)| channel));
    plan.differ(hidden, "channel", "hidden there, and left out");
    plan.differ(without, "channel", "has no stream, and is left out");
    plan.differ(levels, "channel", "was for users of a level: set `groups` of users instead");
    plan.differ(archives, "channel", "had an archive, which comes with the list or account of its provider");
}

/// What somebody has edited there wins over what the provider says.
fn field<'a>(channel: &'a Value, name: &str) -> &'a Value {
    let edited = &channel[format!("effective_{name}")];
    if edited.is_null() { &channel[name] } else { edited }
}

fn take_channel(channel: &Value, number: Option<f64>, sources: Vec<String>, names: &Names) -> Channel {
    let text = |name: &str| field(channel, name).as_str().unwrap_or_default().trim().to_owned();
    let lookup = |names: &HashMap<i64, String>, name: &str| {
        field(channel, name).as_i64().and_then(|id| names.get(&id)).cloned().unwrap_or_default()
    };
    // The channel of the guide that it was mapped to; its own id is the provider's word.
    let mapped = lookup(&names.guide_ids, "epg_data_id");
    Channel {
        // 5.0 is 5 there.
        number: number.map(|number| number.to_string()).unwrap_or_default(),
        name: text("name"),
        group: lookup(&names.groups, "channel_group_id"),
        logo: lookup(&names.logos, "logo_id"),
        guide_id: if mapped.is_empty() { text("tvg_id") } else { mapped },
        gracenote_id: text("tvc_guide_stationid"),
        is_adult: channel["is_adult"] == true,
        sources,
    }
}

fn take_guides(all: &[Value], plan: &mut Plan) {
    let mut others = 0;
    for guide in all.iter().filter(|guide| guide["is_active"] != false) {
        match guide["url"].as_str().filter(|url| url.starts_with("http")) {
            Some(url) if guide["source_type"] == "xmltv" => plan.guides.push(Secret::from(url.to_owned())),
            _ => others += 1,
        }
    }
    plan.differ(others, "guide", "is none that Forebay reads from an address");
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
            disabled: user["is_active"] == false,
            max_streams: most.and_then(|most| u32::try_from(most).ok()),
            ..UserSpec::default()
        };
        plan.users.push(Person { spec, password: password.map(|text| Secret::from(text.to_owned())) });
    }
    plan.differ(hashed, "user", "its password is kept as a hash only: another one is made up");
    plan.differ(profiles, "user", "was bound to profiles of channels: set `groups` of the user instead");
}

fn compare_accounts(all: &[Value], plan: &mut Plan) {
    let active: Vec<&Value> = all.iter().filter(|account| account["is_active"] != false).collect();
    plan.differ(
        active.len(),
        "list",
        "its channels come over as they are now; to have it read again, give its address to `forebay import`",
    );
    let is_limited = |account: &&&Value| account["max_streams"].as_u64().is_some_and(|most| most > 0);
    let limited = active.iter().filter(is_limited).count();
    plan.differ(limited, "list", "had a limit of streams: set `max_connections` of its playlist");
    let has_agent = |account: &&&Value| !account["user_agent"].is_null();
    let agents = active.iter().filter(has_agent).count();
    plan.differ(agents, "list", "had a User-Agent of its own: set `user_agent` of its playlist");
}

//! tuliprox: `source.yml` has the lists and accounts, `api-proxy.yml` the users.

use std::path::Path;

use forebay_core::lineup::xtream::Account;
use jiff::Timestamp;
use serde_json::{Map, Value};
use url::Url;

use super::files::yaml;
use super::plan::{Person, Plan, Playlist};
use crate::accounts::secret::Secret;
use crate::db::users::UserSpec;

/// What a list or an account is called where people look at it.
const READ_AGAIN: &str = "that is read again from time to time";

/// Reads a folder.
pub(super) fn read(folder: &Path) -> anyhow::Result<Plan> {
    let sources = yaml(&folder.join("source.yml"))?;
    let users = folder.join("api-proxy.yml");
    // Without it there are no users; one that cannot be read is another matter.
    let users = if users.exists() { yaml(&users)? } else { Value::Null };
    let mut plan = Plan::default();
    for input in list(&sources["inputs"]) {
        take_input(input, &mut plan);
    }
    // Older versions have them within the sources.
    for input in list(&sources["sources"]).flat_map(|source| list(&source["inputs"])) {
        if input.is_object() {
            take_input(input, &mut plan);
        }
    }
    let targets = || list(&sources["sources"]).flat_map(|source| list(&source["targets"]));
    let with = |key: &str| targets().filter(|target| !target[key].is_null()).count();
    for key in ["filter", "rename", "mapping", "sort"] {
        let what = format!("`{key}` does not come over: Forebay has rules of playlists instead");
        plan.differ(with(key), "target", &what);
    }
    plan.differ(targets().count().saturating_sub(1), "further target", "all users see one list of channels");
    let outputs = targets().flat_map(|target| list(&target["output"]));
    let tuners = outputs.filter(|output| output["type"] == "hdhomerun").count();
    plan.differ(tuners, "tuner", "its id is DeviceID in its /discover.json: --device-id keeps it");
    take_users(&users, &mut plan);
    Ok(plan)
}

fn list(value: &Value) -> impl Iterator<Item = &Value> {
    value.as_array().into_iter().flatten()
}

fn text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

fn take_input(input: &Value, plan: &mut Plan) {
    let name = text(&input["name"]).unwrap_or_else(|| format!("input {}", plan.playlists.len() + 1));
    if input["enabled"] == false {
        plan.differences.push(format!("{name}: not enabled, and left out"));
        return;
    }
    let is_panel = match text(&input["type"]).as_deref() {
        None | Some("m3u") => false,
        Some("xtream") => true,
        Some(other) => {
            plan.differences.push(format!("{name}: an input of type {other}, which Forebay does not read"));
            return;
        }
    };
    let accounts = std::iter::once(input).chain(list(&input["aliases"]));
    for (at, account) in accounts.enumerate() {
        let name = if at == 0 { name.clone() } else { format!("{name} {}", at + 1) };
        let Some(place) = place(account, is_panel) else {
            plan.differences.push(format!("{name}: its address cannot be used"));
            continue;
        };
        let kind = if is_panel { "an account" } else { "a list" };
        plan.playlists.push(Playlist {
            name,
            place: Secret::from(place),
            settings: settings(input, account, is_panel),
            what: format!("{kind} {READ_AGAIN}"),
        });
    }
    plan.differ(
        usize::from(!input["epg"].is_null()),
        "guide",
        "name it in [[guides]]; those of accounts are read",
    );
}

/// How the list is read, by the names of `[[playlists]]`.
fn settings(input: &Value, account: &Value, is_panel: bool) -> Map<String, Value> {
    let mut settings = Map::new();
    let key = if is_panel { ("kind", "xtream".into()) } else { ("alternates", true.into()) };
    settings.insert(key.0.to_owned(), key.1);
    if let Some(most) = account["max_connections"].as_u64().filter(|most| *most > 0) {
        settings.insert("max_connections".to_owned(), most.into());
    }
    let mut headers = Map::new();
    for (name, value) in input["headers"].as_object().into_iter().flatten() {
        let Some(value) = text(value) else { continue };
        if name.eq_ignore_ascii_case("user-agent") {
            settings.insert("user_agent".to_owned(), value.into());
        } else {
            headers.insert(name.clone(), value.into());
        }
    }
    if !headers.is_empty() {
        settings.insert("headers".to_owned(), headers.into());
    }
    settings
}

/// The address, with the credentials of a panel in it.
fn place(input: &Value, is_panel: bool) -> Option<String> {
    let address = text(&input["url"])?;
    if !is_panel {
        return Some(address);
    }
    let (Some(user), Some(password)) = (text(&input["username"]), text(&input["password"])) else {
        return Account::read(&address).is_ok().then_some(address);
    };
    let mut url = Url::parse(&address).ok()?;
    url.path_segments_mut().ok()?.pop_if_empty().push("get.php");
    url.query_pairs_mut().clear().append_pair("username", &user).append_pair("password", &password);
    Account::read(url.as_str()).is_ok().then(|| url.into())
}

fn take_users(document: &Value, plan: &mut Plan) {
    let groups = list(&document["user"]).flat_map(|group| list(&group["credentials"]));
    let (mut networks, mut tokens) = (0, 0);
    for user in groups {
        let Some(name) = text(&user["username"]) else { continue };
        networks += usize::from(!user["network_access"].is_null());
        tokens += usize::from(text(&user["token"]).is_some());
        let status = text(&user["status"]).unwrap_or_else(|| "Active".to_owned());
        let expires = user["exp_date"].as_i64().filter(|at| *at > 0);
        let most = user["max_connections"].as_u64().filter(|most| *most > 0);
        let spec = UserSpec {
            name,
            disabled: !matches!(&*status, "Active" | "Trial"),
            expires_at: expires.and_then(|at| Timestamp::from_second(at).ok()),
            max_streams: most.and_then(|most| u32::try_from(most).ok()),
            // There, a lower number is more urgent.
            priority: user["priority"].as_i64().and_then(|it| i32::try_from(-it).ok()).unwrap_or_default(),
            ..UserSpec::default()
        };
        plan.users.push(Person { spec, password: text(&user["password"]).map(Secret::from) });
    }
    plan.differ(networks, "user", "was bound to networks or countries, and is not any more");
    plan.differ(tokens, "user", "had a token, and gets an address of its own instead");
    let is_elsewhere = usize::from(document["use_user_db"] == true);
    plan.differ(is_elsewhere, "database of users", "is not read: add its users by `forebay user add`");
}

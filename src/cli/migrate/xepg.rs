//! Threadfin and xTeVe: `xepg.json` has the channels, `settings.json` the id of the tuner and where
//! lists come from, `authentication.json` the users.

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Context as _;
use forebay_core::tuners::DeviceId;
use serde_json::Value;

use super::plan::{Channel, Person, Plan};
use crate::db::users::{Role, UserSpec};

/// Guides that these programs make up: there is nothing to map to.
const MADE_UP: [&str; 2] = ["Threadfin Dummy", "xTeVe Dummy"];

/// Reads a folder.
pub(super) fn read(folder: &Path) -> anyhow::Result<Plan> {
    let channels = json(&folder.join("xepg.json"))?;
    let settings = json(&folder.join("settings.json")).unwrap_or_default();
    let authentication = json(&folder.join("authentication.json")).unwrap_or_default();
    let mut plan = Plan::default();
    take_channels(&channels, &mut plan)?;
    plan.device = device(&settings);
    take_users(&authentication, &mut plan);
    let lists = settings["files"].as_object().into_iter().flatten();
    let lists = lists.filter(|(kind, _)| matches!(kind.as_str(), "m3u" | "hdhr"));
    let lists: usize = lists.filter_map(|(_, files)| files.as_object()).map(serde_json::Map::len).sum();
    plan.differ(
        lists,
        "list",
        "its channels come over as they are now; to have it read again, give its address to `forebay import`",
    );
    let guides = settings["files"]["xmltv"].as_object().map_or(0, serde_json::Map::len);
    plan.differ(guides, "guide", "Forebay passes guide ids on and has no guide of its own");
    let filters = settings["filter"].as_object().map_or(0, serde_json::Map::len);
    plan.differ(filters, "filter", "the channels that it let through come over, and the filter does not");
    Ok(plan)
}

fn json(path: &Path) -> anyhow::Result<Value> {
    let text = std::fs::read(path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("{} is no JSON", path.display()))
}

fn take_channels(all: &Value, plan: &mut Plan) -> anyhow::Result<()> {
    let all = all.as_object().context("xepg.json has no channels")?;
    let (mut inactive, mut hidden, mut made_up) = (0, 0, 0);
    // By their numbers, as the list that players got was.
    let mut channels: BTreeMap<(u64, String), Channel> = BTreeMap::new();
    for (key, entry) in all {
        if entry["x-active"] != true {
            inactive += 1;
            continue;
        }
        if entry["x-hide-channel"] == true {
            hidden += 1;
            continue;
        }
        let text = |name: &str| entry[name].as_str().unwrap_or_default().trim().to_owned();
        let or = |edited: String, own: &str| if edited.is_empty() { text(own) } else { edited };
        let number = text("x-channelID");
        let is_made_up = MADE_UP.contains(&&*text("x-xmltv-file"));
        made_up += usize::from(is_made_up);
        let mapped = Some(text("x-mapping")).filter(|mapping| mapping != "-" && !is_made_up);
        let backups = (1..=3).map(|at| text(&format!("backup_channel_{at}_url")));
        let mut sources: Vec<String> = vec![text("url")];
        sources.extend(backups.filter(|url| !url.is_empty()));
        sources.dedup();
        let channel = Channel {
            name: or(text("x-name"), "name"),
            group: or(text("x-group-title"), "group-title"),
            logo: text("tvg-logo"),
            guide_id: mapped.unwrap_or_default(),
            sources,
            number: number.clone(),
        };
        let place = number.split('.').next().and_then(|whole| whole.parse().ok()).unwrap_or(u64::MAX);
        channels.insert((place, key.clone()), channel);
    }
    plan.channels.extend(channels.into_values());
    plan.differ(inactive, "channel", "not active, and left out");
    plan.differ(hidden, "channel", "hidden, since it was another one's backup, and left out");
    plan.differ(made_up, "channel", "had a made-up guide, and has none now");
    Ok(())
}

/// As these programs make it: with the number of tuners, unless that is one.
fn device(settings: &Value) -> Option<DeviceId> {
    let id = settings["uuid"].as_str()?;
    match settings["tuner"].as_u64() {
        None | Some(1) => DeviceId::parse(id),
        Some(tuners) => DeviceId::parse(&format!("{id}:{tuners}")),
    }
}

fn take_users(authentication: &Value, plan: &mut Plan) {
    let mut nameless = 0;
    for user in authentication["users"].as_object().into_iter().flat_map(|users| users.values()) {
        let Some(name) = user["data"]["username"].as_str().filter(|name| !name.is_empty()) else {
            nameless += 1;
            continue;
        };
        let is_admin = user["data"]["authentication.web"] == true;
        let role = if is_admin { Role::Admin } else { Role::Viewer };
        let spec = UserSpec { name: name.to_owned(), role, ..UserSpec::default() };
        plan.users.push(Person { spec, password: None });
    }
    plan.differ(nameless, "user", "its name is kept as a hash only: add it by `forebay user add`");
    let known = plan.users.len();
    plan.differ(known, "user", "its password is kept as a hash only: another one is made up");
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_device_is_named_as_it_was() {
        let id = |settings| device(&settings).map(|id| id.to_string());
        assert_eq!(id(json!({"uuid": "2024-05-AbCd-EfGhIj", "tuner": 1})).unwrap(), "2024-05-AbCd-EfGhIj");
        assert_eq!(id(json!({"uuid": "2024-05-AbCd-EfGhIj", "tuner": 3})).unwrap(), "2024-05-AbCd-EfGhIj:3");
        assert_eq!(id(json!({})), None);
    }
}

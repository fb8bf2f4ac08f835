//! Threadfin and xTeVe: `xepg.json` has the channels, `settings.json` the id of the tuner and where
//! lists come from, `authentication.json` the users.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Context as _;
use forebay_core::tuners::DeviceId;
use serde_json::{Map, Value};

use super::files::{json, json_if_there};
use super::plan::{Channel, Person, Plan};
use crate::accounts::secret::Secret;
use crate::db::users::{Role, UserSpec};

/// Guides that these programs make up: there is nothing to map to.
const MADE_UP: [&str; 2] = ["Threadfin Dummy", "xTeVe Dummy"];

/// The `User-Agent` that these programs have where nobody has set one.
const OWN_AGENTS: [&str; 3] = ["", "Threadfin", "xTeVe"];

/// Backups that a channel may have.
const BACKUPS: std::ops::RangeInclusive<u32> = 1..=3;

/// Reads a folder.
pub(super) fn read(folder: &Path) -> anyhow::Result<Plan> {
    let channels = json(&folder.join("xepg.json"))?;
    let settings = json_if_there(&folder.join("settings.json"))?;
    let authentication = json_if_there(&folder.join("authentication.json"))?.unwrap_or_default();
    let mut plan = Plan::default();
    take_channels(channels.as_object().context("xepg.json has no channels")?, &mut plan);
    match settings {
        Some(settings) => take_settings(&settings, &mut plan),
        None => plan.differences.push("there is no settings.json: the id of the tuner is not known".into()),
    }
    take_users(&authentication, &mut plan);
    Ok(plan)
}

fn text<'a>(entry: &'a Value, name: &str) -> &'a str {
    entry[name].as_str().unwrap_or_default().trim()
}

/// What is not empty, the first of two.
fn or<'a>(edited: &'a str, own: &'a str) -> &'a str {
    if edited.is_empty() { own } else { edited }
}

/// Its place among all: by its number, as the list that players got was, and then by its own id,
/// which ends in a number.
fn place(key: &str, entry: &Value) -> (f64, u64) {
    let number = text(entry, "x-channelID").parse().ok().filter(|number: &f64| number.is_finite());
    let id = key.rsplit('.').next().and_then(|id| id.parse().ok());
    (number.unwrap_or(f64::MAX), id.unwrap_or(u64::MAX))
}

fn take_channels(all: &Map<String, Value>, plan: &mut Plan) {
    // Backups are named by the names that the list has.
    let by_name: HashMap<&str, &str> = all
        .values()
        .map(|entry| (or(text(entry, "tvg-name"), text(entry, "name")), text(entry, "url")))
        .collect();
    let (mut inactive, mut hidden, mut made_up, mut lost) = (0, 0, 0, 0);
    let mut entries: Vec<(&String, &Value)> = all.iter().collect();
    entries.sort_by(|(one_key, one), (other_key, other)| {
        let (one, other) = (place(one_key, one), place(other_key, other));
        one.0.total_cmp(&other.0).then(one.1.cmp(&other.1))
    });
    for (_, entry) in entries {
        if entry["x-active"] != true {
            inactive += 1;
            continue;
        }
        if entry["x-hide-channel"] == true {
            hidden += 1;
            continue;
        }
        let is_made_up = MADE_UP.contains(&text(entry, "x-xmltv-file"));
        made_up += usize::from(is_made_up);
        let mapped = Some(text(entry, "x-mapping")).filter(|mapping| *mapping != "-" && !is_made_up);
        let mut sources = vec![text(entry, "url").to_owned()];
        for at in BACKUPS {
            match backup(entry, at, &by_name) {
                Some(url) if sources.iter().any(|source| source == url) => {}
                Some(url) => sources.push(url.to_owned()),
                None => lost += usize::from(is_named(text(entry, &format!("x-backup-channel-{at}")))),
            }
        }
        plan.channels.push(Channel {
            number: text(entry, "x-channelID").to_owned(),
            name: or(text(entry, "x-name"), text(entry, "name")).to_owned(),
            group: or(text(entry, "x-group-title"), text(entry, "group-title")).to_owned(),
            logo: text(entry, "tvg-logo").to_owned(),
            guide_id: mapped.unwrap_or_default().to_owned(),
            sources,
            ..Channel::default()
        });
    }
    plan.differ(inactive, "channel", "not active, and left out");
    plan.differ(hidden, "channel", "hidden, since it was another one's backup, and left out");
    plan.differ(made_up, "channel", "had a made-up guide, and has none now");
    plan.differ(lost, "backup", "is no channel of any list now, and left out");
}

fn is_named(backup: &str) -> bool {
    !matches!(backup, "" | "-")
}

/// The address of a backup: as a text, within an object, or of the channel that is named.
fn backup<'a>(entry: &'a Value, at: u32, by_name: &HashMap<&str, &'a str>) -> Option<&'a str> {
    let within = &entry[format!("backup_channel_{at}")];
    let kept = [text(entry, &format!("backup_channel_{at}_url")), text(within, "url"), text(within, "URL")];
    let named = text(entry, &format!("x-backup-channel-{at}"));
    let named = by_name.get(named).copied().filter(|_| is_named(named));
    kept.into_iter().chain(named).find(|url| !url.is_empty())
}

fn take_settings(settings: &Value, plan: &mut Plan) {
    plan.device = device(settings);
    let agent = text(settings, "user.agent");
    plan.user_agent = Some(agent.to_owned()).filter(|agent| !OWN_AGENTS.contains(&agent.as_str()));
    let files = |kind: &str| settings["files"][kind].as_object().into_iter().flat_map(Map::values);
    plan.differ(
        files("m3u").chain(files("hdhr")).count(),
        "list",
        "its channels come over as they are now; to have it read again, give its address to `forebay import`",
    );
    let mut in_files = 0;
    for guide in files("xmltv") {
        match text(guide, "file.source") {
            url if url.starts_with("http://") || url.starts_with("https://") => {
                plan.guides.push(Secret::from(url.to_owned()));
            }
            _ => in_files += 1,
        }
    }
    plan.differ(in_files, "guide", "is in a file: name it in [[guides]]");
    let filters = settings["filter"].as_object().map_or(0, Map::len);
    plan.differ(filters, "filter", "the channels that it let through come over, and the filter does not");
}

/// As these programs make it: with the number of tuners, unless that is one.
fn device(settings: &Value) -> Option<DeviceId> {
    let id = settings["uuid"].as_str()?;
    match settings["tuner"].as_u64() {
        None | Some(1) => DeviceId::of_another_program(id),
        Some(tuners) => DeviceId::of_another_program(&format!("{id}:{tuners}")),
    }
}

fn take_users(authentication: &Value, plan: &mut Plan) {
    let mut nameless = 0;
    for user in authentication["users"].as_object().into_iter().flat_map(Map::values) {
        let name = text(&user["data"], "username");
        if name.is_empty() {
            nameless += 1;
            continue;
        }
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

    #[test]
    fn backups_are_found_in_each_form_and_in_their_order() {
        let entry = json!({
            "backup_channel_1_url": "http://h/text", "x-backup-channel-1": "Text",
            "backup_channel_2": { "playlist_id": "M1", "url": "http://h/object" },
            "backup_channel_3": null, "x-backup-channel-3": "Named",
        });
        let by_name = HashMap::from([("Named", "http://h/named"), ("-", "http://h/no"), ("", "http://h/no")]);
        let found = BACKUPS.map(|at| backup(&entry, at, &by_name));
        assert!(found.eq([Some("http://h/text"), Some("http://h/object"), Some("http://h/named")]));
        assert_eq!(backup(&json!({ "x-backup-channel-1": "-" }), 1, &by_name), None);
    }

    #[test]
    fn channels_are_in_the_order_of_their_numbers() {
        let channel =
            |number| json!({ "x-active": true, "x-name": number, "x-channelID": number, "url": "http://h/" });
        let all = json!({
            "x-ID.10": channel("1000"), "x-ID.9": channel("1000"), "x-ID.2": channel("20"), "x-ID.1": channel("3.5"),
        });
        let mut plan = Plan::default();
        take_channels(all.as_object().unwrap(), &mut plan);
        let numbers: Vec<&str> = plan.channels.iter().map(|channel| &*channel.number).collect();
        assert_eq!(numbers, ["3.5", "20", "1000", "1000"]);
    }
}

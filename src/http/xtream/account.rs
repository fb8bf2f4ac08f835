//! Who has signed in, and which server this is.

use jiff::Timestamp;
use serde_json::{Value, json};
use url::Url;

use crate::accounts::Watcher;
use crate::http::State;

/// What stands for an account without an end: 2100. A player of Python crashes on null.
const FAR: i64 = 4_102_444_800;

/// The document that players ask for first.
pub(super) fn document(
    state: &State,
    watcher: &Watcher,
    (name, password): (&str, &str),
    base: &Url,
) -> Value {
    let now = Timestamp::now();
    let user = match watcher {
        Watcher::User(user, _) => Some(user),
        _ => None,
    };
    let expires = user.and_then(|user| user.spec.expires_at).map_or(FAR, Timestamp::as_second);
    let created = user.map_or(0, |user| user.created_at.as_second());
    // 0 is "no limit" to players.
    let streams = user.and_then(|user| user.spec.max_streams).unwrap_or(0);
    let active = watcher.owner().map_or(0, |owner| state.accounts.viewing().count_of(owner));
    let port = base.port_or_known_default().unwrap_or(80).to_string();
    // Players expect one even where there is none.
    let https_port = if base.scheme() == "https" { &*port } else { "443" };
    json!({
        "user_info": {
            "username": name,
            "password": password,
            "message": "",
            "auth": 1,
            "status": "Active",
            "exp_date": expires.to_string(),
            "is_trial": "0",
            "active_cons": active.to_string(),
            "created_at": created.to_string(),
            "max_connections": streams.to_string(),
            "allowed_output_formats": ["m3u8", "ts"],
        },
        "server_info": {
            "url": base.host_str().unwrap_or_default(),
            "port": port,
            "https_port": https_port,
            "server_protocol": base.scheme(),
            "rtmp_port": "0",
            "timezone": "UTC",
            "timestamp_now": now.as_second(),
            "time_now": now.strftime("%Y-%m-%d %H:%M:%S").to_string(),
            "process": true,
        },
    })
}

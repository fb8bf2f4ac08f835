//! Chromium with hls.js, which goes to times of a film and tells which pictures it sees there.

use std::time::Duration;

use serde_json::{Value, json};

use super::browser::script;
use super::run;

/// To start, and to leave.
const GRACE: Duration = Duration::from_mins(1);

/// What a browser saw of a film.
#[derive(Debug, Clone)]
pub struct Sought {
    /// The number of the picture at each time: see [`film`](crate::clip::film).
    pub pictures: Vec<u64>,
    /// How long each seek took.
    pub seeks: Vec<Duration>,
    /// Time to the first picture.
    pub first: Duration,
    /// Errors of hls.js and of the browser.
    pub errors: Vec<String>,
}

/// Opens an HLS playlist and goes to each of these times, in seconds.
///
/// # Panics
/// When the browser does not come back.
pub async fn browser_seeks(url: &str, times: &[f64]) -> Sought {
    let (script, chromium) = script("seek.mjs");
    let wish = json!({ "url": url, "times": times, "chromium": chromium });
    let output =
        run("node", &[&*script, &wish.to_string()], GRACE).await.unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    let json: Value =
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("the browser ended: {said}"));
    let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
    let span = |value: &Value| Duration::from_secs_f64(value.as_f64().unwrap_or(0.0) / 1000.0);
    Sought {
        pictures: list("pictures").iter().filter_map(Value::as_u64).collect(),
        seeks: list("milliseconds").iter().map(span).collect(),
        first: span(&json["first"]),
        errors: list("errors").iter().map(ToString::to_string).collect(),
    }
}

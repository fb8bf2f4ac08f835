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

/// What a browser has after it took each segment in another quality than the one before.
#[derive(Debug, Clone)]
pub struct Switched {
    /// How often the quality changed.
    pub switches: usize,
    /// The buffered ranges, in seconds: one where there is no gap.
    pub buffered: Vec<(f64, f64)>,
    /// Errors of hls.js and of the browser.
    pub errors: Vec<String>,
}

/// Takes an HLS playlist to its end, each segment in another quality than the one before.
///
/// # Panics
/// When the browser does not come back.
pub async fn browser_switches(url: &str) -> Switched {
    let json = ask(json!({ "url": url, "times": [], "switches": true })).await;
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let levels = list(&json["levels"]);
    let time = |value: &Value| value.as_f64().unwrap_or_default();
    Switched {
        switches: levels.windows(2).filter(|pair| pair[0] != pair[1]).count(),
        buffered: list(&json["buffered"]).iter().map(|range| (time(&range[0]), time(&range[1]))).collect(),
        errors: list(&json["errors"]).iter().map(ToString::to_string).collect(),
    }
}

/// What the script says.
async fn ask(mut wish: Value) -> Value {
    let (script, chromium) = script("seek.mjs");
    wish["chromium"] = json!(chromium);
    let output =
        run("node", &[&*script, &wish.to_string()], GRACE).await.unwrap_or_else(|error| panic!("{error}"));
    let said = String::from_utf8_lossy(&output.stderr);
    serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("the browser ended: {said}"))
}

/// Opens an HLS playlist and goes to each of these times, in seconds.
///
/// # Panics
/// When the browser does not come back.
pub async fn browser_seeks(url: &str, times: &[f64]) -> Sought {
    let json = ask(json!({ "url": url, "times": times })).await;
    let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
    let span = |value: &Value| Duration::from_secs_f64(value.as_f64().unwrap_or(0.0) / 1000.0);
    Sought {
        pictures: list("pictures").iter().filter_map(Value::as_u64).collect(),
        seeks: list("milliseconds").iter().map(span).collect(),
        first: span(&json["first"]),
        errors: list("errors").iter().map(ToString::to_string).collect(),
    }
}

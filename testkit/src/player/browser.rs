//! Chromium with hls.js or mpegts.js, or with a page of the server's own, driven by Playwright (`testkit/browser`).

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use super::{find, require, run};

/// How long the browser may take beyond the time it plays: to start, to its first picture, to leave.
const GRACE: Duration = Duration::from_secs(40);

/// What a browser saw of a stream.
#[derive(Debug, Clone, Default)]
pub struct Browsed {
    /// What was wrong, one sentence each: fatal errors, stalls, jumps, no picture, an end.
    pub errors: Vec<String>,
    /// Time to the first picture.
    pub first: Option<Duration>,
    /// Media played since then.
    pub played: Duration,
    /// How long the picture stood still each time, for more than a third of a second.
    pub stalls: Vec<Duration>,
    /// How often the video said that it waits.
    pub waiting: u64,
    /// Pictures that were shown or dropped.
    pub pictures: Picture,
    /// Variants of the stream, for hls.js.
    pub levels: u64,
    /// How far behind the live edge it was at the end in seconds, for hls.js.
    pub latency: Option<f64>,
    /// Errors of hls.js that were not fatal, by name, with their counts.
    pub troubles: Vec<(String, u64)>,
    /// Everything the script reported.
    pub json: Value,
}

/// The pictures of a video.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Picture {
    /// How many were decoded.
    pub decoded: u64,
    /// How many of them were dropped.
    pub dropped: u64,
    /// Width in pixels.
    pub width: u64,
    /// Height in pixels.
    pub height: u64,
}

impl Browsed {
    /// Panics with what was wrong unless the browser was content.
    pub fn assert_ok(&self) {
        let mut json = self.json.clone();
        // One sample for each quarter of a second says little to a reader.
        json["samples"] = Value::Null;
        assert!(self.errors.is_empty(), "the browser found faults: {:#?}\nit reports {json:#}", self.errors);
    }
}

/// Plays an HLS URL with hls.js for this many seconds from the first picture.
pub async fn browser_hls(url: &str, seconds: u32) -> Browsed {
    browse("hls", url, seconds).await
}

/// Plays endless MPEG-TS with mpegts.js for this many seconds from the first picture.
pub async fn browser_ts(url: &str, seconds: u32) -> Browsed {
    browse("ts", url, seconds).await
}

/// Opens a page and watches its first video, which has to play by itself, for this many seconds from the first picture.
pub async fn browser_page(url: &str, seconds: u32) -> Browsed {
    browse("page", url, seconds).await
}

async fn browse(kind: &str, url: &str, seconds: u32) -> Browsed {
    let (script, chromium) = script("play.mjs");
    let wish = json!({ "kind": kind, "url": url, "seconds": seconds, "chromium": chromium });
    let arguments = [&*script, &wish.to_string()];
    let output = match run("node", &arguments, GRACE + Duration::from_secs(seconds.into())).await {
        Ok(output) => output,
        Err(error) => return Browsed { errors: vec![error], ..Browsed::default() },
    };
    serde_json::from_slice(&output.stdout).map_or_else(
        |_| {
            let said = String::from_utf8_lossy(&output.stderr);
            Browsed {
                errors: vec![format!("the browser ended with {}: {said}", output.status)],
                ..Browsed::default()
            }
        },
        |json| judge(&json, seconds),
    )
}

/// A script of `testkit/browser`, and the browser to be driven by it. Panics with what to install where something is missing.
pub(super) fn script(name: &str) -> (String, PathBuf) {
    require("node");
    require("chromium");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("browser");
    assert!(
        folder.join("node_modules/playwright-core").is_dir(),
        "this test needs the packages of {}: run `make setup`, or `npm ci` there",
        folder.display()
    );
    let chromium = find("chromium").unwrap_or_else(|| PathBuf::from("chromium"));
    (folder.join(name).to_string_lossy().into_owned(), chromium)
}

fn judge(json: &Value, seconds: u32) -> Browsed {
    let number = |name: &str| json[name].as_u64().unwrap_or(0);
    let span = |value: &Value| value.as_f64().map(|seconds| Duration::from_secs_f64(seconds.max(0.0)));
    let list = |name: &str| json[name].as_array().cloned().unwrap_or_default();
    let mut stalls: Vec<Duration> =
        list("stalls").iter().filter_map(|stall| span(&stall["seconds"])).collect();
    stalls.extend(span(&json["standing"]).filter(|standing| *standing > Duration::from_secs(1)));
    let seen = Browsed {
        errors: Vec::new(),
        first: span(&json["first"]),
        played: span(&json["played"]).unwrap_or_default(),
        stalls,
        waiting: number("waiting"),
        pictures: Picture {
            decoded: number("frames"),
            dropped: number("dropped"),
            width: number("width"),
            height: number("height"),
        },
        levels: number("levels"),
        latency: list("samples").last().and_then(|sample| sample["latency"].as_f64()),
        troubles: json["errors"].as_object().map_or_else(Vec::new, |errors| {
            errors.iter().map(|(name, count)| (name.clone(), count.as_u64().unwrap_or(0))).collect()
        }),
        json: json.clone(),
    };
    let mut errors: Vec<String> = list("fatal").iter().map(|error| format!("fatal: {error}")).collect();
    let mut fault = |wrong: bool, text: String| {
        if wrong {
            errors.push(text);
        }
    };
    fault(seen.first.is_none(), "no picture".into());
    if seen.first.is_some() {
        let Picture { decoded, dropped, width, .. } = seen.pictures;
        fault(!seen.stalls.is_empty(), format!("the picture stood still: {:?}", seen.stalls));
        fault(!list("jumps").is_empty(), format!("the position jumped: {:?}", json["jumps"]));
        fault(number("ended") > 0, "it ended".into());
        // A browser that draws in software on a busy machine drops a few.
        fault(dropped * 5 > decoded, format!("{dropped} of {decoded} pictures were dropped"));
        fault(width == 0, "the picture has no size".into());
        let wanted = Duration::from_secs(seconds.into());
        fault(seen.played * 10 < wanted * 8, format!("only {:?} of {wanted:?} were played", seen.played));
    }
    Browsed { errors, ..seen }
}

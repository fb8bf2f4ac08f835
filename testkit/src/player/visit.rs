//! Chromium as the hand and the eye of who visits a page, driven by Playwright (`testkit/browser`).

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use super::browser::script;
use super::run;

/// How long a visit may take: a step has 20 s, and most take none.
const LIMIT: Duration = Duration::from_secs(90);

/// What a visitor does, or waits for.
#[derive(Debug, Clone, Copy)]
pub enum Step<'a> {
    /// This text is on the page and can be seen.
    Sees(&'a str),
    /// The first video plays for a second.
    Plays,
    /// A button of this name is clicked.
    Clicks(&'a str),
    /// A radio button of this name is chosen with the keyboard.
    Chooses(&'a str),
    /// A key is pressed, wherever the focus is.
    Presses(&'a str),
}

/// What a page was like in the end.
#[derive(Debug, Clone, Deserialize)]
pub struct Visited {
    /// The text that can be seen.
    pub text: String,
    /// The title of the document.
    pub title: String,
    /// Whether the first video is muted; `None` where there is no video.
    pub muted: Option<bool>,
    /// Width of its picture in pixels; 0 where there is none.
    pub width: u32,
    /// The addresses that were requested.
    pub requests: Vec<String>,
    /// The requests that were answered with an error: status and address.
    pub failed: Vec<String>,
    /// Errors in the console, as of a policy that was broken.
    pub said: Vec<String>,
    /// The step that could not be done.
    stuck: Option<String>,
}

/// Opens a page and does these steps. Panics if one cannot be done, with what there is to see instead.
pub async fn visit(url: &str, steps: &[Step<'_>]) -> Visited {
    let steps: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::Sees(text) => json!(["sees", text]),
            Step::Plays => json!(["plays"]),
            Step::Clicks(name) => json!(["clicks", name]),
            Step::Chooses(name) => json!(["chooses", name]),
            Step::Presses(key) => json!(["presses", key]),
        })
        .collect();
    let (path, chromium) = script("visit.mjs");
    let wish = json!({ "url": url, "steps": steps, "chromium": chromium }).to_string();
    let output = run("node", &[&path, &wish], LIMIT).await.unwrap_or_else(|error| panic!("{error}"));
    let visited: Visited = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("the browser ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
    });
    assert!(visited.stuck.is_none(), "the visitor waits in vain: {visited:#?}");
    visited
}

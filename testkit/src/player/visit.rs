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
    /// A link of this name is clicked.
    Follows(&'a str),
    /// Waits for the link that is called so.
    Awaits(&'a str),
    /// What is summed up in this text is opened.
    Opens(&'a str),
    /// A radio button of this name is chosen with the keyboard.
    Chooses(&'a str),
    /// In the field of this label, this is selected.
    Selects(&'a str, &'a str),
    /// The page has asked for an address with this in it.
    Asks(&'a str),
    /// This is among the subtitles that are shown over the first video.
    Reads(&'a str),
    /// This is written into the field that has the focus, key by key.
    Types(&'a str),
    /// A key is pressed, wherever the focus is.
    Presses(&'a str),
    /// The field of this label gets this text.
    Fills(&'a str, &'a str),
    /// Another address is opened.
    Goes(&'a str),
    /// The page is judged, by axe and by its width, as to whether everybody can use it.
    Judges,
    /// The tab is hidden for some seconds, in which the page may ask for nothing; then it is seen
    /// again.
    Rests,
}

/// What a visitor looks at the page with.
#[derive(Debug, Clone, Default)]
pub struct Screen {
    /// 360 points wide, touched, and called an Android phone; else 1280.
    pub is_phone: bool,
    /// The visitor prefers dark pages.
    pub is_dark: bool,
    /// The path below which a proxy serves everything; empty without one.
    pub below: String,
    /// Answers that the browser gets in place of the server's: the end of an address, and a body.
    pub answers: Vec<(String, String)>,
}

/// What a page was like in the end.
#[derive(Debug, Clone, Deserialize)]
pub struct Visited {
    /// The address of the page.
    pub url: String,
    /// The text that can be seen.
    pub text: String,
    /// The title of the document.
    pub title: String,
    /// Whether the first video is muted; `None` where there is no video.
    pub muted: Option<bool>,
    /// Width of its picture in pixels; 0 where there is none.
    pub width: u32,
    /// The names of what can be pressed, chosen or followed, in the order of the page.
    pub controls: Vec<String>,
    /// The addresses of the pictures that can be seen, and that have come.
    pub pictures: Vec<String>,
    /// Where the links lead.
    pub links: Vec<String>,
    /// By how many points the page is wider than the screen.
    pub overflow: u32,
    /// How bright the ground of the page is, from 0 to 255.
    pub brightness: u32,
    /// Height of the first video and what lies around it, in points; 0 where there is none.
    pub stage: u32,
    /// The addresses that were requested.
    pub requests: Vec<String>,
    /// The requests that were answered with an error: status and address.
    pub failed: Vec<String>,
    /// Errors in the console, as of a policy that was broken.
    pub said: Vec<String>,
    /// What judging found: where, and which rule of axe was broken, or by how much it was too wide.
    pub faults: Vec<String>,
    /// The step that could not be done.
    stuck: Option<String>,
}

/// Opens a page and does these steps. Panics if one cannot be done, with what there is to see instead.
pub async fn visit(url: &str, steps: &[Step<'_>]) -> Visited {
    visit_on(&Screen::default(), url, steps).await
}

/// The same on another screen.
pub async fn visit_on(screen: &Screen, url: &str, steps: &[Step<'_>]) -> Visited {
    let steps: Vec<_> = steps
        .iter()
        .map(|step| match step {
            Step::Sees(text) => json!(["sees", text]),
            Step::Plays => json!(["plays"]),
            Step::Clicks(name) => json!(["clicks", name]),
            Step::Follows(name) => json!(["follows", name]),
            Step::Awaits(name) => json!(["awaits", name]),
            Step::Opens(text) => json!(["opens", text]),
            Step::Selects(label, option) => json!(["selects", [label, option]]),
            Step::Asks(text) => json!(["asks", text]),
            Step::Reads(text) => json!(["reads", text]),
            Step::Types(text) => json!(["types", text]),
            Step::Chooses(name) => json!(["chooses", name]),
            Step::Presses(key) => json!(["presses", key]),
            Step::Fills(label, text) => json!(["fills", [label, text]]),
            Step::Goes(url) => json!(["goes", url]),
            Step::Judges => json!(["judges"]),
            Step::Rests => json!(["rests"]),
        })
        .collect();
    let (path, chromium) = script("visit.mjs");
    let Screen { is_phone, is_dark, below, answers } = screen;
    let screen = json!({ "is_phone": is_phone, "is_dark": is_dark, "below": below, "answers": answers });
    let wish = json!({ "url": url, "steps": steps, "chromium": chromium, "screen": screen }).to_string();
    let output = run("node", &[&path, &wish], LIMIT).await.unwrap_or_else(|error| panic!("{error}"));
    let visited: Visited = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| {
        panic!("the browser ended with {}: {}", output.status, String::from_utf8_lossy(&output.stderr))
    });
    assert!(visited.stuck.is_none(), "the visitor waits in vain: {visited:#?}");
    visited
}

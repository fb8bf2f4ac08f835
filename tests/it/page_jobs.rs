//! What people do about pages of video platforms: they look at one, play a form of it by a token,
//! and keep a file that comes through whatever happens.

use std::net::SocketAddr;
use std::sync::atomic::Ordering;
use std::time::Duration;

use forebay_testkit::client::{Answer, Request, Viewer, get};
use forebay_testkit::platform::{Platform, yt_dlp};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::page_channels::relay;
use crate::page_files::{Hostile, MIB};
use crate::program::Setup;

const PATIENCE: Duration = Duration::from_mins(1);

pub(crate) async fn send(address: SocketAddr, method: &str, path: &str, body: Option<Value>) -> Answer {
    let request = Request::new(method, address, &format!("/api/streaming/{path}"));
    body.iter().fold(request, Request::json).send().await.expect("it answers")
}

/// The answer, once it is as wanted.
pub(crate) async fn wait(address: SocketAddr, path: &str, wanted: impl Fn(&Value) -> bool) -> Value {
    let wait = async {
        loop {
            let document = send(address, "GET", path, None).await.json();
            if wanted(&document) {
                return document;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    if let Ok(document) = tokio::time::timeout(PATIENCE, wait).await {
        return document;
    }
    panic!("{path} is {}", send(address, "GET", path, None).await.text())
}

/// The result of an analysis.
async fn analyse(address: SocketAddr, name: &str) -> Value {
    let began = send(address, "POST", "analyze", Some(json!({ "url": Platform::page(name) }))).await;
    assert_eq!(began.status, 200, "{}", began.text());
    let id = began.json()["requestId"].as_str().expect("an id").to_owned();
    wait(address, &format!("analyze/{id}"), |document| document["status"] != "processing").await
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_tells_the_forms_of_a_page_or_why_there_are_none() {
    let platform = Platform::start().await;
    let relay = relay(&platform, "");
    let address = relay.address();
    let document = analyse(address, "good").await;
    assert_eq!(
        (&document["status"], &document["progress"]),
        (&"completed".into(), &100.into()),
        "{document}"
    );
    let result = &document["result"];
    assert_eq!((&result["platform"], &result["total_formats"]), (&"youtube".into(), &3.into()));
    let formats = result["videoInfo"]["formats"].as_array().expect("a list");
    let labels: Vec<&str> = formats.iter().filter_map(|format| format["quality_label"].as_str()).collect();
    assert_eq!(labels, ["1080p", "360p", "audio"]);
    assert_eq!((&formats[0]["has_audio"], &formats[1]["has_audio"]), (&false.into(), &true.into()));
    // The same page again is known by then.
    analyse(address, "good").await;
    assert_eq!(platform.asked(), 1);

    let document = analyse(address, "private").await;
    assert_eq!((&document["code"], &document["reason"]), (&"ANALYSIS_FAILED".into(), &"unavailable".into()));
    for (url, status, code) in [
        ("ftp://www.youtube.com/watch?v=good_______", 400, "VALIDATION_FAILED"),
        ("https://vimeo.com/1", 400, "VALIDATION_FAILED"),
        ("ytsearch:good", 400, "VALIDATION_FAILED"),
        ("--batch-file=/etc/passwd", 400, "VALIDATION_FAILED"),
    ] {
        let answer = send(address, "POST", "analyze", Some(json!({ "url": url }))).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &code.into()), "{url}");
    }
    let answer = send(address, "GET", "analyze/99", None).await;
    assert_eq!((answer.status, &answer.json()["code"]), (404, &"REQUEST_NOT_FOUND".into()));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_analysis_that_hangs_is_cancelled_and_begun_again() {
    let mut platform = Platform::start().await;
    let relay = relay(&platform, "");
    let address = relay.address();
    let url = json!({ "url": Platform::page("hang") });
    let began = send(address, "POST", "analyze", Some(url.clone())).await.json();
    let id = began["requestId"].as_str().expect("an id").to_owned();
    platform.processes().await;
    // Whoever asks for it once more is told of the same one.
    assert_eq!(send(address, "POST", "analyze", Some(url)).await.json()["requestId"], began["requestId"]);
    assert_eq!(send(address, "DELETE", &format!("analyze/{id}"), None).await.status, 200);
    let failed =
        wait(address, &format!("analyze/{id}"), |document| document["code"] == "ANALYSIS_FAILED").await;
    assert_eq!(failed["reason"], "cancelled");
    let again = send(address, "POST", &format!("analyze/{id}/retry"), None).await;
    assert_eq!(again.status, 200, "{}", again.text());
    assert_ne!(again.json()["requestId"], began["requestId"]);
    let again = again.json()["requestId"].as_str().expect("an id").to_owned();
    assert_eq!(send(address, "DELETE", &format!("analyze/{again}"), None).await.status, 200);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_plays_one_form_of_a_page_in_ranges() {
    let hostile = Hostile::start_at_speed(3 * MIB + 77, u32::MAX).await;
    let relay = relay(&hostile.platform, "");
    let address = relay.address();
    let fields = json!({ "videoUrl": Platform::page("file"), "formatId": "18", "title": "mine" });
    let made = send(address, "POST", "token", Some(fields)).await;
    assert_eq!(made.status, 200, "{}", made.text());
    let path = made.json()["streamUrl"].as_str().expect("a path").to_owned();
    let head = Request::new("HEAD", address, &path).send().await.expect("it answers");
    assert_eq!((head.status, head.header("Content-Type")), (200, Some("video/mp4")));
    assert_eq!(hostile.sent.load(Ordering::Relaxed), 0, "a HEAD fetches nothing");
    let answer = get(address, &path).await;
    assert_eq!(answer.status, 200);
    assert!(answer.body == *hostile.file, "{} bytes", answer.body.len());
    let part = Request::get(address, &path).header("Range", "bytes=5-9").send().await.expect("it answers");
    assert_eq!((part.status, &*part.body), (206, &hostile.file[5..10]));
    let head = Request::new("HEAD", address, &path).send().await.expect("it answers");
    assert_eq!(head.header("Content-Length"), Some(&*hostile.file.len().to_string()));
    // It plays nothing else.
    assert_eq!(get(address, &format!("{path}?film=one")).await.status, 200);
    let tokens = send(address, "GET", "tokens", None).await.json();
    assert_eq!(tokens["tokens"][0]["formatId"], "18", "{tokens}");
    assert_eq!(tokens["tokens"][0]["videoUrl"], Platform::page("file"));

    for (fields, status, code) in [
        (json!({ "videoUrl": Platform::page("file"), "formatId": "99" }), 404, "PAGE_UNAVAILABLE"),
        (json!({ "videoUrl": Platform::page("private") }), 404, "PAGE_UNAVAILABLE"),
        (json!({ "videoUrl": "https://vimeo.com/1" }), 400, "VALIDATION_FAILED"),
    ] {
        let answer = send(address, "POST", "token", Some(fields)).await;
        assert_eq!((answer.status, &answer.json()["code"]), (status, &code.into()), "{}", answer.text());
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_is_paused_resumed_heard_of_and_cancelled() {
    let hostile = Hostile::start_at_speed(6 * MIB + 5, 4 << 20).await;
    let relay = relay(&hostile.platform, "");
    let address = relay.address();
    let mut events = Viewer::get(address, "/api/streaming/events").await;
    assert_eq!(events.header("Content-Type"), Some("text/event-stream"));
    let began = send(address, "POST", "downloads", Some(json!({ "url": Platform::page("file") }))).await;
    assert_eq!(began.status, 201, "{}", began.text());
    let id = began.json()["id"].as_i64().expect("a number");
    let of = |deed: &str| format!("downloads/{id}{deed}");
    wait(address, &of(""), |document| document["bytes"].as_u64() > Some(MIB as u64)).await;
    assert_eq!(send(address, "GET", &of("/file"), None).await.status, 409, "it is not complete");
    let paused = send(address, "POST", &of("/pause"), None).await.json();
    assert_eq!((&paused["state"], &paused["speed"]), (&"paused".into(), &Value::Null), "{paused}");
    assert_eq!(send(address, "POST", &of("/pause"), None).await.status, 409);
    // It goes on though the one that ran is about to end.
    assert_eq!(send(address, "POST", &of("/resume"), None).await.status, 200);
    let done = wait(address, &of(""), |document| document["state"] == "completed").await;
    assert_eq!((&done["total"], &done["bytes"]), (&hostile.file.len().into(), &hostile.file.len().into()));
    let file = get(address, done["fileUrl"].as_str().expect("a path")).await;
    assert_eq!((file.status, file.header("Content-Type")), (200, Some("video/mp4")));
    assert_eq!(file.header("Content-Disposition"), Some("attachment; filename=\"A title.mp4\""));
    assert!(file.body == *hostile.file, "{} bytes", file.body.len());
    let heard = String::from_utf8(events.read_for(Duration::from_millis(300)).await).expect("it is text");
    for piece in
        ["retry: 500", "event: queue", "event: fetch", "\"state\":\"paused\"", "\"state\":\"completed\""]
    {
        assert!(heard.contains(piece), "{piece} is not in {heard}");
    }
    assert!(heard.matches("\"state\":\"running\"").count() < 40, "four times a second at most: {heard}");
    assert_eq!(send(address, "POST", &of("/cancel"), None).await.json()["state"], "cancelled");
    assert_eq!(send(address, "GET", &of(""), None).await.status, 404);
    assert_eq!(send(address, "GET", "downloads", None).await.json()["count"], 0);
    // A range that is left when the download is paused is asked for again.
    let sent = hostile.sent.load(Ordering::Relaxed);
    assert!(sent <= hostile.file.len() + 2 * MIB, "each byte is fetched once: {sent}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_outlives_the_server_that_is_killed() {
    let hostile = Hostile::start_at_speed(8 * MIB + 5, 4 << 20).await;
    let (command, plugins) =
        (yt_dlp().display().to_string(), hostile.platform.plugins().display().to_string());
    let setup = Setup::new(&format!(
        "allow_private_sources = true\n[resolver]\ncommand = '{command}'\nplugin_dirs = ['{plugins}']\n"
    ));
    let program = setup.start().await;
    let wanted = json!({ "url": Platform::page("file"), "formatId": "18" });
    let (mut running, mut paused) = (0, 0);
    for id in [&mut running, &mut paused] {
        let began = send(program.address(), "POST", "downloads", Some(wanted.clone())).await;
        *id = began.json()["id"].as_i64().expect("a number");
    }
    let path = format!("downloads/{paused}");
    let (address, mib) = (program.address(), MIB as u64);
    wait(address, &path, |document| document["bytes"].as_u64() > Some(4 * mib)).await;
    send(address, "POST", &format!("{path}/pause"), None).await;
    // What is there is on the disk for certain by then.
    wait(address, &path, |document| document["bytes"].as_u64() > Some(4 * mib)).await;
    let other = format!("downloads/{running}");
    wait(address, &other, |document| document["bytes"].as_u64() > Some(6 * mib)).await;
    program.signal(Signal::KILL);
    let (left, _) = program.wait_in_folder().await;

    let program = Setup::again(left).start().await;
    let address = program.address();
    let document = send(address, "GET", &path, None).await.json();
    assert_eq!(document["state"], "paused", "{document}");
    let kept = document["bytes"].as_u64().expect("a number");
    assert!(kept > 4 * mib, "what was there is kept: {document}");
    let before = hostile.sent.load(Ordering::Relaxed);
    send(address, "POST", &format!("{path}/resume"), None).await;
    for id in [running, paused] {
        let done =
            wait(address, &format!("downloads/{id}"), |document| document["state"] == "completed").await;
        let file = get(address, done["fileUrl"].as_str().expect("a path")).await;
        assert!(file.body == *hostile.file, "{id}: {} bytes", file.body.len());
    }
    let again = hostile.sent.load(Ordering::Relaxed) - before;
    println!("{kept} bytes were kept, {again} fetched of {} after the kill", hostile.file.len());
    assert!(again <= hostile.file.len() - MIB, "what was there is not fetched again: {again}");
    program.signal(Signal::TERM);
    assert!(program.wait().await.status.success());
}

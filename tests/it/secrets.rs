//! No secret is anywhere where it does not belong: played with, and then looked for.

use std::path::Path;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use forebay_testkit::client::{Answer, Request, Viewer};
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::program::{Program, Setup};

const PATIENCE: Duration = Duration::from_secs(20);

/// What stands in addresses, header fields and files, and nowhere else.
const SOURCE_PASSWORD: &str = "zyxsourcepassword";
const SOURCE_TOKEN: &str = "zyx7Source4Token9f3a8c21d4e8b605";
const SOURCE_HEADER: &str = "zyxsourceheader";
const ADMIN_PASSWORD: &str = "zyx admin password";
const USER_PASSWORD: &str = "zyx user password";
const WRONG: &str = "zyxwrongguess";

/// Asks as a page of this server, or as a program without a cookie.
async fn ask(program: &Program, method: &str, path: &str, cookie: &str, body: Option<Value>) -> Answer {
    let address = program.address();
    let request = Request::new(method, address, path)
        .header("Origin", &format!("http://{address}"))
        .header("Cookie", cookie);
    body.iter().fold(request, Request::json).send().await.expect("the program answers")
}

/// Plays a moment of it, whatever comes of that.
async fn play(program: &Program, path: &str) -> u16 {
    let mut viewer = Viewer::get(program.address(), path).await;
    viewer.read_for(Duration::from_millis(50)).await;
    viewer.status()
}

/// The names of all files and folders below this one.
fn names(folder: &Path) -> String {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    let of = |entry: std::fs::DirEntry| {
        let below = if entry.path().is_dir() { names(&entry.path()) } else { String::new() };
        format!("{}\n{below}", entry.file_name().to_string_lossy())
    };
    entries.map(of).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_secret_is_in_the_log_the_figures_the_status_errors_the_audit_or_names_of_files() {
    let channels = format!(
        "[auth]\nstreams = 'token'\n[hls]\nsegment = '1s'\n\
         [[channels]]\nid = 'one'\nsources = ['testcard://']\n\
         [[channels]]\nid = 'dead'\ntimeshift = '1m'\nstart_timeout = '1s'\nsources = [\
         'http://ann:{SOURCE_PASSWORD}@127.0.0.1:9/{SOURCE_TOKEN}/a.ts?token={SOURCE_TOKEN}', \
         {{ url = 'http://127.0.0.1:9/live.m3u8?key={SOURCE_TOKEN}', \
         headers = {{ Authorization = '{SOURCE_HEADER}' }} }}]\n"
    );
    let program = Setup::new(&channels).env("FOREBAY_LOG", "trace").start().await;
    let output = async {
        while !program.output().contains("/setup#") {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(PATIENCE, output).await.expect("there is no admin yet");
    let setup = program.output().lines().find_map(|line| Some(line.split_once("/setup#")?.1.to_owned()));
    let setup = setup.expect("it was there");

    let admin = json!({ "token": setup, "name": "root", "password": ADMIN_PASSWORD });
    let made = ask(&program, "POST", "/api/setup", "", Some(admin)).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let cookie = made.header("Set-Cookie").and_then(|field| field.split(';').next()).unwrap().to_owned();
    let user = json!({ "name": "ann", "password": USER_PASSWORD });
    let user = ask(&program, "POST", "/api/users", &cookie, Some(user)).await.json();
    let url = user["playlist_url"].as_str().expect("an address");
    let stream_key = url.split("/t/").nth(1).and_then(|rest| rest.split('/').next()).unwrap().to_owned();
    let key = json!({ "name": "script", "scopes": ["watch", "operate"] });
    let key = ask(&program, "POST", "/api/keys", &cookie, Some(key)).await.json();
    let key = key["key"].as_str().expect("it is shown once").to_owned();
    let path = format!("/t/{stream_key}/api/streaming/token");
    let token = ask(&program, "POST", &path, "", Some(json!({ "channel": "one" }))).await.json();
    let token = token["token"].as_str().expect("it is shown once").to_owned();

    // Each is used in each way, rightly and wrongly.
    let mut answers = String::new();
    for secret in [&*stream_key, &key, &token, WRONG] {
        for path in [
            format!("/t/{secret}/stream/one"),
            format!("/stream/one?token={secret}"),
            format!("/stream/one/hls?token={secret}"),
            format!("/t/{secret}/stream/none"),
            format!("/live/ann/{secret}/one.ts"),
            format!("/api/streaming/stream/{secret}"),
            format!("/none/{}", if secret == WRONG { "x" } else { "y" }),
        ] {
            play(&program, &path).await;
        }
        let bearer = Request::get(program.address(), "/api/relays");
        let bearer = bearer.header("Authorization", &format!("Bearer {secret}")).send().await.unwrap();
        let basic = format!("Basic {}", STANDARD.encode(format!("ann:{secret}")));
        let basic = Request::get(program.address(), "/stream/none").header("Authorization", &basic);
        answers += &bearer.text();
        answers += &basic.send().await.unwrap().text();
        for body in [json!({ "name": "ann", "password": secret }), json!({ "name": secret, "password": 1 })] {
            // The answer does not repeat the input.
            answers += &ask(&program, "POST", "/api/session", "", Some(body)).await.text();
        }
    }
    let dead = Request::get(program.address(), &format!("/t/{stream_key}/stream/dead"));
    answers += &dead.send().await.unwrap().text();
    let changed = json!({ "password": format!("{USER_PASSWORD} 2") });
    ask(&program, "PATCH", &format!("/api/users/{}", user["id"]), &cookie, Some(changed)).await;
    for path in [
        "/metrics",
        "/health",
        "/api/streams/status",
        "/api/streams/dead/status",
        "/api/audit",
        "/api/viewers",
        "/api/keys",
        "/api/channels?token=x",
        "/api/openapi.json",
    ] {
        answers += &ask(&program, "GET", path, &cookie, None).await.text();
    }
    let session = cookie.split_once('=').expect("a name and a value").1;
    let names = names(program.folder());
    let log = program.log();
    assert!(log.contains("viewer joined"), "{log}");
    for (what, secret) in [
        ("the setup token", &*setup),
        ("the admin's password", ADMIN_PASSWORD),
        ("the user's password", USER_PASSWORD),
        ("the session", session),
        ("the stream key", &stream_key),
        ("the API key", &key),
        ("the token", &token),
        ("a wrong guess", WRONG),
        ("a source's password", SOURCE_PASSWORD),
        ("a source's token", SOURCE_TOKEN),
        ("a source's header field", SOURCE_HEADER),
    ] {
        for (place, text) in [("the log", &log), ("the answers", &answers), ("the names of files", &names)] {
            let line = text.lines().find(|line| line.contains(secret));
            assert_eq!(line, None, "{what} is in {place}");
        }
    }
}

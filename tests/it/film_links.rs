//! Signed links to films.

use std::time::{Duration, SystemTime};

use forebay_testkit::client::{Answer, Request};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::time::{Instant, sleep};

use crate::films::{packets, usual};
use crate::program::{Program, Setup};

const ONE: &str = "0188f5e0-7b1c-4d2e-9a3f-0011223300aa";
const OTHER: &str = "0188f5e0-7b1c-4d2e-9a3f-0011223300bb";

/// No film takes longer to be offered.
const PATIENCE: Duration = Duration::from_secs(20);

/// A server whose streams need a token, with two films. The one who runs it signs links.
async fn start() -> (Program, TempDir) {
    let folder = TempDir::new_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo has made a folder for tests");
    for id in [ONE, OTHER] {
        let path = folder.path().join(format!("{id}.mp4"));
        std::fs::copy(usual(), &path).expect("a film can be copied");
        let file = std::fs::File::options().append(true).open(&path).expect("it is there");
        file.set_modified(SystemTime::now() - Duration::from_mins(1)).expect("its time can be set");
        std::fs::write(folder.path().join(format!("{id}.en.vtt")), "WEBVTT\n\n00:01.000 --> 00:02.000\nHi\n")
            .expect("a text can be written");
    }
    let films = folder.path().display();
    let config = format!(
        "trusted_proxies = ['127.0.0.1']\n[auth]\nstreams = 'token'\n\
         [films]\nfolders = ['{films}']\nrescan = '1s'\n"
    );
    let program = Setup::new(&config).env("FOREBAY_LOG", "trace").start().await;
    let until = Instant::now() + PATIENCE;
    for id in [ONE, OTHER] {
        while sign(&program, id, json!({})).await.status == 404 {
            assert!(Instant::now() < until, "{id} is offered");
            sleep(Duration::from_millis(50)).await;
        }
    }
    (program, folder)
}

async fn sign(program: &Program, id: &str, fields: Value) -> Answer {
    let path = format!("/api/v1/videos/{id}/link");
    let token = format!("Bearer {}", program.admin_token());
    let request = Request::new("POST", program.address(), &path).header("Authorization", &token);
    request.json(&fields).send().await.expect("an answer")
}

/// What a link has in front of the paths of its film.
async fn prefix(program: &Program, id: &str, fields: Value) -> String {
    let made = sign(program, id, fields).await;
    assert_eq!(made.status, 201, "{}", made.text());
    let made = made.json();
    let url = made["hls_url"].as_str().expect("an address");
    let path = url.strip_prefix(&format!("http://{}", program.address())).expect("an address of the server");
    path.strip_suffix(&format!("/hls/{id}/master.m3u8")).expect("its path").to_owned()
}

async fn get(program: &Program, path: &str) -> Answer {
    from(program, path, "127.0.0.1").await
}

/// Asks for a viewer at this address, as a proxy does that is trusted.
async fn from(program: &Program, path: &str, viewer: &str) -> Answer {
    let request = Request::get(program.address(), path).header("X-Forwarded-For", viewer);
    request.send().await.expect("an answer")
}

/// All that there is of a film.
fn paths(id: &str) -> [String; 12] {
    [
        format!("/stream/{id}"),
        format!("/stream/{id}?format=ts"),
        format!("/hls/{id}/master.m3u8"),
        format!("/hls/{id}/main.m3u8"),
        format!("/hls/{id}/main/init.mp4"),
        format!("/hls/{id}/main/0.m4s"),
        format!("/hls/{id}/master.m3u8?format=ts"),
        format!("/hls/{id}/ts/0.ts"),
        format!("/hls/{id}/s-en.m3u8"),
        format!("/hls/{id}/s-en/0.vtt"),
        format!("/dash/{id}/manifest.mpd"),
        format!("/api/v1/videos/{id}/stream-config"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_opens_its_film_and_nothing_else_and_is_in_no_log() {
    let (program, _folder) = start().await;
    let open = prefix(&program, ONE, json!({})).await;
    let other = prefix(&program, OTHER, json!({})).await;
    let bound = prefix(&program, ONE, json!({ "address": "192.0.2.1" })).await;
    let short = prefix(&program, ONE, json!({ "lifetime": 1 })).await;
    let changed = open.replace('.', "0.");
    let truncated = &open[..open.len() - 1];
    let mut secrets = Vec::new();
    for link in [&open, &other, &bound, &short] {
        secrets.push(link.split_once('.').expect("a signature").1.to_owned());
    }
    let until = Instant::now() + PATIENCE;
    while get(&program, &format!("{short}/stream/{ONE}")).await.status != 401 {
        assert!(Instant::now() < until, "it is over");
        sleep(Duration::from_millis(50)).await;
    }
    for path in paths(ONE) {
        for (case, prefix, viewer, status) in [
            ("no link", "", "192.0.2.1", 401),
            ("good", &open, "192.0.2.1", 200),
            ("good anywhere", &open, "192.0.2.2", 200),
            ("good at home", &bound, "192.0.2.1", 200),
            ("another address", &bound, "192.0.2.2", 401),
            ("over", &short, "192.0.2.1", 401),
            ("another film", &other, "192.0.2.1", 401),
            ("another time", &changed, "192.0.2.1", 401),
            ("truncated", truncated, "192.0.2.1", 401),
        ] {
            let answer = from(&program, &format!("{prefix}{path}"), viewer).await;
            assert_eq!(answer.status, status, "{case}: {path}: {}", answer.text());
        }
    }
    // What a manifest names is below the link, as an address is resolved (RFC 3986).
    let manifest = url::Url::parse(&format!("http://{}{open}/dash/{ONE}/manifest.mpd", program.address()));
    let manifest = manifest.expect("an address");
    let text = get(&program, manifest.path()).await.text();
    let init = text.split('"').find(|value| value.ends_with("t0/init.mp4")).expect("an address");
    let init = manifest.join(init).expect("an address");
    assert!(init.path().starts_with(&open), "{init}");
    assert_eq!(get(&program, init.path()).await.status, 200, "{init}");
    let one = get(&program, &format!("{open}/hls/{ONE}/main/0.m4s")).await;
    let same = from(&program, &format!("{bound}/hls/{ONE}/main/0.m4s"), "192.0.2.1").await;
    assert_eq!(one.header("ETag"), same.header("ETag"), "a segment is the same by each link");
    // It opens nothing else.
    for path in ["/playlist.m3u", "/api/v1/videos", "/api/streaming/tokens", "/stream/one"] {
        assert_eq!(get(&program, &format!("{open}{path}")).await.status, 401, "{path}");
    }
    // The addresses that it is told open by themselves.
    let config = get(&program, &format!("{open}/api/v1/videos/{ONE}/stream-config")).await.json();
    for field in ["stream_url", "hls_url", "dash_url"] {
        let url = config[field].as_str().expect("an address");
        assert!(url.contains(&format!("{open}/")), "{url}");
    }
    let log = program.log();
    assert!(log.contains("a link to a film was signed"), "{log}");
    for secret in secrets {
        assert_eq!(log.lines().find(|line| line.contains(&secret)), None);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_link_is_signed_for_a_day_at_most_and_by_operators_alone() {
    let (program, _folder) = start().await;
    for fields in [
        json!({ "lifetime": 0 }),
        json!({ "lifetime": 86_401 }),
        json!({ "address": "home" }),
        json!({ "until": "noon" }),
    ] {
        assert_eq!(sign(&program, ONE, fields.clone()).await.status, 400, "{fields}");
    }
    let path = format!("/api/v1/videos/{ONE}/link");
    let nobody = Request::new("POST", program.address(), &path).header("X-Forwarded-For", "192.0.2.1");
    assert_eq!(nobody.json(&json!({})).send().await.expect("an answer").status, 403);
    let link = prefix(&program, ONE, json!({})).await;
    let by_link = Request::new("POST", program.address(), &format!("{link}{path}"));
    let by_link = by_link.header("X-Forwarded-For", "192.0.2.1").json(&json!({}));
    assert_eq!(by_link.send().await.expect("an answer").status, 403, "no link makes another");
}

mod players {
    use forebay_testkit::player::ffmpeg_strict;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_player_needs_the_first_address_alone() {
        let (program, _folder) = start().await;
        let link = prefix(&program, ONE, json!({})).await;
        for path in [
            format!("/hls/{ONE}/master.m3u8"),
            format!("/hls/{ONE}/master.m3u8?format=ts"),
            format!("/stream/{ONE}"),
        ] {
            ffmpeg_strict(&format!("http://{}{link}{path}", program.address()), 3).await.assert_ok();
        }
        // By DASH, ffmpeg shows texts as a stream, which cannot be decoded to nothing.
        let dash = format!("http://{}{link}/dash/{ONE}/manifest.mpd", program.address());
        let file = usual();
        for stream in ["0:v", "0:a"] {
            let wanted = packets(file.to_str().expect("text"), stream).await.len();
            assert_eq!(packets(&dash, stream).await.len(), wanted, "{stream}");
        }
    }
}

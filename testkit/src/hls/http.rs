//! The HTTP side of HLS.

use std::io::Read as _;

use flate2::read::GzDecoder;
use url::Url;

use super::follower::{get, request};
use super::playlist::Playlist;
use crate::client::Answer;

/// How often two answers are compared that can differ because the list moved on in between.
const TRIES: usize = 5;

/// Asks for a media playlist and its last segment in every way that clients and caches use; returns what is wrong, one
/// sentence each.
///
/// # Panics
/// Without a playlist that has a segment.
pub async fn check_http(url: &str) -> Vec<String> {
    let url: Url = url.parse().unwrap_or_else(|error| panic!("{url} is no URL: {error}"));
    let (answer, base) = get(&url).await.unwrap_or_else(|error| panic!("{url}: {error}"));
    let list = Playlist::read(&answer.body, &mut Vec::new());
    let newest = list.segments.last().unwrap_or_else(|| panic!("{url} lists no segment: {}", answer.text()));
    let segment = base.join(&newest.uri).unwrap_or_else(|error| panic!("{} is no URI: {error}", newest.uri));
    let mut faults = Vec::new();
    playlist(&base, &mut faults).await;
    media(&segment, &mut faults).await;
    faults
}

async fn send(method: &str, url: &Url, headers: &[(&str, &str)]) -> Answer {
    let request =
        headers.iter().fold(request(method, url), |request, (name, value)| request.header(name, value));
    request.send().await.unwrap_or_else(|error| panic!("{method} {url}: {error}"))
}

async fn playlist(url: &Url, faults: &mut Vec<String>) {
    let mut compressed = Err("the playlist was never the same twice in a row".to_owned());
    let mut unchanged = Ok(());
    for _ in 0..TRIES {
        let plain = send("GET", url, &[]).await;
        let zipped = send("GET", url, &[("Accept-Encoding", "gzip")]).await;
        let tag = plain.header("etag").unwrap_or_default().to_owned();
        let again = send("GET", url, &[("If-None-Match", &tag)]).await;
        let after = send("GET", url, &[]).await;
        if plain.body != after.body {
            continue;
        }
        compressed = is_compressed(&zipped, &plain.body);
        unchanged = match (tag.is_empty(), again.status, again.body.len()) {
            (true, _, _) => Err("the playlist has no ETag".into()),
            (false, 304, 0) => Ok(()),
            (false, status, bytes) => {
                Err(format!("with its ETag the playlist is {status} with {bytes} bytes and not 304"))
            }
        };
        break;
    }
    faults.extend([compressed, unchanged].into_iter().filter_map(Result::err));
    let stale = send("GET", url, &[("If-None-Match", "\"no such\"")]).await;
    if stale.status != 200 {
        faults.push(format!("with a strange ETag the playlist is {}", stale.status));
    }
    head(url, "the playlist", faults).await;
}

fn is_compressed(answer: &Answer, plain: &[u8]) -> Result<(), String> {
    if answer.header("content-encoding") != Some("gzip") {
        return Err("the playlist is not compressed where gzip is accepted".into());
    }
    let varies =
        answer.header("vary").is_some_and(|vary| vary.to_ascii_lowercase().contains("accept-encoding"));
    if !varies {
        return Err("the compressed playlist does not vary by Accept-Encoding".into());
    }
    let mut bytes = Vec::new();
    match GzDecoder::new(&answer.body[..]).read_to_end(&mut bytes) {
        Ok(_) if bytes == plain => Ok(()),
        Ok(_) => Err("the compressed playlist says something else".into()),
        Err(error) => Err(format!("the compressed playlist cannot be read: {error}")),
    }
}

async fn head(url: &Url, what: &str, faults: &mut Vec<String>) {
    let (get, head) = (send("GET", url, &[]).await, send("HEAD", url, &[]).await);
    if head.status != get.status || !head.body.is_empty() {
        faults.push(format!("HEAD of {what} is {} with {} bytes", head.status, head.body.len()));
    }
    for name in ["content-type", "access-control-allow-origin", "cache-control"] {
        if head.header(name) != get.header(name) {
            faults.push(format!(
                "HEAD of {what} has {name} {:?} and GET {:?}",
                head.header(name),
                get.header(name)
            ));
        }
    }
    if get.header("access-control-allow-origin").is_none() {
        faults.push(format!("{what} has no Access-Control-Allow-Origin"));
    }
    if get.header("cache-control").is_none() {
        faults.push(format!("{what} has no Cache-Control"));
    }
}

async fn media(url: &Url, faults: &mut Vec<String>) {
    head(url, "a segment", faults).await;
    let whole = send("GET", url, &[]).await;
    let length = whole.body.len();
    if send("HEAD", url, &[]).await.header("content-length") != Some(&length.to_string()) {
        faults.push("HEAD of a segment does not tell its length".into());
    }
    if whole.header("accept-ranges") != Some("bytes") {
        faults.push("a segment does not say Accept-Ranges: bytes".into());
    }
    if length < 400 {
        faults.push(format!("a segment has {length} bytes"));
        return;
    }
    for (range, from, to) in [
        ("bytes=0-187".to_owned(), 0, 187),
        (format!("bytes=188-{}", length + 5), 188, length - 1),
        ("bytes=188-".to_owned(), 188, length - 1),
        ("bytes=-188".to_owned(), length - 188, length - 1),
    ] {
        let part = send("GET", url, &[("Range", &range)]).await;
        let extent = format!("bytes {from}-{to}/{length}");
        let is_right = part.status == 206 && part.header("content-range") == Some(&extent);
        if !is_right || part.body != whole.body[from..=to] {
            let given = part.header("content-range");
            faults.push(format!(
                "Range {range} of a segment is {} {given:?} with {} bytes",
                part.status,
                part.body.len()
            ));
        }
    }
    let beyond = send("GET", url, &[("Range", &format!("bytes={length}-"))]).await;
    if beyond.status != 416 {
        faults.push(format!("a range beyond the end of a segment is {}", beyond.status));
    }
}

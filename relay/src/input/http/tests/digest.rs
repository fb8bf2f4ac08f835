//! Digest authentication over a whole source.

use super::*;

/// What of a header of the kind `name="value"` or `name=value` there is.
fn parameter<'a>(header: &'a str, name: &str) -> &'a str {
    let value = header.split([' ', ',']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches('"')
}

fn md5_hex(text: &str) -> String {
    use md5::Digest as _;
    md5::Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// A server that wants Digest and counts: each nonce serves three requests. An HLS source asks it
/// for all its parts, with one challenge for each nonce; a wrong password is not tried for ever,
/// and nobody else is told anything.
#[tokio::test(flavor = "multi_thread")]
async fn digest_authentication_is_answered() {
    let other = Site::start(false, |_, _| endless()).await;
    let elsewhere = other.url("/");
    let answers = Arc::new(std::sync::Mutex::new((0, 0)));
    let counts = Arc::clone(&answers);
    let site = Site::start_heard(move |head| {
        let mut counts = counts.lock().unwrap();
        let (nonce, used) = &mut *counts;
        let target = head.split(' ').nth(1).unwrap();
        let authorization =
            head.lines().find_map(|line| line.strip_prefix("Authorization: ")).unwrap_or_default();
        let get = |name| parameter(authorization, name);
        let known = nonce.to_string();
        let [ha1, ha2] = ["joe:tvheadend:p@ss", &format!("GET:{target}")].map(md5_hex);
        let (nc, cnonce) = (format!("{:08x}", *used + 1), get("cnonce"));
        let expected = md5_hex(&format!("{ha1}:{known}:{nc}:{cnonce}:auth:{ha2}"));
        let is_good = authorization.starts_with("Digest ")
            && (get("nonce"), get("nc"), get("uri"), get("response")) == (&known, &nc, target, &expected);
        if !is_good || *used == 3 {
            let stale = if is_good { ", stale=true" } else { "" };
            (*nonce, *used) = (*nonce + 1, 0);
            let nonce = *nonce;
            let challenge = format!("Digest realm=\"tvheadend\", qop=\"auth\", nonce=\"{nonce}\"{stale}");
            return whole(&format!("401 Unauthorized\r\nWWW-Authenticate: {challenge}"), b"");
        }
        *used += 1;
        match target {
            "/away" => whole(&format!("302 Found\r\nLocation: {elsewhere}"), b""),
            "/ts" => endless(),
            path => hls(path),
        }
    })
    .await;
    let address = site.address();
    let opened = async |user: &str, path: &str| {
        open(&site, &format!("http://{user}@{address}{path}"), SocketGuard::default()).await
    };
    assert!(opened("joe:p%40ss", "/ts").await.is_ok());
    let mut upstream = opened("joe:p%40ss", "/live").await.unwrap();
    for _ in 0..3 {
        while !matches!(timeout(PATIENCE, upstream.pieces.next()).await.unwrap(), Some(Ok(Piece::SegmentEnd)))
        {
        }
    }
    assert!(opened("joe:p%40ss", "/away").await.is_ok());
    assert!(!other.seen().heads[0].contains("Authorization"));
    let before = site.seen().heads.len();
    let wrong = opened("joe:wrong", "/ts").await.map(drop);
    assert_eq!((wrong, site.seen().heads.len() - before), (Err(Error::Status { status: 401 }), 3));
}

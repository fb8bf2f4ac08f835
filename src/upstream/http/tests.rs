//! Sockets, and what lives as long as they do; redirects, credentials and cookies.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use forebay_core::playlist::ladder::Prefer;
use futures_util::future::join_all;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::{Instant, timeout};

use super::*;
use crate::client::site::{INTERNET, Say, Site, Then, whole};
use crate::config::{Access, SourceUrl};

const PATIENCE: Duration = Duration::from_secs(10);

/// Null packets, as a transport stream that goes on.
fn packets(count: usize) -> Vec<u8> {
    let mut packet = [0xFF; 188];
    packet[..4].copy_from_slice(&[0x47, 0x1F, 0xFF, 0x10]);
    packet.repeat(count)
}

fn endless() -> Say {
    Say([&b"HTTP/1.1 200 OK\r\n\r\n"[..], &packets(20)].concat(), Then::Wait)
}

/// Three segments of one second.
const PLAYLIST: &[u8] =
    b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n/0.ts\n#EXTINF:1,\n/1.ts\n#EXTINF:1,\n/2.ts\n";

fn hls(path: &str) -> Say {
    if path.contains(".ts") { whole("200 OK", &packets(100)) } else { whole("200 OK", PLAYLIST) }
}

fn source(url: &str) -> Source {
    Source {
        url: SourceUrl::parse(url, Path::new("")).unwrap(),
        user_agent: None,
        provider: None,
        max_bitrate: None,
        variant: Prefer::default(),
        slate_urls: Arc::default(),
        headers: Vec::new(),
        access: Access::default(),
    }
}

fn open(site: &Site, url: &str, hold: Hold) -> BoxFuture<'static, Result<Upstream, Error>> {
    Client::over(site.connector()).open(&source(url), &Context::default(), hold)
}

/// In each state of a transport stream, dropping it has closed its socket when it returns, and let go of the lease after that.
#[tokio::test(flavor = "multi_thread")]
async fn a_transport_stream_and_its_socket_end_at_once() {
    for (is_encrypted, reads) in [(false, false), (false, true), (true, false), (true, true)] {
        let answer = move |_: &str, _| if reads { endless() } else { Say(Vec::new(), Then::Wait) };
        let site = Site::start(is_encrypted, answer).await;
        let (hold, mut dropped) = site.lease();
        let mut opening = open(&site, &site.url("/live"), hold);
        if reads {
            let mut upstream = opening.await.unwrap();
            assert!(matches!(upstream.pieces.next().await, Some(Ok(Piece::Bytes(_)))));
            assert_eq!(dropped.try_recv(), Err(TryRecvError::Empty));
            drop(upstream);
        } else {
            tokio::select! {
                _ = &mut opening => panic!("nothing was answered"),
                () = site.wait(|seen| seen.heads.len() == 1) => {}
            }
            assert_eq!((site.open(), dropped.try_recv()), (1, Err(TryRecvError::Empty)));
            drop(opening);
        }
        assert_eq!((dropped.try_recv(), site.open()), (Ok(0), 0), "{is_encrypted}, {reads}");
    }
}

/// The same before there is anything to talk over.
#[tokio::test(flavor = "multi_thread")]
async fn an_attempt_to_connect_ends_at_once() {
    let site = Site::start(true, |_, _| endless()).await;
    // Accepts, and never shakes hands.
    let mute = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (hold, mut dropped) = site.lease();
    let mut opening = open(&site, &format!("https://{}/", mute.local_addr().unwrap()), hold);
    let mut accepted = tokio::select! {
        _ = &mut opening => panic!("no handshake"),
        accepted = mute.accept() => accepted.unwrap().0,
    };
    assert_eq!(dropped.try_recv(), Err(TryRecvError::Empty));
    drop(opening);
    assert_eq!(dropped.try_recv(), Ok(0));
    let mut hello = Vec::new();
    timeout(PATIENCE, tokio::io::AsyncReadExt::read_to_end(&mut accepted, &mut hello))
        .await
        .unwrap()
        .unwrap();

    // Has no room for one more, so that connecting goes on and on.
    let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    full.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    full.listen(0).unwrap();
    let address = full.local_addr().unwrap().as_socket().unwrap();
    let _waiting = tokio::net::TcpStream::connect(address).await.unwrap();
    let (hold, mut dropped) = site.lease();
    let mut opening = open(&site, &format!("http://{address}/"), hold);
    assert!(timeout(Duration::from_millis(100), &mut opening).await.is_err(), "it cannot connect");
    assert_eq!(dropped.try_recv(), Err(TryRecvError::Empty));
    drop(opening);
    assert_eq!(dropped.try_recv(), Ok(0));
}

/// In each state of an HLS source its sockets are closed, and the lease is let go of behind them, within moments.
#[tokio::test(flavor = "multi_thread")]
async fn an_hls_source_and_its_sockets_end_together() {
    #[derive(Debug, Clone, Copy, PartialEq)]
    enum State {
        Head,
        Segment,
        Idle,
    }
    for (is_encrypted, state) in [false, true]
        .into_iter()
        .flat_map(|tls| [(tls, State::Head), (tls, State::Segment), (tls, State::Idle)])
    {
        let part = b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n";
        let site = Site::start(is_encrypted, move |path, _| match (path, state) {
            ("/2.ts", State::Head) => Say(Vec::new(), Then::Wait),
            ("/2.ts", State::Segment) => Say([&part[..], &packets(200)].concat(), Then::Wait),
            _ => hls(path),
        })
        .await;
        let (hold, mut dropped) = site.lease();
        let mut upstream = open(&site, &site.url("/live"), hold).await.unwrap();
        site.wait(|seen| seen.heads.iter().any(|head| head.contains("/2.ts"))).await;
        let mut cuts = 0;
        while state == State::Idle && cuts < 3 {
            let piece = timeout(PATIENCE, upstream.pieces.next()).await.unwrap();
            cuts += usize::from(matches!(piece, Some(Ok(Piece::Cut))));
        }
        assert!((1..=2).contains(&site.open()), "{state:?}: {} are open", site.open());
        assert_eq!(dropped.try_recv(), Err(TryRecvError::Empty), "{state:?}");
        let began = Instant::now();
        drop(upstream);
        assert_eq!(timeout(PATIENCE, &mut dropped).await.unwrap(), Ok(0), "{is_encrypted}, {state:?}");
        let took = began.elapsed();
        assert_eq!(site.open(), 0);
        assert!(took < Duration::from_millis(200), "{took:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_source_keeps_its_lease_without_a_socket() {
    let closing = |path: &str, _| Say(hls(path).0, Then::Close);
    let site = Site::start(false, closing).await;
    let (hold, mut dropped) = site.lease();
    let upstream = open(&site, &site.url("/live"), hold).await.unwrap();
    site.wait(|seen| seen.heads.iter().any(|head| head.contains("/2.ts"))).await;
    assert_eq!(dropped.try_recv(), Err(TryRecvError::Empty));
    drop(upstream);
    assert_eq!(timeout(PATIENCE, dropped).await.unwrap(), Ok(0));
}

/// An account with one connection: each hop's is closed before the next opens.
#[tokio::test(flavor = "multi_thread")]
async fn on_the_way_no_two_connections_are_open() {
    for is_encrypted in [false, true] {
        let site = Site::start(is_encrypted, |path, _| match path {
            "/a" => whole("302 Found\r\nLocation: /b", b""),
            "/b" => whole("301 Moved\r\nLocation: c/d", b"there is more to read here"),
            "/c/d" => Say(b"HTTP/1.1 307 There\r\nLocation: ../e\r\n\r\nwithout an end".into(), Then::Wait),
            _ => endless(),
        })
        .await;
        let mut upstream = open(&site, &site.url("/a"), Hold::default()).await.unwrap();
        assert!(matches!(upstream.pieces.next().await, Some(Ok(Piece::Bytes(_)))));
        assert_eq!((site.seen().accepted, site.open()), (vec![0; 4], 1));
    }
}

#[tokio::test]
async fn ten_redirects_are_followed_and_only_to_where_http_leads() {
    let site = Site::start(false, |path, _| match path.trim_start_matches('/').parse() {
        Ok(0) => endless(),
        Ok(left) => whole(&format!("302 Found\r\nLocation: /{}", left - 1_u32), b""),
        Err(_) if path == "/nowhere" => whole("302 Found", b""),
        Err(_) if path == "/far" => whole(&format!("302 Found\r\nLocation: /{}", "a".repeat(9000)), b""),
        Err(_) => whole("302 Found\r\nLocation: rtmp://joe:hunter2@h/", b""),
    })
    .await;
    let open = async |path: &str| open(&site, &site.url(path), Hold::default()).await.map(drop);
    assert_eq!(open("/10").await, Ok(()));
    assert_eq!(open("/11").await, Err(Error::Redirect("too many redirects".into())));
    assert_eq!(open("/nowhere").await, Err(Error::Status { status: 302 }));
    assert_eq!(
        open("/far").await,
        Err(Error::Redirect("it leads to an address of more than 8192 bytes".into()))
    );
    let error = open("/rtmp").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the source redirects in vain: it leads to an address that begins with rtmp:"
    );
}

/// A source's own host gets its credentials, until a redirect leads away; others get those in the address that leads to them.
#[tokio::test]
async fn credentials_stay_with_their_host_and_cookies_go_along() {
    let site = Site::start(false, |path, number| {
        let port = path.split('/').nth(1).unwrap();
        let location = match number {
            0 => "/PORT/1\r\nSet-Cookie: a=1; Path=/\r\nSet-Cookie: b=2; Path=/x",
            1 => "http://localhost:PORT/PORT/2",
            2 => "http://ann:pw@localhost:PORT/PORT/3",
            3 => "http://127.0.0.1:PORT/PORT/4",
            _ => return endless(),
        };
        whole(&format!("302 Found\r\nLocation: {}", location.replace("PORT", port)), b"")
    })
    .await;
    let (port, address) = (site.address().port(), site.address());
    let mut source = source(&format!("http://joe:p%40ss@{address}/{port}/0"));
    let header = |name: &str, value: &str| (name.parse().unwrap(), value.parse().unwrap());
    source.headers =
        vec![header("proxy-authorization", "s3cret"), header("x-key", "k1"), header("accept", "video/*")];
    Client::over(site.connector()).open(&source, &Context::default(), Hold::default()).await.unwrap();
    let heads = site.seen().heads;
    assert_eq!(heads.len(), 5);
    for (number, head) in heads.iter().enumerate() {
        let has = |text: &str| head.contains(text);
        let host = if [2, 3].contains(&number) { format!("localhost:{port}") } else { address.to_string() };
        assert!(has(&format!(" HTTP/1.1\r\nHost: {host}\r\n")), "{head}");
        assert!(has("X-Key: k1\r\n") && has("Accept: video/*\r\n"), "{head}");
        assert!(has("User-Agent: Forebay/") && !has("Referer"), "{head}");
        assert_eq!(has("Proxy-Authorization: s3cret\r\n"), number < 2, "{head}");
        assert_eq!(has("Authorization: Basic am9lOnBAc3M=\r\n"), number < 2, "{head}");
        assert_eq!(has("Authorization: Basic YW5uOnB3\r\n"), number == 3, "{head}");
        assert_eq!(has("Cookie: a=1\r\n"), [1, 4].contains(&number), "{head}");
    }
}

#[tokio::test]
async fn what_was_for_tls_does_not_go_out_without() {
    let plain = Site::start(false, |_, _| endless()).await;
    let target = plain.url("/b");
    let site = Site::start(true, move |_, _| whole(&format!("302 Found\r\nLocation: {target}"), b"")).await;
    open(&site, &format!("https://joe:hunter2@{}/", site.address()), Hold::default()).await.unwrap();
    let head = &plain.seen().heads[0];
    assert!(!head.contains("Authorization"), "{head}");
}

/// Whatever is set, only so much is kept.
#[tokio::test]
async fn cookies_have_limits() {
    let site = Site::start(false, |_, number| {
        let long = "x".repeat(5000);
        let cookies: Vec<_> = (0..60).map(|at| format!("\r\nSet-Cookie: c{number}-{at}=1")).collect();
        let cookies = cookies.concat();
        whole(&format!("302 Found\r\nLocation: /\r\nSet-Cookie: long={long}{cookies}"), b"")
    })
    .await;
    let outcome = open(&site, &site.url("/"), Hold::default()).await.map(drop);
    assert_eq!(outcome, Err(Error::Redirect("too many redirects".into())));
    for head in site.seen().heads {
        assert!(head.matches("=1").count() <= 100 && !head.contains("long"), "{head}");
    }
}

/// A known notice is none of the channel, wherever on the way it shows up; nothing of it is asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_known_notice_is_a_failure() {
    for notice in ["/live", "/moved", "/1.ts", "/again"] {
        let lists = AtomicBool::new(false);
        let site = Site::start(false, move |path, _| match path {
            _ if path == notice => whole("302 Found\r\nLocation: http://u:p@127.0.0.1/limit/1.ts?a=1", b""),
            "/live" => whole("302 Found\r\nLocation: /moved", b""),
            "/moved" if notice == "/again" && lists.swap(true, Ordering::Relaxed) => {
                whole("302 Found\r\nLocation: /again", b"")
            }
            _ => hls(path),
        })
        .await;
        let mut source = source(&site.url("/live"));
        source.slate_urls = ["http://127.0.0.1/limit/*".parse().unwrap()].into();
        let opening =
            Client::over(site.connector()).open(&source, &Context::default(), Hold::default()).await;
        let end = match opening {
            Err(error) => error,
            Ok(mut upstream) => loop {
                match timeout(PATIENCE, upstream.pieces.next()).await.unwrap() {
                    Some(Ok(_)) => {}
                    Some(Err(error)) => break error,
                    None => panic!("no reason"),
                }
            },
        };
        assert_eq!(end, Error::Slate, "{notice}");
    }
    let site = Site::start(false, |_, _| endless()).await;
    let mut source = source(&site.url("/limit.ts?token=1#x"));
    source.slate_urls = ["*/limit.ts?token=1".parse().unwrap()].into();
    let opening = Client::over(site.connector()).open(&source, &Context::default(), Hold::default()).await;
    assert_eq!((opening.map(drop), site.seen().accepted.len()), (Err(Error::Slate), 0), "the first one too");
}

/// Connections are kept between requests, few at a time; one that the server has given up is no failure.
#[tokio::test(flavor = "multi_thread")]
async fn an_hls_source_uses_its_connections_again() {
    for is_rude in [false, true] {
        let has_hung_up = AtomicBool::new(!is_rude);
        let site = Site::start(false, move |path, _| {
            // It comes over the connection of the segment before.
            let hangs_up = path == "/1.ts" && !has_hung_up.swap(true, Ordering::Relaxed);
            if hangs_up { Say(Vec::new(), Then::Close) } else { hls(path) }
        })
        .await;
        let mut upstream = open(&site, &site.url("/live"), Hold::default()).await.unwrap();
        for _ in 0..3 {
            while !matches!(timeout(PATIENCE, upstream.pieces.next()).await.unwrap(), Some(Ok(Piece::Cut))) {}
        }
        let seen = site.seen();
        assert!(seen.accepted.iter().all(|&open| open <= 2), "{:?}", seen.accepted);
        assert_eq!(seen.accepted.len(), if is_rude { 3 } else { 2 });
        let counts = upstream.monitor.as_ref().unwrap().snapshot().counts;
        assert_eq!(counts.retries, 0);
        let asked = seen.heads.iter().filter(|head| head.contains("/1.ts")).count();
        assert_eq!(asked, if is_rude { 2 } else { 1 });
        assert!(site.open() <= 2);
    }
}

/// Opens a source on the internet that is named `public.test`, and reads it to its failure.
async fn fate(public: &Site, look_up: Names) -> Option<Error> {
    let source = source(&format!("http://public.test:{}/live", public.address().port()));
    let opened =
        Client::over(public.connector_in(look_up)).open(&source, &Context::default(), Hold::default()).await;
    let mut upstream = match opened {
        Ok(upstream) => upstream,
        Err(error) => return Some(error),
    };
    loop {
        match timeout(Duration::from_secs(2), upstream.pieces.next()).await.ok()? {
            Some(Ok(_)) => {}
            Some(Err(error)) => return Some(error),
            None => panic!("no reason"),
        }
    }
}

type Names = Box<dyn Fn(&str) -> Vec<IpAddr> + Send + Sync>;

fn names() -> Names {
    Box::new(|name| match name {
        "public.test" => vec![INTERNET.into()],
        "inner.test" => vec![Ipv4Addr::LOCALHOST.into()],
        _ => Vec::new(),
    })
}

/// A source on the internet leads to this machine by each way there is; nothing there is ever connected to.
#[tokio::test(flavor = "multi_thread")]
async fn a_public_source_does_not_lead_to_private_addresses() {
    const KEY: &str = "#EXT-X-KEY:METHOD=AES-128,URI=\"INNER/key\"\n#EXTINF:1,\n/0.ts\n";
    const MAP: &str = "#EXT-X-MAP:URI=\"INNER/init.mp4\"\n#EXTINF:1,\n/0.m4s\n";
    let redirect = |to: &str| format!("302 {to}");
    let playlist = |rest: &str| format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{rest}");
    let variant = "#EXT-X-STREAM-INF:BANDWIDTH=1\nINNER/v.m3u8\n";
    let cases = [
        ("redirect", redirect("INNER/internal")),
        ("redirect to a name", redirect("http://inner.test:PORT/internal")),
        ("redirect to a mapped address", redirect("http://[::ffff:127.0.0.1]:PORT/internal")),
        ("redirect to a decimal address", redirect("http://2130706433:PORT/internal")),
        ("redirect by way of itself", redirect("/again")),
        ("variant", format!("#EXTM3U\n{variant}")),
        ("segment", playlist("#EXTINF:1,\nINNER/0.ts\n")),
        ("redirect of a segment", playlist("#EXTINF:1,\n/again\n")),
        ("key", playlist(KEY)),
        ("initialisation section", playlist(MAP)),
    ];
    let inner = Site::start(false, |_, _| endless()).await;
    let (port, at) = (inner.address().port(), format!("http://{}", inner.address()));
    let fates = cases.map(async |(name, answer)| {
        let answer = answer.replace("INNER", &at).replace("PORT", &port.to_string());
        let again = redirect(&at);
        let public = Site::start_at((INTERNET, 0).into(), false, move |path, _| {
            let answer = if path == "/again" { &again } else { &answer };
            match answer {
                _ if path == "/0.ts" => whole("200 OK", &packets(100)),
                answer => match answer.strip_prefix("302 ") {
                    Some(location) => whole(&format!("302 Found\r\nLocation: {location}"), b""),
                    None => whole("200 OK", answer.as_bytes()),
                },
            }
        })
        .await;
        (name, fate(&public, names()).await)
    });
    for (name, fate) in join_all(fates).await {
        assert_eq!(fate, Some(Error::Private), "{name}");
    }
    assert_eq!(inner.seen().accepted.len(), 0, "nothing there was connected to");
}

/// The name led to the internet when it was first asked for.
#[tokio::test(flavor = "multi_thread")]
async fn a_name_that_changes_gains_nothing() {
    let again = |path: &str, _| match path {
        "/live" => whole("302 Found\r\nLocation: /secret", b""),
        _ => endless(),
    };
    let public = Site::start_at((INTERNET, 0).into(), false, again).await;
    let inner = (Ipv4Addr::LOCALHOST, public.address().port()).into();
    let inner = Site::start_at(inner, false, |_, _| endless()).await;
    let has_asked = AtomicBool::new(false);
    let rebinding: Names = Box::new(move |_| {
        let is_first = !has_asked.swap(true, Ordering::Relaxed);
        vec![if is_first { INTERNET } else { Ipv4Addr::LOCALHOST }.into()]
    });
    assert_eq!(fate(&public, rebinding).await, Some(Error::Private));
    assert_eq!(inner.seen().accepted.len(), 0);
}

/// Where a source itself is in a local network, what it names there is asked for; so is what the configuration allows.
#[tokio::test(flavor = "multi_thread")]
async fn local_sources_and_allowed_ones_lead_to_private_addresses() {
    let inner = Site::start(false, |_, _| endless()).await;
    let target = inner.url("/inner");
    let to = move |_: &str, _| whole(&format!("302 Found\r\nLocation: {target}"), b"");
    let public = Site::start_at((INTERNET, 0).into(), false, to.clone()).await;
    let opened = |count| assert_eq!(inner.seen().accepted.len(), count);
    let mut allowed = source(&format!("http://public.test:{}/", public.address().port()));
    allowed.access.allow_private = true;
    Client::over(public.connector_in(names()))
        .open(&allowed, &Context::default(), Hold::default())
        .await
        .unwrap();
    opened(1);
    let local = Site::start(false, to).await;
    Client::over(local.connector_in(names()))
        .open(&source(&local.url("/")), &Context::default(), Hold::default())
        .await
        .unwrap();
    opened(2);
}

/// Compressed on the way, whether the head says so or not; it comes as it is made.
#[tokio::test]
async fn a_compressed_transport_stream_is_read_as_it_comes() {
    use flate2::{Compression, write::GzEncoder};
    use std::io::Write as _;
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(&packets(20)).unwrap();
    // All that was written can be read, though there is no end.
    encoder.flush().unwrap();
    let body = encoder.get_ref().clone();
    for coding in ["Content-Encoding: gzip\r\n", "Transfer-Encoding: x-gzip\r\n", ""] {
        let answer = [format!("HTTP/1.1 200 OK\r\n{coding}\r\n").as_bytes(), &body].concat();
        let site = Site::start(false, move |_, _| Say(answer.clone(), Then::Wait)).await;
        let mut upstream = open(&site, &site.url("/live"), Hold::default()).await.unwrap();
        let mut bytes = Vec::new();
        while bytes.len() < 20 * 188 {
            match timeout(PATIENCE, upstream.pieces.next()).await.unwrap() {
                Some(Ok(Piece::Bytes(piece))) => bytes.extend_from_slice(&piece),
                other => panic!("{coding}: {other:?}"),
            }
        }
        assert_eq!(bytes, packets(20));
    }
}

/// What of a header of the kind `name="value"` or `name=value` there is.
fn parameter<'a>(header: &'a str, name: &str) -> &'a str {
    let value = header.split([' ', ',']).find_map(|part| part.strip_prefix(name)?.strip_prefix('='));
    value.unwrap_or_default().trim_matches('"')
}

fn md5_hex(text: &str) -> String {
    use md5::Digest as _;
    md5::Md5::digest(text).iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().concat()
}

/// A server that wants Digest and counts: each nonce serves three requests. An HLS source asks it for all its parts,
/// with one challenge for each nonce; a wrong password is not tried for ever, and nobody else is told anything.
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
        open(&site, &format!("http://{user}@{address}{path}"), Hold::default()).await
    };
    assert!(opened("joe:p%40ss", "/ts").await.is_ok());
    let mut upstream = opened("joe:p%40ss", "/live").await.unwrap();
    for _ in 0..3 {
        while !matches!(timeout(PATIENCE, upstream.pieces.next()).await.unwrap(), Some(Ok(Piece::Cut))) {}
    }
    assert!(opened("joe:p%40ss", "/away").await.is_ok());
    assert!(!other.seen().heads[0].contains("Authorization"));
    let before = site.seen().heads.len();
    let wrong = opened("joe:wrong", "/ts").await.map(drop);
    assert_eq!((wrong, site.seen().heads.len() - before), (Err(Error::Status { status: 401 }), 3));
}

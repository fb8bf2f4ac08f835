//! Sockets, and what lives as long as they do; redirects, credentials and cookies.

use std::net::{IpAddr, Ipv4Addr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::oneshot::error::TryRecvError;
use tokio::time::{Instant, timeout};

use super::*;
use crate::model::{Scope, SourceUrl};
use crate::net::site::{INTERNET, Say, Site, Then, whole};

mod digest;
mod reach;

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
    Source::new(SourceUrl::parse(url, Path::new("")).unwrap())
}

fn open(site: &Site, url: &str, hold: SocketGuard) -> BoxFuture<'static, Result<Upstream, Error>> {
    Client::over(site.connector()).open(&source(url), &Context::default(), hold)
}

/// In each state of a transport stream, dropping it has closed its socket when it returns, and let
/// go of the lease after that.
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

/// In each state of an HLS source its sockets are closed, and the lease is let go of behind them,
/// within moments.
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
            cuts += usize::from(matches!(piece, Some(Ok(Piece::SegmentEnd))));
        }
        assert!((1..=2).contains(&site.open()), "{state:?}: {} are open", site.open());
        assert_eq!(dropped.try_recv(), Err(TryRecvError::Empty), "{state:?}");
        let began = Instant::now();
        drop(upstream);
        assert_eq!(timeout(PATIENCE, &mut dropped).await.unwrap(), Ok(0), "{is_encrypted}, {state:?}");
        let took = began.elapsed();
        assert_eq!(site.open(), 0);
        assert!(took < Duration::from_secs(3), "{took:?}");
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
        let mut upstream = open(&site, &site.url("/a"), SocketGuard::default()).await.unwrap();
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
    let open = async |path: &str| open(&site, &site.url(path), SocketGuard::default()).await.map(drop);
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

/// A source's own host gets its credentials, until a redirect leads away; others get those in the
/// address that leads to them.
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
    Client::over(site.connector()).open(&source, &Context::default(), SocketGuard::default()).await.unwrap();
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
    open(&site, &format!("https://joe:hunter2@{}/", site.address()), SocketGuard::default()).await.unwrap();
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
    let outcome = open(&site, &site.url("/"), SocketGuard::default()).await.map(drop);
    assert_eq!(outcome, Err(Error::Redirect("too many redirects".into())));
    for head in site.seen().heads {
        assert!(head.matches("=1").count() <= 100 && !head.contains("long"), "{head}");
    }
}

/// A known notice is none of the channel, wherever on the way it shows up; nothing of it is asked
/// for.
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
            Client::over(site.connector()).open(&source, &Context::default(), SocketGuard::default()).await;
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
    let opening =
        Client::over(site.connector()).open(&source, &Context::default(), SocketGuard::default()).await;
    assert_eq!((opening.map(drop), site.seen().accepted.len()), (Err(Error::Slate), 0), "the first one too");
}

/// Connections are kept between requests, few at a time; one that the server has given up is no
/// failure.
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
        let mut upstream = open(&site, &site.url("/live"), SocketGuard::default()).await.unwrap();
        for _ in 0..3 {
            while !matches!(
                timeout(PATIENCE, upstream.pieces.next()).await.unwrap(),
                Some(Ok(Piece::SegmentEnd))
            ) {}
        }
        let seen = site.seen();
        assert!(seen.accepted.iter().all(|&open| open <= 2), "{:?}", seen.accepted);
        assert_eq!(seen.accepted.len(), if is_rude { 3 } else { 2 });
        let counts = upstream.parts.as_ref().unwrap().snapshot().unwrap().counts;
        assert_eq!(counts.retries, 0);
        let asked = seen.heads.iter().filter(|head| head.contains("/1.ts")).count();
        assert_eq!(asked, if is_rude { 2 } else { 1 });
        assert!(site.open() <= 2);
    }
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
        let mut upstream = open(&site, &site.url("/live"), SocketGuard::default()).await.unwrap();
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

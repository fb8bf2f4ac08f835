use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::StreamExt as _;
use http::StatusCode;

use forebay_testkit::identity::Identity;
use tokio::io::AsyncWriteExt as _;

use super::site::{Say, Site, Then, whole};
use super::*;
use crate::model::Trust;

async fn get(site: &Site, path: &str) -> Result<http::Response<Body>, Error> {
    let url = Url::parse(&site.url(path)).unwrap();
    let connection = site.connector().connect(&url, Route::DIRECT, SocketGuard::default()).await?;
    connection.send(request(Method::GET, &url, HeaderMap::new(), Bytes::new())?).await
}

async fn read(mut body: Body) -> (Vec<u8>, Option<Error>) {
    let mut whole = Vec::new();
    while let Some(piece) = body.next().await {
        match piece {
            Ok(piece) => whole.extend(piece),
            Err(error) => return (whole, Some(error)),
        }
    }
    (whole, None)
}

/// Heads as servers of providers send them, and bodies however they end.
#[tokio::test]
async fn answers_of_old_and_odd_servers_are_read() {
    let broken = |why: &str| Some(Error::Broken(why.to_owned()));
    for (answer, expected) in [
        ("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", None),
        ("HTTP/1.0 200 OK\r\n\r\nabc", None),
        ("HTTP/1.1 200\r\nX-A : 1\r\njunk\r\nX-B: 1,\r\n 2\r\n\r\nabc", None),
        ("HTTP/1.1 200 OK\nContent-Type: video/mp2t\n\nabc", None),
        ("ICY 200 OK\r\nicy-name: x\r\n\r\nabc", None),
        ("HTTP/1.1  200 OK\r\n\r\nabc", None),
        ("HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\nabc", None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551615\r\n\r\nabc", None),
        ("HTTP/1.1 200 OK\r\nContent-Length: 2147483647\r\nContent-Length: 4294967295\r\n\r\nabc", None),
        ("HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\nabc", None),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: identity\r\n\r\nabc", None),
        ("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", None),
        ("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\nabc", None),
        ("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Sum: 1\r\n\r\n", None),
        (
            "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nabc",
            broken("end of file before message length reached"),
        ),
    ] {
        let site = Site::start(false, |_, _| Say(answer.into(), Then::Close)).await;
        let (head, body) = get(&site, "/").await.unwrap().into_parts();
        assert_eq!(head.status, StatusCode::OK);
        if answer.contains("junk") {
            assert_eq!(
                (&head.headers["x-a"], &head.headers["x-b"]),
                (&"1".parse().unwrap(), &"1, 2".parse().unwrap())
            );
        }
        assert_eq!(read(body).await, (b"abc".to_vec(), expected), "{answer}");
    }
}

#[tokio::test]
async fn what_is_no_answer_is_a_broken_connection() {
    let interim = "HTTP/1.1 102 Processing\r\n\r\n".repeat(100_000);
    let fields = format!("HTTP/1.1 200 OK\r\n{}\r\n", "X-A: 1\r\n".repeat(1001));
    for (answer, why) in [
        ("", "connection closed before message completed"),
        ("G\x1F\n", "what came is no HTTP answer"),
        (&interim, "more than 16 interim answers came, and no real one"),
        (&fields, "the head of the answer has more than 1000 fields"),
    ] {
        let answer = answer.to_owned();
        let site = Site::start(false, move |_, _| Say(answer.clone().into(), Then::Close)).await;
        assert_eq!(get(&site, "/").await.unwrap_err(), Error::Broken(why.into()));
    }
}

/// As many as are allowed, and more than hyper allows by itself.
#[tokio::test]
async fn many_fields_are_read() {
    let fields: Vec<_> = (0..1000).map(|at| format!("X-{at}: 1\r\n")).collect();
    let fields = fields.concat();
    let answer = format!("HTTP/1.1 200 OK\r\n{fields}\r\nabc");
    let site = Site::start(false, move |_, _| Say(answer.clone().into(), Then::Close)).await;
    let (head, body) = get(&site, "/").await.unwrap().into_parts();
    assert_eq!((head.headers.len(), read(body).await.0), (1000, b"abc".to_vec()));
}

/// Some servers compare letter by letter.
#[tokio::test]
async fn names_of_fields_go_out_as_browsers_write_them() {
    let site = Site::start(false, |_, _| whole("200 OK", b"")).await;
    let url = Url::parse(&site.url("/")).unwrap();
    let headers = HeaderMap::from_iter([(header::USER_AGENT, USER_AGENT)]);
    let connection = site.connector().connect(&url, Route::DIRECT, SocketGuard::default()).await.unwrap();
    connection.send(request(Method::GET, &url, headers, Bytes::new()).unwrap()).await.unwrap();
    let head = &site.seen().heads[0];
    assert!(head.contains("\r\nHost: ") && head.contains("\r\nUser-Agent: Forebay/"), "{head}");
}

/// What stands behind a mended answer is not taken for the next one.
#[tokio::test]
async fn no_answer_is_smuggled_in_behind_an_odd_one() {
    for head in [
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nTransfer-Encoding: identity",
        "HTTP/1.1 200 OK\r\nContent-Length: 9\r\nTransfer-Encoding: chunked",
        "HTTP/1.1  200 OK\r\nContent-Length: 3",
        "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 30",
    ] {
        let body = if head.contains("chunked") { "3\r\nabc\r\n0\r\n\r\n" } else { "abc" };
        let answer = format!("{head}\r\n\r\n{body}HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nX");
        let site = Site::start(false, move |_, _| Say(answer.clone().into(), Then::Listen)).await;
        let kept = IdleConnections::default();
        let mut body = get(&site, "/").await.unwrap().into_body();
        let origin = Url::parse(&site.url("/")).unwrap().origin();
        body.keep(&kept, origin.clone());
        assert!(body.next().await.unwrap().unwrap().starts_with(b"abc"), "{head}");
        drop(body);
        assert!(kept.take(&origin).is_none(), "{head}");
    }
}

#[tokio::test]
async fn a_connection_that_does_not_come_about_says_why() {
    let site = Site::start(true, |_, _| whole("200 OK", b"")).await;
    let connect = async |url: &str| {
        let wary = Connector::new(trust::client_config(Vec::new()));
        wary.connect(&Url::parse(url).unwrap(), Route::DIRECT, SocketGuard::default()).await.unwrap_err()
    };
    let refusing = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    assert_eq!(connect(&format!("http://{refusing}/")).await, Error::Refused);
    let error = connect("http://no-such-host.invalid/").await;
    assert!(matches!(&error, Error::Unreachable(why) if !why.contains("invalid")), "{error}");
    assert!(matches!(connect(&site.url("/")).await, Error::Untrusted(_)));
}

/// What is wrong with a certificate is told, and does not matter to whoever says so.
#[tokio::test]
async fn certificates_that_do_not_verify_are_told_apart() {
    for (names, years, is_known, why) in [
        ("127.0.0.1", (1975, 2000), true, "its certificate has expired"),
        ("127.0.0.1", (4000, 4096), true, "its certificate is not valid yet"),
        ("other.example", (1975, 4096), true, "its certificate is for another name"),
        (
            "127.0.0.1",
            (1975, 4096),
            false,
            "its certificate is self-signed, or signed by nobody who is known here",
        ),
    ] {
        let identity = Identity::new(&[names], years);
        let at = (Ipv4Addr::LOCALHOST, 0).into();
        let site = Site::start_as(at, Some(identity), |_, _| whole("200 OK", b"abc")).await;
        let connector =
            if is_known { site.connector() } else { Connector::new(trust::client_config(Vec::new())) };
        let url = Url::parse(&site.url("/")).unwrap();
        let error = connector.connect(&url, Route::DIRECT, SocketGuard::default()).await.unwrap_err();
        assert_eq!(error, Error::Untrusted(why.into()));
        let route = Route { trust: Trust::Unverified, ..Route::DIRECT };
        let connection = connector.connect(&url, route, SocketGuard::default()).await.unwrap();
        let request = request(Method::GET, &url, HeaderMap::new(), Bytes::new()).unwrap();
        assert_eq!(read(connection.send(request).await.unwrap().into_body()).await.0, b"abc");
    }
}

/// What servers answer that have only what is out of use, or no TLS at all.
#[tokio::test]
async fn tls_that_is_not_spoken_here_is_named() {
    let hello = [
        // A record with a hello of TLS 1.0, from a server that wants AES-CBC by the key exchange of
        // RSA.
        &[22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1][..],
        &[7; 32],
        &[0, 0, 0x2F, 0],
    ];
    for (answer, is_tls) in [
        (&hello.concat()[..], true),
        (&[21, 3, 1, 0, 2, 2, 70], true),
        (&[21, 3, 3, 0, 2, 2, 40], true),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", false),
    ] {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = Url::parse(&format!("https://{}/", listener.local_addr().unwrap())).unwrap();
        let answering = async {
            let mut stream = listener.accept().await.unwrap().0;
            stream.write_all(answer).await.unwrap();
            stream
        };
        let connector = Connector::new(trust::client_config(Vec::new()));
        let (_stream, outcome) =
            tokio::join!(answering, connector.connect(&url, Route::DIRECT, SocketGuard::default()));
        let expected = if is_tls { "out of use" } else { "is it an http:// address?" };
        let error = outcome.unwrap_err();
        assert!(matches!(error, Error::Tls(why) if why.contains(expected)), "{answer:?}: {error}");
    }
}

#[tokio::test]
async fn connections_are_kept_within_limits() {
    let site = Site::start(false, |_, _| whole("200 OK", b"abc")).await;
    let kept = IdleConnections::default();
    let origin = Url::parse(&site.url("/")).unwrap().origin();
    let mut bodies = Vec::new();
    for _ in 0..3 {
        let mut body = get(&site, "/").await.unwrap().into_body();
        body.keep(&kept, origin.clone());
        assert_eq!(body.next().await, Some(Ok("abc".into())));
        bodies.push(body);
    }
    drop(bodies);
    assert_eq!(site.open(), 2, "of one origin");
    let again = request(Method::GET, &Url::parse(&site.url("/b")).unwrap(), HeaderMap::new(), Bytes::new());
    let answer = kept.take(&origin).unwrap().send(again.unwrap()).await.unwrap();
    assert_eq!((read(answer.into_body()).await.0, site.seen().accepted.len()), (b"abc".to_vec(), 3));
    assert_eq!(site.open(), 1, "who is not told to keep it closes it");

    let mut sites = Vec::new();
    for _ in 0..9 {
        let other = Site::start(false, |_, _| whole("200 OK", b"")).await;
        let mut body = get(&other, "/").await.unwrap().into_body();
        body.keep(&kept, Url::parse(&other.url("/")).unwrap().origin());
        sites.push(other);
    }
    assert_eq!(site.open() + sites.iter().map(Site::open).sum::<usize>(), 8, "in all");
    kept.age(Duration::from_secs(91));
    kept.tidy();
    assert_eq!(sites.iter().map(Site::open).sum::<usize>(), 0, "they have waited long");
}

#[tokio::test]
async fn a_connection_is_not_kept_with_an_answer_under_way_or_after_its_end() {
    let long = |then| Say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc".into(), then);
    for then in [Then::Wait, Then::Close] {
        let (then, kept) = (std::sync::Mutex::new(Some(then)), IdleConnections::default());
        let site = Site::start(false, move |_, _| long(then.lock().unwrap().take().unwrap())).await;
        let mut body = get(&site, "/").await.unwrap().into_body();
        body.keep(&kept, Url::parse(&site.url("/")).unwrap().origin());
        assert_eq!(body.next().await, Some(Ok("abc".into())));
        drop(body);
        assert_eq!(site.open(), 0);
    }
    let closing = |_: &str, _| {
        Say(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n".into(), Then::Wait)
    };
    let (site, kept) = (Site::start(false, closing).await, IdleConnections::default());
    let mut body = get(&site, "/").await.unwrap().into_body();
    body.keep(&kept, Url::parse(&site.url("/")).unwrap().origin());
    drop(body);
    assert_eq!(site.open(), 0);
}

/// The first address takes no more connections and says nothing: it costs a quarter of a second.
#[tokio::test]
async fn a_dead_address_of_a_name_does_not_hold_up_the_next() {
    // One port at two addresses: at the first, connections wait for ever.
    let (_full, dead) = loop {
        let full = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        full.bind(&SocketAddr::from(([127, 0, 0, 2], 0)).into()).unwrap();
        full.listen(0).unwrap();
        let dead = full.local_addr().unwrap().as_socket().unwrap();
        if std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, dead.port())).is_ok() {
            break (full, dead);
        }
    };
    let _waiting = tokio::net::TcpStream::connect(dead).await.unwrap();
    let live = (Ipv4Addr::LOCALHOST, dead.port()).into();
    let site = Site::start_at(live, false, |_, _| whole("200 OK", b"abc")).await;
    let connector = site.connector_in(move |_| vec![dead.ip(), Ipv4Addr::LOCALHOST.into()]);
    let url = Url::parse(&format!("http://two.test:{}/", dead.port())).unwrap();
    let began = std::time::Instant::now();
    let connection = connector.connect(&url, Route::DIRECT, SocketGuard::default()).await.unwrap();
    let took = began.elapsed();
    // Far less than until the first attempt is given up.
    assert!((Duration::from_millis(240)..Duration::from_secs(5)).contains(&took), "{took:?}");
    let request = request(Method::GET, &url, HeaderMap::new(), Bytes::new()).unwrap();
    assert_eq!(read(connection.send(request).await.unwrap().into_body()).await.0, b"abc");
}

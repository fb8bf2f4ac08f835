use std::sync::Arc;

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::time::sleep;
use tokio_rustls::TlsConnector;

use super::*;
use crate::client::{self, Ended, Viewer};
use crate::clip::{Clip, Kind};
use crate::ts::Checker;

const SOON: Duration = Duration::from_secs(2);
const MOMENT: Duration = Duration::from_millis(300);

fn stream() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac)).burst(Duration::from_secs(1))
}

#[tokio::test]
async fn connections_are_counted_and_can_be_awaited() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", stream());
    let first = Viewer::get(origin.address(), "/a.ts").await;
    let second = Viewer::get(origin.address(), "/a.ts?token=1").await;
    origin.wait_connections("/a.ts", 2, SOON).await;
    drop(first);
    origin.wait_connections("/a.ts", 1, SOON).await;
    drop(second);
    origin.wait_connections("/a.ts", 0, SOON).await;
    assert_eq!(origin.opened("/a.ts"), 2);
    let requests = origin.requests_for("/a.ts");
    assert_eq!((requests.len(), &requests[1].path[..]), (2, "/a.ts?token=1"));
    assert!(requests[0].header("host").is_some());
    origin.shutdown().await;
}

#[tokio::test]
async fn a_stream_comes_in_real_time_in_either_coding() {
    let origin = Origin::start().await;
    origin.serve("/close", stream()).serve("/chunked", stream().chunked()).serve("/old", stream().http10());
    for path in ["/close", "/chunked", "/old"] {
        let mut viewer = Viewer::get(origin.address(), path).await;
        assert_eq!((viewer.status(), viewer.header("content-type")), (200, Some("video/mp2t")));
        let report = Checker::check(&viewer.read_for(Duration::from_secs(1)).await);
        assert!(report.media_time.abs_diff(Duration::from_secs(2)) < MOMENT, "{path}: {report:?}");
        assert_eq!((report.sync_errors, report.continuity_errors_total()), (0, 0));
        assert!(viewer.largest_gap() < MOMENT && viewer.first_byte_after().unwrap() < MOMENT);
        assert_eq!(viewer.ended(), None);
    }
}

#[tokio::test]
async fn streams_end_are_cut_or_stall() {
    let origin = Origin::start().await;
    origin.serve("/end", stream().chunked().end_after(MOMENT));
    origin.serve("/cut", stream().chunked().cut_after(MOMENT));
    origin.serve("/stall", stream().stall_after(MOMENT));
    let mut end = Viewer::get(origin.address(), "/end").await;
    assert_eq!(Checker::check(&end.read_to_end().await).trailing_bytes, 0);
    assert_eq!(end.ended(), Some(&Ended::Cleanly));
    let mut cut = Viewer::get(origin.address(), "/cut").await;
    assert_eq!(Checker::check(&cut.read_to_end().await).trailing_bytes, 94);
    assert!(matches!(cut.ended(), Some(Ended::Early(_))));
    let mut stall = Viewer::get(origin.address(), "/stall").await;
    stall.read_for(Duration::from_millis(600)).await;
    assert!(stall.read_for(MOMENT).await.is_empty());
    assert_eq!((stall.ended(), origin.connections("/stall")), (None, 1));
    origin.kill("/stall");
    stall.read_to_end().await;
    assert!(matches!(stall.ended(), Some(Ended::Early(_))));
    origin.wait_connections("/stall", 0, SOON).await;
}

#[tokio::test]
async fn finite_answers_are_given_as_asked() {
    let origin = Origin::start().await;
    origin.serve("/page", Behaviour::body("text/html", "<html>"));
    origin.serve("/gone", Behaviour::status(410, "text/plain", "gone"));
    origin.serve("/to", Behaviour::redirect("/page", Some("a=1")));
    origin.serve("/live", Behaviour::handler(|request| Reply::new(200, "x/y", request.path.clone())));
    origin.serve("/liar", Behaviour::body("text/plain", "short").claim_length(99));
    origin.serve("/refused", Behaviour::refuse());
    let get = |path: &'static str| client::get(origin.address(), path);
    assert_eq!(get("/page").await.text(), "<html>");
    assert_eq!((get("/gone").await.status, get("/nothing").await.status), (410, 404));
    let redirect = get("/to").await;
    assert_eq!((redirect.header("location"), redirect.header("set-cookie")), (Some("/page"), Some("a=1")));
    assert_eq!(get("/live?x").await.text(), "/live?x");
    for path in ["/liar", "/refused"] {
        assert!(client::Request::get(origin.address(), path).send().await.is_err(), "{path}");
    }
    let head = client::Request::new("HEAD", origin.address(), "/page").http10().send().await.unwrap();
    assert_eq!((head.status, head.body.len(), head.header("content-length")), (200, 0, Some("6")));
}

#[tokio::test]
async fn required_header_fields_are_required() {
    let origin = Origin::start().await;
    origin.serve(
        "/a",
        Behaviour::body("x/y", "in").require_header("User-Agent", "VLC").require_header("Cookie", "k=2"),
    );
    let request = client::Request::get(origin.address(), "/a").header("user-agent", "VLC");
    assert_eq!(request.send().await.unwrap().status, 403);
    assert_eq!(request.header("Cookie", "j=1; k=2").send().await.unwrap().text(), "in");
}

#[tokio::test]
async fn answers_can_be_late_and_junk_has_no_sync() {
    let origin = Origin::start().await;
    origin.serve("/late", Behaviour::body("x/y", "late").answer_after(MOMENT));
    origin.serve("/junk", Behaviour::endless_junk());
    origin.serve("/garbage", stream().garbage_before("garbage"));
    let began = Instant::now();
    client::get(origin.address(), "/late").await;
    assert!(began.elapsed() >= MOMENT);
    let junk = Viewer::get(origin.address(), "/junk").await.read_for(MOMENT).await;
    assert!(junk.len() > 10_000 && !junk.contains(&0x47));
    assert!(Viewer::get(origin.address(), "/garbage").await.read_until(500).await.starts_with(b"garbageG"));
}

#[tokio::test]
async fn a_live_stream_can_stall_and_go_on() {
    let origin = Origin::start().await;
    origin.serve("/a", stream());
    let mut viewer = Viewer::get(origin.address(), "/a").await;
    let mut bytes = viewer.read_for(MOMENT).await;
    origin.pace("/a", 0);
    let rest = viewer.read_for(MOMENT).await;
    assert!(viewer.read_for(MOMENT).await.is_empty());
    origin.pace("/a", 100);
    bytes.extend(rest);
    bytes.extend(viewer.read_for(MOMENT).await);
    let report = Checker::check(&bytes);
    assert_eq!((report.continuity_errors_total(), report.sync_errors), (0, 0));
    assert!(report.media_time.abs_diff(Duration::from_millis(1600)) < MOMENT, "{:?}", report.media_time);
}

#[tokio::test]
async fn a_source_can_go_and_come_back() {
    let origin = Origin::start().await;
    origin.serve("/a", stream());
    let live = Viewer::get(origin.address(), "/a").await;
    origin.set_listening(false).await;
    let refused = client::Request::get(origin.address(), "/a").open().await;
    assert_eq!(refused.unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
    assert_eq!(origin.connections("/a"), 1, "live connections stay");
    drop(live);
    origin.set_listening(true).await;
    origin.serve("/a", Behaviour::body("x/y", "other"));
    assert_eq!(client::get(origin.address(), "/a").await.text(), "other");
    origin.remove("/a");
    assert_eq!(client::get(origin.address(), "/a").await.status, 404);
}

#[tokio::test]
async fn who_joins_a_live_timeline_later_joins_later() {
    let origin = Origin::start().await;
    let behaviour = Behaviour::ts(Clip::get(Kind::H264Aac)).live();
    sleep(Duration::from_secs(1)).await;
    origin.serve("/a", behaviour);
    let bytes = Viewer::get(origin.address(), "/a").await.read_for(MOMENT).await;
    let pcr = bytes.chunks_exact(188).find_map(|packet| crate::ts::Packet::new(packet)?.pcr()).unwrap();
    let late = Duration::from_micros((pcr - Clip::get(Kind::H264Aac).first_pcr_27m()) / 27);
    assert!(late.abs_diff(Duration::from_secs(1)) < MOMENT, "{late:?}");
}

#[tokio::test]
async fn tls_works_with_its_own_certificate_and_no_other() {
    let origin = Origin::start_tls().await;
    origin.serve("/a", Behaviour::body("x/y", "secret"));
    assert!(origin.url("/a").starts_with("https://127.0.0.1:"));
    assert!(origin.certificate_pem().starts_with("-----BEGIN CERTIFICATE-----"));
    let get = async |trusted: &[u8]| -> io::Result<String> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from(trusted.to_vec())).expect("it is a certificate");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions();
        let config = config.unwrap().with_root_certificates(roots).with_no_client_auth();
        let stream = TcpStream::connect(origin.address()).await?;
        let name = ServerName::try_from("127.0.0.1").unwrap();
        let mut stream = TlsConnector::from(Arc::new(config)).connect(name, stream).await?;
        stream.write_all(b"GET /a HTTP/1.0\r\n\r\n").await?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).await?;
        Ok(answer)
    };
    assert!(get(origin.certificate_der()).await.unwrap().ends_with("\r\n\r\nsecret"));
    let other = Origin::start_tls().await;
    assert!(get(other.certificate_der()).await.is_err());
}

#[tokio::test]
#[should_panic(expected = "2 open connections; 0 are open and 0 were opened")]
async fn a_wait_in_vain_says_what_is_there() {
    Origin::start().await.wait_connections("/a", 2, Duration::from_millis(20)).await;
}

#[tokio::test]
#[should_panic(expected = "a handler has failed")]
async fn a_panic_in_the_origin_reaches_the_test() {
    let origin = Origin::start().await;
    origin.serve("/a", Behaviour::handler(|_| panic!("a handler has failed")));
    assert!(client::Request::get(origin.address(), "/a").open().await.is_err());
    origin.shutdown().await;
}

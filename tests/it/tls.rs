//! HTTPS: over HTTP/1.1 and HTTP/2, with certificates that change, and with those that an authority signs.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use forebay_testkit::authority::{Authority, reserve};
use forebay_testkit::client;
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::identity::Identity;
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::ts::{Checker, PACKET_SIZE};
use http::{Version, header};
use rustix::process::Signal;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::version::{TLS12, TLS13};
use rustls::{ClientConfig, DEFAULT_VERSIONS, ProtocolVersion, RootCertStore, SupportedProtocolVersion};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::program::{Program, Setup};
use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// Nothing that a test waits for takes longer than this.
const PATIENCE: Duration = Duration::from_secs(20);

/// What a client says in the handshake that it speaks.
const HTTP1: &[&str] = &["http/1.1"];
const HTTP2: &[&str] = &["h2", "http/1.1"];

fn trust(certificate: CertificateDer<'static>, protocols: &[&str]) -> ClientConfig {
    trust_with(certificate, protocols, DEFAULT_VERSIONS)
}

fn trust_with(
    certificate: CertificateDer<'static>,
    protocols: &[&str],
    versions: &[&'static SupportedProtocolVersion],
) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add(certificate).expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_protocol_versions(versions)
        .expect("ring has these versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|protocol| protocol.as_bytes().to_vec()).collect();
    config
}

/// A client that trusts this certificate, and no other.
pub(crate) fn browser(certificate: &[u8], protocols: &[&str]) -> reqwest::Client {
    let config = trust(certificate.to_vec().into(), protocols);
    // A small window, so that one who does not read is felt at once.
    let builder = reqwest::Client::builder().no_proxy().http2_initial_stream_window_size(65_535);
    builder.tls_backend_preconfigured(config).build().expect("a client can be made")
}

/// A client that trusts this certificate, and finds this name there; a port that an address names
/// counts.
pub(crate) fn browser_of_names(certificate: &[u8], name: &str, address: SocketAddr) -> reqwest::Client {
    let config = trust(certificate.to_vec().into(), HTTP1);
    let builder = reqwest::Client::builder().no_proxy().resolve(name, address);
    builder.tls_backend_preconfigured(config).build().expect("a client can be made")
}

/// A connection of which nothing but its handshake is done; the name has to be in the certificate.
async fn connect(
    address: SocketAddr,
    config: ClientConfig,
    name: &'static str,
    receive_buffer: u32,
) -> std::io::Result<TlsStream<TcpStream>> {
    let socket = TcpSocket::new_v4()?;
    socket.set_recv_buffer_size(receive_buffer)?;
    let stream = socket.connect(address).await?;
    let name = ServerName::try_from(name).expect("it is a name");
    timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, stream)).await?
}

/// The certificate that is shown to those who connect now; whether it is good for localhost and signed by one of these was checked.
async fn presented(address: SocketAddr, trusted: &[&[u8]]) -> Option<Vec<u8>> {
    for certificate in trusted {
        let config = trust(certificate.to_vec().into(), HTTP1);
        if let Ok(stream) = connect(address, config, "localhost", 64 * 1024).await {
            return Some(stream.get_ref().1.peer_certificates()?.first()?.to_vec());
        }
    }
    None
}

/// Reads what comes of a body for this long.
async fn read_for(response: &mut reqwest::Response, span: Duration) -> Vec<u8> {
    let (mut got, until) = (Vec::new(), Instant::now() + span);
    while let Ok(Ok(Some(bytes))) = timeout_at(until, response.chunk()).await {
        got.extend_from_slice(&bytes);
    }
    got
}

/// A certificate and a key in a folder.
struct Files {
    folder: TempDir,
    identity: Identity,
}

impl Files {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("the temporary folder can be written");
        let identity = Identity::local();
        put(folder.path(), &identity);
        Self { folder, identity }
    }

    fn certificate(&self) -> &[u8] {
        &self.identity.certificate_der
    }

    /// `[server.tls]`, followed by the channel `one` with this source and further settings.
    fn config(&self, source: &str, settings: &str) -> String {
        let section = section("certificate.pem", "key.pem", self.folder.path());
        section + &channel("one", &[source.into()], settings)
    }
}

fn put(folder: &Path, identity: &Identity) {
    std::fs::write(folder.join("certificate.pem"), &identity.certificate_pem).expect("it can be written");
    std::fs::write(folder.join("key.pem"), &identity.key_pem).expect("it can be written");
}

fn section(certificate: &str, key: &str, folder: &Path) -> String {
    let (certificate, key) = (folder.join(certificate), folder.join(key));
    format!(
        "[server.tls]\nlisten = \"127.0.0.1:0\"\ncertificate = {:?}\nkey = {:?}\n",
        certificate.to_string_lossy(),
        key.to_string_lossy()
    )
}

async fn relay(settings: &str) -> (Origin, Files, Relay) {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(4 * SECOND));
    let files = Files::new();
    let relay = Relay::start(&files.config(&origin.url("/a.ts"), settings));
    (origin, files, relay)
}

#[tokio::test(flavor = "multi_thread")]
async fn every_route_answers_over_both_versions_and_plain_http_stays() {
    let (_origin, files, relay) = relay("").await;
    for (protocols, version) in [(HTTP1, Version::HTTP_11), (HTTP2, Version::HTTP_2)] {
        let browser = browser(files.certificate(), protocols);
        let base = format!("https://localhost:{}", relay.tls_address().port());
        let get = |path: &str| browser.get(format!("{base}{path}")).send();
        let list = get("//playlist.m3u?x=1").await.unwrap();
        assert_eq!((list.status().as_u16(), list.version()), (200, version));
        let list = list.text().await.unwrap();
        assert!(list.contains(&format!("\n{base}/stream/one.ts\n")), "{list}");
        let health = get("/health").await.unwrap().text().await.unwrap();
        assert!(health.contains("\"status\":\"healthy\""), "{health}");
        for path in ["/none", "/.well-known/acme-challenge/none"] {
            assert_eq!(get(path).await.unwrap().status().as_u16(), 404, "{path}");
        }
        let head = browser.head(format!("{base}/stream/one")).send().await.unwrap();
        assert_eq!(head.headers()[header::CONTENT_TYPE], "video/mp2t");
        assert_eq!(head.headers().contains_key(header::CONNECTION), version == Version::HTTP_11);
        assert_eq!(head.headers().get(header::CONTENT_LENGTH), None);
    }
    let list = client::get(relay.address(), "/playlist.m3u").await.text();
    assert!(list.contains(&format!("\n{}\n", relay.url("/stream/one.ts"))), "{list}");
    assert_eq!(relay.status("one").await["state"], "idle");
}

#[tokio::test(flavor = "multi_thread")]
async fn old_and_new_versions_of_tls_are_spoken() {
    let (_origin, files, relay) = relay("").await;
    let versions = [(ProtocolVersion::TLSv1_2, &TLS12), (ProtocolVersion::TLSv1_3, &TLS13)];
    for (expected, version) in versions {
        // Old players do not say what they want to speak.
        let config = trust_with(files.certificate().to_vec().into(), &[], &[version]);
        let mut stream = connect(relay.tls_address(), config, "localhost", 64 * 1024).await.unwrap();
        let negotiated = stream.get_ref().1;
        assert_eq!((negotiated.protocol_version(), negotiated.alpn_protocol()), (Some(expected), None));
        stream.write_all(b"GET /health HTTP/1.0\r\n\r\n").await.unwrap();
        let mut answer = String::new();
        timeout(PATIENCE, stream.read_to_string(&mut answer)).await.expect("it is closed").unwrap();
        assert!(answer.starts_with("HTTP/1.0 200 OK\r\n"), "{answer}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_live_stream_is_whole_over_both_versions_and_ends_with_the_server() {
    let (origin, files, relay) = relay("").await;
    let mut viewers = Vec::new();
    for (protocols, version) in [(HTTP1, Version::HTTP_11), (HTTP2, Version::HTTP_2)] {
        let browser = browser(files.certificate(), protocols);
        let url = format!("https://{}/stream/one", relay.tls_address());
        let viewer = browser.get(url).send().await.unwrap();
        assert_eq!((viewer.status().as_u16(), viewer.version()), (200, version));
        viewers.push(viewer);
    }
    let [one, two] = &mut viewers[..] else { panic!("there are two") };
    let (one, two) = tokio::join!(read_for(one, 4 * SECOND), read_for(two, 4 * SECOND));
    for bytes in [&one, &two] {
        let report = Checker::check(&bytes[..bytes.len() / PACKET_SIZE * PACKET_SIZE]);
        report.assert_clean();
        assert!(report.media_time > 4 * SECOND, "{:?}", report.media_time);
    }
    assert_eq!(origin.opened("/a.ts"), 1);

    let stopped = tokio::spawn(relay.stop());
    for mut viewer in viewers {
        let end = async { while viewer.chunk().await.expect("it ends, and does not break").is_some() {} };
        timeout(5 * SECOND, end).await.expect("it ends");
    }
    assert!(stopped.await.unwrap(), "within the grace period");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_viewer_over_http1_who_takes_nothing_is_dropped() {
    let (origin, files, relay) =
        relay("viewer_timeout = \"1s\"\nidle_timeout = \"500ms\"\nburst = \"4s\"").await;
    let config = trust(files.certificate().to_vec().into(), HTTP1);
    let mut stuck = connect(relay.tls_address(), config, "localhost", 8 * 1024).await.unwrap();
    stuck.write_all(b"GET /stream/one HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    origin.wait_connections("/a.ts", 1, PATIENCE).await;
    relay.wait_status("one", 10 * SECOND, |status| status["clients"] == 1).await;
    relay.wait_status("one", 10 * SECOND, |status| status["clients"] == 0).await;
    origin.wait_connections("/a.ts", 0, 2 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stuck_stream_on_an_http2_connection_is_dropped_and_the_others_on_it_are_not() {
    let (origin, files, relay) = relay("viewer_timeout = \"1s\"\nburst = \"4s\"").await;
    let browser = browser(files.certificate(), HTTP2);
    let get = || browser.get(format!("https://localhost:{}/stream/one", relay.tls_address().port())).send();
    let (stuck, mut other) = (get().await.unwrap(), get().await.unwrap());
    assert_eq!(relay.status("one").await["clients"], 2);
    let bytes = read_for(&mut other, 5 * SECOND).await;
    Checker::check(&bytes[..bytes.len() / PACKET_SIZE * PACKET_SIZE]).assert_clean();
    relay.wait_status("one", 5 * SECOND, |status| status["clients"] == 1).await;
    assert!(!read_for(&mut other, SECOND).await.is_empty(), "the other one goes on");
    let mut stuck = stuck;
    let end = timeout(5 * SECOND, async {
        loop {
            match stuck.chunk().await {
                Ok(Some(_)) => {}
                end => return end,
            }
        }
    });
    assert!(end.await.expect("it ends").is_err(), "it is told that something is missing");
    assert_eq!(origin.opened("/a.ts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_does_not_get_through_the_handshake_is_not_kept() {
    let (_origin, _files, relay) = relay("").await;
    let mut silent = TcpStream::connect(relay.tls_address()).await.unwrap();
    let mut plain = TcpStream::connect(relay.tls_address()).await.unwrap();
    let began = Instant::now();
    plain.write_all(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
    let mut answer = Vec::new();
    let _ = timeout(5 * SECOND, plain.read_to_end(&mut answer)).await.expect("it is closed at once");
    assert!(!answer.starts_with(b"HTTP"), "{:?}", String::from_utf8_lossy(&answer));
    assert_eq!(timeout(15 * SECOND, silent.read(&mut [0])).await.expect("it is closed").unwrap_or(0), 0);
    let waited = began.elapsed();
    assert!((9 * SECOND..14 * SECOND).contains(&waited), "it had its time: {waited:?}");
}

mod certificates {
    use super::*;

    /// A program with this certificate, and a channel to watch.
    async fn program(identity: &Identity) -> Program {
        let setup = Setup::new(&format!(
            "[server.tls]\nlisten = \"127.0.0.1:0\"\ncertificate = \"certificate.pem\"\nkey = \"key.pem\"\n{}",
            channel("card", &["testcard://".into()], "")
        ));
        put(setup.path("").as_path(), identity);
        setup.start().await
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn are_replaced_while_viewers_go_on() {
        let [old, new] = [Identity::local(), Identity::local()];
        let mut program = program(&old).await;
        let trusted = [&old.certificate_der[..], &new.certificate_der];
        let address = program.tls_address();
        assert_eq!(presented(address, &trusted).await.as_ref(), Some(&old.certificate_der));
        let mut viewers = Vec::new();
        for protocols in [HTTP1, HTTP2] {
            let browser = browser(&old.certificate_der, protocols);
            viewers.push(browser.get(format!("https://{address}/stream/card")).send().await.unwrap());
        }
        put(program.folder(), &new);
        program.wait_log("certificate reloaded").await;
        assert_eq!(presented(address, &trusted).await.as_ref(), Some(&new.certificate_der));
        for viewer in &mut viewers {
            let bytes = read_for(viewer, 2 * SECOND).await;
            Checker::check(&bytes[..bytes.len() / PACKET_SIZE * PACKET_SIZE]).assert_clean();
        }
        assert!(!program.log().contains("ERROR"), "half of a pair is not spoken of: {}", program.log());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_are_bad_change_nothing() {
        let [old, other] = [Identity::local(), Identity::local()];
        let mut program = program(&old).await;
        std::fs::write(program.folder().join("key.pem"), &other.key_pem).unwrap();
        program.wait_log("key: does not fit the certificate").await;
        let log = program.log();
        assert!(log.contains("ERROR") && log.contains("the one in force stays"), "{log}");
        std::fs::remove_file(program.folder().join("key.pem")).unwrap();
        program.signal(Signal::HUP);
        program.wait_log("key: cannot read key.pem").await;
        let shown = presented(program.tls_address(), &[&old.certificate_der]).await;
        assert_eq!(shown.as_ref(), Some(&old.certificate_der));
        // And what is mended is taken.
        put(program.folder(), &other);
        program.wait_log("certificate reloaded").await;
        let shown = presented(program.tls_address(), &[&other.certificate_der]).await;
        assert_eq!(shown.as_ref(), Some(&other.certificate_der));
        let key: Vec<&str> = other.key_pem.lines().chain(old.key_pem.lines()).collect();
        assert!(
            program.log().lines().all(|line| !key.iter().any(|key| line.contains(key))),
            "{}",
            program.log()
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn may_be_other_files_after_a_reload() {
        let [old, new] = [Identity::local(), Identity::local()];
        let mut program = program(&old).await;
        std::fs::create_dir(program.folder().join("new")).unwrap();
        put(&program.folder().join("new"), &new);
        program.set_config(&section("new/certificate.pem", "new/key.pem", program.folder()));
        program.wait_log("certificate reloaded").await;
        let trusted = [&old.certificate_der[..], &new.certificate_der];
        assert_eq!(presented(program.tls_address(), &trusted).await.as_ref(), Some(&new.certificate_der));
        program.set_config("");
        program.wait_log("needs a restart").await;
        assert_eq!(presented(program.tls_address(), &trusted).await.as_ref(), Some(&new.certificate_der));
    }
}

mod authority {
    use super::*;

    /// `[server.tls]` for a program that gets its certificate from there.
    fn acme(authority: &Authority, domains: &[&str]) -> String {
        format!(
            "[server.tls]\nlisten = \"127.0.0.1:0\"\n[server.tls.acme]\ndomains = {domains:?}\nterms_agreed = true
             contact = \"mailto:admin@tv.example\"\ndirectory = {:?}\nroot = {:?}\n",
            authority.directory(),
            authority.server_root(),
        )
    }

    async fn start(plain: SocketAddr, config: &str) -> Program {
        Setup::new(config).arg("--listen").arg(&plain.to_string()).start().await
    }

    /// The root that vouches for what the authority signs.
    async fn issuer(authority: &Authority) -> Vec<u8> {
        let server = std::fs::read(authority.server_root()).expect("pebble has it, too");
        let server = CertificateDer::from_pem_slice(&server).expect("it is a certificate");
        let answer = browser(&server, HTTP1).get(authority.issuer()).send().await.expect("pebble answers");
        let pem = answer.bytes().await.expect("the answer is whole");
        CertificateDer::from_pem_slice(&pem).expect("it is a certificate").to_vec()
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn signs_a_certificate_that_is_kept_over_a_restart() {
        let (_port, plain) = reserve();
        let authority = Authority::start(plain.port(), 3600 * SECOND).await;
        let issuer = issuer(&authority).await;
        let config = acme(&authority, &["localhost"]);
        let mut program = start(plain, &config).await;
        program.wait_log("certificate in force").await;
        let shown = presented(program.tls_address(), &[&issuer]).await;
        assert!(shown.is_some(), "{}\n{}", program.log(), authority.log());
        let answered = client::get(program.address(), "/.well-known/acme-challenge/none").await;
        assert_eq!(answered.status, 404);

        let cache = program.folder().join("acme");
        let kept = cache.read_dir().unwrap().next().unwrap().unwrap().path();
        let mode = |name: &str| kept.join(name).metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!([mode(""), mode("account.json"), mode("certificate.pem")], [0o700, 0o600, 0o600]);
        let secrets: Vec<String> = ["account.json", "certificate.pem"]
            .iter()
            .flat_map(|name| {
                std::fs::read_to_string(kept.join(name))
                    .unwrap()
                    .lines()
                    .map(str::to_owned)
                    .collect::<Vec<_>>()
            })
            .collect();

        program.signal(Signal::TERM);
        let (folder, finished) = program.wait_in_folder().await;
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        assert!(!secrets.iter().any(|secret| finished.log.contains(&secret[..])), "{}", finished.log);
        let config = format!("{config}cache = {:?}\n", folder.path().join("acme"));
        let program = start(plain, &config).await;
        assert_eq!(presented(program.tls_address(), &[&issuer]).await, shown, "{}", program.log());
        assert!(!program.log().contains("ordering"), "{}", program.log());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn signs_again_when_two_thirds_of_the_time_are_over() {
        let (_port, plain) = reserve();
        let authority = Authority::start(plain.port(), 15 * SECOND).await;
        let issuer = issuer(&authority).await;
        let mut program = start(plain, &acme(&authority, &["localhost"])).await;
        program.wait_log("certificate in force").await;
        let first = presented(program.tls_address(), &[&issuer]).await.unwrap();
        let began = Instant::now();
        let second = timeout(PATIENCE, async {
            loop {
                tokio::time::sleep(SECOND / 4).await;
                match presented(program.tls_address(), &[&issuer]).await {
                    Some(shown) if shown != first => return shown,
                    _ => {}
                }
            }
        });
        assert!(second.await.is_ok(), "{}\n{}", program.log(), authority.log());
        let after = began.elapsed();
        assert!((7 * SECOND..14 * SECOND).contains(&after), "{after:?}: {}", program.log());
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn that_does_not_find_us_is_told_of_with_what_to_do() {
        let (_port, plain) = reserve();
        // Nobody listens where it looks.
        let (_other, elsewhere) = reserve();
        let authority = Authority::start(elsewhere.port(), 3600 * SECOND).await;
        let mut program = start(plain, &acme(&authority, &["localhost"])).await;
        program.wait_log("there is no valid certificate").await;
        let log = program.log();
        assert!(log.contains("localhost: ") && log.contains("onnection refused"), "{log}");
        assert!(log.contains("port 80 there to server.listen"), "{log}");
        // SIGHUP tries again at once, and with the account that was made.
        program.signal(Signal::HUP);
        let again = async {
            while program.log().matches("there is no valid certificate").count() < 2 {
                tokio::time::sleep(SECOND / 20).await;
            }
        };
        assert!(timeout(PATIENCE, again).await.is_ok(), "{}", program.log());
        assert_eq!(program.log().matches("account made").count(), 1, "{}", program.log());
        program.signal(Signal::TERM);
        assert_eq!(program.wait().await.status.code(), Some(0));
    }
}

mod players {
    use forebay_testkit::player;

    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn ffmpeg_plays_it() {
        let (_origin, _files, relay) = relay("").await;
        player::ffmpeg_strict(&format!("https://{}/stream/one.ts", relay.tls_address()), 4).await.assert_ok();
    }
}

//! Clients over HTTP/2 who take nothing of what they ask for.

use std::sync::Arc;
use std::time::Duration;

use forebay_testkit::identity::Identity;
use futures_util::future::join_all;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, RootCertStore};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use super::victim::Victim;
use crate::program::Setup;

const SECOND: Duration = Duration::from_secs(1);

/// As many as one connection may have.
const STREAMS: u32 = 31;

/// Within what one address may have.
const CONNECTIONS: u64 = 8;

/// What a client takes up that does nothing wrong, in kB: TLS, HTTP/2, the socket.
const EACH: u64 = 200;

/// What an answer takes up until it is found stuck, in kB: what its viewer has read, and what waits
/// for the window.
const STUCK: u64 = 100;

/// A frame (RFC 9113, section 4.1).
fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("a short frame").to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// A GET, by static entries of HPACK and literals (RFC 7541).
fn get(stream: u32, path: &str) -> Vec<u8> {
    let literal = |index: u8, text: &str| {
        [&[index, u8::try_from(text.len()).expect("a short text")], text.as_bytes()].concat()
    };
    let block = [vec![0x82, 0x87], literal(0x04, path), literal(0x01, "localhost")].concat();
    // END_STREAM, END_HEADERS
    frame(1, 0x5, stream, &block)
}

async fn connect(program: std::net::SocketAddr, config: Arc<ClientConfig>) -> TlsStream<TcpStream> {
    let stream = TcpStream::connect(program).await.expect("the relay listens");
    let name = ServerName::try_from("localhost").expect("it is a name");
    TlsConnector::from(config).connect(name, stream).await.expect("the certificate is good")
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_that_nobody_takes_are_not_kept() {
    let (victim, identity) = (Victim::new().await, Identity::local());
    let mut roots = RootCertStore::empty();
    roots.add(identity.certificate_der.clone().into()).expect("it is a certificate");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has them")
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let config = Arc::new(config);
    let setup = Setup::new(&format!(
        "[server.tls]\nlisten = \"127.0.0.1:0\"\ncertificate = \"certificate.pem\"\n\
         key = \"key.pem\"\n[stream]\nviewer_timeout = \"2s\"\n{}",
        victim.channel()
    ));
    std::fs::write(setup.path("certificate.pem"), &identity.certificate_pem).expect("its own folder");
    std::fs::write(setup.path("key.pem"), &identity.key_pem).expect("its own folder");
    let program = setup.start().await;
    let (plain, tls) = (program.address(), program.tls_address());
    let mut watching = victim.watch(plain).await;
    let before = program.memory_kb("VmRSS");
    let attack = async {
        let hostile = join_all((0..CONNECTIONS).map(|_| {
            let config = Arc::clone(&config);
            async move {
                let mut stream = connect(tls, config).await;
                let preface = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec();
                // The window of each stream is as it is by default, and is never opened again; that
                // of the connection is wide.
                let wide = frame(8, 0, 0, &0x7000_0000_u32.to_be_bytes());
                let requests = (0..STREAMS).map(|at| get(2 * at + 1, "/stream/victim"));
                let all =
                    [preface, frame(4, 0, 0, &[]), wide, requests.collect::<Vec<_>>().concat()].concat();
                stream.write_all(&all).await.expect("the relay reads requests");
                // It reads what comes, but opens no window, and keeps the connection busy.
                let mut at = 2 * STREAMS + 1;
                let mut buffer = vec![0; 64 * 1024];
                loop {
                    tokio::select! {
                        read = stream.read(&mut buffer) => match read {
                            Ok(count) if count > 0 => {}
                            _ => return,
                        },
                        () = tokio::time::sleep(SECOND) => {
                            let _ = stream.write_all(&get(at, "/health")).await;
                            at += 2;
                        }
                    }
                }
            }
        }));
        let most = async {
            let mut most = 0;
            for _ in 0..40 {
                most = program.memory_kb("VmRSS").max(most);
                tokio::time::sleep(SECOND / 10).await;
            }
            most
        };
        let ended = tokio::time::timeout(8 * SECOND, hostile);
        let (ended, most) = tokio::join!(ended, most);
        assert!(ended.is_ok(), "connections with stuck answers are ended");
        (most, program.memory_kb("VmRSS"))
    };
    let (most, after) = watching.beside(attack).await;
    let [most, after] = [most, after].map(|all| all.saturating_sub(before));
    println!(
        "{CONNECTIONS} connections with {STREAMS} stuck answers take {most} kB, and {after} kB when they are ended"
    );
    assert!(most < CONNECTIONS * (u64::from(STREAMS) * STUCK + EACH), "{most} kB");
}

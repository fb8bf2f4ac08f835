//! Attackers on this side of the server: viewers, and an operator who errs.
#![allow(clippy::unnecessary_wraps, reason = "some attacks can fail, and all have one form")]

use std::fs;
use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use rustix::process::{Pid, Signal, kill_process};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::watching::connect;
use super::{Place, list};

const ATTACKER: Ipv4Addr = Ipv4Addr::LOCALHOST;

/// How long one of them waits for something.
const MOMENT: Duration = Duration::from_millis(500);

/// As long as a field may be beside the rest of a head, which may have 16 KiB.
const LONG_FIELD: usize = 15_500;

/// As long as the name of a host may be.
const LONG_HOST: usize = 250;

/// Who joins and leaves, at the same time.
const JOINING: usize = 8;

/// Connections over HTTP/2, and the streams of each.
const CONNECTIONS: usize = 100;
const STREAMS: u32 = 31;

/// Where an attack takes place.
pub(super) struct Scene<'a> {
    pub(super) server: SocketAddr,
    pub(super) pid: u32,
    pub(super) place: &'a Place,
    pub(super) configuration: &'a str,
    pub(super) until: Instant,
}

impl Scene<'_> {
    pub(super) fn is_over(&self) -> bool {
        Instant::now() >= self.until
    }

    pub(super) fn rest(&self, longest: Duration) {
        std::thread::sleep(longest.min(self.until.saturating_duration_since(Instant::now())));
    }

    fn reload(&self, configuration: &str) -> anyhow::Result<()> {
        fs::write(self.place.file("channels.toml"), configuration)?;
        let pid = i32::try_from(self.pid).ok().and_then(Pid::from_raw).context("it is a process")?;
        Ok(kill_process(pid, Signal::HUP)?)
    }
}

/// Does nothing: how it is without an attack.
pub(super) fn nothing(scene: &Scene<'_>) -> anyhow::Result<String> {
    scene.rest(Duration::MAX);
    Ok(String::new())
}

/// Watches the channel of the provider that attacks, and takes whatever comes.
pub(super) fn watch(scene: &Scene<'_>) -> anyhow::Result<String> {
    let (mut bytes, mut tries) = (0, 0);
    while !scene.is_over() {
        tries += 1;
        bytes += watch_once(scene).unwrap_or(0);
        scene.rest(MOMENT);
    }
    Ok(format!("{} MB came to its viewer, who asked {tries} times", bytes / 1_000_000))
}

fn watch_once(scene: &Scene<'_>) -> io::Result<usize> {
    let mut stream = connect(ATTACKER, scene.server)?;
    write!(stream, "GET /stream/attacked HTTP/1.1\r\nHost: {}\r\n\r\n", scene.server)?;
    stream.set_read_timeout(Some(MOMENT))?;
    let (mut bytes, mut buffer) = (0, vec![0; 256 * 1024]);
    while !scene.is_over() {
        match stream.read(&mut buffer) {
            Ok(0) => break,
            Ok(count) => bytes += count,
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => break,
        }
    }
    Ok(bytes)
}

/// Asks for the list of all channels under a long name, and reads none of it.
pub(super) fn long_hosts(scene: &Scene<'_>) -> anyhow::Result<String> {
    let hosts = [LONG_FIELD, LONG_HOST].map(|length| "h".repeat(length));
    let mut unread: Vec<TcpStream> = Vec::new();
    while !scene.is_over() {
        for host in hosts.iter().cycle().take(40) {
            let mut stream = connect(ATTACKER, scene.server)?;
            write!(stream, "GET /playlist.m3u HTTP/1.1\r\nHost: {host}\r\n\r\n")?;
            unread.push(stream);
        }
        scene.rest(MOMENT);
    }
    Ok(format!("{} lists unread", unread.len()))
}

/// Joins and leaves as fast as that goes, and says at length who it is.
pub(super) fn joins(scene: &Scene<'_>) -> anyhow::Result<String> {
    let agent = "a".repeat(LONG_FIELD);
    let (asked, served) = (AtomicU64::new(0), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..JOINING {
            scope.spawn(|| {
                while !scene.is_over() {
                    let number = asked.fetch_add(1, Ordering::Relaxed);
                    let is_served = join_once(scene, number, &agent).unwrap_or(false);
                    served.fetch_add(is_served.into(), Ordering::Relaxed);
                }
            });
        }
    });
    let log = fs::metadata(scene.place.log()).map_or(0, |file| file.len());
    let (asked, served) = (asked.into_inner(), served.into_inner());
    Ok(format!("{asked} came, {served} were served, {} MB of log", log / 1_000_000))
}

/// Joins and leaves; whether it was served.
fn join_once(scene: &Scene<'_>, number: u64, agent: &str) -> io::Result<bool> {
    // The ports of one address would be used up.
    let host = u8::try_from(number % 250 + 1).expect("it is less than 256");
    let mut stream = connect(Ipv4Addr::new(127, 0, 1, host), scene.server)?;
    write!(stream, "GET /stream/victim HTTP/1.1\r\nHost: h\r\nUser-Agent: {agent}\r\n\r\n")?;
    let mut head = [0; 188];
    stream.read_exact(&mut head)?;
    Ok(head.starts_with(b"HTTP/1.1 200"))
}

/// Asks for streams over HTTP/2 and opens no window for them.
pub(super) fn closed_windows(scene: &Scene<'_>) -> anyhow::Result<String> {
    let mut roots = RootCertStore::empty();
    roots.add(scene.place.identity.certificate_der.clone().into())?;
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions()?;
    let mut config = config.with_root_certificates(roots).with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (config, ended) = (Arc::new(config), AtomicU64::new(0));
    std::thread::scope(|scope| {
        for _ in 0..CONNECTIONS {
            scope.spawn(|| {
                if connect_and_wait(scene, Arc::clone(&config)).is_err() {
                    ended.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
    });
    Ok(format!("{} of {CONNECTIONS} connections were ended", ended.into_inner()))
}

fn connect_and_wait(scene: &Scene<'_>, config: Arc<ClientConfig>) -> anyhow::Result<()> {
    let socket = connect(ATTACKER, scene.place.tls)?;
    let client = ClientConnection::new(config, ServerName::try_from("localhost")?)?;
    let mut stream = StreamOwned::new(client, socket);
    // SETTINGS_INITIAL_WINDOW_SIZE of nothing.
    let settings = frame(4, 0, 0, &[0, 4, 0, 0, 0, 0]);
    let requests = (0..STREAMS).flat_map(|number| get(2 * number + 1, "/stream/victim"));
    let all = [b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".to_vec(), settings, requests.collect()].concat();
    stream.write_all(&all)?;
    stream.sock.set_read_timeout(Some(MOMENT))?;
    let (mut buffer, mut next) = (vec![0; 64 * 1024], 2 * STREAMS + 1);
    while !scene.is_over() {
        match stream.read(&mut buffer) {
            Ok(0) => anyhow::bail!("it was ended"),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                // A connection that is used is not one that is forgotten.
                stream.write_all(&get(next, "/health"))?;
                next += 2;
            }
            Err(error) => return Err(error.into()),
        }
    }
    Ok(())
}

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

/// Has the configuration read again, with other channels each time.
pub(super) fn reloads(scene: &Scene<'_>) -> anyhow::Result<String> {
    let mut count = 0;
    while !scene.is_over() {
        count += 1;
        let changed = format!(
            "{}[[channels]]\nid = \"new{count}\"\nsources = [\"testcard://\"]\n",
            scene.configuration
        );
        scene.reload(&changed)?;
        scene.rest(4 * MOMENT);
    }
    Ok(format!("{count} times"))
}

/// Has a configuration read that is full of faults.
pub(super) fn faults(scene: &Scene<'_>) -> anyhow::Result<String> {
    let bad = format!("{}{}", scene.configuration, list::bad_channels());
    let mut count = 0;
    while !scene.is_over() {
        count += 1;
        scene.reload(&bad)?;
        scene.rest(4 * MOMENT);
    }
    Ok(format!("{count} times"))
}

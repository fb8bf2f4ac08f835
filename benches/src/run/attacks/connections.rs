//! Attackers who say too little on many connections, or too much on some.
#![allow(clippy::unnecessary_wraps, reason = "some attacks can fail, and all have one form")]

use std::io::{self, Read, Write};
use std::mem;
use std::net::{Ipv4Addr, TcpStream};
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use super::clients::Scene;
use super::watching::connect;

/// Connections that send their heads byte by byte (slow loris).
const SLOW: usize = 1000;

/// A byte for each of them so often.
const EACH: Duration = Duration::from_secs(1);

/// Connections that are opened and say nothing.
const SILENT: usize = 10_000;

/// Who sends large heads and bodies, at the same time.
const TALKERS: usize = 4;

/// As long as a head or a body becomes, unless the server ends it before.
const LARGE: usize = 16 << 20;

/// Bytes in one write.
const PIECE: usize = 64 * 1024;

/// Each attacker is at many addresses: of one, the server bears less.
fn address(number: usize) -> Ipv4Addr {
    let [.., third, fourth] = (number % 16_000).to_be_bytes();
    Ipv4Addr::new(127, 1, third, fourth)
}

/// Holds many connections by heads that never end.
pub(super) fn slow_heads(scene: &Scene<'_>) -> anyhow::Result<String> {
    let begin = |number| -> io::Result<TcpStream> {
        let mut stream = connect(address(number), scene.server)?;
        stream.write_all(b"GET /stream/victim HTTP/1.1\r\nHost: h\r\nX-Slow: ")?;
        Ok(stream)
    };
    let (mut held, mut opened, mut ended) = (Vec::<TcpStream>::new(), 0, 0);
    while !scene.is_over() {
        for mut stream in mem::take(&mut held) {
            match stream.write_all(b"a") {
                Ok(()) => held.push(stream),
                Err(_) => ended += 1,
            }
        }
        while held.len() < SLOW && !scene.is_over() {
            held.extend(begin(opened));
            opened += 1;
        }
        scene.rest(EACH);
    }
    Ok(format!("{opened} came, {ended} were ended"))
}

/// Opens many connections, and says nothing on them.
pub(super) fn silence(scene: &Scene<'_>) -> anyhow::Result<String> {
    let mut held = Vec::new();
    while held.len() < SILENT && !scene.is_over() {
        held.extend(connect(address(held.len()), scene.server));
    }
    let opened = held.len();
    scene.rest(Duration::MAX);
    Ok(format!("{opened} were open"))
}

/// Sends heads that are far too long.
pub(super) fn large_heads(scene: &Scene<'_>) -> anyhow::Result<String> {
    talk(scene, "GET /stream/victim HTTP/1.1\r\nHost: h\r\nX-Large: ")
}

/// Sends bodies that are far too long, to where one is expected.
pub(super) fn large_bodies(scene: &Scene<'_>) -> anyhow::Result<String> {
    let head = "POST /api/session HTTP/1.1\r\nHost: h\r\nContent-Type: application/json\r\n";
    talk(scene, &format!("{head}Content-Length: {LARGE}\r\n\r\n"))
}

/// Sends this, and then much more, over and over.
fn talk(scene: &Scene<'_>, beginning: &str) -> anyhow::Result<String> {
    let asked = AtomicU64::new(0);
    thread::scope(|scope| {
        for talker in 0..TALKERS {
            let asked = &asked;
            scope.spawn(move || {
                let mut number = talker;
                while !scene.is_over() {
                    asked.fetch_add(1, Ordering::Relaxed);
                    let _ = talk_once(scene, address(number), beginning);
                    number += TALKERS;
                }
            });
        }
    });
    Ok(format!("{} came", asked.into_inner()))
}

/// Sends it once, until the server has had enough.
fn talk_once(scene: &Scene<'_>, from: Ipv4Addr, beginning: &str) -> io::Result<()> {
    let mut stream = connect(from, scene.server)?;
    stream.write_all(beginning.as_bytes())?;
    let (piece, mut sent) = (vec![b'a'; PIECE], 0);
    while sent < LARGE && stream.write_all(&piece).is_ok() {
        sent += PIECE;
    }
    stream.read(&mut [0; 1024]).map(drop)
}

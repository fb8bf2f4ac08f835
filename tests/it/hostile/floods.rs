//! Clients without end that say nothing, or too much, or too slowly.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use futures_util::future::join_all;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpSocket, TcpStream};
use tokio::time::{Instant, sleep};

use super::victim::Victim;
use crate::program::Setup;

const SECOND: Duration = Duration::from_secs(1);

/// Clients whose heads come a byte at a time.
const SLOW: u32 = 1000;

/// Clients that connect, and say nothing.
const SILENT: u32 = 10_000;

/// As many of them come at once: they are in this process, and a victim that is to be read here
/// must not wait for them.
const AT_ONCE: u32 = 500;

/// Clients that say too much, all the time.
const LOUD: u32 = 2;

/// How long all of that goes on.
const SPAN: Duration = Duration::from_secs(5);

/// Lets this process have as many connections as the system allows it.
fn raise_descriptor_limit() {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, ..limit };
    setrlimit(Resource::Nofile, raised).expect("a process may have what its limit allows");
}

/// Connects from one of many addresses of this machine.
async fn connect(server: SocketAddr, number: u32) -> io::Result<TcpStream> {
    let socket = TcpSocket::new_v4()?;
    let [.., high, low] = (number % 1000 + 256).to_be_bytes();
    socket.bind((Ipv4Addr::new(127, 1, high, low), 0).into())?;
    socket.connect(server).await
}

/// Sends a head that never ends, and begins anew when the server has had enough.
async fn slow(server: SocketAddr, number: u32, until: Instant) {
    while Instant::now() < until {
        let Ok(mut stream) = connect(server, number).await else {
            sleep(SECOND / 10).await;
            continue;
        };
        let begun = stream.write_all(b"GET /health HTTP/1.1\r\nHost: tv.lan\r\nX: ").await;
        while begun.is_ok() && Instant::now() < until && stream.write_all(b"x").await.is_ok() {
            sleep(Duration::from_millis(100)).await;
        }
    }
}

/// Sends heads and bodies that are too long; the statuses of the answers.
async fn loud(server: SocketAddr, number: u32, until: Instant) -> Vec<String> {
    let (long, mut statuses) = ("x".repeat(1 << 20), Vec::new());
    let head = |fields: &str| format!("POST /api/session HTTP/1.1\r\nHost: tv.lan\r\n{fields}\r\n\r\n");
    let body = "Content-Type: application/json\r\nContent-Length: 1048576";
    let requests = [
        head(&format!("X: {long}")),
        head(&vec![format!("X: {}", &long[..64]); 1000].join("\r\n")),
        format!("GET /{long} HTTP/1.1\r\nHost: tv.lan\r\n\r\n"),
        head(body) + &long,
        head("Content-Type: application/json\r\nTransfer-Encoding: chunked") + "fffffff\r\n" + &long,
    ];
    for request in requests.iter().cycle() {
        if Instant::now() >= until {
            break;
        }
        let Ok(mut stream) = connect(server, number).await else {
            sleep(SECOND / 10).await;
            continue;
        };
        // It may hang up before it has all.
        let _ = stream.write_all(request.as_bytes()).await;
        let mut line = [0; 12];
        if stream.read_exact(&mut line).await.is_ok() {
            statuses.push(String::from_utf8_lossy(&line[9..]).into_owned());
        }
    }
    statuses
}

#[tokio::test(flavor = "multi_thread")]
async fn slow_heads_silent_connections_and_what_is_too_long_disturb_nobody() {
    raise_descriptor_limit();
    let victim = Victim::new().await;
    let setup = Setup::new(&format!("max_connections = 20000\n{}", victim.channel()));
    let program = setup.start().await;
    let (server, before) = (program.address(), program.memory_kb("VmRSS"));
    let mut watching = victim.watch(server).await;
    let attack = async {
        let until = Instant::now() + SPAN;
        let slow = join_all((0..SLOW).map(|number| slow(server, number, until)));
        let silent = async {
            let mut connected = Vec::new();
            for begin in (0..SILENT).step_by(AT_ONCE as usize) {
                let some = (begin..begin + AT_ONCE).map(|number| connect(server, number));
                connected.extend(join_all(some).await.into_iter().flatten());
                sleep(SECOND / 10).await;
            }
            sleep(until.saturating_duration_since(Instant::now())).await;
            connected.len()
        };
        let loud = join_all((0..LOUD).map(|number| loud(server, number, until)));
        let ((), silent, loud) = tokio::join!(async { drop(slow.await) }, silent, loud);
        (silent, loud.concat())
    };
    let (silent, statuses) = watching.beside(attack).await;
    let mut answered = statuses.clone();
    answered.sort_unstable();
    answered.dedup();
    let grown = program.memory_kb("VmRSS").saturating_sub(before);
    println!("{silent} silent ones, {} answers: {answered:?}, {grown} kB more", statuses.len());
    assert!(silent > 9000, "{silent} could connect");
    let refusals = ["400", "408", "413", "414", "431", "503"];
    assert!(
        !answered.is_empty() && answered.iter().all(|status| refusals.contains(&&**status)),
        "{answered:?}"
    );
    assert!(grown < 240 * 1024, "{grown} kB more for {SILENT} connections");
    sleep(SECOND / 4).await;
}

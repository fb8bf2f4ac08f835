//! A proxy that speaks HTTP and SOCKS5 on one port, and leads every name to one server.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// A running proxy; it stops when it is dropped.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    seen: Arc<Mutex<Vec<String>>>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Starts on a free port of 127.0.0.1; whatever is asked for, `target` answers.
    pub async fn start(target: SocketAddr) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.expect("a loopback port is free");
        let address = listener.local_addr().expect("a bound socket has an address");
        let seen = Arc::default();
        let mut tasks = JoinSet::new();
        tasks.spawn(accept(listener, target, Arc::clone(&seen)));
        Self { address, seen, _tasks: tasks }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked for, with the credentials that came along: the head of each HTTP request
    /// with its lines joined by `|`, and `SOCKS5 host:port user:password`.
    pub fn seen(&self) -> Vec<String> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

async fn accept(listener: TcpListener, target: SocketAddr, seen: Arc<Mutex<Vec<String>>>) {
    let mut connections = JoinSet::new();
    while let Ok((stream, _)) = listener.accept().await {
        let seen = Arc::clone(&seen);
        // Either end is free to go.
        connections.spawn(async move { serve(stream, target, &seen).await.unwrap_or_default() });
    }
}

async fn serve(mut client: TcpStream, target: SocketAddr, seen: &Mutex<Vec<String>>) -> io::Result<()> {
    let note = |text: String| seen.lock().unwrap_or_else(PoisonError::into_inner).push(text);
    let mut first = [0];
    client.read_exact(&mut first).await?;
    if first == [5] {
        note(greet(&mut client).await?);
        let mut server = TcpStream::connect(target).await?;
        client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).await?;
        return copy_bidirectional(&mut client, &mut server).await.map(drop);
    }
    let mut head = first.to_vec();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let head = String::from_utf8_lossy(&head).into_owned();
    note(head.trim_end().replace("\r\n", "|"));
    let mut server = TcpStream::connect(target).await?;
    if head.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").await?;
    } else {
        // For the server itself, the target is the path alone; and what was for the proxy stays
        // here.
        let (before, rest) = head.split_once("://").unwrap_or(("GET http", "/ HTTP/1.1\r\n\r\n"));
        let method = before.split(' ').next().unwrap_or("GET");
        let path = rest.find('/').map_or("/", |at| &rest[at..]);
        let fields = path.split("\r\n").filter(|line| !line.starts_with("Proxy-Authorization:"));
        let head = fields.collect::<Vec<_>>().join("\r\n");
        server.write_all(format!("{method} {head}").as_bytes()).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

/// The part of SOCKS5 before a connection is made (RFC 1928, 3 and 4; RFC 1929).
async fn greet(client: &mut TcpStream) -> io::Result<String> {
    let mut methods = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut methods).await?;
    let mut credentials = String::new();
    if methods.contains(&2) {
        client.write_all(&[5, 2]).await?;
        client.read_u8().await?;
        credentials = format!(" {}:{}", text(client).await?, text(client).await?);
        client.write_all(&[1, 0]).await?;
    } else {
        client.write_all(&[5, 0]).await?;
    }
    let mut request = [0; 4];
    client.read_exact(&mut request).await?;
    let host = match request[3] {
        1 => Ipv4Addr::from_bits(client.read_u32().await?).to_string(),
        3 => text(client).await?,
        _ => return Err(io::Error::other("no IPv6 here")),
    };
    Ok(format!("SOCKS5 {host}:{}{credentials}", client.read_u16().await?))
}

async fn text(client: &mut TcpStream) -> io::Result<String> {
    let mut bytes = vec![0; usize::from(client.read_u8().await?)];
    client.read_exact(&mut bytes).await?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

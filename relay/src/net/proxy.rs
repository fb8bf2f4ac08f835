//! The way through a proxy: HTTP (`CONNECT`, RFC 9110, 9.3.6) and SOCKS5 (RFC 1928). The proxy
//! looks up the names.

use std::io;

use forebay_core::http_head::HeadReader;
use http::HeaderValue;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use url::Host;

use super::{Credentials, Error};

/// Asks an HTTP proxy for a tunnel to `host`. What it says must end with its answer: a server of
/// TLS waits for us.
pub(super) async fn connect(
    mut stream: TcpStream,
    host: &Host<&str>,
    port: u16,
    authorization: Option<&HeaderValue>,
) -> Result<TcpStream, Error> {
    let mut request = format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n").into_bytes();
    if let Some(value) = authorization {
        request.extend([b"Proxy-Authorization: ", value.as_bytes(), b"\r\n"].concat());
    }
    request.extend_from_slice(b"\r\n");
    stream.write_all(&request).await.map_err(|error| broken(&error))?;
    let (mut reader, mut space) = (HeadReader::default(), [0; 512]);
    loop {
        let length = stream.read(&mut space).await.map_err(|error| broken(&error))?;
        if length == 0 {
            return Err(Error::Proxy("it closed the connection".to_owned()));
        }
        let Some(head) = reader.push(&space[..length]).map_err(|fault| Error::Proxy(fault.to_string()))?
        else {
            continue;
        };
        return match head.status {
            // Any 2xx opens the tunnel (RFC 9110, 9.3.6).
            200..300 if head.rest.is_empty() => Ok(stream),
            200..300 => Err(Error::Proxy("it sent more than an answer".to_owned())),
            407 => Err(Error::Proxy("it wants a user and a password, or others".to_owned())),
            status => Err(Error::Proxy(format!("it answered HTTP {status}"))),
        };
    }
}

const VERSION: u8 = 5;
const NO_AUTHENTICATION: u8 = 0;
/// User and password (RFC 1929).
const PASSWORD: u8 = 2;

/// Asks a SOCKS5 proxy for a connection to `host`.
pub(super) async fn socks5(
    mut stream: TcpStream,
    host: &Host<&str>,
    port: u16,
    credentials: Option<&Credentials>,
) -> Result<TcpStream, Error> {
    match credentials {
        None => send(&mut stream, &[VERSION, 1, NO_AUTHENTICATION]).await?,
        // Both are offered: many proxies know their users by address and ask for no password.
        Some(_) => send(&mut stream, &[VERSION, 2, NO_AUTHENTICATION, PASSWORD]).await?,
    }
    match (receive(&mut stream).await?, credentials) {
        ([VERSION, NO_AUTHENTICATION], _) => {}
        ([VERSION, PASSWORD], Some(credentials)) => log_in(&mut stream, credentials).await?,
        ([VERSION, _], _) => {
            return Err(Error::Proxy("it wants a user and a password, or others".to_owned()));
        }
        _ => return Err(no_socks()),
    }
    let mut request = vec![VERSION, 1, 0];
    match host {
        Host::Ipv4(address) => request.extend([&[1][..], &address.octets()].concat()),
        // By name, so that the proxy looks it up: here it
        // may not resolve, or not be anybody's business.
        Host::Domain(name) => {
            let length = u8::try_from(name.len());
            let length =
                length.map_err(|_| Error::Address("its name is longer than 255 bytes".to_owned()))?;
            request.extend([&[3, length][..], name.as_bytes()].concat());
        }
        Host::Ipv6(address) => request.extend([&[4][..], &address.octets()].concat()),
    }
    request.extend(port.to_be_bytes());
    send(&mut stream, &request).await?;
    let [version, outcome, _, kind] = receive(&mut stream).await?;
    if version != VERSION {
        return Err(no_socks());
    }
    if outcome != 0 {
        return Err(Error::Proxy(refusal(outcome).to_owned()));
    }
    // The address from which it connects means nothing to us.
    match kind {
        1 => receive::<6>(&mut stream).await.map(drop)?,
        3 => {
            let [length] = receive(&mut stream).await?;
            let mut name = vec![0; usize::from(length) + 2];
            stream.read_exact(&mut name).await.map_err(|error| broken(&error))?;
        }
        4 => receive::<18>(&mut stream).await.map(drop)?,
        _ => return Err(no_socks()),
    }
    Ok(stream)
}

async fn log_in(stream: &mut TcpStream, credentials: &Credentials) -> Result<(), Error> {
    // The version of the sub-negotiation, not that of SOCKS (RFC 1929, 2).
    let mut request = vec![1];
    for text in [&credentials.user, &credentials.password] {
        let length = u8::try_from(text.len());
        let length =
            length.map_err(|_| Error::Proxy("its user or password is longer than 255 bytes".to_owned()))?;
        request.push(length);
        request.extend_from_slice(text);
    }
    send(stream, &request).await?;
    match receive(stream).await? {
        [_, 0] => Ok(()),
        [_, _] => Err(Error::Proxy("it refuses the user and the password".to_owned())),
    }
}

async fn send(stream: &mut TcpStream, bytes: &[u8]) -> Result<(), Error> {
    stream.write_all(bytes).await.map_err(|error| broken(&error))
}

async fn receive<const N: usize>(stream: &mut TcpStream) -> Result<[u8; N], Error> {
    let mut bytes = [0; N];
    stream.read_exact(&mut bytes).await.map_err(|error| broken(&error))?;
    Ok(bytes)
}

fn broken(error: &io::Error) -> Error {
    Error::Proxy(format!("the connection to it broke: {error}"))
}

fn no_socks() -> Error {
    Error::Proxy("it does not speak SOCKS5".to_owned())
}

/// The replies of RFC 1928, 6.
fn refusal(code: u8) -> &'static str {
    match code {
        2 => "its rules do not allow the connection",
        3 => "the network is unreachable from it",
        4 => "the host is unreachable from it, or it does not know the name",
        5 => "the connection was refused",
        6 => "the connection timed out",
        7 | 8 => "it does not support the request",
        _ => "it failed to connect",
    }
}

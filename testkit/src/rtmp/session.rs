//! One who publishes.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::net::tcp::OwnedWriteHalf;
use tokio::time::{Instant, sleep};

use super::chunks::{Message, Messages};
use super::{AtPublish, Received, Shared};

/// Frees the name of whoever leaves.
struct Name<'a>(&'a Shared, Option<String>);

impl Drop for Name<'_> {
    fn drop(&mut self) {
        if let Some(name) = &self.1 {
            self.0.note(|log| log.names.retain(|other| other != name));
        }
    }
}

pub(super) async fn serve(stream: TcpStream, number: usize, shared: &Arc<Shared>) -> io::Result<()> {
    let (mut reading, mut writing) = stream.into_split();
    let mut hello = vec![0; 1537];
    reading.read_exact(&mut hello).await?;
    awake(shared).await;
    let greeting = [&[3][..], &[0; 8], &[0x5A; 1528], &hello[1..]].concat();
    writing.write_all(&greeting).await?;
    reading.read_exact(&mut hello[1..]).await?;
    let mut messages = Messages::new(reading);
    let (mut name, mut window, mut told) = (Name(shared, None), None, 0);
    loop {
        let message = messages.next().await?;
        awake(shared).await;
        let manner = shared.manner();
        if let Some(rate) = manner.bytes_per_second {
            let length = message.body.len() as u64;
            sleep(Duration::from_micros(length * 1_000_000 / rate)).await;
        }
        match message.kind {
            5 => window = message.body.first_chunk().map(|size| u64::from(u32::from_be_bytes(*size))),
            8 | 9 | 18 => {
                let Message { kind, time, body, .. } = message;
                let at = Instant::now();
                let received = Received { connection: number, kind, time, body, at };
                shared.note(|log| log.received.push(received));
            }
            20 => {
                let (command, transaction) = command(&message.body);
                shared.note(|log| log.commands.push((number, command.clone())));
                let stream = last_text(&message.body);
                match &*command {
                    "connect" => writing.write_all(&connected(transaction, manner.takes_hevc)).await?,
                    "createStream" => writing.write_all(&created(transaction)).await?,
                    "publish" if manner.at_publish == AtPublish::Closes => return Ok(()),
                    "publish" => {
                        let is_taken = shared.log().names.contains(&stream);
                        if let Some(code) = refusal(manner.at_publish, is_taken) {
                            // Some repeat the name.
                            write_status(&mut writing, "error", code, &stream).await?;
                            continue;
                        }
                        name.1 = Some(stream.clone());
                        shared.note(|log| {
                            log.names.push(stream);
                            log.published.push(Instant::now());
                        });
                        write_status(&mut writing, "status", "NetStream.Publish.Start", "").await?;
                    }
                    _ => {}
                }
            }
            _ => {}
        }
        let total = messages.bytes;
        if window.is_some_and(|window| manner.acknowledges && total - told >= window) {
            told = total;
            let total = u32::try_from(total & 0xFFFF_FFFF).expect("it is masked");
            writing.write_all(&chunk(3, &total.to_be_bytes())).await?;
        }
    }
}

/// The code with which a stream is refused.
fn refusal(at_publish: AtPublish, is_taken: bool) -> Option<&'static str> {
    match at_publish {
        AtPublish::Refuses(code) => Some(code),
        AtPublish::TakesNamesOnce if is_taken => Some("NetStream.Publish.BadName"),
        _ => None,
    }
}

/// Waits while the server stands still.
async fn awake(shared: &Shared) {
    let mut still = shared.still.subscribe();
    let _ = still.wait_for(|still| !still).await;
}

/// The name and the transaction of a command.
fn command(body: &[u8]) -> (String, f64) {
    let length = usize::from(u16::from_be_bytes([body[1], body[2]]));
    let name = String::from_utf8_lossy(&body[3..3 + length]).into_owned();
    let number = body.get(4 + length..12 + length).and_then(|bytes| bytes.try_into().ok());
    (name, number.map_or(0.0, f64::from_be_bytes))
}

/// The first text behind the name, the transaction and a null: what is published.
fn last_text(body: &[u8]) -> String {
    let at = 3 + usize::from(u16::from_be_bytes([body[1], body[2]])) + 10;
    let Some(&[2, high, low]) = body.get(at..at + 3) else { return String::new() };
    let length = usize::from(u16::from_be_bytes([high, low]));
    String::from_utf8_lossy(body.get(at + 3..at + 3 + length).unwrap_or_default()).into_owned()
}

/// A message in chunks of 128 bytes.
fn chunk(kind: u8, body: &[u8]) -> Vec<u8> {
    let length = u32::try_from(body.len()).expect("it is short").to_be_bytes();
    let mut out = vec![3, 0, 0, 0, length[1], length[2], length[3], kind, 0, 0, 0, 0];
    for (at, piece) in body.chunks(128).enumerate() {
        if at > 0 {
            out.push(0xC3);
        }
        out.extend_from_slice(piece);
    }
    out
}

fn name(text: &str) -> Vec<u8> {
    let length = u16::try_from(text.len()).expect("it is short");
    [&length.to_be_bytes()[..], text.as_bytes()].concat()
}

fn text(text: &str) -> Vec<u8> {
    [&[2][..], &name(text)].concat()
}

fn number(value: f64) -> Vec<u8> {
    [&[0][..], &value.to_be_bytes()].concat()
}

fn connected(transaction: f64, takes_hevc: bool) -> Vec<u8> {
    let mut fields = [name("fmsVer"), text("testkit")].concat();
    if takes_hevc {
        fields.extend([name("fourCcList"), vec![10, 0, 0, 0, 1], text("hvc1")].concat());
    }
    let body = [text("_result"), number(transaction), vec![3], fields, vec![0, 0, 9], vec![5]].concat();
    chunk(20, &body)
}

fn created(transaction: f64) -> Vec<u8> {
    chunk(20, &[text("_result"), number(transaction), vec![5], number(1.0)].concat())
}

async fn write_status(to: &mut OwnedWriteHalf, level: &str, code: &str, description: &str) -> io::Result<()> {
    let pairs = [("level", level), ("code", code), ("description", description)];
    let fields: Vec<u8> = pairs.iter().flat_map(|(key, value)| [name(key), text(value)].concat()).collect();
    let body = [text("onStatus"), number(0.0), vec![5, 3], fields, vec![0, 0, 9]].concat();
    to.write_all(&chunk(20, &body)).await
}

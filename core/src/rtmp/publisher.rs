//! A connection that publishes one stream.

use std::collections::VecDeque;
use std::fmt;

use super::amf0::{self, Value};
use super::chunk::{self, Message, Outgoing, Reader};
use super::command;
use crate::flv::{Format, Tag};

/// The length of C1, S1, C2 and S2 (5.2.3).
const PACKET: usize = 1536;

/// What is sent in one chunk: few headers, and sound waits for little.
const CHUNK_SIZE: usize = 4096;

/// Types of messages (5.4, 7.1).
mod kind {
    pub(super) const SET_CHUNK_SIZE: u8 = 1;
    pub(super) const ACKNOWLEDGEMENT: u8 = 3;
    pub(super) const USER_CONTROL: u8 = 4;
    pub(super) const WINDOW_SIZE: u8 = 5;
    pub(super) const PEER_BANDWIDTH: u8 = 6;
    pub(super) const COMMAND_AMF3: u8 = 17;
    pub(super) const DATA: u8 = 18;
    pub(super) const COMMAND: u8 = 20;
}

/// Events of user control (7.1.7).
const PING_REQUEST: u16 = 6;
const PING_RESPONSE: u16 = 7;

/// Chunk streams: of control (5.4), of commands, of sound, of pictures and what describes them.
const CONTROL: u8 = 2;
const COMMANDS: u8 = 3;
const SOUND: u8 = 4;
const PICTURES: u8 = 6;

/// Transactions that are waited for.
const CONNECT: f64 = 1.0;
const CREATE_STREAM: f64 = 4.0;

/// Where a stream is published. The name of the stream is a secret: who knows it can publish.
#[derive(Clone, PartialEq, Eq)]
pub struct Destination {
    /// The application.
    pub app: String,
    /// The address of the application.
    pub tc_url: String,
    /// The name of the stream, which services call its key.
    pub name: String,
}

impl fmt::Debug for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Destination").field("tc_url", &"…").field("name", &"…").finish_non_exhaustive()
    }
}

/// What has happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// The server takes the stream from now on.
    Published,
    /// The server has received so many bytes, modulo 2^32.
    Acknowledged(u32),
}

/// Why a server ends it, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// As in `NetStream.Publish.BadName`.
    pub code: String,
    /// For people.
    pub description: String,
}

/// Why a connection is over.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// The server says no.
    #[error("the server refused the stream: {}", .0.code)]
    Refused(Refusal),
    /// What answers speaks another version, or no RTMP.
    #[error("what answers there speaks no RTMP")]
    NoRtmp,
    /// It sends what is none.
    #[error("the server sent {0}")]
    Chunk(#[from] chunk::Malformed),
    /// A command that cannot be read.
    #[error("the server sent a command that cannot be read: {0}")]
    Command(#[from] amf0::Malformed),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// S0 and S1 have not come.
    Shaking,
    /// S2 has not come.
    Echoing,
    Connecting,
    Creating,
    Asking,
    Publishing,
    Closed,
}

/// The connection.
#[derive(Debug)]
pub struct Publisher {
    destination: Destination,
    state: State,
    /// What belongs to the handshake.
    greeting: Vec<u8>,
    reader: Reader,
    output: Output,
    events: VecDeque<Event>,
    /// The message stream that the server has made.
    stream: u32,
    takes_hevc: bool,
    received: Received,
}

/// What the server is told that has been received (5.4.3).
#[derive(Debug, Default)]
struct Received {
    total: u32,
    acknowledged: u32,
    /// After how many bytes it wants to be told; 0 until it says so.
    window: u32,
}

/// Bytes that are kept after they were sent: to move the rest to the front for each of them would
/// cost more than it saves.
pub(super) const MAX_SENT: usize = 64 << 10;

/// What is to be sent.
#[derive(Debug, Default)]
pub(super) struct Output {
    /// What is sent, up to [`MAX_SENT`], and what is not.
    pub(super) bytes: Vec<u8>,
    /// How much of it is sent.
    pub(super) sent: usize,
    total: u64,
}

impl Publisher {
    /// A connection to a server that listens. `seed` makes its handshake another one than others'.
    pub fn new(destination: Destination, seed: u64) -> Self {
        let mut output = Output::default();
        output.bytes.push(3);
        output.bytes.extend([0; 8]);
        output.bytes.extend(noise(seed).take(PACKET - 8));
        Self {
            destination,
            state: State::Shaking,
            greeting: Vec::new(),
            reader: Reader::new(chunk::MAX_COMMAND),
            output,
            events: VecDeque::new(),
            stream: 0,
            takes_hevc: false,
            received: Received::default(),
        }
    }

    /// Whether the server has said that it takes HEVC (Enhanced RTMP).
    pub fn takes_hevc(&self) -> bool {
        self.takes_hevc
    }

    /// Whether the server takes the stream now.
    pub fn is_publishing(&self) -> bool {
        self.state == State::Publishing
    }

    /// Whether the server has said anything.
    pub fn has_heard(&self) -> bool {
        self.state != State::Shaking || !self.greeting.is_empty()
    }

    /// Whether it has come as far as to ask for the stream to be taken.
    pub fn has_asked(&self) -> bool {
        matches!(self.state, State::Asking | State::Publishing)
    }

    /// Bytes to be sent; say with [`Publisher::advance`] how many were.
    pub fn output(&self) -> &[u8] {
        &self.output.bytes[self.output.sent..]
    }

    /// So many bytes of the output are sent.
    pub fn advance(&mut self, count: usize) {
        self.output.advance(count);
    }

    /// Bytes that were sent.
    pub fn sent(&self) -> u64 {
        self.output.total
    }

    /// What has happened since.
    pub fn poll_event(&mut self) -> Option<Event> {
        self.events.pop_front()
    }

    /// Takes bytes of the server.
    ///
    /// # Errors
    /// The connection is over.
    pub fn handle_bytes(&mut self, mut bytes: &[u8]) -> Result<(), Fault> {
        if matches!(self.state, State::Shaking | State::Echoing) {
            bytes = self.shake(bytes)?;
        }
        // Behind the handshake, all bytes count.
        self.reader.push(bytes);
        self.received.total =
            self.received.total.wrapping_add(u32::try_from(bytes.len()).unwrap_or(u32::MAX));
        while let Some(message) = self.reader.poll()? {
            self.handle_message(&message)?;
        }
        self.acknowledge();
        Ok(())
    }

    /// Takes what belongs to the handshake, and returns the rest.
    fn shake<'a>(&mut self, bytes: &'a [u8]) -> Result<&'a [u8], Fault> {
        let missing = (1 + 2 * PACKET).saturating_sub(self.greeting.len());
        let (own, rest) = bytes.split_at(missing.min(bytes.len()));
        self.greeting.extend_from_slice(own);
        if self.greeting.first().is_some_and(|&version| version != 3) {
            return Err(Fault::NoRtmp);
        }
        // The echo need not wait for S2 (5.2.1).
        if self.state == State::Shaking && self.greeting.len() > PACKET {
            let echo = self.greeting[1..=PACKET].to_vec();
            self.output.bytes.extend(echo);
            self.state = State::Echoing;
        }
        // Bytes behind the handshake may come with it, and are chunks already.
        if self.greeting.len() == 1 + 2 * PACKET {
            self.greeting = Vec::new();
            self.state = State::Connecting;
            self.connect();
        }
        Ok(rest)
    }

    fn connect(&mut self) {
        // Before any command, as larger messages go out in chunks of this size from now on.
        let size = u32::try_from(CHUNK_SIZE).expect("it is small").to_be_bytes();
        self.control(kind::SET_CHUNK_SIZE, &size);
        let body = command::connect(&self.destination.app, &self.destination.tc_url);
        self.command(0, &body);
    }

    fn handle_message(&mut self, message: &Message) -> Result<(), Fault> {
        let number = || message.body.first_chunk().map(|&number| u32::from_be_bytes(number));
        match message.kind {
            kind::ACKNOWLEDGEMENT => self.events.extend(number().map(Event::Acknowledged)),
            kind::WINDOW_SIZE => self.received.window = number().unwrap_or(0),
            // It asks to be told our window; what we say by ourselves is that.
            kind::PEER_BANDWIDTH => {}
            kind::USER_CONTROL => self.handle_control(&message.body),
            kind::COMMAND => self.handle_command(&message.body)?,
            // The first byte says that what follows is AMF0 after all.
            kind::COMMAND_AMF3 => self.handle_command(message.body.get(1..).unwrap_or_default())?,
            // What is not known asks for no answer.
            _ => {}
        }
        Ok(())
    }

    fn handle_control(&mut self, body: &[u8]) {
        let Some((&event, data)) = body.split_first_chunk() else { return };
        if u16::from_be_bytes(event) == PING_REQUEST {
            let response = [&PING_RESPONSE.to_be_bytes(), data].concat();
            self.control(kind::USER_CONTROL, &response);
        }
    }

    fn handle_command(&mut self, body: &[u8]) -> Result<(), Fault> {
        let values = amf0::read(body)?;
        let name = values.first().and_then(Value::as_text).unwrap_or_default();
        let transaction = values.get(1).and_then(Value::as_number).unwrap_or_default();
        let information = values.get(3);
        match (name, self.state) {
            ("_result", State::Connecting) if is_same(transaction, CONNECT) => {
                self.takes_hevc = values.iter().any(lists_hevc);
                self.state = State::Creating;
                self.create();
            }
            ("_result", State::Creating) if is_same(transaction, CREATE_STREAM) => {
                let id = information.and_then(Value::as_number).unwrap_or(1.0);
                #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an id is small")]
                let id = id as u32;
                self.stream = id;
                self.state = State::Asking;
                let name = Value::text(&*self.destination.name);
                let body = command::command("publish", 5.0, &[name, Value::text("live")]);
                self.command(self.stream, &body);
            }
            // Some servers know neither FCPublish nor releaseStream, and say so.
            ("_error", _) if is_same(transaction, CONNECT) || is_same(transaction, CREATE_STREAM) => {
                return Err(Fault::Refused(self.refusal(information)));
            }
            ("onStatus", _) => return self.handle_status(information),
            ("close", _) => return Err(Fault::Refused(self.refusal(information))),
            _ => {}
        }
        Ok(())
    }

    fn handle_status(&mut self, information: Option<&Value>) -> Result<(), Fault> {
        let text =
            |name| information.and_then(|it| it.get(name)).and_then(Value::as_text).unwrap_or_default();
        let (level, code) = (text("level"), text("code"));
        if self.state == State::Asking && code == "NetStream.Publish.Start" {
            self.state = State::Publishing;
            self.events.push_back(Event::Published);
            return Ok(());
        }
        let is_end = code == "NetStream.Unpublish.Success" || code == "NetConnection.Connect.Closed";
        if level == "error" || is_end && self.state == State::Publishing {
            return Err(Fault::Refused(self.refusal(information)));
        }
        Ok(())
    }

    /// Why the server says no. Some repeat the name of the stream, which is a secret.
    fn refusal(&self, information: Option<&Value>) -> Refusal {
        let text = |name| {
            let text = information.and_then(|it| it.get(name)).and_then(Value::as_text).unwrap_or_default();
            let shown = match &*self.destination.name {
                "" => text.to_owned(),
                secret => text.replace(secret, "…"),
            };
            shown.chars().filter(|c| !c.is_control()).take(MAX_WORDS).collect()
        };
        Refusal { code: text("code"), description: text("description") }
    }

    fn create(&mut self) {
        let name = [Value::text(&*self.destination.name)];
        for body in [
            command::command("releaseStream", 2.0, &name),
            command::command("FCPublish", 3.0, &name),
            command::command("createStream", CREATE_STREAM, &[]),
        ] {
            self.command(0, &body);
        }
    }

    /// Asks the server to tell after so many bytes that they have come (5.4.4).
    pub fn set_window(&mut self, bytes: u32) {
        self.control(kind::WINDOW_SIZE, &bytes.to_be_bytes());
    }

    /// Says what the stream is like.
    pub fn describe(&mut self, format: &Format) {
        self.message(PICTURES, kind::DATA, 0, self.stream, &command::metadata(format));
    }

    /// Sends a tag.
    pub fn send(&mut self, tag: &Tag) {
        let id = if tag.content.is_of_pictures() { PICTURES } else { SOUND };
        self.message(id, tag.content.kind(), tag.time, self.stream, &tag.body);
    }

    /// Ends the stream in an orderly way: the server need not wonder, and its name is free.
    pub fn close(&mut self) {
        // A server that was not asked has nothing to end.
        if self.has_asked() {
            let name = Value::text(&*self.destination.name);
            self.command(0, &command::command("FCUnpublish", 6.0, &[name]));
            let stream = Value::Number(self.stream.into());
            self.command(0, &command::command("deleteStream", 7.0, &[stream]));
        }
        self.state = State::Closed;
    }

    fn acknowledge(&mut self) {
        let Received { total, acknowledged, window } = self.received;
        // Half a window, since some servers wait after a whole one.
        if window > 0 && total.wrapping_sub(acknowledged) >= window.div_ceil(2) {
            self.received.acknowledged = total;
            self.control(kind::ACKNOWLEDGEMENT, &total.to_be_bytes());
        }
    }

    fn control(&mut self, kind: u8, body: &[u8]) {
        self.message(CONTROL, kind, 0, 0, body);
    }

    fn command(&mut self, stream: u32, body: &[u8]) {
        self.message(COMMANDS, kind::COMMAND, 0, stream, body);
    }

    fn message(&mut self, id: u8, kind: u8, time: u32, stream: u32, body: &[u8]) {
        // The server reads chunks of our size from the message on that says so.
        let size = if kind == kind::SET_CHUNK_SIZE { 128 } else { CHUNK_SIZE };
        chunk::write(&mut self.output.bytes, size, id, Outgoing { kind, time, stream, body });
    }
}

impl Output {
    pub(super) fn advance(&mut self, count: usize) {
        self.sent += count;
        self.total += count as u64;
        if self.sent == self.bytes.len() {
            self.bytes.clear();
            self.sent = 0;
        } else if self.sent >= MAX_SENT {
            // A server that is slower than the stream never lets it become empty.
            self.bytes.drain(..self.sent);
            self.sent = 0;
        }
    }
}

/// Numbers of transactions are whole.
fn is_same(one: f64, other: f64) -> bool {
    (one - other).abs() < 0.5
}

/// Whether a value of the answer to `connect` names HEVC among the codecs that are taken.
fn lists_hevc(value: &Value) -> bool {
    let Some(Value::List(codecs)) = value.get("fourCcList") else { return false };
    // An asterisk says that all codecs are taken.
    codecs.iter().filter_map(Value::as_text).any(|codec| matches!(codec, "hvc1" | "*"))
}

/// The longest text of a server that is kept.
const MAX_WORDS: usize = 200;

/// Bytes that look random (splitmix64). They protect nothing.
fn noise(seed: u64) -> impl Iterator<Item = u8> {
    let mut state = seed;
    std::iter::from_fn(move || {
        state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mixed = (state ^ state >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        Some((mixed ^ mixed >> 31).to_be_bytes())
    })
    .flatten()
}

//! Chunks: messages of several streams, cut into pieces (RTMP 1.0, 5.3).

/// What a message has at most: several times the largest command. Commands alone come from a server
/// that is published to.
pub const MAX_COMMAND: usize = 1 << 20;

/// Chunk streams at a time. Programs use a handful.
const MAX_STREAMS: usize = 32;

/// The time that stands in place of one that does not fit (5.3.1.3).
const EXTENDED: u32 = 0xFF_FFFF;

/// How large chunks are until somebody says otherwise (5.4.1).
const DEFAULT_SIZE: usize = 128;

/// Types of messages that the chunk layer handles by itself (5.4).
const SET_CHUNK_SIZE: u8 = 1;
const ABORT: u8 = 2;

/// A whole message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Its type.
    pub kind: u8,
    /// In milliseconds.
    pub time: u32,
    /// The message stream.
    pub stream: u32,
    /// Its content.
    pub body: Vec<u8>,
}

/// Bytes that are no chunks, or more than any program sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Malformed {
    /// A header that refers to one that never came.
    #[error("a chunk goes on with a message that never began")]
    NoHeader,
    /// A message within another of the same chunk stream.
    #[error("a message begins within another")]
    Overlap,
    /// A message beyond the limit.
    #[error("a message of {0} bytes")]
    TooLong(usize),
    /// Too many chunk streams.
    #[error("too many chunk streams")]
    Streams,
    /// A chunk size of zero, or one with a sign.
    #[error("a chunk size that cannot be")]
    Size,
}

/// Puts messages together.
#[derive(Debug)]
pub struct Reader {
    chunk_size: usize,
    max_message: usize,
    streams: Vec<ChunkStream>,
    /// Bytes that were received; those from `at` on are not read yet.
    held: Vec<u8>,
    at: usize,
}

/// The last header of a chunk stream: the next one may leave out fields that have not changed.
#[derive(Debug)]
struct ChunkStream {
    id: u32,
    kind: u8,
    time: u32,
    delta: u32,
    is_extended: bool,
    stream: u32,
    length: usize,
    /// Of the message that is being put together.
    body: Vec<u8>,
    is_open: bool,
}

/// What was taken of what is there.
enum Taken {
    /// The chunk is not whole.
    Nothing,
    /// A chunk, with which no message is whole.
    Part,
    Message(Message),
}

/// A header as it came.
struct Header {
    id: u32,
    format: u8,
    /// Time, or what it is later than the one before.
    time: u32,
    length: usize,
    kind: u8,
    stream: u32,
    is_extended: bool,
    size: usize,
}

impl Reader {
    /// A reader of messages of up to so many bytes.
    pub fn new(max_message: usize) -> Self {
        Self { chunk_size: DEFAULT_SIZE, max_message, streams: Vec::new(), held: Vec::new(), at: 0 }
    }

    /// Takes bytes, in pieces of any size.
    pub fn push(&mut self, bytes: &[u8]) {
        // Dropped in one go with the next bytes, rather than once for each chunk.
        self.held.drain(..self.at);
        self.at = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next message that is whole.
    ///
    /// # Errors
    /// What came is no RTMP. Nothing good can follow.
    pub fn poll(&mut self) -> Result<Option<Message>, Malformed> {
        loop {
            match self.chunk()? {
                Taken::Message(Message { kind: SET_CHUNK_SIZE, body, .. }) => {
                    let size = body.first_chunk().map_or(0, |&size| i32::from_be_bytes(size));
                    // The highest bit must be 0 (5.4.1): with a sign, the size is no size.
                    let size = usize::try_from(size).ok().filter(|&size| size > 0);
                    self.chunk_size = size.ok_or(Malformed::Size)?;
                }
                Taken::Message(Message { kind: ABORT, body, .. }) => {
                    let id = body.first_chunk().map(|&id| u32::from_be_bytes(id));
                    // Only the message under way is void; the headers of the stream still hold.
                    for stream in self.streams.iter_mut().filter(|stream| Some(stream.id) == id) {
                        stream.body.clear();
                        stream.is_open = false;
                    }
                }
                Taken::Message(message) => return Ok(Some(message)),
                Taken::Part => {}
                Taken::Nothing => return Ok(None),
            }
        }
    }

    /// Takes one chunk, if a whole one is there; with it a message may be whole.
    fn chunk(&mut self) -> Result<Taken, Malformed> {
        let bytes = &self.held[self.at..];
        let Some(header) = self.header(bytes)? else { return Ok(Taken::Nothing) };
        let index = self.streams.iter().position(|stream| stream.id == header.id);
        let open = index.map(|index| &self.streams[index]).filter(|stream| stream.is_open);
        // A new message inside another one of the same chunk stream cannot be told from its
        // content.
        if open.is_some() && header.format != 3 {
            return Err(Malformed::Overlap);
        }
        let done = open.map_or(0, |stream| stream.body.len());
        // Before any of it is kept: the length is the sender's word.
        if header.length > self.max_message {
            return Err(Malformed::TooLong(header.length));
        }
        let count = (header.length - done).min(self.chunk_size);
        // Nothing is noted before the chunk is whole, so it can be read again from its beginning.
        let Some(content) = bytes.get(header.size..header.size + count) else { return Ok(Taken::Nothing) };
        let index = match index {
            Some(index) => index,
            None if self.streams.len() == MAX_STREAMS => return Err(Malformed::Streams),
            None => {
                self.streams.push(ChunkStream::new(header.id));
                self.streams.len() - 1
            }
        };
        let message = self.streams[index].take(&header, content);
        self.at += header.size + count;
        Ok(message.map_or(Taken::Part, Taken::Message))
    }

    /// Reads a header; nothing until it is whole.
    fn header(&self, bytes: &[u8]) -> Result<Option<Header>, Malformed> {
        let Some((format, id, basic)) = basic_header(bytes) else { return Ok(None) };
        let known = self.streams.iter().find(|stream| stream.id == id);
        // The four formats leave out more and more of the header (5.3.1.2).
        let length = [11, 7, 3, 0][usize::from(format)];
        let Some(fields) = bytes.get(basic..basic + length) else { return Ok(None) };
        let three = |at: usize| u32::from_be_bytes([0, fields[at], fields[at + 1], fields[at + 2]]);
        if known.is_none() && format != 0 {
            return Err(Malformed::NoHeader);
        }
        let mut header = Header {
            id,
            format,
            time: known.map_or(0, |known| known.delta),
            length: known.map_or(0, |known| known.length),
            kind: known.map_or(0, |known| known.kind),
            stream: known.map_or(0, |known| known.stream),
            is_extended: known.is_some_and(|known| known.is_extended),
            size: basic + length,
        };
        if format <= 2 {
            header.time = three(0);
            header.is_extended = header.time == EXTENDED;
        }
        if format <= 1 {
            header.length = three(3) as usize;
            header.kind = fields[6];
        }
        if format == 0 {
            // The only field that is little-endian (5.3.1.2.1).
            header.stream = u32::from_le_bytes([fields[7], fields[8], fields[9], fields[10]]);
        }
        // Chunks that go on repeat the extended time (5.3.1.3), as encoders write them.
        if header.is_extended {
            let Some(&time) = bytes.get(header.size..).and_then(<[u8]>::first_chunk) else { return Ok(None) };
            header.time = u32::from_be_bytes(time);
            header.size += 4;
        }
        Ok(Some(header))
    }
}

/// The format, the chunk stream and the length of a basic header (5.3.1.1).
fn basic_header(bytes: &[u8]) -> Option<(u8, u32, usize)> {
    let &first = bytes.first()?;
    let format = first >> 6;
    Some(match first & 0x3F {
        0 => (format, u32::from(*bytes.get(1)?) + 64, 2),
        1 => (format, u32::from(*bytes.get(2)?) * 256 + u32::from(bytes[1]) + 64, 3),
        id => (format, id.into(), 1),
    })
}

impl ChunkStream {
    fn new(id: u32) -> Self {
        Self {
            id,
            kind: 0,
            time: 0,
            delta: 0,
            is_extended: false,
            stream: 0,
            length: 0,
            body: Vec::new(),
            is_open: false,
        }
    }

    fn take(&mut self, header: &Header, content: &[u8]) -> Option<Message> {
        if !self.is_open {
            // Wraps: an encoder that runs for 49 days begins at 0 again.
            self.time = if header.format == 0 { header.time } else { self.time.wrapping_add(header.time) };
            // Behind an absolute time, a header that says nothing repeats it as a step (5.3.1.2.4).
            self.delta = header.time;
            (self.kind, self.stream, self.length) = (header.kind, header.stream, header.length);
            self.is_extended = header.is_extended;
            self.is_open = true;
        }
        self.body.extend_from_slice(content);
        if self.body.len() < self.length {
            return None;
        }
        self.is_open = false;
        let body = std::mem::take(&mut self.body);
        Some(Message { kind: self.kind, time: self.time, stream: self.stream, body })
    }
}

/// Appends a message in chunks of `size`. Each has an absolute time, so none depends on another.
pub fn write(out: &mut Vec<u8>, size: usize, id: u8, message: Outgoing<'_>) {
    debug_assert!((2..64).contains(&id), "a basic header of one byte");
    let Outgoing { kind, time, stream, body } = message;
    let short = time.min(EXTENDED);
    let length = u32::try_from(body.len()).unwrap_or(EXTENDED).min(EXTENDED);
    out.push(id);
    out.extend_from_slice(&short.to_be_bytes()[1..]);
    out.extend_from_slice(&length.to_be_bytes()[1..]);
    out.push(kind);
    out.extend(stream.to_le_bytes());
    let extended = (short == EXTENDED).then(|| time.to_be_bytes());
    out.extend(extended.into_iter().flatten());
    for (at, piece) in body.chunks(size).enumerate() {
        // Format 3: nothing of the header has changed.
        if at > 0 {
            out.push(0xC0 | id);
            // Here too, whatever the specification leaves open (5.3.1.3): all servers read it so.
            out.extend(extended.into_iter().flatten());
        }
        out.extend_from_slice(piece);
    }
}

/// A message to be written.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Its type.
    pub kind: u8,
    /// In milliseconds.
    pub time: u32,
    /// The message stream.
    pub stream: u32,
    /// Its content; below 16 MiB.
    pub body: &'a [u8],
}

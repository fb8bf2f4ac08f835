//! Messages, as they come from a publisher.

use std::collections::HashMap;
use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// A message.
#[derive(Debug, Clone, Default)]
pub(super) struct Message {
    pub(super) kind: u8,
    pub(super) time: u32,
    pub(super) stream: u32,
    pub(super) body: Vec<u8>,
}

#[derive(Debug, Clone, Default)]
struct Track {
    whole: Message,
    length: usize,
    step: u32,
    is_extended: bool,
}

/// Reads messages.
#[derive(Debug)]
pub(super) struct Messages<R> {
    source: R,
    size: usize,
    tracks: HashMap<u32, Track>,
    pub(super) bytes: u64,
}

impl<R: AsyncRead + Unpin> Messages<R> {
    pub(super) fn new(source: R) -> Self {
        Self { source, size: 128, tracks: HashMap::new(), bytes: 0 }
    }

    async fn bytes<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        let mut bytes = [0; N];
        self.source.read_exact(&mut bytes).await?;
        self.bytes += N as u64;
        Ok(bytes)
    }

    /// The next message.
    pub(super) async fn next(&mut self) -> io::Result<Message> {
        loop {
            let Some(message) = self.chunk().await? else { continue };
            if message.kind != 1 {
                return Ok(message);
            }
            let size = message.body.first_chunk().map_or(128, |size| u32::from_be_bytes(*size));
            self.size = size as usize;
        }
    }

    async fn chunk(&mut self) -> io::Result<Option<Message>> {
        let [first] = self.bytes().await?;
        let id = match first & 0x3F {
            0 => u32::from(self.bytes::<1>().await?[0]) + 64,
            1 => u32::from(u16::from_le_bytes(self.bytes().await?)) + 64,
            id => id.into(),
        };
        let mut track = self.tracks.remove(&id).unwrap_or_default();
        let three = |bytes: &[u8]| u32::from_be_bytes([0, bytes[0], bytes[1], bytes[2]]);
        let form = first >> 6;
        let is_new = track.whole.body.is_empty();
        if form < 3 {
            track.step = three(&self.bytes::<3>().await?);
            track.is_extended = track.step == 0xFF_FFFF;
        }
        if form < 2 {
            let fields: [u8; 4] = self.bytes().await?;
            track.length = three(&fields) as usize;
            track.whole.kind = fields[3];
        }
        if form == 0 {
            track.whole.stream = u32::from_le_bytes(self.bytes().await?);
        }
        if track.is_extended {
            track.step = u32::from_be_bytes(self.bytes().await?);
        }
        if is_new {
            track.whole.time = if form == 0 { track.step } else { track.whole.time.wrapping_add(track.step) };
        }
        let count = (track.length - track.whole.body.len()).min(self.size);
        let mut piece = vec![0; count];
        self.source.read_exact(&mut piece).await?;
        self.bytes += count as u64;
        track.whole.body.append(&mut piece);
        let message = (track.whole.body.len() == track.length).then(|| {
            let whole = track.whole.clone();
            track.whole.body.clear();
            whole
        });
        self.tracks.insert(id, track);
        Ok(message)
    }
}

//! How a stream comes in time: in lumps, late, or faster than anybody can play it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::behaviour::{Answer, Behaviour, Playout};
use super::playout::{NULL_PACKET, Player};
use crate::clip::Clip;
use crate::ts::{PACKET_SIZE, Packet};

/// The least that a flood writes at once, in bytes.
const FLOOD: usize = 256 * 1024;

/// What a source sends while it gets ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum WarmUp {
    /// One null packet at a time.
    Null,
    /// Some null packets at a time.
    Nulls,
    /// PAT, PMT and null packets: the map of a stream that does not come yet.
    Tables,
}

/// The same bytes again and again, as fast as the client takes them.
#[derive(Clone)]
pub(super) struct Flood {
    /// Without one the bytes begin where the head of an answer should.
    pub(super) content_type: Option<String>,
    pub(super) bytes: Arc<[u8]>,
}

impl Behaviour {
    /// A 200 with an endless body: these bytes again and again, as fast as the client takes them.
    pub fn flood(content_type: &str, bytes: &[u8]) -> Self {
        Self::new(Answer::Flood(Flood { content_type: Some(content_type.into()), bytes: repeated(bytes) }))
    }

    /// Nothing but interim answers (RFC 9110, 15.2) with this status, as fast as the client takes
    /// them.
    pub fn flood_of_interim_answers(status: u16) -> Self {
        let head = format!("HTTP/1.1 {status} Wait\r\n\r\n");
        Self::new(Answer::Flood(Flood { content_type: None, bytes: repeated(head.as_bytes()) }))
    }

    /// Null packets and nothing else, as fast as the client takes them.
    pub fn flood_of_null_packets() -> Self {
        Self::flood("video/mp2t", &NULL_PACKET)
    }

    /// Chunked transfer coding with chunks no larger than this.
    #[must_use]
    pub fn chunks_of(mut self, bytes: usize) -> Self {
        self.chunk_size = bytes;
        self.chunked()
    }

    /// Sends media in lumps of this length: each at once when its first packet is due, and nothing
    /// between two.
    #[must_use]
    pub fn lumps(self, length: Duration) -> Self {
        self.playout(|playout| playout.lumps = Some(length))
    }

    /// For so long after the answer's head only signs of life come, twice a second; then the stream
    /// begins.
    #[must_use]
    pub fn warm_up(self, span: Duration, with: WarmUp) -> Self {
        self.playout(|playout| playout.warm_up = Some((span, with)))
    }
}

impl WarmUp {
    /// What comes at a time.
    pub(super) fn bytes(self, playout: &Playout) -> Vec<u8> {
        match self {
            Self::Null => NULL_PACKET.to_vec(),
            Self::Nulls => NULL_PACKET.repeat(7),
            Self::Tables => {
                let packets = playout.clip.bytes().chunks(PACKET_SIZE);
                let is_media = |bytes: &[u8]| {
                    Packet::new(bytes).is_some_and(|packet| playout.clip.is_media(packet.pid()))
                };
                let tables = packets.take_while(|bytes| !is_media(bytes)).flatten().copied();
                tables.chain(NULL_PACKET.repeat(5)).collect()
            }
        }
    }
}

/// What a clip sends in so long, as it loops: one continuous stream.
pub fn record(clip: Arc<Clip>, span: Duration) -> Vec<u8> {
    Player::new(&Playout::new(clip)).take(span)
}

/// Whole repetitions of `bytes`, enough to be worth a write.
fn repeated(bytes: &[u8]) -> Arc<[u8]> {
    bytes.repeat(FLOOD.div_ceil(bytes.len())).into()
}

impl fmt::Debug for Flood {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Flood")
            .field("content_type", &self.content_type)
            .field("packets", &(self.bytes.len() / PACKET_SIZE))
            .finish()
    }
}

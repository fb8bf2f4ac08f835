//! One picture at a time: how large it is, whether a decoder can start with it, and its
//! fingerprint.

use super::digest::Digest;
use crate::ts::packet::Packet;
use crate::ts::pes::Header;
use crate::ts::random_access::{Scan, Verdict};
use crate::ts::stream::Codec;

/// A picture that is complete.
#[derive(Debug, Clone, Copy)]
pub(super) struct Picture {
    pub(super) fingerprint: u64,
    pub(super) bytes: u64,
    /// A decoder can start here.
    pub(super) is_entry: bool,
}

/// The picture on hand.
#[derive(Debug)]
pub(super) struct Hand {
    codec: Codec,
    /// What is looked for in it, until that is known.
    scan: Option<Scan>,
    is_entry: bool,
    digest: Option<Digest>,
}

impl Hand {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, scan: None, is_entry: false, digest: None }
    }

    /// A PES packet begins: the picture before is complete.
    pub(super) fn finish(&mut self) -> Option<Picture> {
        self.scan = None;
        let digest = self.digest.take()?;
        Some(Picture {
            fingerprint: digest.value(),
            bytes: digest.length(),
            is_entry: std::mem::take(&mut self.is_entry),
        })
    }

    /// Takes the first packet of a PES packet, whose header is `header`.
    pub(super) fn begin(&mut self, packet: Packet<'_>, header: Option<Header>) {
        // Without a header, as in what is scrambled, there is nothing to be known.
        let Some(header) = header else { return };
        (self.digest, self.is_entry) = (Some(Digest::default()), false);
        self.scan = Some(Scan::new(self.codec, packet.hints_random_access()));
        self.push(packet.payload().and_then(|payload| payload.get(header.payload_at..)).unwrap_or_default());
    }

    /// Takes a piece of the elementary stream.
    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let Some(digest) = &mut self.digest else { return };
        digest.push(bytes);
        if let Some(scan) = &mut self.scan {
            match scan.push(bytes) {
                Verdict::Undecided => return,
                Verdict::RandomAccess(_) => self.is_entry = true,
                _ => {}
            }
            self.scan = None;
        }
    }
}

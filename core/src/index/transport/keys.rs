//! Finds key frames among the packets of a stream.

use super::super::layouts::transport::Mark;
use crate::time::Pts;
use crate::ts::packet::Packet;
use crate::ts::pes::{Header, MAX_HEADER};
use crate::ts::random_access::{Scan, Verdict};
use crate::ts::stream::Codec;

/// Looks at the beginnings of PES packets.
#[derive(Debug)]
pub(super) struct Keys {
    codec: Codec,
    /// Whether pictures are wanted, of which not every one will do.
    has_pictures: bool,
    current: Option<Current>,
    /// When the one before is shown, and the shortest time between two.
    last: Option<Pts>,
    pub(super) span: i64,
    /// When the latest is shown.
    pub(super) latest: Option<Pts>,
}

/// A PES packet of which it is not known yet what it is.
#[derive(Debug)]
struct Current {
    at: u64,
    header: Vec<u8>,
    is_hinted: bool,
    scan: Option<(Scan, Pts, Pts)>,
}

impl Keys {
    pub(super) fn new(codec: Codec, has_pictures: bool) -> Self {
        Self { codec, has_pictures, current: None, last: None, span: 0, latest: None }
    }

    /// What comes next does not follow.
    pub(super) fn reset(&mut self) {
        self.current = None;
        self.last = None;
        self.latest = None;
    }

    /// Another clock begins with this key frame.
    pub(super) fn begin(&mut self, key: &Mark) {
        self.latest = Some(key.shown);
    }

    /// Takes a packet of the stream that lies at `at`; a key frame, if it shows to be one. The
    /// mark's time is not known here.
    pub(super) fn push(&mut self, at: u64, packet: Packet<'_>) -> Option<Mark> {
        let payload = packet.payload()?;
        if packet.starts_unit() {
            let is_hinted = packet.hints_random_access();
            self.current = Some(Current { at, header: Vec::new(), is_hinted, scan: None });
        }
        let current = self.current.as_mut()?;
        let mut content = payload;
        if current.scan.is_none() {
            current.header.extend_from_slice(payload);
            let Some(header) = Header::parse(&current.header) else {
                if current.header.len() > MAX_HEADER {
                    self.current = None;
                }
                return None;
            };
            let (Some(shown), Some(decoded)) = (header.pts, header.decode_time()) else {
                self.current = None;
                return None;
            };
            let span = self.last.map_or(0, |last| shown.since(last).abs());
            if span > 0 {
                self.span = if self.span == 0 { span } else { self.span.min(span) };
            }
            self.last = Some(shown);
            if self.latest.is_none_or(|latest| shown.since(latest) > 0) {
                self.latest = Some(shown);
            }
            current.scan = Some((Scan::new(self.codec, current.is_hinted), shown, decoded));
            content = current.header.get(header.payload_at..).unwrap_or_default();
        }
        let (scan, shown, decoded) = current.scan.as_mut()?;
        let mark = Mark { at: current.at, shown: *shown, decoded: *decoded, time: 0 };
        let is_key = !self.has_pictures
            || match scan.push(content) {
                Verdict::Undecided => return None,
                verdict => matches!(verdict, Verdict::RandomAccess(_)),
            };
        self.current = None;
        is_key.then_some(mark)
    }
}

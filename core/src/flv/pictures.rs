//! Pictures: from access units with start codes to samples with lengths, behind the header of a
//! video tag.

use super::Content;
use crate::index::{Sets, units};
use crate::ts::codec_headers::VideoFormat;
use crate::ts::random_access::{RandomAccess, Scan, Verdict};
use crate::ts::stream::Codec;

/// The codec of HEVC in Enhanced RTMP.
const HEVC: &[u8; 4] = b"hvc1";

/// Whether a receiver can be sent pictures of this codec.
pub(super) fn is_carried(codec: Codec) -> bool {
    matches!(codec, Codec::H264 | Codec::Hevc)
}

/// How a decoder can start with an access unit.
pub(super) fn entry(codec: Codec, unit: &[u8]) -> Option<RandomAccess> {
    match Scan::new(codec, false).push(unit) {
        Verdict::RandomAccess(kind) => Some(kind),
        _ => None,
    }
}

/// How the parameter sets in front of a key frame relate to those before.
#[derive(Debug, PartialEq)]
pub(super) enum News {
    /// The same as before.
    Nothing,
    /// Other parameter sets: the body of a header.
    Header(Vec<u8>),
    /// Pictures of another size.
    Size,
    /// The parameter sets are missing or damaged.
    Unusable,
}

/// The pictures of one connection.
#[derive(Debug)]
pub(super) struct Pictures {
    pub(super) codec: Codec,
    sets: Sets,
    pub(super) format: Option<VideoFormat>,
}

impl Pictures {
    pub(super) fn new(codec: Codec) -> Self {
        Self { codec, sets: Sets::default(), format: None }
    }

    /// Looks at the parameter sets in front of a key frame.
    pub(super) fn look(&mut self, unit: &[u8]) -> News {
        let sets = Sets::find(self.codec, unit);
        if sets.is_empty() || sets == self.sets {
            return if self.sets.is_empty() { News::Unusable } else { News::Nothing };
        }
        let found = sets.configuration(self.codec).zip(VideoFormat::find(self.codec, unit));
        let Some((configuration, format)) = found else { return News::Unusable };
        let size = |format: &VideoFormat| (format.width, format.height);
        if self.format.as_ref().is_some_and(|known| size(known) != size(&format)) {
            return News::Size;
        }
        self.sets = sets;
        self.format = Some(format);
        News::Header(self.header(&configuration))
    }

    fn header(&self, configuration: &[u8]) -> Vec<u8> {
        let mut body = match self.codec {
            Codec::Hevc => vec![0x90, HEVC[0], HEVC[1], HEVC[2], HEVC[3]],
            _ => vec![0x17, 0, 0, 0, 0],
        };
        body.extend_from_slice(configuration);
        body
    }

    /// The body of a picture's tag, shown `offset` milliseconds after it is decoded.
    pub(super) fn body(&self, unit: &[u8], is_key: bool, offset: u32) -> Vec<u8> {
        let mut body = Vec::with_capacity(unit.len() + 16);
        let kind = if is_key { 1 } else { 2 };
        match self.codec {
            // Coded frames: the offset follows, as in AVC.
            Codec::Hevc => {
                body.push(0x80 | kind << 4 | 1);
                body.extend_from_slice(HEVC);
            }
            _ => body.extend([kind << 4 | 7, 1]),
        }
        body.extend_from_slice(&offset.to_be_bytes()[1..]);
        self.sets.write_sample(self.codec, unit, &mut body);
        body
    }
}

/// What a picture is that nobody can start with: whether no other one needs it.
pub(super) fn other(codec: Codec, unit: &[u8]) -> Content {
    let is_disposable = match codec {
        // Slices have `nal_unit_type` 1 and, where nothing refers to them, `nal_ref_idc` 0.
        Codec::H264 => {
            units(unit).find(|nal| matches!(nal[0] & 0x1F, 1..=5)).is_some_and(|nal| nal[0] & 0x7F == 1)
        }
        // Pictures of the highest layer that none of it refers to have even types up to 14.
        Codec::Hevc => {
            let kinds = units(unit).map(|nal| nal[0] >> 1 & 0x3F);
            kinds.into_iter().find(|&kind| kind < 32).is_some_and(|kind| kind < 16 && kind % 2 == 0)
        }
        _ => false,
    };
    Content::Picture { is_disposable }
}

//! ID3 tags in front of packed audio, and the time in them (ID3v2.4; RFC 8216, 3.4).

use crate::time::Pts;

/// Bytes in a tag's header, and in that of a frame.
pub(super) const HEADER: usize = 10;

/// Who owns the private frame that holds the time.
const OWNER: &[u8] = b"com.apple.streaming.transportStreamTimestamp\0";

/// Whether a tag begins here.
pub(super) fn is_tag(bytes: &[u8]) -> bool {
    bytes.starts_with(b"ID3") && bytes.len() >= HEADER
}

/// Bytes of the tag that begins here, also of those that have not come yet.
pub(super) fn tag(bytes: &[u8]) -> Option<usize> {
    // A footer repeats the header.
    let footer = |flags: u8| if flags & 0x10 == 0 { 0 } else { HEADER };
    is_tag(bytes).then(|| HEADER + size(&bytes[6..HEADER]) + footer(bytes[5]))
}

/// Bytes of the tags that `bytes` begin with; all of them, where the last tag reaches over the end.
pub fn length(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(tag) = bytes.get(at..).and_then(tag) {
        at += tag;
    }
    at.min(bytes.len())
}

/// Bytes of the tags that `bytes` begin with and that are there whole.
pub fn whole(bytes: &[u8]) -> usize {
    let mut at = 0;
    while let Some(end) = tag(&bytes[at..]).map(|tag| at + tag).filter(|&end| end <= bytes.len()) {
        at = end;
    }
    at
}

/// The time of the first sample behind the tags that `bytes` begin with, if they hold it.
pub(super) fn timestamp(bytes: &[u8]) -> Option<Pts> {
    let tags = &bytes[..length(bytes)];
    let owner = tags.windows(OWNER.len()).position(|window| window == OWNER)?;
    let field = tags.get(owner + OWNER.len()..)?.first_chunk::<8>()?;
    Some(Pts::new(u64::from_be_bytes(*field)))
}

/// A size of 7 bits a byte, so that it does not look like a frame of sound.
fn size(bytes: &[u8]) -> usize {
    bytes.iter().fold(0, |value, &byte| value << 7 | usize::from(byte & 0x7F))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A tag with the time, as Apple's segmenter writes it.
    fn tag(time: u64) -> Vec<u8> {
        let size = u8::try_from(OWNER.len() + 8).unwrap();
        let mut tag = vec![b'I', b'D', b'3', 4, 0, 0, 0, 0, 0, size + 10];
        tag.extend(*b"PRIV\0\0\0");
        tag.extend([size, 0, 0]);
        tag.extend(OWNER);
        tag.extend(time.to_be_bytes());
        tag
    }

    #[test]
    fn the_time_is_found_in_whatever_tag_has_it() {
        let empty = b"ID3\x03\0\0\0\0\x01\x02".iter().copied().chain([0; 130]).collect::<Vec<u8>>();
        let sound = [0xFF, 0xF1, 0x4C];
        let both = [&empty[..], &tag(900_000), &sound].concat();
        assert_eq!((length(&both), timestamp(&both)), (both.len() - 3, Some(Pts::new(900_000))));
        assert_eq!((length(&empty), timestamp(&empty)), (140, None));
        assert_eq!((length(&sound), timestamp(&sound)), (0, None));
        // 33 bits count.
        assert_eq!(timestamp(&tag(Pts::WRAP + 5)), Some(Pts::new(5)));
    }

    #[test]
    fn a_tag_that_breaks_off_has_no_time() {
        let whole = tag(900_000);
        for cut in 0..whole.len() {
            assert!(length(&whole[..cut]) <= cut);
            assert_eq!(timestamp(&whole[..cut]), None);
        }
    }
}

//! Walks the boxes of an MP4 file (ISO/IEC 14496-12, 4.2).
//!
//! Containers are walked by hand and only their leaves are given to mp4-atom: it would read
//! whatever box stands anywhere, refuse a file for one strange box that is of no concern here, and
//! go as deep as hostile boxes are nested.

use mp4_atom::Atom;

/// The largest leaf that is read: a run of 16 bytes for each of 60,000 samples. The largest box of
/// parameter sets has a few kilobytes.
const MAX_LEAF: usize = 1 << 20;

/// One box.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Mp4Box<'a> {
    pub(crate) kind: [u8; 4],
    /// Where it begins in the bytes that are walked.
    pub(crate) at: usize,
    /// What is in it; of a box that breaks off, what there is.
    pub(crate) body: &'a [u8],
    /// Whether it is all there and its size can be.
    pub(crate) is_whole: bool,
}

/// The boxes of `bytes` in their order. One that breaks off or has an impossible size is the last.
pub(crate) fn boxes(bytes: &[u8]) -> impl Iterator<Item = Mp4Box<'_>> {
    let mut at = 0;
    std::iter::from_fn(move || {
        let start = at;
        let rest = &bytes[start..];
        let (&[a, b, c, d, ref kind @ ..], tail) = rest.split_first_chunk::<8>()?;
        let (header, size) = match u32::from_be_bytes([a, b, c, d]) {
            0 => (8, Some(rest.len())),
            1 => {
                let size = tail.first_chunk::<8>().map(|size| u64::from_be_bytes(*size));
                (16.min(rest.len()), size.and_then(|size| usize::try_from(size).ok()))
            }
            size => (8, usize::try_from(size).ok()),
        };
        let size = size.filter(|&size| size >= header);
        let whole = size.and_then(|size| rest.get(header..size));
        at = if whole.is_some() { start + size.unwrap_or_default() } else { bytes.len() };
        // An impossible size says nothing of what follows.
        let left = if size.is_some() { &rest[header..] } else { &[] };
        Some(Mp4Box { kind: *kind, at: start, body: whole.unwrap_or(left), is_whole: whole.is_some() })
    })
}

/// The contents of the first whole box of `kind`.
pub(crate) fn child(bytes: &[u8], kind: [u8; 4]) -> Option<&[u8]> {
    boxes(bytes).find(|inner| inner.kind == kind && inner.is_whole).map(|inner| inner.body)
}

/// The contents of the box that is found by going into the first box of each of `kinds`.
pub(super) fn descendant<'a>(bytes: &'a [u8], kinds: &[[u8; 4]]) -> Option<&'a [u8]> {
    kinds.iter().try_fold(bytes, |bytes, &kind| child(bytes, kind))
}

/// Reads a leaf.
pub(super) fn leaf<T: Atom>(mut body: &[u8]) -> Option<T> {
    if body.len() > MAX_LEAF {
        return None;
    }
    T::decode_body(&mut body).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn walked(bytes: &[u8]) -> Vec<(&[u8], usize, &[u8], bool)> {
        // The kinds are borrowed from `bytes`, so that cases can be written as literals.
        boxes(bytes).map(|b| (&bytes[b.at + 4..b.at + 8], b.at, b.body, b.is_whole)).collect()
    }

    #[test]
    fn boxes_of_every_kind_of_size_are_walked() {
        type Case = (&'static [u8], &'static [(&'static [u8], usize, &'static [u8], bool)]);
        let cases: [Case; 7] = [
            (b"\0\0\0\x0Aabcdxy\0\0\0\x08efgh", &[(b"abcd", 0, b"xy", true), (b"efgh", 10, b"", true)]),
            (b"\0\0\0\0abcdxyz", &[(b"abcd", 0, b"xyz", true)]),
            (b"\0\0\0\x01abcd\0\0\0\0\0\0\0\x11z!", &[(b"abcd", 0, b"z", true)]),
            (b"\0\0\0\x0Babcdxy", &[(b"abcd", 0, b"xy", false)]),
            (b"\0\0\0\x07abcdxy", &[(b"abcd", 0, b"", false)]),
            (b"\0\0\0\x01abcd\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFFz", &[(b"abcd", 0, b"z", false)]),
            (b"\0\0\0\x01abcd\0\0", &[(b"abcd", 0, b"", false)]),
        ];
        for (bytes, expected) in cases {
            assert_eq!(walked(bytes), expected, "{bytes:02x?}");
        }
    }

    #[test]
    fn descendants_are_found() {
        let bytes = b"\0\0\0\x08junk\0\0\0\x14aaaa\0\0\0\x0Cbbbb1234";
        assert_eq!(descendant(bytes, &[*b"aaaa", *b"bbbb"]), Some(&b"1234"[..]));
        assert_eq!(descendant(bytes, &[*b"aaaa", *b"cccc"]), None);
    }
}

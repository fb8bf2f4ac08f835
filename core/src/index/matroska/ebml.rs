//! Elements of EBML (RFC 8794): an id, a size, and what is in them.

use super::super::Error;
use super::super::source::{Lane, Pause, Source};

/// Bytes asked for beyond an element's head: small elements come with it.
const AHEAD: u64 = 4096;

/// The longest head: an id of four bytes and a size of eight.
const MAX_HEAD: u64 = 12;

/// The largest element that is read whole: what describes tracks has a few kilobytes each.
const MAX_LEAF: u64 = 1 << 20;

/// One element of a file.
#[derive(Debug, Clone, Copy)]
pub(super) struct Element {
    pub(super) id: u32,
    /// Where it begins.
    pub(super) at: u64,
    /// Where its content begins and ends. It may end beyond the file.
    pub(super) body: u64,
    pub(super) end: u64,
    /// Its size is not known: it ends where something begins that cannot be in it.
    pub(super) is_open: bool,
}

/// The element at `at`, within what ends at `limit`; `None` where there can be none.
pub(super) fn element(source: &mut Source, at: u64, limit: u64) -> Result<Option<Element>, Pause> {
    let room = limit.saturating_sub(at).min(MAX_HEAD);
    if room < 2 {
        return Ok(None);
    }
    let size = usize::try_from(room).expect("a head is short");
    let bytes = source.get(Lane::Boxes, at, size, at.saturating_add(AHEAD).min(limit))?;
    Ok(parse(bytes, at, limit))
}

fn parse(bytes: &[u8], at: u64, limit: u64) -> Option<Element> {
    let id_length = 1 + bytes.first()?.leading_zeros() as usize;
    let id = bytes.get(..id_length).filter(|_| id_length <= 4)?;
    let id = id.iter().fold(0, |id, &byte| id << 8 | u32::from(byte));
    let (size, length) = number(&bytes[id_length..])?;
    let body = at + (id_length + length) as u64;
    let is_open = size == unknown(length);
    let end = if is_open { limit } else { body.saturating_add(size) };
    Some(Element { id, at, body, end, is_open })
}

/// A number that tells its own length by its leading zeros, and that length.
pub(super) fn number(bytes: &[u8]) -> Option<(u64, usize)> {
    let &first = bytes.first()?;
    let length = 1 + first.leading_zeros() as usize;
    let all = bytes.get(..length).filter(|_| length <= 8)?;
    let value = all.iter().fold(0, |value: u64, &byte| value << 8 | u64::from(byte));
    Some((value & unknown(length), length))
}

/// The value with all bits set, which stands for an unknown size.
fn unknown(length: usize) -> u64 {
    (1 << (7 * length)) - 1
}

/// The content of an element that is read whole.
pub(super) fn leaf<'s>(source: &'s mut Source, element: &Element) -> Result<&'s [u8], Pause> {
    let size = element.end - element.body;
    if size > MAX_LEAF {
        let what = "bytes in an element of the film's description";
        return Err(Error::TooLarge { what, limit: MAX_LEAF }.into());
    }
    // With its head, which is read again when the bytes have come.
    let place = |at: u64| usize::try_from(at - element.at).expect("at most a mebibyte");
    let bytes = source.get(Lane::Boxes, element.at, place(element.end), element.end)?;
    Ok(&bytes[place(element.body)..])
}

/// The elements in a body that is in memory, each with its content. One that breaks off is the
/// last.
pub(super) fn children(body: &[u8]) -> impl Iterator<Item = (u32, &[u8])> {
    let mut rest = body;
    std::iter::from_fn(move || {
        let limit = rest.len() as u64;
        let head = parse(&rest[..rest.len().min(12)], 0, limit)?;
        let place = |at: u64| usize::try_from(at).unwrap_or(usize::MAX);
        let content = rest.get(place(head.body)..place(head.end))?;
        rest = &rest[place(head.end)..];
        Some((head.id, content))
    })
}

/// A whole number without a sign; one that is too long is none.
pub(super) fn unsigned(content: &[u8]) -> Option<u64> {
    (content.len() <= 8).then(|| content.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)))
}

/// A number of four or eight bytes with a fraction.
pub(super) fn float(content: &[u8]) -> Option<f64> {
    match content.len() {
        4 => content.first_chunk().map(|bytes| f32::from_be_bytes(*bytes).into()),
        8 => content.first_chunk().map(|bytes| f64::from_be_bytes(*bytes)),
        _ => None,
    }
}

/// A text, up to the zeros that may fill it up.
pub(super) fn text(content: &[u8]) -> String {
    let end = content.iter().position(|&byte| byte == 0).unwrap_or(content.len());
    String::from_utf8_lossy(&content[..end]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_tell_their_length() {
        for (bytes, expected) in [
            (&[0x81][..], Some((1, 1))),
            (&[0x40, 0x7F], Some((127, 2))),
            (&[0x01, 0, 0, 0, 0, 0, 0, 9], Some((9, 8))),
            (&[0xFF], Some((0x7F, 1))),
            (&[0x40], None),
            (&[0x00, 1, 2], None),
            (&[], None),
        ] {
            assert_eq!(number(bytes), expected, "{bytes:x?}");
        }
    }

    #[test]
    fn elements_end_where_they_say_or_with_what_they_are_in() {
        let head = |bytes: &[u8]| {
            parse(bytes, 100, 200).map(|found| (found.id, found.body, found.end, found.is_open))
        };
        assert_eq!(head(&[0xE7, 0x82, 1, 2]), Some((0xE7, 102, 104, false)));
        assert_eq!(head(&[0x1F, 0x43, 0xB6, 0x75, 0xFF]), Some((0x1F43_B675, 105, 200, true)));
        assert_eq!(head(&[0x1F, 0x43, 0xB6, 0x75]), None);
        assert_eq!(head(&[0x08, 0, 0, 0, 0, 0x81]), None);
        let inner: Vec<_> = children(&[0xD7, 0x81, 5, 0xEC, 0x80, 0x83, 0x81]).collect();
        assert_eq!(inner, [(0xD7, &[5][..]), (0xEC, &[][..])]);
    }
}

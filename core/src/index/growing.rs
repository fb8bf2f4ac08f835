//! Which files can be played before they are whole.

use super::transport;

/// What a Matroska file begins with: the head of its EBML head (RFC 8794, section 11.2.1).
const EBML: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];

/// Bytes of a file's beginning that tell: the description of a fragmented MP4 file has one or two
/// kilobytes.
pub const BEGINNING: usize = 32 * 1024;

/// Whether a file that begins so can be played while it is written: an MPEG transport stream, a
/// Matroska file, or an MP4 file whose samples are described in fragments, each in front of what it
/// describes (ISO/IEC 14496-12, 8.8).
pub fn plays_as_it_grows(beginning: &[u8]) -> bool {
    beginning.starts_with(&EBML) || is_fragmented(beginning) || transport::stride(beginning).is_some()
}

fn is_fragmented(beginning: &[u8]) -> bool {
    let is_movie = boxes(beginning).next().is_some_and(|(kind, _)| kind == *b"ftyp");
    let movie = boxes(beginning).find(|(kind, _)| kind == b"moov");
    is_movie && movie.is_some_and(|(_, body)| boxes(body).any(|(kind, _)| kind == *b"mvex"))
}

/// The boxes of a stretch that lie in it whole, by name.
fn boxes(mut stretch: &[u8]) -> impl Iterator<Item = ([u8; 4], &[u8])> {
    std::iter::from_fn(move || {
        let (size, rest) = stretch.split_first_chunk::<4>()?;
        let (kind, _) = rest.split_first_chunk::<4>()?;
        let size = usize::try_from(u32::from_be_bytes(*size)).ok()?;
        let body = stretch.get(8..size)?;
        stretch = &stretch[size..];
        Some((*kind, body))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn boxed(kind: [u8; 4], body: &[u8]) -> Vec<u8> {
        let size = u32::try_from(body.len() + 8).unwrap();
        [&size.to_be_bytes()[..], &kind, body].concat()
    }

    #[test]
    fn a_file_that_is_described_as_it_goes_plays_before_it_is_whole() {
        let head = boxed(*b"ftyp", b"isom");
        let movie = |inner: &[u8]| [&head[..], &boxed(*b"moov", inner)].concat();
        let (header, extends) = (boxed(*b"mvhd", &[0; 100]), boxed(*b"mvex", &[]));
        let packets = [&[0x47, 0, 0, 0x10][..], &[0; 184]].concat().repeat(8);
        for (beginning, plays) in [
            (movie(&[&header[..], &extends].concat()), true),
            (movie(&header), false),
            // Its description comes last, or is not there yet.
            ([&head[..], &boxed(*b"mdat", &[0; 64])].concat(), false),
            (movie(&[&header[..], &extends].concat())[..100].to_vec(), false),
            (boxed(*b"mvex", b""), false),
            ([&EBML[..], b"rest"].concat(), true),
            (packets, true),
            (b"no film at all".to_vec(), false),
            (Vec::new(), false),
            (vec![0; 16], false),
        ] {
            assert_eq!(plays_as_it_grows(&beginning), plays, "{beginning:?}");
        }
    }
}

//! Pictures in front of media: some sources hide their segments behind one, so that they may lie
//! where pictures are hosted.

/// The longest picture that is looked through, in bytes. Those that hide media have 70 bytes to
/// some hundred thousand.
pub const MAX_COVER: usize = 1 << 20;

/// What stands in front of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cover {
    /// No picture, or none that is whole.
    None,
    /// A picture of this kind and length in bytes.
    Picture(Format, usize),
    /// A picture that goes on behind the bytes at hand, or may begin with them.
    Unfinished,
}

/// A format of pictures.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// PNG (ISO/IEC 15948).
    Png,
    /// JPEG (ITU-T T.81).
    Jpeg,
    /// GIF (its specification of 1989).
    Gif,
    /// Windows bitmaps.
    Bmp,
    /// `WebP`.
    WebP,
}

impl Format {
    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Png => "PNG",
            Self::Jpeg => "JPEG",
            Self::Gif => "GIF",
            Self::Bmp => "BMP",
            Self::WebP => "WebP",
        }
    }
}

/// Why the end of a picture was not found.
enum Stop {
    More,
    Damaged,
}

type Walk = fn(&[u8]) -> Result<usize, Stop>;

/// The formats by what they begin with.
const FORMATS: [(Format, &[u8], Walk); 5] = [
    (Format::Png, PNG, png),
    (Format::Jpeg, b"\xFF\xD8\xFF", jpeg),
    (Format::Gif, b"GIF8", gif),
    (Format::Bmp, b"BM", bmp),
    (Format::WebP, b"RIFF", webp),
];

const PNG: &[u8] = b"\x89PNG\r\n\x1A\n";

/// What stands in front of `bytes`, the beginning of a segment.
pub fn cover(bytes: &[u8]) -> Cover {
    let may_be =
        |(_, magic, _): &&(Format, &[u8], Walk)| bytes.starts_with(magic) || magic.starts_with(bytes);
    let Some((format, magic, walk)) = FORMATS.iter().find(may_be) else { return Cover::None };
    if bytes.len() < magic.len() {
        return Cover::Unfinished;
    }
    match walk(&bytes[..bytes.len().min(MAX_COVER)]) {
        Ok(length) => Cover::Picture(*format, length),
        Err(Stop::More) if bytes.len() < MAX_COVER => Cover::Unfinished,
        Err(Stop::More | Stop::Damaged) => Cover::None,
    }
}

/// The `N` bytes at `at`.
fn take<const N: usize>(bytes: &[u8], at: usize) -> Result<[u8; N], Stop> {
    bytes.get(at..).and_then(<[u8]>::first_chunk).copied().ok_or(Stop::More)
}

/// The place behind something that ends at `end`, when it has come.
fn reach(bytes: &[u8], end: usize) -> Result<usize, Stop> {
    if end > MAX_COVER {
        Err(Stop::Damaged)
    } else if bytes.len() < end {
        Err(Stop::More)
    } else {
        Ok(end)
    }
}

/// Chunks: the length of the data, a type, the data, a check sum (5.3).
fn png(bytes: &[u8]) -> Result<usize, Stop> {
    let mut at = PNG.len();
    loop {
        let length = usize::try_from(u32::from_be_bytes(take(bytes, at)?)).map_err(|_| Stop::Damaged)?;
        let kind: [u8; 4] = take(bytes, at + 4)?;
        if !kind.iter().all(u8::is_ascii_alphabetic) {
            return Err(Stop::Damaged);
        }
        at = reach(bytes, at.saturating_add(length).saturating_add(12))?;
        if kind == *b"IEND" {
            return Ok(at);
        }
    }
}

/// Segments, each a marker and mostly a length; entropy-coded data behind a start of scan, in which
/// a marker's first byte is followed by a zero or a restart (B.1).
fn jpeg(bytes: &[u8]) -> Result<usize, Stop> {
    const END: u8 = 0xD9;
    const SCAN: u8 = 0xDA;
    let mut at = 2;
    loop {
        let [mark, kind] = take(bytes, at)?;
        at += 2;
        match kind {
            _ if mark != 0xFF => return Err(Stop::Damaged),
            0xFF => at -= 1, // a fill byte
            END => return Ok(at),
            0x01 | 0xD0..=0xD7 => {}
            _ => {
                let length = usize::from(u16::from_be_bytes(take(bytes, at)?));
                at = reach(bytes, at + length.max(2))?;
                if kind == SCAN {
                    let is_marker =
                        |pair: &[u8]| pair[0] == 0xFF && !matches!(pair[1], 0 | 0xD0..=0xD7 | 0xFF);
                    at += bytes[at..].windows(2).position(is_marker).ok_or(Stop::More)?;
                }
            }
        }
    }
}

/// A header, a table of colours, blocks (19 to 27).
fn gif(bytes: &[u8]) -> Result<usize, Stop> {
    let table = |flags: u8| if flags & 0x80 == 0 { 0 } else { 3 << ((flags & 7) + 1) };
    let [flags] = take(bytes, 10)?;
    let mut at = reach(bytes, 13 + table(flags))?;
    loop {
        let [kind] = take(bytes, at)?;
        at = match kind {
            0x3B => return Ok(at + 1),
            0x21 => at + 2, // an extension and its label
            0x2C => {
                let [flags] = take(bytes, at + 9)?;
                at + 10 + table(flags) + 1
            }
            _ => return Err(Stop::Damaged),
        };
        // Blocks of data, up to an empty one.
        loop {
            let [length] = take(bytes, at)?;
            at = reach(bytes, at + 1 + usize::from(length))?;
            if length == 0 {
                break;
            }
        }
    }
}

/// The length stands in its header, behind which come four bytes of zeros.
fn bmp(bytes: &[u8]) -> Result<usize, Stop> {
    let reserved: [u8; 4] = take(bytes, 6)?;
    let length = usize::try_from(u32::from_le_bytes(take(bytes, 2)?)).map_err(|_| Stop::Damaged)?;
    if reserved != [0; 4] || length < 26 { Err(Stop::Damaged) } else { reach(bytes, length) }
}

/// One chunk of RIFF, of an even length.
fn webp(bytes: &[u8]) -> Result<usize, Stop> {
    let kind: [u8; 4] = take(bytes, 8)?;
    let length = usize::try_from(u32::from_le_bytes(take(bytes, 4)?)).map_err(|_| Stop::Damaged)?;
    if kind == *b"WEBP" {
        reach(bytes, 8 + length.saturating_add(length % 2).min(MAX_COVER))
    } else {
        Err(Stop::Damaged)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunk(kind: &[u8], data: &[u8]) -> Vec<u8> {
        [&u32::try_from(data.len()).unwrap().to_be_bytes(), kind, data, &[1, 2, 3, 4]].concat()
    }

    fn pictures() -> Vec<(Format, Vec<u8>)> {
        let png =
            [PNG, &chunk(b"IHDR", &[5; 13]), &chunk(b"IDAT", &vec![0x47; 100_000]), &chunk(b"IEND", &[])]
                .concat();
        // With a picture of its own in a segment, a fill byte, a restart and a byte that only looks
        // like a marker.
        let jpeg = b"\xFF\xD8\xFF\xE1\0\x08\xFF\xD8\xFF\xD9..\xFF\xFF\xDB\0\x03.\xFF\xDA\0\x04..data\xFF\0\xFF\xD1\xFF\0more\xFF\xC4\0\x02\xFF\xD9";
        let gif = b"GIF89a\x01\0\x01\0\x80\0\0rgbrgb\x21\xF9\x04\0\0\0\0\0\x2C\0\0\0\0\x01\0\x01\0\0\x02\x02\x4C\x01\0\x3B";
        let mut bmp = b"BM\x1E\0\0\0\0\0\0\0".to_vec();
        bmp.resize(30, 7);
        let webp = b"RIFF\x0D\0\0\0WEBPVP8 \x01\0\0\0x\0";
        vec![
            (Format::Png, png),
            (Format::Jpeg, jpeg.to_vec()),
            (Format::Gif, gif.to_vec()),
            (Format::Bmp, bmp),
            (Format::WebP, webp.to_vec()),
        ]
    }

    #[test]
    fn the_end_of_a_picture_is_found_and_waited_for() {
        for (format, picture) in pictures() {
            let bytes = [&picture[..], b"\x47media"].concat();
            assert_eq!(cover(&bytes), Cover::Picture(format, picture.len()));
            for cut in (0..picture.len()).step_by(1 + picture.len() / 300) {
                assert_eq!(cover(&bytes[..cut]), Cover::Unfinished, "{format:?}, {cut} bytes");
            }
        }
    }

    #[test]
    fn what_is_no_picture_is_none() {
        for bytes in [
            &b"\x47\0\0\0"[..],
            b"\x89PNX",
            b"\xFF\xD8\xFE\0",
            b"\xFF\xF1\x4C\x80",
            b"GIF89a\x01\0\x01\0\0\0\0no block",
            b"BM as text begins",
            b"RIFF\x10\0\0\0WAVEfmt ",
            b"\x89PNG\r\n\x1A\n\0\0\0\0\0\0\0\0",
        ] {
            assert_eq!(cover(bytes), Cover::None, "{bytes:02x?}");
        }
    }

    #[test]
    fn no_more_than_the_limit_is_waited_for() {
        let endless = [PNG, &chunk(b"IDAT", &vec![0; 2 * MAX_COVER])].concat();
        assert_eq!(cover(&endless), Cover::None);
        assert_eq!(cover(&endless[..40]), Cover::None, "its length says so");
        let scan = [&b"\xFF\xD8\xFF\xDA\0\x02"[..], &vec![0; 2 * MAX_COVER]].concat();
        assert_eq!(cover(&scan[..1000]), Cover::Unfinished);
        assert_eq!(cover(&scan), Cover::None);
    }
}

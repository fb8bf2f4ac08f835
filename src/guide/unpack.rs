//! What packs a guide: gzip, xz or ZIP, which its first bytes tell, whatever it is called.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use liblzma::read::XzDecoder;

/// So many bytes are read from the disk at once.
const PIECE: usize = 64 * 1024;

/// The document without what packs it.
pub(super) fn unpacked(path: &Path) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::with_capacity(PIECE, File::open(path)?);
    let mut start = [0; 6];
    let mut length = 0;
    while length < start.len() {
        match file.read(&mut start[length..])? {
            0 => break,
            read => length += read,
        }
    }
    file.seek(SeekFrom::Start(0))?;
    Ok(match &start[..length] {
        [0x1f, 0x8b, ..] => Box::new(MultiGzDecoder::new(file)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(XzDecoder::new(file)),
        [b'P', b'K', 3, 4, ..] => zipped(file)?,
        _ => Box::new(file),
    })
}

/// The first file of a ZIP archive (APPNOTE 6.3.10, section 4.3.7): a guide is alone in it.
fn zipped(mut file: BufReader<File>) -> io::Result<Box<dyn Read>> {
    let mut head = [0; 30];
    file.read_exact(&mut head)?;
    let number = |at: usize| u64::from(u16::from_le_bytes([head[at], head[at + 1]]));
    let behind = i64::try_from(number(26) + number(28)).expect("they have 16 bits each");
    file.seek_relative(behind)?;
    let length = u32::from_le_bytes([head[18], head[19], head[20], head[21]]);
    match number(8) {
        0 => Ok(Box::new(file.take(length.into()))),
        8 => Ok(Box::new(DeflateDecoder::new(file))),
        method => Err(io::Error::other(format!("it is packed in a way that is not known ({method})"))),
    }
}

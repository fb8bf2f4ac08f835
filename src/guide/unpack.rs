//! What packs a guide: gzip, xz or ZIP, which its first bytes tell, whatever it is called.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::Path;

use flate2::read::{DeflateDecoder, MultiGzDecoder};
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};

/// So many bytes are read from the disk at once.
const PIECE: usize = 64 * 1024;

/// Memory that unpacking xz may take: `xz -9` asks for 65 MiB, and a file may ask for 4 GiB.
const MAX_XZ_MEMORY: u64 = 80 << 20;

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
        [0xfd, b'7', b'z', b'X', b'Z', 0] => Box::new(unxz(file)?),
        [b'P', b'K', 3, 4, ..] => zipped(file)?,
        _ => Box::new(file),
    })
}

/// Unpacks xz, also of several streams one behind another, as `cat a.xz b.xz` and `pixz` write
/// them.
fn unxz(file: BufReader<File>) -> io::Result<impl Read> {
    let stream = Stream::new_stream_decoder(MAX_XZ_MEMORY, CONCATENATED)?;
    Ok(Named(XzDecoder::new_stream(file, stream)))
}

/// Says which limit it was that xz did not keep.
struct Named<R>(R);

impl<R: Read> Read for Named<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        self.0.read(out).map_err(|error| {
            let cause = error.get_ref().and_then(|it| it.downcast_ref::<liblzma::stream::Error>());
            if !matches!(cause, Some(liblzma::stream::Error::MemLimit)) {
                return error;
            }
            let mib = MAX_XZ_MEMORY >> 20;
            io::Error::other(format!("unpacking it takes more than {mib} MiB of memory"))
        })
    }
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

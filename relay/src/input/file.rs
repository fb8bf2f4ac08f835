//! `file:`: a file, looped.

use std::path::PathBuf;

use bytes::BytesMut;
use futures_util::{StreamExt, stream};
use tokio::fs::File;
use tokio::io::AsyncReadExt;

use super::{Error, Piece, SocketGuard, Upstream};
use crate::model::SourceUrl;

/// Bytes read at once: small, so that the pace is even at low bit rates too.
const PIECE: usize = 16 * 1024;

pub(super) async fn open(url: SourceUrl, hold: SocketGuard) -> Result<Upstream, Error> {
    let path = url.file_path().ok_or_else(|| Error::File("it is no path of this machine".to_owned()))?;
    let file = open_path(&path).await?;
    let pieces = stream::try_unfold(Reader { path, file, read: 0 }, |mut reader| async move {
        let piece = reader.piece().await?;
        Ok(Some((piece, reader)))
    });
    Ok(Upstream::looped(pieces.boxed(), hold))
}

async fn open_path(path: &PathBuf) -> Result<File, Error> {
    // Opening a pipe would wait for its other end, and hold a thread meanwhile.
    let data = tokio::fs::metadata(path).await.map_err(|error| Error::of_file(&error))?;
    if !data.is_file() {
        return Err(Error::File("it is no regular file".to_owned()));
    }
    File::open(path).await.map_err(|error| Error::of_file(&error))
}

struct Reader {
    path: PathBuf,
    file: File,
    /// Bytes of this pass.
    read: u64,
}

impl Reader {
    async fn piece(&mut self) -> Result<Piece, Error> {
        let mut buffer = BytesMut::with_capacity(PIECE);
        let count = self.file.read_buf(&mut buffer).await.map_err(|error| Error::of_file(&error))?;
        if count > 0 {
            self.read += count as u64;
            return Ok(Piece::Bytes(buffer.freeze()));
        }
        // A pass without a byte would be followed by the
        // next at once, and take a processor for itself.
        if self.read == 0 {
            return Err(Error::File("it is empty".to_owned()));
        }
        // Opened anew and not rewound: so a file that was replaced is taken up with the next pass.
        self.file = open_path(&self.path).await?;
        self.read = 0;
        Ok(Piece::Discontinuity)
    }
}

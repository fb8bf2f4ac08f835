//! The file of a download, which grows from its beginning to its end.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use tokio::task::spawn_blocking;

use crate::db::downloads::DownloadId;

/// How long bytes may be there without being on the disk for certain.
const SYNC: Duration = Duration::from_millis(500);

/// The folder with the files of all downloads.
#[derive(Debug, Clone)]
pub(super) struct Folder(PathBuf);

impl Folder {
    /// The one below this data folder.
    pub(super) fn below(data: &Path) -> Self {
        Self(data.join("downloads"))
    }

    /// Where the file of a download is.
    pub(super) fn path(&self, id: DownloadId) -> PathBuf {
        self.0.join(id.0.to_string())
    }

    /// Removes the file of a download.
    pub(super) async fn remove(&self, id: DownloadId) -> io::Result<()> {
        match tokio::fs::remove_file(self.path(id)).await {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    /// Removes the files of which nobody knows: the server was killed at the wrong moment. Waits
    /// for the disk.
    pub(super) fn clean(&self, known: &[DownloadId]) -> io::Result<()> {
        let entries = match fs::read_dir(&self.0) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            entries => entries?,
        };
        for entry in entries {
            let entry = entry?;
            let id = entry.file_name().to_str().and_then(|name| name.parse().ok()).map(DownloadId);
            if id.is_some_and(|id| !known.contains(&id)) {
                fs::remove_file(entry.path())?;
            }
        }
        Ok(())
    }
}

/// A file that is being written.
#[derive(Debug)]
pub(super) struct PartFile {
    file: Arc<File>,
    /// Its bytes so far.
    length: u64,
    synced_at: Instant,
}

impl PartFile {
    /// The file of a download, of which the first `kept` bytes are good. What stands behind them is
    /// cut off.
    pub(super) async fn open(folder: &Folder, id: DownloadId, kept: u64) -> io::Result<Self> {
        let (below, path) = (folder.0.clone(), folder.path(id));
        let open = move || {
            fs::create_dir_all(below)?;
            let file = OpenOptions::new().write(true).create(true).truncate(false).open(path)?;
            // Else `set_len` would fill the gap with zeros, and nobody would notice.
            if file.metadata()?.len() < kept {
                return Err(io::Error::other("somebody has cut off the file"));
            }
            // Bytes behind it were never known to be on the
            // disk: a crash may have left anything there.
            file.set_len(kept)?;
            Ok::<_, io::Error>(file)
        };
        let file = spawn_blocking(open).await.map_err(io::Error::other)??;
        Ok(Self { file: Arc::new(file), length: kept, synced_at: Instant::now() })
    }

    /// Bytes that are there.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// Writes the next bytes.
    pub(super) async fn write(&mut self, bytes: Bytes) -> io::Result<()> {
        let (file, at, count) = (Arc::clone(&self.file), self.length, bytes.len() as u64);
        spawn_blocking(move || file.write_all_at(&bytes, at)).await.map_err(io::Error::other)??;
        self.length += count;
        Ok(())
    }

    /// Whether it is time to have it on the disk for certain.
    pub(super) fn is_due(&self) -> bool {
        self.synced_at.elapsed() >= SYNC
    }

    /// Has all bytes so far on the disk for certain.
    pub(super) async fn sync(&mut self) -> io::Result<()> {
        let file = Arc::clone(&self.file);
        spawn_blocking(move || file.sync_data()).await.map_err(io::Error::other)??;
        self.synced_at = Instant::now();
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_file_goes_on_where_it_was_certain() {
        let data = tempfile::tempdir().unwrap();
        let (folder, id) = (Folder::below(data.path()), DownloadId(7));
        let mut file = PartFile::open(&folder, id, 0).await.unwrap();
        file.write(Bytes::from_static(b"good, not certain")).await.unwrap();
        file.sync().await.unwrap();
        let mut file = PartFile::open(&folder, id, 4).await.unwrap();
        file.write(Bytes::from_static(b"!")).await.unwrap();
        assert_eq!((file.length(), fs::read(folder.path(id)).unwrap()), (5, b"good!".to_vec()));
        PartFile::open(&folder, id, 6).await.unwrap_err();
        let other = DownloadId(8);
        PartFile::open(&folder, other, 0).await.unwrap();
        folder.clean(&[id]).unwrap();
        assert!(folder.path(id).exists() && !folder.path(other).exists());
        for _ in 0..2 {
            folder.remove(id).await.unwrap();
        }
        assert!(!folder.path(id).exists());
    }
}

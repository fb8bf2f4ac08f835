//! Folders in which something is kept over a restart.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

/// Who may read what is kept, as far as the process's umask allows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// Whoever may read the folder.
    All,
    /// The owner alone: it is a secret.
    Owner,
}

/// A folder of our own. Each file in it is replaced as a whole: after a crash it is the old one or
/// the new one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dir {
    path: PathBuf,
    access: Access,
}

impl Dir {
    /// The folder at `path`, whether it is there or not.
    pub fn new(path: &Path, access: Access) -> Self {
        Self { path: path.to_owned(), access }
    }

    /// Where a file of this name is, or would be.
    pub fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Makes the folder, and those above it, where they are missing.
    pub fn create(&self) -> io::Result<()> {
        let mode = match self.access {
            Access::All => 0o777,
            Access::Owner => 0o700,
        };
        DirBuilder::new().recursive(true).mode(mode).create(&self.path)
    }

    /// What a file holds; `None` if there is none.
    pub fn read(&self, name: &str) -> io::Result<Option<Vec<u8>>> {
        match fs::read(self.path(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// Replaces a file. When it returns, the new one is on the disk. Waits for the disk: not for
    /// threads that serve somebody.
    pub fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let new = self.path(&format!("{name}.new"));
        // The mode is that of a file that is made, not of one that was left behind.
        match fs::remove_file(&new) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mode = match self.access {
            Access::All => 0o666,
            Access::Owner => 0o600,
        };
        let mut file = OpenOptions::new().write(true).create_new(true).mode(mode).open(&new)?;
        file.write_all(bytes)?;
        // Before the rename: else a crash may leave the new name with an empty file.
        file.sync_all()?;
        fs::rename(new, self.path(name))?;
        // The rename is on the disk when its folder is.
        File::open(&self.path)?.sync_all()
    }

    /// Removes a file.
    pub fn remove(&self, name: &str) -> io::Result<()> {
        fs::remove_file(self.path(name))
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    #[test]
    fn files_are_replaced_whole_and_secrets_are_the_owners() {
        let folder = tempfile::tempdir().unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o077;
        for readers in [Access::All, Access::Owner] {
            let dir = Dir::new(&folder.path().join(format!("a/{readers:?}")), readers);
            assert_eq!(dir.read("one").unwrap(), None);
            dir.create().unwrap();
            dir.write("one", b"old").unwrap();
            // What a crash has left.
            fs::write(dir.path("one.new"), "half").unwrap();
            dir.write("one", b"new").unwrap();
            assert_eq!(dir.read("one").unwrap().as_deref(), Some(&b"new"[..]));
            assert!(!dir.path("one.new").exists());
            if readers == Access::Owner {
                assert_eq!([mode(&dir.path("one")), mode(&dir.path)], [0; 2]);
            }
            dir.remove("one").unwrap();
            assert_eq!(dir.read("one").unwrap(), None);
        }
    }

    #[test]
    fn where_there_can_be_no_folder_is_an_error() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let dir = Dir::new(&file.path().join("folder"), Access::All);
        assert!(dir.write("one", b"").is_err() && dir.create().is_err());
    }
}

//! The folder of the database: its files, and the lock that lets one process in.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Seek as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use forebay_relay::state::{Access, Dir};
use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// The database.
pub(super) const DATABASE: &str = "forebay.db";

/// Locked by the process that uses the folder.
pub(super) const LOCK: &str = "forebay.lock";

/// Keeps other processes out, until it is dropped or the process ends in any way.
#[derive(Debug)]
pub(super) struct Lock {
    _file: File,
}

/// Why the folder could not be locked.
#[derive(Debug)]
pub(super) enum LockError {
    /// By this process, where it could be read.
    Taken(Option<u32>),
    /// The folder cannot be made or written.
    Io(io::Error),
}

impl From<io::Error> for LockError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}

/// Makes the folder where it is missing, and locks it. It holds passwords of providers: the folder
/// is its owner's alone.
pub(super) fn lock(folder: &Path) -> Result<Lock, LockError> {
    Dir::new(folder, Access::Owner).create()?;
    let path = folder.join(LOCK);
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    // By the kernel, which frees it however a process
    // ends: a file with a number would outlive a crash.
    match flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => {}
        Err(Errno::WOULDBLOCK) => {
            let mut text = String::new();
            // It is told only, so whatever stands there will do.
            let _ = file.read_to_string(&mut text);
            return Err(LockError::Taken(text.trim().parse().ok()));
        }
        Err(error) => return Err(LockError::Io(error.into())),
    }
    // For whoever finds it locked. The lock holds without it, on a full disk for example.
    let _ = tell(&mut file);
    Ok(Lock { _file: file })
}

fn tell(file: &mut File) -> io::Result<()> {
    file.set_len(0)?;
    file.rewind()?;
    writeln!(file, "{}", std::process::id())
}

/// Makes an empty file that its owner alone can read. SQLite would let all read it, and gives its
/// other files the same mode.
pub(super) fn create(path: &Path) -> io::Result<()> {
    OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map(drop)
}

/// The file beside a database that SQLite names by this suffix.
pub(super) fn beside(database: &Path, suffix: &str) -> PathBuf {
    let mut name = database.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Makes names of files in this folder last over a power failure.
pub(super) fn sync(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

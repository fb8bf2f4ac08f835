//! Programs of the system that this one runs.

use std::ffi::OsStr;
use std::path::{Path, PathBuf};

/// The program of this name, in the folders of `PATH`, or of this path.
pub(crate) fn find(program: &OsStr) -> Option<PathBuf> {
    let path = Path::new(program);
    if path.components().count() > 1 {
        return path.is_file().then(|| path.to_owned());
    }
    let folders = std::env::var_os("PATH")?;
    std::env::split_paths(&folders).map(|folder| folder.join(path)).find(|path| path.is_file())
}

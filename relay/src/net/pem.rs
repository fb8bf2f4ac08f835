//! Files in PEM.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::Path;

use crate::error::reason;

/// The most of a PEM file that is read. A chain of certificates is some kilobytes.
const MAX_PEM: u64 = 1 << 20;

/// The whole of a PEM file.
pub fn read(path: &Path) -> Result<Vec<u8>, String> {
    read_file(path).map_err(|error| format!("cannot read {}: {}", path.display(), reason(&error)))
}

fn read_file(path: &Path) -> io::Result<Vec<u8>> {
    // Opening a named pipe would wait for its writer.
    if !path.metadata()?.is_file() {
        return Err(io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(MAX_PEM + 1).read_to_end(&mut bytes)?;
    if bytes.len() as u64 > MAX_PEM {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(bytes)
}

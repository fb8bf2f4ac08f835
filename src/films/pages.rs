//! What the system has of a file in memory: a thread that must not wait asks before it reads.

use std::fs::File;
use std::io;
use std::ops::Range;

#[cfg(target_os = "linux")]
use rustix::io::ReadWriteFlags;

/// The system reads ahead in runs of at least so many bytes, so one byte of each is asked for.
#[cfg(target_os = "linux")]
const RUN: u64 = 64 * 1024;

/// More than this is not asked about: it would take as long as to read it elsewhere.
#[cfg(target_os = "linux")]
const MOST: u64 = 4 << 20;

/// Whether a range can be read without waiting for the disk. Some systems of files do not tell, and
/// of them it is `false`.
#[cfg(target_os = "linux")]
pub(super) fn are_loaded(file: &File, range: Range<u64>) -> bool {
    // An error counts as not there: whoever reads elsewhere meets it again, and tells it.
    range.end - range.start <= MOST && marks(range).all(|at| byte(file, at, ReadWriteFlags::NOWAIT).is_ok())
}

/// Has the system read a range, and waits for it.
#[cfg(target_os = "linux")]
pub(super) fn load(file: &File, range: Range<u64>) -> io::Result<()> {
    let length = std::num::NonZeroU64::new(range.end - range.start);
    // Advice only: without it, each byte that is asked for brings its run.
    let _ = rustix::fs::fadvise(file, range.start, length, rustix::fs::Advice::WillNeed);
    marks(range).try_for_each(|at| byte(file, at, ReadWriteFlags::empty()))
}

/// A place in each run, and the last.
#[cfg(target_os = "linux")]
fn marks(range: Range<u64>) -> impl Iterator<Item = u64> {
    let last = range.end.saturating_sub(1);
    range.step_by(usize::try_from(RUN).expect("a run is small")).chain([last])
}

#[cfg(target_os = "linux")]
fn byte(file: &File, at: u64, flags: ReadWriteFlags) -> io::Result<()> {
    let mut byte = [0];
    rustix::io::preadv2(file, &mut [io::IoSliceMut::new(&mut byte)], at, flags)?;
    Ok(())
}

/// It is not known, so a thread that may wait is asked to read.
#[cfg(not(target_os = "linux"))]
pub(super) fn are_loaded(_: &File, _: Range<u64>) -> bool {
    false
}

/// Nothing can be done beforehand.
#[cfg(not(target_os = "linux"))]
pub(super) fn load(_: &File, _: Range<u64>) -> io::Result<()> {
    Ok(())
}

/// Reads a range. Waits for the disk.
///
/// # Errors
/// When the file cannot be read, or has become shorter.
pub(super) fn read(file: &File, range: Range<u64>) -> io::Result<Vec<u8>> {
    let length = usize::try_from(range.end - range.start).map_err(io::Error::other)?;
    let mut bytes = Vec::with_capacity(length);
    while bytes.len() < length {
        let at = range.start + bytes.len() as u64;
        let room = rustix::buffer::spare_capacity(&mut bytes);
        if rustix::io::pread(file, room, at)? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    bytes.truncate(length);
    Ok(bytes)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    /// Whether the system tells what it has of this file in memory.
    #[cfg(target_os = "linux")]
    fn tells(file: &File) -> bool {
        let asked = byte(file, 0, ReadWriteFlags::NOWAIT);
        !asked.is_err_and(|error| error.kind() == io::ErrorKind::Unsupported)
    }

    #[cfg(not(target_os = "linux"))]
    fn tells(_: &File) -> bool {
        false
    }

    #[test]
    fn what_was_loaded_is_told_to_be_there() {
        let mut file = tempfile::tempfile_in(env!("CARGO_MANIFEST_DIR")).unwrap();
        file.write_all(&vec![7; 300_000]).unwrap();
        load(&file, 100..300_000).unwrap();
        assert_eq!(read(&file, 299_990..300_000).unwrap(), [7; 10]);
        // Where the system does not tell, nothing is said to be there.
        assert_eq!(are_loaded(&file, 100..300_000), tells(&file));
        assert_eq!(read(&file, 0..300_001).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}

//! The parts of a file that are in memory while it is read.
//!
//! Nothing here reads: code asks for bytes, and where they are not in memory, it pauses. Whoever
//! has the file brings them, and the code runs again from where its state says it was.

use std::ops::Range;

use super::Error;

/// Why reading cannot go on now.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Pause {
    /// Bytes are wanted: see [`Source::wanted`].
    Read,
    /// Boxed, so that what is returned for each sample is small.
    Failed(Box<Error>),
}

impl From<Error> for Pause {
    fn from(error: Error) -> Self {
        Self::Failed(Box::new(error))
    }
}

/// What is read at the same time: each has a stretch of the file of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Lane {
    Boxes,
    Times,
    Offsets,
    Syncs,
    Runs,
    Sizes,
    Chunks,
}

/// How many lanes there are.
const LANES: usize = 7;

/// A file, of which some stretches are in memory.
#[derive(Debug)]
pub(super) struct Source {
    length: u64,
    /// Bytes that are asked for beyond what is needed at once.
    ahead: u64,
    windows: [Window; LANES],
    wanted: Option<(Lane, Range<u64>)>,
}

#[derive(Debug, Default)]
struct Window {
    at: u64,
    bytes: Vec<u8>,
}

impl Source {
    /// A file of `length` bytes.
    pub(super) fn new(length: u64, ahead: u64) -> Self {
        Self { length, ahead, windows: Default::default(), wanted: None }
    }

    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// What the last pause waits for.
    pub(super) fn wanted(&self) -> Option<Range<u64>> {
        self.wanted.clone().map(|(_, range)| range)
    }

    /// Takes what was wanted.
    pub(super) fn handle_bytes(&mut self, bytes: Vec<u8>) -> Result<(), Error> {
        let Some((lane, range)) = self.wanted.take() else { return Ok(()) };
        if u64::try_from(bytes.len()).is_ok_and(|length| length < range.end - range.start) {
            return Err(Error::Short(range.end));
        }
        self.windows[lane as usize] = Window { at: range.start, bytes };
        Ok(())
    }

    /// The number of four bytes at `at`, if it is in memory.
    #[inline]
    pub(super) fn peek(&self, lane: Lane, at: u64) -> Option<u32> {
        let window = &self.windows[lane as usize];
        let from = usize::try_from(at.checked_sub(window.at)?).ok()?;
        let bytes = window.bytes.get(from..from.checked_add(4)?)?;
        Some(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    /// The `size` bytes at `at`. What lies up to `end` is likely to be asked for next.
    #[inline]
    pub(super) fn get(&mut self, lane: Lane, at: u64, size: usize, end: u64) -> Result<&[u8], Pause> {
        let window = &self.windows[lane as usize];
        let inside = at.checked_sub(window.at).and_then(|from| usize::try_from(from).ok());
        let is_there =
            inside.is_some_and(|from| from < window.bytes.len() && size <= window.bytes.len() - from);
        match inside {
            Some(from) if is_there => Ok(&self.windows[lane as usize].bytes[from..from + size]),
            _ => Err(self.want(lane, at, size, end)),
        }
    }

    /// The number of four bytes at `at`.
    #[inline]
    pub(super) fn u32(&mut self, lane: Lane, at: u64, end: u64) -> Result<u32, Pause> {
        let bytes = self.get(lane, at, 4, end)?;
        Ok(u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
    }

    #[cold]
    fn want(&mut self, lane: Lane, at: u64, size: usize, end: u64) -> Pause {
        let needed = at.saturating_add(size as u64);
        if needed > self.length {
            return Error::Damaged { what: "a box ends beyond the file", at }.into();
        }
        let end = end.min(self.length).min(needed.saturating_add(self.ahead)).max(needed);
        self.wanted = Some((lane, at..end));
        Pause::Read
    }
}

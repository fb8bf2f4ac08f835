//! Finds the boxes that matter: the film's description, the tables of its tracks, and its fragments
//! (ISO/IEC 14496-12, 4.2 and 8.2 to 8.8).
//!
//! The tables may have a hundred megabytes. Only where they lie is noted here.

use super::Error;
use super::source::{Lane, Pause, Source};
use super::tables::{Sizes, Table, Tables};

/// Tracks that are looked at: one of pictures, and sound and text in some languages.
const MAX_TRACKS: usize = 64;

/// The deepest nesting of boxes that is followed: `stbl` is the fifth.
const MAX_DEPTH: usize = 8;

/// The largest box that is read whole: parameter sets have a few kilobytes, an edit list less.
const MAX_LEAF: u64 = 1 << 20;

/// The largest description of a film: four days of pictures and sound.
const MAX_MOVIE: u64 = 1 << 28;

/// The most fragments: a day of a fragment for each picture, nearly.
const MAX_FRAGMENTS: usize = 1 << 20;

/// The largest fragment's description: a minute of small samples.
pub(super) const MAX_FRAGMENT: u64 = 1 << 22;

/// What is asked for beyond a box's head: small boxes come with it.
const AHEAD: u64 = 4096;

/// Where a box of a file lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Extent {
    pub(super) at: u64,
    pub(super) size: u32,
}

/// A track as the file describes it.
#[derive(Debug, Clone, Default)]
pub(super) struct Described {
    pub(super) header: Vec<u8>,
    pub(super) media: Vec<u8>,
    pub(super) handler: [u8; 4],
    pub(super) edits: Vec<u8>,
    pub(super) entries: Vec<u8>,
    pub(super) tables: Tables,
}

/// What was found.
#[derive(Debug, Default)]
pub(super) struct Outline {
    /// Where the next box begins.
    at: u64,
    /// The ends of the boxes that it lies in, the outermost first.
    ends: Vec<u64>,
    has_movie: bool,
    /// Units in a second of what `mvhd` governs: durations in edit lists.
    pub(super) timescale: u32,
    pub(super) tracks: Vec<Described>,
    /// The bodies of `trex` boxes.
    pub(super) defaults: Vec<Vec<u8>>,
    /// Whether the film goes on in fragments.
    is_fragmented: bool,
    pub(super) fragments: Vec<Extent>,
}

/// The head of a box.
#[derive(Debug, Clone, Copy)]
struct Head {
    kind: [u8; 4],
    /// Where it begins.
    at: u64,
    /// Where its content begins and ends.
    body: u64,
    end: u64,
}

impl Outline {
    /// Goes on until everything is found.
    pub(super) fn run(&mut self, source: &mut Source) -> Result<(), Pause> {
        loop {
            // A box may end with others that it lies in.
            while self.ends.last().is_some_and(|&end| self.at >= end) {
                self.ends.pop();
            }
            // A film in fragments goes on to the end of the file.
            let is_found = self.has_movie && self.ends.is_empty() && !self.is_fragmented;
            let limit = self.ends.last().copied().unwrap_or_else(|| source.length());
            if is_found || self.at >= limit {
                break;
            }
            match head(source, self.at, limit)? {
                Some(head) if self.ends.is_empty() => self.handle_outer(head, source.length())?,
                Some(head) => self.handle_inner(head, source)?,
                // What cannot be a box ends what it is in.
                None => self.at = limit,
            }
        }
        if self.has_movie { Ok(()) } else { Err(Error::NoMovie.into()) }
    }

    /// A box of the file.
    fn handle_outer(&mut self, head: Head, length: u64) -> Result<(), Pause> {
        match &head.kind {
            b"moov" if !self.has_movie => {
                // Without all of its description nothing can be read; a cut `mdat` still plays as
                // far as it goes.
                if head.end > length {
                    return Err(Error::NoMovie.into());
                }
                if head.end - head.body > MAX_MOVIE {
                    return Err(Error::TooLarge { what: "bytes in the moov box", limit: MAX_MOVIE }.into());
                }
                self.has_movie = true;
                self.ends.push(head.end);
                self.at = head.body;
                return Ok(());
            }
            // A fragment that breaks off has samples that are not there.
            b"moof" if self.has_movie && head.end <= length => {
                if self.fragments.len() == MAX_FRAGMENTS {
                    let limit = MAX_FRAGMENTS as u64;
                    return Err(Error::TooLarge { what: "fragments", limit }.into());
                }
                let size =
                    u32::try_from(head.end - self.at).ok().filter(|&size| u64::from(size) <= MAX_FRAGMENT);
                let too_large = Error::TooLarge { what: "bytes in a moof box", limit: MAX_FRAGMENT };
                self.fragments.push(Extent { at: self.at, size: size.ok_or(too_large)? });
            }
            _ => {}
        }
        self.at = head.end;
        Ok(())
    }

    /// A box within the film's description.
    fn handle_inner(&mut self, head: Head, source: &mut Source) -> Result<(), Pause> {
        match &head.kind {
            // What belongs to it must not be taken for the last track's that is kept.
            b"trak" if self.tracks.len() == MAX_TRACKS => {}
            b"trak" | b"mdia" | b"minf" | b"stbl" | b"edts" | b"mvex" if self.ends.len() < MAX_DEPTH => {
                if &head.kind == b"trak" {
                    self.tracks.push(Described::default());
                }
                self.is_fragmented |= &head.kind == b"mvex";
                self.ends.push(head.end);
                self.at = head.body;
                return Ok(());
            }
            b"mvhd" => self.timescale = timescale(leaf(source, head)?),
            b"trex" => {
                let body = leaf(source, head)?.to_vec();
                if self.defaults.len() < MAX_TRACKS {
                    self.defaults.push(body);
                }
            }
            _ => {
                if let Some(track) = self.tracks.last_mut() {
                    track.take(head, source)?;
                }
            }
        }
        self.at = head.end;
        Ok(())
    }
}

impl Described {
    /// Takes a box of a track.
    fn take(&mut self, head: Head, source: &mut Source) -> Result<(), Pause> {
        let table = |source: &mut Source, stride| Table::read(source, head.body..head.end, stride);
        let tables = &mut self.tables;
        match &head.kind {
            b"tkhd" => self.header = leaf(source, head)?.to_vec(),
            b"mdhd" => self.media = leaf(source, head)?.to_vec(),
            b"elst" => self.edits = leaf(source, head)?.to_vec(),
            b"stsd" => self.entries = leaf(source, head)?.to_vec(),
            b"hdlr" => {
                // QuickTime has a second one in `minf`, which says how data is stored.
                let handler = leaf(source, head)?.get(8..12).and_then(|kind| kind.try_into().ok());
                // The first one says what the track is.
                if self.handler == [0; 4] {
                    self.handler = handler.unwrap_or_default();
                }
            }
            b"stts" => tables.times = table(source, 8)?,
            b"ctts" => tables.offsets = table(source, 8)?,
            b"stss" => tables.syncs = Some(table(source, 4)?),
            b"stsc" => tables.runs = table(source, 12)?,
            b"stsz" => tables.sizes = Sizes::read(source, head.body..head.end)?,
            b"stco" => {
                tables.chunks = table(source, 4)?;
                tables.has_wide_chunks = false;
            }
            b"co64" => {
                tables.chunks = table(source, 8)?;
                tables.has_wide_chunks = true;
            }
            b"stz2" => {
                return Err(Error::Damaged { what: "compact sizes are not read", at: head.body }.into());
            }
            _ => {}
        }
        Ok(())
    }
}

/// The head of the box at `at`, which ends by `limit`; `None` where there can be none. Only a box
/// of the file may be longer than what there is of it.
fn head(source: &mut Source, at: u64, limit: u64) -> Result<Option<Head>, Pause> {
    let (size, is_outer) = (limit - at, limit == source.length());
    if size < 8 {
        return Ok(None);
    }
    let window = at.saturating_add(AHEAD).min(limit);
    let bytes = source.get(Lane::Boxes, at, if size < 16 { 8 } else { 16 }, window)?;
    let kind = [bytes[4], bytes[5], bytes[6], bytes[7]];
    let (header, size) = match u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) {
        // Size 0: to the end of what it lies in (4.2).
        0 => (8, size),
        1 => match bytes.get(8..16).and_then(|wide| wide.try_into().ok()) {
            Some(wide) => (16, u64::from_be_bytes(wide)),
            None => return Ok(None),
        },
        size => (8, size.into()),
    };
    let end = at.checked_add(size).filter(|&end| size >= header && (is_outer || end <= limit));
    Ok(end.map(|end| Head { kind, at, body: at + header, end }))
}

/// The content of a box that is read whole.
fn leaf(source: &mut Source, head: Head) -> Result<&[u8], Pause> {
    let size = head.end - head.body;
    if size > MAX_LEAF {
        return Err(
            Error::TooLarge { what: "bytes in a box of the film's description", limit: MAX_LEAF }.into()
        );
    }
    // With its head, which is read again when the bytes have come.
    let place = |at: u64| usize::try_from(at - head.at).expect("at most a mebibyte");
    let bytes = source.get(Lane::Boxes, head.at, place(head.end), head.end)?;
    Ok(&bytes[place(head.body)..])
}

/// Of a `mvhd` or `mdhd` box.
pub(super) fn timescale(body: &[u8]) -> u32 {
    let at = if body.first() == Some(&1) { 20 } else { 12 };
    number(body, at)
}

/// The number of four bytes at `at`; 0 where the body is too short.
pub(super) fn number(body: &[u8], at: usize) -> u32 {
    body.get(at..).and_then(|rest| rest.first_chunk()).map_or(0, |bytes| u32::from_be_bytes(*bytes))
}

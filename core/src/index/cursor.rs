//! The samples of a track in their order, wherever they are described.

use std::sync::Arc;

use super::fragments::{Defaults, FragmentPlace, Fragments};
use super::outline::Extent;
use super::source::{Pause, Source};
use super::tables::{TablePlace, Tables, Walk};
use super::{Error, Sample};

/// Where a track's samples are described: in tables, in fragments, or first here and then there.
#[derive(Debug, Clone)]
pub(super) struct Descriptions {
    /// The track's number in the file.
    pub(super) track: u32,
    /// How many sample entries it has.
    pub(super) entries: u8,
    pub(super) tables: Tables,
    pub(super) defaults: Defaults,
    pub(super) fragments: Arc<[Extent]>,
}

/// Where a cursor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Samples passed.
    pub(super) samples: u32,
    /// When the next one is decoded, in units of the track's timescale.
    pub(super) decode: i64,
    /// Bytes of the samples passed.
    pub(super) bytes: u64,
    at: At,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum At {
    Table(TablePlace),
    Fragment(FragmentPlace),
}

/// The most samples of a track: a day of the shortest frames of sound. They need few bytes in the
/// file, so something else has to end them.
const MAX_SAMPLES: u32 = 1 << 25;

/// Gives the samples of a track, one after the other.
#[derive(Debug, Clone)]
pub(super) struct Cursor {
    samples: u32,
    decode: i64,
    bytes: u64,
    entries: u8,
    /// The tables, until their end.
    walk: Option<Walk>,
    fragments: Fragments,
    /// The file ends within the next sample: it and what follows are not there.
    is_cut_off: bool,
}

impl Place {
    /// In front of a track's first sample.
    pub(super) fn first() -> Self {
        Self { samples: 0, decode: 0, bytes: 0, at: At::Table(TablePlace::default()) }
    }
}

impl Cursor {
    /// A cursor that goes on from `place`.
    pub(super) fn new(descriptions: &Descriptions, place: Place) -> Self {
        let Descriptions { track, entries, tables, defaults, fragments } = descriptions;
        let (walk, at) = match place.at {
            At::Table(at) => (Some(Walk::new(tables.clone(), at)), FragmentPlace::default()),
            At::Fragment(at) => (None, at),
        };
        Self {
            samples: place.samples,
            decode: place.decode,
            bytes: place.bytes,
            entries: *entries,
            walk,
            fragments: Fragments::new(*track, *defaults, Arc::clone(fragments), at),
            is_cut_off: false,
        }
    }

    /// Where it is.
    pub(super) fn place(&self) -> Place {
        let at = match &self.walk {
            Some(walk) => At::Table(walk.place()),
            None => At::Fragment(self.fragments.place()),
        };
        Place { samples: self.samples, decode: self.decode, bytes: self.bytes, at }
    }

    /// Where it was in front of the sample that it gave last.
    pub(super) fn place_of(&self, sample: &Sample) -> Place {
        let at = match &self.walk {
            Some(walk) => At::Table(walk.place_of(sample)),
            None => At::Fragment(self.fragments.place_before()),
        };
        let bytes = self.bytes - u64::from(sample.size);
        Place { samples: self.samples - 1, decode: sample.decode, bytes, at }
    }

    /// The next sample; `None` behind the last whole one. Nothing is passed when it pauses.
    #[inline]
    pub(super) fn next(&mut self, source: &mut Source) -> Result<Option<Sample>, Pause> {
        // A file that breaks off plays as far as it goes.
        if self.is_cut_off || self.samples == MAX_SAMPLES {
            return Ok(None);
        }
        let mut sample = None;
        if let Some(walk) = &mut self.walk {
            sample = walk.next(source, self.decode)?;
        }
        if sample.is_none() {
            // Behind the tables, fragments may follow; the tables are not asked again.
            self.walk = None;
            sample = self.fragments.next(source, self.decode)?;
        }
        let Some(sample) = sample else { return Ok(None) };
        if sample.at.saturating_add(sample.size.into()) > source.length() {
            self.is_cut_off = true;
            return Ok(None);
        }
        // More bytes than the file has: its samples overlap, as in no file that anybody wrote.
        if self.bytes > source.length() {
            return Err(Error::Damaged { what: "the samples of a track overlap", at: sample.at }.into());
        }
        if sample.description > self.entries {
            return Err(Error::Damaged { what: "a sample is described nowhere", at: sample.at }.into());
        }
        self.samples += 1;
        self.decode = sample.decode.saturating_add(sample.duration.into());
        self.bytes += u64::from(sample.size);
        Ok(Some(sample))
    }
}

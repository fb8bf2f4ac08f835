//! The sample tables of a track (ISO/IEC 14496-12, 8.6 and 8.7), read in the order of its samples.
//!
//! The tables say the same of many samples at once, each in another way, and may be longer than
//! what one would hold in memory. A [`Walk`] goes through all of them side by side. Where it is, is
//! a [`TablePlace`] of a few bytes, from which another walk can go on.

use std::ops::Range;

use super::Sample;
use super::source::{Lane, Pause, Source};

/// Where the tables lie.
#[derive(Debug, Clone, Default)]
pub(super) struct Tables {
    /// `stts`: how long samples last.
    pub(super) times: Table,
    /// `ctts`: from decoding to showing; none where both are the same.
    pub(super) offsets: Table,
    /// `stss`: the samples that a decoder can start with; without it, all are.
    pub(super) syncs: Option<Table>,
    /// `stsc`: how many samples are in a chunk.
    pub(super) runs: Table,
    pub(super) sizes: Sizes,
    /// `stco` or `co64`: where chunks begin.
    pub(super) chunks: Table,
    pub(super) has_wide_chunks: bool,
}

/// A table of entries of the same size.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Table {
    /// Where the first entry is.
    at: u64,
    count: u32,
    /// Bytes of an entry.
    stride: u32,
}

/// `stsz`: how large samples are.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Sizes {
    /// The size of all of them; 0 where each has its own.
    fixed: u32,
    count: u32,
    table: Table,
}

/// Where a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct TablePlace {
    times: RunPlace,
    offsets: RunPlace,
    /// The entry of `stss` that comes next.
    sync: u32,
    /// The entry of `stsc` that comes next.
    run: u32,
    /// How many samples chunks have by the entry before, and which sample entry describes them.
    per_chunk: u32,
    description: u8,
    /// The chunk that comes next.
    chunk: u32,
    /// Samples that are left of the chunk before.
    left: u32,
    /// Where the next of them lies.
    at: u64,
    /// Samples passed.
    sample: u32,
}

/// Where a walk is in a table that says how many samples each entry is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct RunPlace {
    entry: u32,
    /// Samples of the entry that were passed.
    used: u32,
}

/// A walk through the tables.
#[derive(Debug, Clone)]
pub(super) struct Walk {
    tables: Tables,
    place: TablePlace,
    times: Run,
    offsets: Run,
    /// The number of the next sample that a decoder can start with, from 1.
    next_sync: Option<u32>,
    /// The chunk, from 1, from which on the next entry of `stsc` holds.
    next_run: Option<u32>,
}

/// The entry at hand.
#[derive(Debug, Clone, Copy, Default)]
struct Run {
    left: u32,
    value: u32,
    /// Samples of the whole entry; 0 where none is at hand.
    count: u32,
}

impl Table {
    /// The table in the body of a box, with as many entries as it has room for.
    pub(super) fn read(source: &mut Source, body: Range<u64>, stride: u32) -> Result<Self, Pause> {
        // A table that breaks off within its head is as good as none.
        if body.end - body.start < 8 {
            return Ok(Self::default());
        }
        let said = source.u32(Lane::Boxes, body.start + 4, body.end.min(body.start + 8))?;
        Ok(Self::of(said, body.start + 8, body.end, stride))
    }

    fn of(said: u32, at: u64, end: u64, stride: u32) -> Self {
        // A count beyond the box would read what follows it as entries.
        let room = u32::try_from((end - at) / u64::from(stride)).unwrap_or(u32::MAX);
        Self { at, count: said.min(room), stride }
    }

    fn end(self) -> u64 {
        self.at + u64::from(self.count) * u64::from(self.stride)
    }

    /// Where an entry lies; `None` behind the last.
    #[inline]
    fn place(self, entry: u32) -> Option<u64> {
        (entry < self.count).then(|| self.at + u64::from(entry) * u64::from(self.stride))
    }

    /// The number at `field` bytes into an entry; `None` behind the last.
    #[inline]
    fn get(self, source: &mut Source, lane: Lane, entry: u32, field: u32) -> Result<Option<u32>, Pause> {
        if entry >= self.count {
            return Ok(None);
        }
        let at = self.at + u64::from(entry) * u64::from(self.stride);
        let bytes = source.get(lane, at, self.stride as usize, self.end())?;
        let field = field as usize;
        Ok(Some(u32::from_be_bytes([bytes[field], bytes[field + 1], bytes[field + 2], bytes[field + 3]])))
    }
}

impl Sizes {
    pub(super) fn read(source: &mut Source, body: Range<u64>) -> Result<Self, Pause> {
        if body.end - body.start < 12 {
            return Ok(Self::default());
        }
        let fields = source.get(Lane::Boxes, body.start + 4, 8, body.start + 12)?;
        let fixed = u32::from_be_bytes([fields[0], fields[1], fields[2], fields[3]]);
        let said = u32::from_be_bytes([fields[4], fields[5], fields[6], fields[7]]);
        let table = Table::of(said, body.start + 12, body.end, 4);
        // Samples of one size take no bytes, so nothing but the file says how many there are.
        Ok(Self { fixed, count: if fixed > 0 { said } else { table.count }, table })
    }
}

impl Run {
    /// The value for the next sample, from a table of counts and values; `None` behind the last.
    #[inline]
    fn value(
        &mut self,
        table: Table,
        place: &mut RunPlace,
        source: &mut Source,
        lane: Lane,
    ) -> Result<Option<u32>, Pause> {
        // Entries that are about no sample occur, and are passed over.
        while self.left == 0 {
            let Some(count) = table.get(source, lane, place.entry, 0)? else { return Ok(None) };
            if place.used < count {
                self.left = count - place.used;
                self.count = count;
                self.value = table.get(source, lane, place.entry, 4)?.unwrap_or_default();
            } else {
                *place = RunPlace { entry: place.entry + 1, used: 0 };
            }
        }
        Ok(Some(self.value))
    }

    /// The next entry, if it is in memory and about any sample.
    #[inline]
    fn follow(&mut self, table: Table, place: &mut RunPlace, source: &Source, lane: Lane) -> Option<()> {
        // Only where the last entry is used up: in the middle of one, `value` decides.
        if self.count == 0 || place.used != self.count {
            return None;
        }
        let next = RunPlace { entry: place.entry + 1, used: 0 };
        let at = table.place(next.entry)?;
        let (count, value) = (source.peek(lane, at)?, source.peek(lane, at + 4)?);
        if count > 0 {
            *self = Self { left: count, value, count };
            *place = next;
        }
        (count > 0).then_some(())
    }

    /// The next sample was passed.
    #[inline]
    fn pass(&mut self, place: &mut RunPlace) {
        self.left = self.left.saturating_sub(1);
        place.used = place.used.saturating_add(1);
    }
}

impl Walk {
    pub(super) fn new(tables: Tables, place: TablePlace) -> Self {
        // The runs at hand are read again from the place, so a walk can begin anywhere.
        let (times, offsets) = (Run::default(), Run::default());
        Self { tables, place, times, offsets, next_sync: None, next_run: None }
    }

    pub(super) fn place(&self) -> TablePlace {
        self.place
    }

    /// Where it was in front of the sample that it gave last. Taken back rather than kept: a place
    /// is wanted of one sample in hundreds.
    pub(super) fn place_of(&self, sample: &Sample) -> TablePlace {
        let mut place = self.place;
        place.times.used -= 1;
        place.offsets.used = place.offsets.used.saturating_sub(1);
        place.left += 1;
        place.at = sample.at;
        place.sample -= 1;
        place
    }

    /// The next sample, which is decoded at `decode`; `None` behind the last. Nothing is passed
    /// when it pauses.
    #[inline]
    pub(super) fn next(&mut self, source: &mut Source, decode: i64) -> Result<Option<Sample>, Pause> {
        // The common case first: films have millions of samples.
        if let Some(sample) = self.next_alike(source, decode) {
            return Ok(Some(sample));
        }
        if self.place.sample >= self.tables.sizes.count {
            return Ok(None);
        }
        let place = &mut self.place;
        let duration = self.times.value(self.tables.times, &mut place.times, source, Lane::Times)?;
        let Some(duration) = duration else { return Ok(None) };
        // Version 0 has it unsigned, and encoders write negative ones nevertheless.
        let offset = self.offsets.value(self.tables.offsets, &mut place.offsets, source, Lane::Offsets)?;
        let size = match self.tables.sizes {
            Sizes { fixed: 0, table, .. } => table.get(source, Lane::Sizes, place.sample, 0)?,
            Sizes { fixed, .. } => Some(fixed),
        };
        let is_sync = self.is_sync(source)?;
        // Chunks without samples occur.
        while self.place.left == 0 {
            if !self.open_chunk(source)? {
                return Ok(None);
            }
        }
        let place = &mut self.place;
        let size = size.unwrap_or_default();
        let offset = offset.unwrap_or_default().cast_signed();
        let (at, description) = (place.at, place.description);
        let sample = Sample { decode, offset, duration, size, at, description, is_sync };
        // What a hostile table adds up to must not overflow.
        place.at = place.at.saturating_add(size.into());
        place.left -= 1;
        place.sample += 1;
        self.times.pass(&mut place.times);
        // Without a table of offsets there is nothing to count in it.
        if place.offsets.entry < self.tables.offsets.count {
            self.offsets.pass(&mut place.offsets);
        }
        Ok(Some(sample))
    }

    /// The next sample, where all that is new of it is its size: so it is of most. Anything else is
    /// left to [`Self::next`].
    #[inline]
    fn next_alike(&mut self, source: &Source, decode: i64) -> Option<Sample> {
        let (place, sizes) = (&mut self.place, &self.tables.sizes);
        let has_offsets = self.tables.offsets.count > 0;
        let number = place.sample.checked_add(1)?;
        // Without a table, each sample is one to start with (8.6.2).
        let is_sync = match (self.tables.syncs, self.next_sync) {
            (None, _) => true,
            (Some(_), Some(next)) if next >= number => next == number,
            _ => return None,
        };
        if self.times.left == 0 || number > sizes.count {
            return None;
        }
        if has_offsets && self.offsets.left == 0 {
            self.offsets.follow(self.tables.offsets, &mut place.offsets, source, Lane::Offsets)?;
        }
        if place.left == 0 {
            // The entry of `stsc` at hand holds for this chunk too.
            self.next_run.filter(|&first| first > place.chunk + 1)?;
            let chunks = self.tables.chunks;
            let at = chunks.place(place.chunk)?;
            place.at = if self.tables.has_wide_chunks {
                u64::from(source.peek(Lane::Chunks, at)?) << 32
                    | u64::from(source.peek(Lane::Chunks, at + 4)?)
            } else {
                source.peek(Lane::Chunks, at)?.into()
            };
            place.left = (place.per_chunk > 0).then_some(place.per_chunk)?;
            place.chunk += 1;
        }
        let size = if sizes.fixed > 0 {
            sizes.fixed
        } else {
            source.peek(Lane::Sizes, sizes.table.at + 4 * u64::from(place.sample))?
        };
        let offset = if has_offsets { self.offsets.value.cast_signed() } else { 0 };
        let (duration, at, description) = (self.times.value, place.at, place.description);
        place.at = at.saturating_add(size.into());
        place.left -= 1;
        place.sample = number;
        self.times.pass(&mut place.times);
        if has_offsets {
            self.offsets.pass(&mut place.offsets);
        }
        Some(Sample { decode, offset, duration, size, at, description, is_sync })
    }

    #[inline]
    fn is_sync(&mut self, source: &mut Source) -> Result<bool, Pause> {
        let Some(table) = self.tables.syncs else { return Ok(true) };
        let number = self.place.sample + 1;
        loop {
            if let Some(next) = self.next_sync
                && next >= number
            {
                return Ok(next == number);
            }
            self.next_sync = table.get(source, Lane::Syncs, self.place.sync, 0)?;
            if self.next_sync.is_none() {
                return Ok(false);
            }
            // The entry is read again by a walk that begins at this place.
            if self.next_sync.is_some_and(|next| next < number) {
                self.place.sync += 1;
            }
        }
    }

    /// The next chunk begins; `false` behind the last.
    fn open_chunk(&mut self, source: &mut Source) -> Result<bool, Pause> {
        let place = &mut self.place;
        let chunk = place.chunk;
        let chunks = self.tables.chunks;
        let Some(high) = chunks.get(source, Lane::Chunks, chunk, 0)? else { return Ok(false) };
        let at = if self.tables.has_wide_chunks {
            let low = chunks.get(source, Lane::Chunks, chunk, 4)?.unwrap_or_default();
            u64::from(high) << 32 | u64::from(low)
        } else {
            high.into()
        };
        loop {
            let first = match self.next_run {
                Some(first) => Some(first),
                None => self.tables.runs.get(source, Lane::Runs, place.run, 0)?,
            };
            // Behind the last entry, its number of samples holds for all chunks.
            self.next_run = Some(first.unwrap_or(u32::MAX));
            if first.is_none_or(|first| first > chunk + 1) {
                break;
            }
            let of_entry =
                |source: &mut Source, field| self.tables.runs.get(source, Lane::Runs, place.run, field);
            let (samples, description) = (of_entry(source, 4)?, of_entry(source, 8)?);
            place.description = description.and_then(|number| u8::try_from(number).ok()).unwrap_or(u8::MAX);
            place.per_chunk = samples.unwrap_or_default();
            place.run += 1;
            self.next_run = None;
        }
        place.chunk += 1;
        place.left = place.per_chunk;
        place.at = at;
        Ok(true)
    }
}

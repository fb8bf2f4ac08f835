//! Fragments: where the samples lie and when they are shown (ISO/IEC 14496-12, 8.8).

use mp4_atom::{Tfdt, Tfhd, Trun, TrunSamples};

use super::super::Reason;
use super::boxes::{Mp4Box, boxes, child, leaf};
use super::init::{Init, Track};

/// Samples in one segment: an hour of AAC would be 170,000, and a segment is seconds. A run of
/// equal samples takes no bytes to announce, so that their number says nothing of what they cost.
const MAX_SAMPLES: usize = 100_000;

/// `sample_is_non_sync_sample` (8.8.3.1).
const IS_NO_SYNC: u32 = 0x0001_0000;

/// One sample.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample<'a> {
    /// The index of its track.
    pub(super) track: usize,
    /// When it is decoded, in units of the track's timescale.
    pub(super) time: u64,
    /// From then until it is shown; signed.
    pub(super) offset: i64,
    /// Whether it is flagged as one that a decoder can start with.
    pub(super) is_sync: bool,
    pub(super) data: &'a [u8],
    /// Where the data lies in the segment.
    pub(super) at: usize,
}

/// Reads the fragments of `segment`; `next` is when each track goes on that does not say so, and
/// what comes behind goes there. All samples up to the first damage are added to `samples`.
pub(super) fn read<'a>(
    segment: &'a [u8],
    init: &Init,
    next: &mut [u64],
    samples: &mut Vec<Sample<'a>>,
) -> Result<(), Reason> {
    let mut reader = Reader { segment, init, next, samples, left: segment.len(), has_track: false };
    let mut has_fragment = false;
    for outer in boxes(segment) {
        let damaged = |what| Reason::Damaged { what, at: outer.at };
        match &outer.kind {
            b"moof" if outer.is_whole => {
                has_fragment = true;
                reader.read_fragment(outer)?;
            }
            b"moof" => return Err(damaged("a fragment breaks off")),
            // Whether the samples are all there is seen at each.
            _ if !outer.is_whole && outer.kind != *b"mdat" => {
                return Err(damaged("a box breaks off or has an impossible size"));
            }
            _ => {}
        }
    }
    match (has_fragment, reader.has_track) {
        (false, _) => Err(Reason::Damaged { what: "there is no fragment", at: 0 }),
        (true, false) => Err(Reason::Damaged { what: "no fragment is of a track that is known", at: 0 }),
        (true, true) => Ok(()),
    }
}

struct Reader<'a, 'r> {
    segment: &'a [u8],
    init: &'r Init,
    next: &'r mut [u64],
    samples: &'r mut Vec<Sample<'a>>,
    /// Bytes that samples may still have. They do not overlap, so that all together are no more
    /// than the segment.
    left: usize,
    /// Some track fragment was of a track that is known.
    has_track: bool,
}

impl Reader<'_, '_> {
    /// Reads a `moof` box.
    fn read_fragment(&mut self, fragment: Mp4Box<'_>) -> Result<(), Reason> {
        // Where the data of the track fragment before ends.
        let mut end = fragment.at;
        for inner in boxes(fragment.body).filter(|inner| inner.kind == *b"traf") {
            let damaged = |what| Reason::Damaged { what, at: fragment.at + inner.at };
            let header: Tfhd = child(inner.body, *b"tfhd")
                .and_then(leaf)
                .ok_or_else(|| damaged("a track fragment has no readable tfhd box"))?;
            // An offset into the whole file says where the fragment was before the file was cut
            // into segments: its own beginning.
            let is_relative = header.default_base_is_moof || header.base_data_offset.is_some();
            let base = if is_relative { fragment.at } else { end };
            let Some(index) = self.init.tracks.iter().position(|track| track.id == header.track_id) else {
                let default = self.init.default_size(header.track_id);
                end = end_of_runs(inner.body, header.default_sample_size.unwrap_or(default), base);
                continue;
            };
            self.has_track = true;
            if child(inner.body, *b"senc").is_some() {
                return Err(Reason::Encrypted("senc".to_owned()));
            }
            if header.sample_description_index.is_some_and(|index| index > 1) {
                return Err(damaged("a track fragment uses another sample description than the first"));
            }
            if let Some(body) = child(inner.body, *b"tfdt") {
                let time: Tfdt = leaf(body).ok_or_else(|| damaged("a tfdt box is damaged"))?;
                self.next[index] = time.base_media_decode_time;
            }
            end = self.read_runs(inner.body, index, &header, base, fragment.at)?;
        }
        Ok(())
    }

    /// Reads the `trun` boxes of a track fragment; the data of the first begins at `base`, that of
    /// each other behind the one before, if they do not say where. Where the data of the last ends.
    fn read_runs(
        &mut self,
        body: &[u8],
        index: usize,
        header: &Tfhd,
        base: usize,
        fragment: usize,
    ) -> Result<usize, Reason> {
        let Track { defaults, .. } = &self.init.tracks[index];
        let duration = header.default_sample_duration.unwrap_or(defaults.duration);
        let size = header.default_sample_size.unwrap_or(defaults.size);
        let flags = header.default_sample_flags.unwrap_or(defaults.flags);
        let mut at = base;
        for inner in boxes(body).filter(|inner| inner.kind == *b"trun") {
            let run: Trun =
                leaf(inner.body).ok_or(Reason::Damaged { what: "a trun box is damaged", at: fragment })?;
            if let Some(offset) = run.data_offset {
                let start = isize::try_from(offset).ok().and_then(|offset| base.checked_add_signed(offset));
                at = start.ok_or(Reason::Damaged { what: "a run has an impossible offset", at: fragment })?;
            }
            for entry in &run.samples {
                if self.samples.len() == MAX_SAMPLES {
                    return Err(Reason::Damaged { what: "there are too many samples", at: fragment });
                }
                let length = usize::try_from(entry.size.unwrap_or(size)).unwrap_or(usize::MAX);
                let data = self.segment.get(at..).and_then(|rest| rest.get(..length));
                let Some(data) = data.filter(|data| data.len() <= self.left) else {
                    return Err(Reason::Damaged { what: "a sample lies outside of the segment", at });
                };
                self.left -= length;
                let time = self.next[index];
                let is_sync = entry.flags.unwrap_or(flags) & IS_NO_SYNC == 0;
                let offset = entry.cts.unwrap_or(0);
                self.samples.push(Sample { track: index, time, offset, is_sync, data, at });
                self.next[index] = time.saturating_add(entry.duration.unwrap_or(duration).into());
                at += length;
            }
        }
        Ok(at)
    }
}

/// Where the data of a track fragment ends whose samples are not read, and which begins at `base`:
/// that of the next one may begin there. Samples that do not say so have `size` bytes.
fn end_of_runs(body: &[u8], size: u32, base: usize) -> usize {
    let mut at = base;
    let runs = boxes(body).filter(|inner| inner.kind == *b"trun");
    for run in runs.filter_map(|inner| leaf::<Trun>(inner.body)) {
        if let Some(offset) = run.data_offset {
            at = base.saturating_add_signed(isize::try_from(offset).unwrap_or(0));
        }
        let bytes: u64 = match &run.samples {
            // Not one by one: their number costs nothing to claim.
            TrunSamples::Inherited { count, .. } => u64::from(*count) * u64::from(size),
            TrunSamples::Explicit(samples) => {
                samples.iter().map(|sample| u64::from(sample.size.unwrap_or(size))).sum()
            }
        };
        at = at.saturating_add(usize::try_from(bytes).unwrap_or(usize::MAX));
    }
    at
}

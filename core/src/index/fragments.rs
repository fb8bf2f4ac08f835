//! The fragments of a film (ISO/IEC 14496-12, 8.8), read in the order of a track's samples.

use std::sync::Arc;

use super::Sample;
use super::outline::{Extent, number};
use super::source::{Lane, Pause, Source};
use crate::remux::mp4::boxes::{boxes, child};

/// `sample_is_non_sync_sample` (8.8.3.1).
const IS_NO_SYNC: u32 = 0x0001_0000;

/// Samples of one track in one fragment: a run of equal samples takes no bytes to announce, so that
/// the size of its description says nothing of their number.
const MAX_SAMPLES: usize = 1 << 20;

/// What holds for samples that do not say otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Defaults {
    description: u32,
    duration: u32,
    size: u32,
    flags: u32,
}

/// Where a walk is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct FragmentPlace {
    /// The fragment that is walked, and how many of its samples were passed.
    fragment: u32,
    passed: u32,
}

/// A walk through the samples of one track.
#[derive(Debug, Clone)]
pub(super) struct Fragments {
    track: u32,
    defaults: Defaults,
    all: Arc<[Extent]>,
    place: FragmentPlace,
    /// The samples of the fragment at hand, once it was read.
    samples: Option<Vec<Sample>>,
}

impl Defaults {
    /// Those of the `trex` box of a track, of which these are the bodies.
    pub(super) fn find(bodies: &[Vec<u8>], track: u32) -> Self {
        let body = bodies.iter().find(|body| number(body, 4) == track);
        let field = |at| body.map_or(0, |body| number(body, at));
        Self { description: field(8), duration: field(12), size: field(16), flags: field(20) }
    }
}

impl Fragments {
    pub(super) fn new(track: u32, defaults: Defaults, all: Arc<[Extent]>, place: FragmentPlace) -> Self {
        Self { track, defaults, all, place, samples: None }
    }

    pub(super) fn place(&self) -> FragmentPlace {
        self.place
    }

    /// Where it was in front of the sample that it gave last.
    pub(super) fn place_before(&self) -> FragmentPlace {
        FragmentPlace { passed: self.place.passed - 1, ..self.place }
    }

    /// The next sample, which is decoded at `decode` unless its fragment says that it is later;
    /// `None` behind the last.
    pub(super) fn next(&mut self, source: &mut Source, decode: i64) -> Result<Option<Sample>, Pause> {
        loop {
            let Some(&extent) = self.all.get(self.place.fragment as usize) else { return Ok(None) };
            let passed = self.place.passed as usize;
            let samples = match self.samples.take() {
                Some(samples) => samples,
                None => self.read(source, extent, passed, decode)?,
            };
            if let Some(&sample) = samples.get(passed) {
                self.samples = Some(samples);
                self.place.passed += 1;
                return Ok(Some(sample));
            }
            self.place = FragmentPlace { fragment: self.place.fragment + 1, passed: 0 };
        }
    }

    /// The samples that a fragment has of the track. The one behind those that were `passed` is
    /// decoded at `decode`: an encoder that goes back in time would have players show nothing.
    fn read(
        &self,
        source: &mut Source,
        extent: Extent,
        passed: usize,
        decode: i64,
    ) -> Result<Vec<Sample>, Pause> {
        let end = extent.at + u64::from(extent.size);
        let bytes = source.get(Lane::Boxes, extent.at, extent.size as usize, end)?;
        let mut samples = Vec::new();
        let mut reader = Reader { extent, defaults: self.defaults, end: extent.at, samples: &mut samples };
        for inner in boxes(bytes.get(8..).unwrap_or_default()).filter(|inner| inner.kind == *b"traf") {
            reader.read_track(inner.body, self.track);
        }
        let begins = samples.get(passed).map_or(decode, |sample| sample.decode);
        // Somewhere within a fragment the walk goes on where it was.
        // At its beginning, a fragment may say that time has passed; never that it goes back.
        let moved = if passed == 0 { (decode - begins).max(0) } else { decode - begins };
        for sample in &mut samples {
            sample.decode = sample.decode.saturating_add(moved);
        }
        Ok(samples)
    }
}

/// Reads one `moof` box.
struct Reader<'a> {
    extent: Extent,
    defaults: Defaults,
    /// Where the data of the track fragment before ends.
    end: u64,
    samples: &'a mut Vec<Sample>,
}

impl Reader<'_> {
    /// Reads a `traf` box. One of another track says where the data of the next may begin.
    fn read_track(&mut self, body: &[u8], track: u32) {
        let Some(header) = child(body, *b"tfhd") else { return };
        let flags = number(header, 0) & 0x00FF_FFFF;
        let is_ours = number(header, 4) == track;
        let mut at = 8;
        let mut field = |flag: u32, size: usize| {
            let here = at;
            (flags & flag != 0).then(|| {
                at += size;
                here
            })
        };
        let base = field(0x01, 8).and_then(|at| header.get(at..)?.first_chunk().copied());
        let mut value = |flag, default| field(flag, 4).map_or(default, |at| number(header, at));
        // What holds for one track says nothing of another.
        let mut defaults = if is_ours { self.defaults } else { Defaults::default() };
        defaults.description = value(0x02, defaults.description);
        defaults.duration = value(0x08, defaults.duration);
        defaults.size = value(0x10, defaults.size);
        defaults.flags = value(0x20, defaults.flags);
        let is_moof_base = flags & 0x02_0000 != 0;
        // Without a base, data follows that of the track fragment before (8.8.7.1).
        let base = base.map_or(if is_moof_base { self.extent.at } else { self.end }, u64::from_be_bytes);
        let mut decode = child(body, *b"tfdt").map_or_else(|| self.goes_on(), decode_time);
        let mut at = base;
        for run in boxes(body).filter(|inner| inner.kind == *b"trun") {
            at = self.read_run(run.body, defaults, base, at, is_ours.then_some(&mut decode));
        }
        self.end = at;
    }

    /// When the next sample of the track is decoded as far as this fragment tells.
    fn goes_on(&self) -> i64 {
        self.samples.last().map_or(0, |last| last.decode.saturating_add(last.duration.into()))
    }

    /// Reads a `trun` box, whose data begins at `at` unless it says how far from `base`; where it
    /// ends. Its samples are decoded from `decode` on; of another track, nothing is kept.
    fn read_run(
        &mut self,
        body: &[u8],
        defaults: Defaults,
        base: u64,
        at: u64,
        mut decode: Option<&mut i64>,
    ) -> u64 {
        let flags = number(body, 0) & 0x00FF_FFFF;
        let has = |flag| flags & flag != 0;
        let (mut place, mut at) = (8, at);
        if has(0x01) {
            at = base.saturating_add_signed(number(body, place).cast_signed().into());
            place += 4;
        }
        let first_flags = has(0x04).then(|| {
            place += 4;
            number(body, place - 4)
        });
        // Each flag of these four adds a field to each sample (8.8.8).
        let stride = 4 * (flags >> 8 & 0xF).count_ones() as usize;
        // Samples without fields of their own take no bytes: then the limit alone bounds them.
        let room = body.len().saturating_sub(place).checked_div(stride).unwrap_or(MAX_SAMPLES);
        let count = (number(body, 4) as usize).min(room).min(MAX_SAMPLES - self.samples.len());
        for index in 0..count {
            let mut value = |flag, default| {
                if !has(flag) {
                    return default;
                }
                place += 4;
                number(body, place - 4)
            };
            let duration = value(0x100, defaults.duration);
            let size = value(0x200, defaults.size);
            // The first sample may have flags of its own, as it often is the only one to start
            // with.
            let own = first_flags.filter(|_| index == 0).unwrap_or(defaults.flags);
            let own = value(0x400, own);
            let offset = value(0x800, 0).cast_signed();
            if let Some(decode) = decode.as_deref_mut() {
                let is_sync = own & IS_NO_SYNC == 0;
                let description = u8::try_from(defaults.description).unwrap_or(u8::MAX).max(1);
                let sample = Sample { decode: *decode, offset, duration, size, at, description, is_sync };
                self.samples.push(sample);
                *decode = decode.saturating_add(duration.into());
            }
            at = at.saturating_add(size.into());
        }
        at
    }
}

/// Of a `tfdt` box.
fn decode_time(body: &[u8]) -> i64 {
    let wide = body.get(4..).and_then(|rest| rest.first_chunk()).map(|bytes| u64::from_be_bytes(*bytes));
    let time = if body.first() == Some(&1) { wide.unwrap_or(0) } else { number(body, 4).into() };
    i64::try_from(time).unwrap_or(i64::MAX)
}

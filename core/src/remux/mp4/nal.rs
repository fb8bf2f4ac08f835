//! Turns length-prefixed NAL units into a byte stream (ISO/IEC 14496-15, 5.3 and 8.3; ITU-T H.264
//! and H.265, Annex B).

use crate::ts::random_access::{Scan, Verdict};
use crate::ts::stream::Codec;

const START_CODE: [u8; 4] = [0, 0, 0, 1];

/// Bytes of parameter sets that are believed: they stand in front of every start. Those of real
/// streams have a hundred to a thousand.
const MAX_SETS: usize = 16 * 1024;

/// How the samples of a video track are written, and the parameter sets that stand outside of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Nal {
    codec: Codec,
    /// Bytes in the length in front of each NAL unit, 1 to 4.
    length_size: usize,
    /// The parameter sets, as a byte stream.
    sets: Vec<u8>,
}

/// What a NAL unit is, as far as it matters here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Delimiter,
    /// A sequence parameter set.
    Sequence,
    /// A picture parameter set.
    Picture,
    /// A slice of a picture that a decoder can start with.
    Start,
    Other,
}

impl Nal {
    /// `codec` is H.264 or HEVC; `sets` are NAL units without start codes. `None` when they are too
    /// long to be true.
    pub(super) fn new<'a>(
        codec: Codec,
        length_size: u8,
        sets: impl Iterator<Item = &'a [u8]>,
    ) -> Option<Self> {
        let sets = sets.filter(|set| !set.is_empty()).flat_map(|set| [&START_CODE[..], set].concat());
        let sets: Vec<u8> = sets.take(MAX_SETS + 1).collect();
        let length_size = usize::from(length_size).clamp(1, 4);
        (sets.len() <= MAX_SETS).then_some(Self { codec, length_size, sets })
    }

    /// Appends the access unit of `sample` to `out`: a delimiter, at a picture that a decoder can
    /// start with the parameter sets unless the sample has its own, and the sample's NAL units.
    /// Whether it is such a picture is what it says itself, since flags are often wrong; without an
    /// IDR picture it must be flagged (`is_flagged`) and an I picture. `None` when a length runs
    /// over the sample's end: `out` is as it was.
    pub(super) fn write(&self, sample: &[u8], is_flagged: bool, out: &mut Vec<u8>) -> Option<bool> {
        let kinds = || units(sample, self.length_size).map_while(|unit| Some(self.kind(unit?)));
        if !units(sample, self.length_size).all(|unit| unit.is_some()) {
            return None;
        }
        let has = |kind| kinds().any(|found| found == kind);
        let is_candidate = is_flagged || has(Kind::Start);
        let start = out.len();
        let own = units(sample, self.length_size).flatten().find(|unit| self.kind(unit) == Kind::Delimiter);
        out.extend(START_CODE);
        out.extend_from_slice(own.unwrap_or_else(|| self.delimiter()));
        if is_candidate && !(has(Kind::Sequence) && has(Kind::Picture)) {
            out.extend_from_slice(&self.sets);
        }
        for unit in units(sample, self.length_size).flatten() {
            if self.kind(unit) != Kind::Delimiter {
                out.extend(START_CODE);
                out.extend_from_slice(unit);
            }
        }
        let is_entry = is_candidate
            && matches!(Scan::new(self.codec, false).push(&out[start..]), Verdict::RandomAccess(_));
        Some(is_entry)
    }

    /// An access unit delimiter that allows any picture.
    fn delimiter(&self) -> &'static [u8] {
        if self.codec == Codec::H264 { &[0x09, 0xF0] } else { &[0x46, 0x01, 0x50] }
    }

    fn kind(&self, unit: &[u8]) -> Kind {
        let header = unit[0];
        if self.codec == Codec::H264 {
            match header & 0x1F {
                5 => Kind::Start,
                7 => Kind::Sequence,
                8 => Kind::Picture,
                9 => Kind::Delimiter,
                _ => Kind::Other,
            }
        } else {
            match header >> 1 & 0x3F {
                16..=23 => Kind::Start,
                33 => Kind::Sequence,
                34 => Kind::Picture,
                35 => Kind::Delimiter,
                _ => Kind::Other,
            }
        }
    }
}

/// The NAL units of `sample`, empty ones left out; `None` once when a length runs over the end.
fn units(sample: &[u8], length_size: usize) -> impl Iterator<Item = Option<&[u8]>> {
    let mut rest = sample;
    let each = std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let unit = rest.split_at_checked(length_size).and_then(|(length, tail)| {
            let length = length.iter().fold(0, |value, &byte| value << 8 | usize::from(byte));
            tail.split_at_checked(length)
        });
        rest = unit.map_or(&[], |(_, tail)| tail);
        Some(unit.map(|(unit, _)| unit))
    });
    each.filter(|unit| unit.is_none_or(|unit| !unit.is_empty()))
}

#[cfg(test)]
mod tests {
    use super::*;

    const SPS: &[u8] = &[0x67, 0x42, 0x1E, 0xAB];
    const PPS: &[u8] = &[0x68, 0xCE];
    const AUD: &[u8] = &[0x09, 0x10];
    const IDR: &[u8] = &[0x65, 0x88];
    const I_SLICE: &[u8] = &[0x41, 0b1000_1000];
    const P_SLICE: &[u8] = &[0x41, 0b1001_1000];
    /// What is written where the sample has none.
    const ANY: &[u8] = &[0x09, 0xF0];

    fn sample(length_size: usize, units: &[&[u8]]) -> Vec<u8> {
        let length = |unit: &[u8]| u32::try_from(unit.len()).unwrap().to_be_bytes();
        units.iter().flat_map(|unit| [&length(unit)[4 - length_size..], unit].concat()).collect()
    }

    fn stream(units: &[&[u8]]) -> Vec<u8> {
        units.iter().flat_map(|unit| [&START_CODE[..], unit].concat()).collect()
    }

    #[test]
    fn parameter_sets_stand_in_front_of_every_start() {
        type Case = (&'static [&'static [u8]], bool, &'static [&'static [u8]], bool);
        let cases: [Case; 8] = [
            (&[IDR, IDR], true, &[ANY, SPS, PPS, IDR, IDR], true),
            // Not flagged, and still one; flagged, and none.
            (&[IDR], false, &[ANY, SPS, PPS, IDR], true),
            (&[P_SLICE], true, &[ANY, SPS, PPS, P_SLICE], false),
            (&[I_SLICE], true, &[ANY, SPS, PPS, I_SLICE], true),
            (&[I_SLICE], false, &[ANY, I_SLICE], false),
            // The sample's own sets and delimiter.
            (&[AUD, SPS, PPS, IDR], true, &[AUD, SPS, PPS, IDR], true),
            (&[SPS, IDR], true, &[ANY, SPS, PPS, SPS, IDR], true),
            (&[&[], P_SLICE], false, &[ANY, P_SLICE], false),
        ];
        for length_size in [1, 2, 3, 4] {
            let nal = Nal::new(Codec::H264, length_size, [SPS, PPS].into_iter()).unwrap();
            for (units, is_flagged, written, is_entry) in cases {
                let mut out = vec![0xEE];
                let sample = sample(length_size.into(), units);
                assert_eq!(nal.write(&sample, is_flagged, &mut out), Some(is_entry), "{units:02x?}");
                assert_eq!(out[1..], stream(written), "{units:02x?}");
            }
        }
    }

    #[test]
    fn hevc_has_other_numbers() {
        let unit = |kind: u8| vec![kind << 1, 1, 0xAF];
        let sets = [unit(32), unit(33), unit(34)];
        let nal = Nal::new(Codec::Hevc, 4, sets.iter().map(Vec::as_slice)).unwrap();
        for (kind, is_entry) in [(19, true), (21, true), (1, false)] {
            let mut out = Vec::new();
            assert_eq!(nal.write(&sample(4, &[&unit(35), &unit(kind)]), false, &mut out), Some(is_entry));
            assert_eq!(out[..7], [0, 0, 0, 1, 35 << 1, 1, 0xAF]);
            assert_eq!(
                out.len(),
                7 + 7 + if is_entry { 21 } else { 0 },
                "one delimiter, and sets at a start"
            );
        }
    }

    #[test]
    fn a_length_that_runs_over_is_refused() {
        let nal = Nal::new(Codec::H264, 4, std::iter::empty()).unwrap();
        let whole = sample(4, &[SPS, IDR]);
        for cut in (0..whole.len()).filter(|&cut| cut != 0 && cut != 4 + SPS.len()) {
            let mut out = Vec::new();
            assert_eq!(nal.write(&whole[..cut], true, &mut out), None, "cut at {cut}");
            assert!(out.is_empty());
        }
    }
}

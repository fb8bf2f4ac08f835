//! Makes each round of a looped clip another one, bit for bit, to everybody but a decoder.
//!
//! A source that repeats itself is not a healthy one, and a clip that is played again and again does. So what stands
//! in front of each picture (or frame of sound, where there is no picture) says something else in each round, in
//! places that decoders have to ignore or that mean the same to them.

/// Where the rounds of a loop differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Marker {
    stream_type: u8,
}

impl Marker {
    /// For streams of this type.
    pub(super) fn new(stream_type: u8) -> Self {
        Self { stream_type }
    }

    /// Changes the beginning of one picture or frame, the `place`th of the clip, for this round. The first round is
    /// the clip as it is.
    pub(super) fn mark(self, unit: &mut [u8], place: usize, round: u64) {
        if round == 0 {
            return;
        }
        let dice = dice(place, round);
        let is_odd = dice & 1 == 1;
        match self.stream_type {
            // primary_pic_type 2 and 7 both allow I, P and B slices (ISO/IEC 14496-10, table 7-5).
            0x1b if unit.starts_with(&[0, 0, 0, 1, 9]) => unit[5] = if is_odd { 0x50 } else { 0xf0 },
            // pic_type 2 allows all of them; 3 is reserved, and decoders ignore it (ISO/IEC 23008-2, 7.4.3.5).
            0x24 if unit.starts_with(&[0, 0, 0, 1, 0x46, 1]) => unit[6] = if is_odd { 0x70 } else { 0x50 },
            // The hours of the time code before a group, which is not part of decoding (ISO/IEC 13818-2, 6.3.8).
            0x02 => {
                let group = unit.windows(4).position(|start| start == [0, 0, 1, 0xb8]);
                if let Some(code) = group.and_then(|at| unit.get_mut(at + 4)) {
                    *code = *code & 0x83 | u8::try_from(dice % 24).expect("hours of a day") << 2;
                }
            }
            // copyright_identification_bit of the variable header (ISO/IEC 13818-7, 6.2.2).
            0x0f if unit.starts_with(&[0xff]) => unit[3] = unit[3] & !0x08 | u8::from(is_odd) << 3,
            // private_bit (ISO/IEC 11172-3, 2.4.2.3).
            0x03 | 0x04 if unit.starts_with(&[0xff]) => unit[2] = unit[2] & !1 | u8::from(is_odd),
            _ => {}
        }
    }

    /// Where units of MP4 with lengths of four bytes can be told apart: the offsets of their delimiters' payloads.
    pub(super) fn places(self, bytes: &[u8]) -> Vec<usize> {
        let delimiter = self.delimiter();
        let found = bytes.windows(delimiter.len().max(1)).enumerate();
        found.filter(|(_, window)| *window == delimiter).map(|(at, _)| at + delimiter.len() - 1).collect()
    }

    /// What one of the [`Marker::places`] holds in this round.
    pub(super) fn at_place(self, place: usize, round: u64) -> u8 {
        let usual = self.delimiter().last().copied().unwrap_or_default();
        let is_other = round > 0 && dice(place, round) & 1 == 1;
        if is_other { if self.stream_type == 0x24 { 0x70 } else { 0x50 } } else { usual }
    }

    /// A delimiter as ffmpeg writes it, behind its length.
    fn delimiter(self) -> &'static [u8] {
        match self.stream_type {
            0x1b => &[0, 0, 0, 2, 9, 0xf0],
            0x24 => &[0, 0, 0, 3, 0x46, 1, 0x50],
            _ => &[],
        }
    }
}

/// Bits that look as if they came by chance (the finaliser of `SplitMix64`).
fn dice(place: usize, round: u64) -> u64 {
    let mut bits = (round << 32 ^ place as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ bits >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ bits >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ bits >> 31
}

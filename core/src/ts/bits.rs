//! Reads single bits and the codes that video headers are written in (ITU-T H.264, 9.1).

/// A cursor over bits, the highest of a byte first. Every read is `None` behind the end.
#[derive(Debug, Clone)]
pub(crate) struct Bits<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Bits<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// One bit.
    pub(crate) fn bit(&mut self) -> Option<bool> {
        let byte = self.bytes.get(self.at / 8)?;
        let bit = byte >> (7 - self.at % 8) & 1;
        self.at += 1;
        Some(bit == 1)
    }

    /// An unsigned number of `count` bits, 0 to 32.
    pub(crate) fn read(&mut self, count: u32) -> Option<u32> {
        debug_assert!(count <= 32, "a number has 32 bits at most");
        (0..count).try_fold(0, |value, _| Some(value << 1 | u32::from(self.bit()?)))
    }

    /// Passes over `count` bits.
    pub(crate) fn skip(&mut self, count: usize) -> Option<()> {
        self.at = self.at.checked_add(count).filter(|&at| at <= 8 * self.bytes.len())?;
        Some(())
    }

    /// An unsigned Exp-Golomb code, `ue(v)`: 0 to 2^32 - 2. A longer one is no code of any header.
    pub(crate) fn exp_golomb(&mut self) -> Option<u32> {
        let mut zeros = 0;
        while !self.bit()? {
            zeros += 1;
            if zeros > 31 {
                return None;
            }
        }
        let rest = self.read(zeros)?;
        Some((1 << zeros) - 1 + rest)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_read_across_bytes() {
        let mut bits = Bits::new(&[0b1010_0000, 0xFF, 0x01]);
        assert_eq!(
            (bits.bit(), bits.read(4), bits.skip(3), bits.read(12)),
            (Some(true), Some(4), Some(()), Some(0xFF0))
        );
        assert_eq!((bits.read(5), bits.read(4), bits.skip(5)), (None, None, None));
        assert_eq!(Bits::new(&[0xDE, 0xAD, 0xBE, 0xEF]).read(32), Some(0xDEAD_BEEF));
    }

    #[test]
    fn exp_golomb_codes_are_read() {
        // 1, 010, 011, 00100, 00111
        let mut bits = Bits::new(&[0b1010_0110, 0b0100_0011, 0b1000_0000]);
        let codes: Vec<_> = std::iter::from_fn(|| bits.exp_golomb()).collect();
        assert_eq!(codes, [0, 1, 2, 3, 6]);
        // The longest, and one that is too long.
        assert_eq!(Bits::new(&[0, 0, 0, 1, 0xFF, 0xFF, 0xFF, 0xFF]).exp_golomb(), Some(u32::MAX - 1));
        assert_eq!(Bits::new(&[0, 0, 0, 0, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]).exp_golomb(), None);
    }
}

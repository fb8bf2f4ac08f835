//! Fingerprints of content, which do not depend on how it is cut into packets.

/// An odd number without pattern: 2^64 divided by the golden ratio, as multiplicative hashing takes
/// it.
const FACTOR: u64 = 0x9E37_79B9_7F4A_7C15;

/// Bytes that are taken in at a time: four lanes of eight, so that the processor multiplies in
/// parallel.
const BLOCK: usize = 32;

/// A fingerprint of bytes that come in pieces of any size. It tells content apart that differs by
/// chance, not by malice.
#[derive(Debug, Clone)]
pub(super) struct Digest {
    lanes: [u64; 4],
    /// What does not fill a block yet.
    carry: [u8; BLOCK],
    carried: usize,
    length: u64,
}

impl Default for Digest {
    fn default() -> Self {
        Self {
            lanes: [1, 2, 3, 4].map(|lane| FACTOR.wrapping_mul(lane)),
            carry: [0; BLOCK],
            carried: 0,
            length: 0,
        }
    }
}

impl Digest {
    #[inline]
    pub(super) fn push(&mut self, mut bytes: &[u8]) {
        self.length += bytes.len() as u64;
        if self.carried > 0 {
            // First the block that the last piece left open, so that cuts make no difference.
            let (head, rest) = bytes.split_at(bytes.len().min(BLOCK - self.carried));
            self.carry[self.carried..self.carried + head.len()].copy_from_slice(head);
            self.carried += head.len();
            if self.carried < BLOCK {
                return;
            }
            let block = self.carry;
            self.mix(&block);
            bytes = rest;
        }
        let (blocks, rest) = bytes.as_chunks::<BLOCK>();
        for block in blocks {
            self.mix(block);
        }
        self.carry[..rest.len()].copy_from_slice(rest);
        self.carried = rest.len();
    }

    /// How many bytes it has taken.
    pub(super) fn length(&self) -> u64 {
        self.length
    }

    /// The fingerprint of them all.
    pub(super) fn value(&self) -> u64 {
        let mut last = self.clone();
        // Filled with zeros; the length, which goes in as well, tells them from zeros of the
        // content.
        last.carry[last.carried..].fill(0);
        let block = last.carry;
        last.mix(&block);
        last.lanes.into_iter().fold(last.length, join)
    }

    #[inline]
    fn mix(&mut self, block: &[u8; BLOCK]) {
        let (words, _) = block.as_chunks::<8>();
        for (lane, word) in self.lanes.iter_mut().zip(words) {
            *lane = (*lane ^ u64::from_le_bytes(*word)).wrapping_mul(FACTOR).rotate_left(29);
        }
    }
}

/// Makes one fingerprint of two, in their order.
pub(super) fn join(first: u64, second: u64) -> u64 {
    let mixed = (first.rotate_left(23) ^ second).wrapping_mul(FACTOR);
    mixed ^ mixed >> 32
}

/// A fingerprint of sound: the least hash of any 64 bytes in a row. It is the same wherever the PES
/// packets are cut, and nearly always where the stretch begins a little sooner or later, as it does
/// when a clip comes again and its sound falls on other packets.
#[derive(Debug, Clone)]
pub(super) struct Sound {
    rolling: u64,
    /// The least of this PES packet, and of the stretch.
    unit: u64,
    least: u64,
    /// The least of the PES packet before.
    before: Option<u64>,
    is_varied: bool,
}

impl Default for Sound {
    fn default() -> Self {
        Self { rolling: 0, unit: u64::MAX, least: u64::MAX, before: None, is_varied: false }
    }
}

impl Sound {
    /// A PES packet begins.
    pub(super) fn begin_unit(&mut self) {
        // A packet without content must not look like a change.
        if self.unit == u64::MAX {
            return;
        }
        let unit = std::mem::replace(&mut self.unit, u64::MAX);
        self.is_varied |= self.before.replace(unit).is_some_and(|before| before != unit);
    }

    #[inline]
    pub(super) fn push(&mut self, bytes: &[u8]) {
        let (mut rolling, mut least) = (self.rolling, self.unit);
        for &byte in bytes {
            // Each byte leaves by the top, 64 bytes later.
            rolling = (rolling << 1).wrapping_add(GEAR[usize::from(byte)]);
            least = least.min(rolling);
        }
        (self.rolling, self.unit) = (rolling, least);
        self.least = self.least.min(least);
    }

    /// The fingerprint of the stretch that ends here, and whether its PES packets differed: silence
    /// is the same all the time.
    pub(super) fn take(&mut self) -> (u64, bool) {
        (std::mem::replace(&mut self.least, u64::MAX), std::mem::take(&mut self.is_varied))
    }
}

/// A number without pattern for each byte (the generator `SplitMix64`).
const GEAR: [u64; 256] = {
    let mut table = [0; 256];
    let mut state: u64 = 0;
    let mut index = 0;
    while index < 256 {
        state = state.wrapping_add(FACTOR);
        let mut number = state;
        number = (number ^ number >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        number = (number ^ number >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        table[index] = number ^ number >> 31;
        index += 1;
    }
    table
};

//! How a fuzzer's bytes are read.

/// The size of pieces that a byte stands for: single bytes to several packets.
pub(crate) fn size(byte: u8) -> usize {
    match byte {
        0..=199 => usize::from(byte) + 1,
        _ => usize::from(byte - 199) * 47,
    }
}

//! Writes boxes (ISO/IEC 14496-12, 4.2).

/// Writes a box of `kind` around what `fill` writes.
pub(super) fn boxed(out: &mut Vec<u8>, kind: [u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let at = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    fill(out);
    let size = u32::try_from(out.len() - at).expect("heads have a limited number of samples");
    out[at..at + 4].copy_from_slice(&size.to_be_bytes());
}

/// The same with a version and flags in front.
pub(super) fn versioned(
    out: &mut Vec<u8>,
    kind: [u8; 4],
    version: u8,
    flags: u32,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    boxed(out, kind, |out| {
        put(out, [u32::from(version) << 24 | flags]);
        fill(out);
    });
}

/// Writes numbers of four bytes each.
pub(super) fn put(out: &mut Vec<u8>, values: impl IntoIterator<Item = u32>) {
    for value in values {
        out.extend(value.to_be_bytes());
    }
}

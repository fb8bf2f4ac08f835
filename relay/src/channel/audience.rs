//! Who watches by HLS.

/// Who watches by HLS.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Audience {
    /// How many.
    pub(super) sessions: usize,
    /// How many of them play whole segments only.
    pub(super) whole: usize,
    /// How many of them play the short list.
    pub(super) short: usize,
    /// How many more may yet be led to it.
    pub(super) undecided: usize,
    /// How many of them began with so little that the next segment must come soon.
    pub(super) near_edge: usize,
}

//! The viewers by HLS, as the packager needs to know them.

/// How many viewers by HLS a channel has, and what they need.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct HlsViewers {
    /// All of them.
    pub(super) sessions: usize,
    /// Those whose players begin with whole segments only.
    pub(super) whole: usize,
    /// Those who play the short list.
    pub(super) short: usize,
    /// Those who have not begun, and may still be sent to the short list.
    pub(super) undecided: usize,
    /// Those who began with so little that the next segment must come soon.
    pub(super) near_edge: usize,
}

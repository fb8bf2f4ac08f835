//! The layouts in which segments are found again, for files whose samples were not
//! counted.

pub(super) mod matroska;
pub(super) mod transport;

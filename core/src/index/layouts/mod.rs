//! What is kept of a file so that its segments can be found, for files whose samples were not
//! counted.

pub(super) mod matroska;
pub(super) mod transport;

//! Lists of channels: reading them, and what a refresh, a rule, an edit or a merge makes of them.
//!
//! Everything here decides and nothing stores. A provider's list becomes [`Entry`] after [`Entry`]
//! ([`m3u`]); [`identity`] tells which known source each is. The caller owns the rows: it hands in what
//! it knows, and carries out what comes back.

mod entry;
mod headers;
pub mod identity;
mod kind;
pub mod m3u;
mod mark;
pub mod names;
mod properties;
pub mod xtream;

pub use entry::{Catchup, Entry};
pub use kind::Kind;
pub use properties::{MAX_PROPERTIES, MAX_PROPERTY_BYTES, Origin, Properties};

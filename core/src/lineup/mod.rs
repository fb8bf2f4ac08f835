//! Lists of channels: reading them, and what a refresh, a rule, an edit or a merge makes of them.
//!
//! Everything here decides and nothing stores. A provider's list becomes [`Entry`] after [`Entry`]
//! ([`m3u`], [`xtream`]); [`identity`] tells which known source each is. A channel is the entry,
//! then what [`rules`] make of it, then the user's [`edits`]. [`number`] gives it its number,
//! [`order`] its place where a user has moved it, and [`merge`] finds the channels that are one.
//! The caller owns the rows: it hands in what it knows, and carries out what comes back.

pub mod catchup;
pub mod edits;
mod entry;
mod headers;
pub mod identity;
mod kind;
pub mod m3u;
mod mark;
pub mod merge;
pub mod names;
pub mod number;
pub mod order;
pub mod player_id;
mod properties;
pub mod rules;
mod unix_time;
pub mod xtream;

pub use entry::{Catchup, Entry};
pub use kind::Kind;
pub use properties::{MAX_PROPERTIES, MAX_PROPERTY_BYTES, Origin, Properties};
pub use unix_time::UnixTime;

//! HLS playlists (RFC 8216 and its successor draft): those that we serve, and those that a provider
//! sends.
//!
//! [`render`] writes ours, and [`opening`] decides when a viewer may have its first one. [`parse`]
//! turns a provider's into a [`model`], however carelessly it was written. [`ladder`] chooses among
//! the variants of a multivariant playlist. [`follow`] decides what is fetched next, and when, and
//! what becomes of each anomaly that is seen in the wild.

mod attributes;
mod codecs;
mod date;
mod dating;
pub mod follow;
pub mod ladder;
pub mod model;
pub mod opening;
pub mod parse;
pub mod render;

//! Guides: what is on which channel, and when.
//!
//! A [`Reader`] is given the bytes of an XMLTV document and hands out its channels and programmes.
//! It reads what is really sent: no fault ends it, and only what is wrong is lost. [`times`] makes
//! instants of what stands there, [`details`] keeps every element that the format has and writes it
//! as the format's DTD wants it. [`matching`] says which channel of a guide belongs to which of the
//! lineup, and [`suggest`] names those that may be meant. [`document`] writes a guide of our own.

pub mod details;
pub mod document;
mod entities;
pub mod matching;
mod reader;
mod schema;
pub mod suggest;
pub mod times;
mod tokens;

pub use reader::{Channel, Faults, Item, MAX_CHANNELS, MAX_PROGRAMMES, Options, Programme, Reader, Summary};
pub use schema::Tag;

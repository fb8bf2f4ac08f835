//! M3U lists of channels, as they are really written.
//!
//! There is no standard: each player's parser is the specification, and lists are made by hand. So
//! the [`Parser`] takes what any player takes. Faults cost what they touch and are counted in
//! [`Faults`]. It is pushed bytes in pieces of any size, keeps one line and one entry, and takes
//! time that grows with the bytes; how many bytes a list may have is the caller's limit. [`Writer`]
//! writes entries so that the parser, and every player that we know of, reads them back.

mod attributes;
mod lines;
mod location;
mod parser;
mod write;

pub use lines::MAX_LINE_BYTES;
pub use parser::{Document, ExtraUrls, Faults, Header, Item, Options, Parser, Summary};
pub use write::Writer;

//! RTMP, as a client that publishes (Adobe's Real Time Messaging Protocol 1.0; Enhanced RTMP v1 for
//! HEVC).
//!
//! Nothing here has a socket or a clock. [`Publisher`] is the whole connection: bytes of the server
//! go into [`Publisher::handle_bytes`], bytes for the server come out of [`Publisher::output`], and
//! what has happened out of [`Publisher::poll_event`].
//!
//! [`chunk`] cuts messages into chunks and puts them together, [`amf0`] reads and writes the values
//! in commands; both take hostile bytes within limits.

pub mod amf0;
pub mod chunk;
mod command;
mod publisher;
#[cfg(test)]
mod tests;

pub use self::publisher::{Destination, Event, Fault, Publisher, Refusal};

//! The engine of Forebay: inputs bring media, channels splice it, readers take it.
//!
//! It knows channels, sources and providers. It has no HTTP server, no database, no users and no
//! configuration file: whoever runs it brings those.

pub mod channel;
mod clock;
pub mod error;
pub mod events;
pub mod file_changes;
#[cfg(test)]
mod fixture;
pub mod input;
pub mod model;
pub mod net;
pub mod provider_archives;
pub mod providers;
pub mod push;
pub mod state;

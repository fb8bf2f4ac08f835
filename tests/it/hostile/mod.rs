//! Viewers who mean harm: others notice nothing of it, and it costs little memory.

mod floods;
mod hoarders;
mod http2;
mod requests;
pub(crate) mod victim;

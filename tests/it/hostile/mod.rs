//! Viewers who mean harm: others notice nothing of it, and it costs little memory.

mod requests;
pub(crate) mod victim;

//! Scenarios: which servers are loaded with what, and what comes of it.

mod program;
pub(crate) mod soak;

//! The command line.

pub mod args;
pub mod check;
pub mod probe;
pub mod serve;

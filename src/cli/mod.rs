//! The command line.

pub mod args;
pub mod backup;
pub mod check;
pub mod completions;
pub mod doctor;
pub mod film;
pub mod generate_hls;
pub mod import;
pub mod launch;
pub mod migrate;
mod notify;
pub mod probe;
pub mod resolve;
pub mod restore;
pub mod serve;
pub mod user;

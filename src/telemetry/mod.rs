//! What Forebay tells about itself while it runs.

mod daily;
pub mod log;

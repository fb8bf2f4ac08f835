//! A judge of live HLS output: it follows a media playlist from outside, as a strict player would, and says what breaks
//! RFC 8216 or the promises made in the playlist.
//!
//! - [`Follower`] polls a playlist for a while, fetches every segment once, and goes on after a pause, or at another
//!   address: what was promised before still counts.
//! - [`Report`] says what it saw and what was wrong.
//! - [`check_http`] looks at the HTTP side: HEAD, validators, compression, ranges, CORS.

mod follower;
mod http;
mod media;
mod playlist;
mod rules;

pub use follower::{Follower, Report};
pub use http::check_http;
pub use playlist::{Playlist, Segment};
pub use rules::Rules;

#[cfg(test)]
mod tests;

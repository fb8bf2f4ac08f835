//! HLS playlists (RFC 8216): the text of those that we serve.

pub mod render;

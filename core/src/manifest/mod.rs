//! Manifests of films: HLS playlists (RFC 8216) and MPEG-DASH (ISO/IEC 23009-1).
//!
//! Every duration in them comes from the cuts of the [`Film`](crate::index::Film), by which the
//! segments are made. All addresses are relative.

mod dash;
mod hls;
mod rendition;
mod subtitles;
mod thumbnails;

pub use self::dash::{Addresses, manifest};
pub use self::hls::{FilmCopy, copy, key_frames, master, master_of_transport, media, with_query};
pub use self::rendition::Rendition;
pub use self::subtitles::{Subtitles, subtitles, with_subtitles};
pub use self::thumbnails::{Sheets, thumbnails, with_query_in_thumbnails};

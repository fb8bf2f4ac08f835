//! Films in MPEG transport streams: recordings and files of old (ISO/IEC 13818-1).
//!
//! Nothing in such a file says where anything is, so it is sampled: its beginning is read until its
//! programme is known, then key frames are looked for where they should be by the bit rate so far,
//! and the end is read. A segment is put together from its packets when it is asked for, since
//! MP4 has neither packets nor start codes.
//!
//! - **Time is counted from the key frame in front**, so clocks may wrap.
//! - **Where a clock jumps, the film goes on** behind what was shown, and a segment begins. What
//!   cannot be decoded in front of it is left out.
//! - **A frame of sound belongs to the segment in which it begins**, unless it lies in front of the
//!   segment's key frame: then it ends the segment before.

mod codec;
mod indexer;
mod keys;
mod nal;
mod packets;
mod reader;
mod sound;

pub(super) use self::indexer::Indexer;
pub(crate) use self::nal::units;
pub(super) use self::packets::stride;
pub(super) use self::reader::Reader;

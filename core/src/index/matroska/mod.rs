//! Films in Matroska files, `WebM` included (RFC 9559).
//!
//! The file says when its pictures are shown, and not when they are decoded; it says where key
//! frames are, and not what lies between them. So little is read to index it: what describes its
//! tracks, its list of key frames (`Cues`), and its beginning and end. A segment is found when it
//! is asked for, by the heads of the blocks in its range of the file.
//!
//! - **Pictures are decoded in the order in which they are shown, earlier by the deepest
//!   reordering** of the file's beginning. No time is taken from a frame rate.
//! - **Sound stands on the grid of its frames**, as far as its stamps of a thousandth of a second
//!   allow, so that no frame seems to be longer than another.
//! - **A frame of sound belongs to the segment in which it begins**, unless it lies in front of the
//!   segment's key frame: then it ends the segment before.
//! - **Without a list of key frames**, the clusters are walked from one to the next.

mod codec;
mod ebml;
mod head;
mod indexer;
mod probed;
mod reader;
mod texts;
mod walk;

pub(super) use self::indexer::Indexer;
pub(super) use self::reader::Reader;
pub(super) use self::texts::Texts;

/// The id of the element that begins such a file.
pub(super) const MAGIC: [u8; 4] = [0x1A, 0x45, 0xDF, 0xA3];

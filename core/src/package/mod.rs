//! Packages films: the initialisation segment and the segments that a player asks for (ISO/IEC
//! 14496-12, 8.8; ISO/IEC 23000-19), made of a file that has neither.
//!
//! A segment is a head that is written here, and ranges of the file, which nobody copies or looks
//! into. Where picture and sound lie side by side, it is one range and a few frames of sound that
//! lie in front of it, and the head points past what belongs to neither; else the ranges are
//! gathered in the order of the tracks.

mod boxes;
mod fragment;
mod init;
mod transport;

pub use self::fragment::{Segment, fragment, key_picture};
pub use self::init::init;
pub use self::transport::{TransportStream, carried, transport};

//! MPEG transport streams after ISO/IEC 13818-1, written for judging and not for speed.
//!
//! [`Checker`] reads a stream as a viewer would get it and says what is wrong; [`demux`] takes it
//! apart so that payloads can be compared byte by byte; [`build`] writes small streams for unit
//! tests; [`scramble`] is a conditional access system.

mod access;
pub mod build;
mod checker;
mod compare;
mod demux;
mod packet;
mod psi;
mod report;
pub mod scramble;

pub use access::{Access, Codec, classify};
pub use checker::Checker;
pub use compare::{Run, contains_in_order, runs};
pub use demux::{Pes, demux};
pub use packet::{NULL_PID, PACKET_SIZE, Packet, SYNC_BYTE};
pub use psi::{Pat, Pmt, PmtStream, Sections, crc32};
pub use report::{Limits, Repetition, Report, Start};

pub(crate) use packet::{PesHeader, read_timestamp, write_pcr, write_timestamp};

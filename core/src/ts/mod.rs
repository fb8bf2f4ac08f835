//! The transport stream engine (ISO/IEC 13818-1): from any bytes to one continuous output timeline.
//!
//! In the order in which a byte passes: [`sync`] finds the packets, [`packet`] reads their headers,
//! [`demux`] knows which packet belongs to what ([`psi`], [`stream`]), [`pes`] and
//! [`random_access`] look into the elementary streams, and [`splice`] puts every source on the
//! channel's one timeline. [`survey`] describes a stream instead of passing it on, with what
//! [`codec_headers`] say of its pictures and sound.

pub(crate) mod bits;
pub mod codec_headers;
pub mod demux;
mod guess;
pub mod packet;
pub mod pes;
pub mod psi;
pub mod random_access;
pub mod scout;
pub mod splice;
pub mod stream;
pub mod survey;
pub mod sync;

pub use packet::{PACKET_SIZE, Packet, Pid};
pub use sync::Sync;

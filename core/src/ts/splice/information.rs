//! Service information beside the map (ETSI EN 300 468): names of services, the guide, the time of
//! day.
//!
//! Receivers that collect a guide from the stream need it, and it costs players nothing. It passes
//! where it stands, as long as the source's service is the one that the channel's map names. A
//! section that lost a packet is left out: receivers would throw it away.

use crate::ts::demux::{Continuity, Information};
use crate::ts::packet::{self, Bytes, Packet};

/// The tables of one channel.
#[derive(Debug, Default)]
pub(super) struct Tables([Stream; Information::COUNT]);

#[derive(Debug, Default)]
struct Stream {
    /// The next packet's continuity counter.
    counter: u8,
    /// Whether the section on hand has come whole so far.
    is_whole: bool,
}

impl Tables {
    /// Another source begins: of each table, nothing passes before the next section.
    pub(super) fn begin(&mut self) {
        self.0.iter_mut().for_each(|stream| stream.is_whole = false);
    }

    /// The packet as it goes out, if it does.
    pub(super) fn take(
        &mut self,
        table: Information,
        packet: Packet<'_>,
        continuity: Continuity,
    ) -> Option<Bytes> {
        let stream = &mut self.0[table as usize];
        match continuity {
            // Counted anew, a second copy would look like another packet.
            Continuity::Repeated => return None,
            Continuity::Broken => stream.is_whole = false,
            Continuity::Good => {}
        }
        // A unit may begin in the very packet behind a loss.
        stream.is_whole |= packet.starts_unit();
        if !stream.is_whole || !packet.has_payload() {
            return None;
        }
        let mut bytes = *packet.bytes();
        packet::clear_damage(&mut bytes); // only where the source marks all packets
        // Packets left out must not be seen as losses by receivers.
        packet::set_continuity(&mut bytes, stream.counter);
        stream.counter = stream.counter.wrapping_add(1);
        Some(bytes)
    }
}

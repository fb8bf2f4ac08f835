//! Finds the packets in a stretch of a file.

use crate::ts::packet::{Bytes, PACKET_SIZE, SYNC_BYTE};
use crate::ts::sync::{LOCK, STRIDES};

/// Bytes that are looked at for the first packet.
pub(super) const LOOK: usize = 16 * 1024;

/// From one packet to the next: 188 bytes, or more where each has a time or a checksum of its own.
/// `None` of what is no transport stream.
pub(in crate::index) fn stride(beginning: &[u8]) -> Option<usize> {
    let is_lock = |at: usize, stride: usize| {
        // A short file may end before.
        let mut all = (0..LOCK).map_while(|packet| beginning.get(at + packet * stride));
        at + (LOCK - 1) * stride < beginning.len() && all.all(|&byte| byte == SYNC_BYTE)
    };
    let starts = 0..beginning.len().min(LOOK);
    starts.into_iter().find_map(|at| STRIDES.into_iter().find(|&stride| is_lock(at, stride)))
}

/// The packets of a stretch, each with its place in it; what is none is passed over.
#[derive(Debug)]
pub(super) struct Packets<'a> {
    stretch: &'a [u8],
    stride: usize,
    at: usize,
}

impl<'a> Packets<'a> {
    pub(super) fn new(stretch: &'a [u8], stride: usize) -> Self {
        Self { stretch, stride, at: 0 }
    }

    /// Bytes that were passed: the next stretch begins there. All of it, if no packet is left.
    pub(super) fn passed(&self) -> usize {
        self.at
    }
}

impl<'a> Iterator for Packets<'a> {
    type Item = (usize, &'a Bytes);

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            let rest = self.stretch.get(self.at..)?;
            let packet = rest.first_chunk::<PACKET_SIZE>()?;
            // The byte that begins a packet is in others too: the next one has to begin as well.
            let is_followed = rest.get(self.stride).is_none_or(|&byte| byte == SYNC_BYTE);
            if packet[0] == SYNC_BYTE && is_followed {
                let at = self.at;
                self.at += self.stride.min(rest.len());
                return Some((at, packet));
            }
            let next = rest[1..].iter().position(|&byte| byte == SYNC_BYTE);
            self.at += next.map_or(rest.len(), |next| next + 1);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packets(count: u8, stride: usize) -> Vec<u8> {
        let packet = |number: u8| {
            let mut packet = vec![SYNC_BYTE, number];
            packet.resize(stride, 0);
            packet
        };
        (0..count).flat_map(packet).collect()
    }

    #[test]
    fn packets_of_any_stride_are_found() {
        for wanted in STRIDES {
            let stream = [&[1, 2, 3, SYNC_BYTE][..], &packets(20, wanted)].concat();
            assert_eq!(stride(&stream), Some(wanted));
            let found: Vec<u8> = Packets::new(&stream, wanted).map(|(_, packet)| packet[1]).collect();
            assert_eq!(found, (0..20).collect::<Vec<u8>>());
        }
        assert_eq!(stride(&[SYNC_BYTE; 100]), None);
        assert_eq!(stride(&[0; 5000]), None);
    }

    #[test]
    fn packets_are_found_again_behind_damage() {
        let stream = [packets(3, 188), vec![9; 77], packets(3, 188)].concat();
        let mut found = Packets::new(&stream, 188);
        let numbers: Vec<u8> = found.by_ref().map(|(_, packet)| packet[1]).collect();
        // The last in front of the damage is followed by none.
        assert_eq!(numbers, [0, 1, 0, 1, 2]);
        assert_eq!(found.passed(), stream.len());
    }
}

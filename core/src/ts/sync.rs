//! Finds the packets in any bytes, and finds them again after damage.
//!
//! Packets of 188 bytes, of 192 (a time code of 4 bytes around each, as in M2TS files) and of 204
//! (16 bytes of Reed-Solomon code behind each) come out as 188. The scanner locks when [`LOCK`]
//! sync bytes stand a packet apart, passes over a single bad one, and searches again when two in a
//! row are bad.

use super::packet::{Bytes, PACKET_SIZE, SYNC_BYTE};

/// Sync bytes in a row that make a lock (ETSI TR 101 290, 1.1).
pub const LOCK: usize = 5;

/// The distances between sync bytes that occur: plain, with a time code, with Reed-Solomon code.
pub const STRIDES: [usize; 3] = [188, 192, 204];

/// What comes out.
#[derive(Debug, PartialEq, Eq)]
pub enum Item<'a> {
    /// Whole packets, each beginning with the sync byte.
    Packets(&'a [Bytes]),
    /// Bytes that belong to no packet were passed over.
    Skipped {
        /// How many.
        bytes: u64,
    },
}

/// The scanner: bytes are pushed, items are pulled.
#[derive(Debug, Default)]
pub struct Sync {
    stride: Option<usize>,
    /// Bytes of the packet that the last push broke off in, or all undecided ones while searching.
    carry: Vec<u8>,
    /// How much of `carry` is done with.
    done: usize,
    /// Passed over, and not told yet.
    skipped: u64,
}

impl Sync {
    /// A scanner that has seen nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// The distance between sync bytes, 188, 192 or 204, once locked.
    pub fn stride(&self) -> Option<usize> {
        self.stride
    }

    /// Takes `input`; its packets are pulled from the result, all of them before the next push.
    pub fn push<'i>(&mut self, input: &'i [u8]) -> Items<'_, 'i> {
        Items { sync: self, input }
    }

    /// Bytes kept for the next push: less than five packets.
    pub fn pending(&self) -> usize {
        self.carry.len() - self.done
    }

    /// Bytes passed over that no [`Item::Skipped`] has told of: while there is no lock, nobody is
    /// told.
    pub fn untold(&self) -> u64 {
        self.skipped
    }

    fn skip(&mut self, bytes: usize) {
        self.done += bytes;
        self.skipped += bytes as u64;
    }

    /// Looks for a lock in `carry`; false when more bytes are needed.
    fn search(&mut self) -> bool {
        loop {
            let rest = &self.carry[self.done..];
            let Some(start) = rest.iter().position(|&byte| byte == SYNC_BYTE) else {
                self.skip(rest.len());
                return false;
            };
            self.skip(start);
            let rest = &self.carry[self.done..];
            let fits = |stride: usize| (1..LOCK).all(|n| rest.get(n * stride) == Some(&SYNC_BYTE));
            if let Some(stride) = STRIDES.into_iter().find(|&stride| fits(stride)) {
                self.stride = Some(stride);
                return true;
            }
            let may_fit =
                |stride: usize| (1..LOCK).all(|n| rest.get(n * stride).is_none_or(|&b| b == SYNC_BYTE));
            // More bytes may still decide for one of them.
            if STRIDES.into_iter().any(may_fit) {
                return false;
            }
            self.skip(1);
        }
    }
}

/// The items of one push.
#[derive(Debug)]
pub struct Items<'s, 'i> {
    sync: &'s mut Sync,
    input: &'i [u8],
}

impl Items<'_, '_> {
    /// The distance between sync bytes in force: that of the item that came last, if it was
    /// packets.
    pub fn stride(&self) -> Option<usize> {
        self.sync.stride
    }

    /// The next item, `None` when the input is used up.
    #[expect(
        clippy::should_implement_trait,
        reason = "the item borrows from the scanner, which Iterator cannot say"
    )]
    pub fn next(&mut self) -> Option<Item<'_>> {
        loop {
            // While searching, all that comes may be part of a lock.
            let Some(stride) = self.sync.stride else {
                self.absorb(self.input.len());
                if !self.sync.search() {
                    return None;
                }
                continue;
            };
            if self.sync.skipped > 0 {
                return Some(Item::Skipped { bytes: std::mem::take(&mut self.sync.skipped) });
            }
            if self.sync.pending() > 0 {
                // Rarely more than the one packet that the last push broke off in.
                self.absorb(stride.saturating_sub(self.sync.pending()));
                if self.sync.pending() < stride {
                    return None;
                }
                if self.sync.carry[self.sync.done] == SYNC_BYTE {
                    let packet = &self.sync.carry[self.sync.done..];
                    self.sync.done += stride;
                    return Some(Item::Packets(first_packet(packet)));
                }
                // A single bad sync byte in front of a good one is damage within the packet, and no
                // loss of step.
                self.absorb((stride + 1).saturating_sub(self.sync.pending()));
                match self.sync.carry.get(self.sync.done + stride) {
                    None => return None,
                    Some(&SYNC_BYTE) => self.sync.skip(stride),
                    Some(_) => {
                        // Two in a row: the step is lost, and begins anew one byte on.
                        self.sync.stride = None;
                        self.sync.skip(1);
                    }
                }
                continue;
            }
            let input = self.input;
            if stride == PACKET_SIZE {
                let (packets, _) = input.as_chunks::<PACKET_SIZE>();
                let run = packets.iter().take_while(|packet| packet[0] == SYNC_BYTE).count();
                if run > 0 {
                    self.input = &input[run * PACKET_SIZE..];
                    return Some(Item::Packets(&packets[..run]));
                }
            } else if input.len() >= stride && input[0] == SYNC_BYTE {
                self.input = &input[stride..];
                return Some(Item::Packets(first_packet(input)));
            }
            if input.is_empty() {
                return None;
            }
            // A broken packet, or the beginning of one: it goes on in the carry.
            self.absorb(stride + 1);
            if self.sync.pending() < stride {
                return None;
            }
        }
    }

    /// Moves up to `count` bytes of the input into the carry.
    fn absorb(&mut self, count: usize) {
        if count == 0 {
            return;
        }
        if self.sync.done > 0 {
            self.sync.carry.drain(..self.sync.done);
            self.sync.done = 0;
        }
        let (taken, rest) = self.input.split_at(count.min(self.input.len()));
        self.sync.carry.extend_from_slice(taken);
        self.input = rest;
    }
}

fn first_packet(bytes: &[u8]) -> &[Bytes] {
    let (packets, _) = bytes[..PACKET_SIZE].as_chunks::<PACKET_SIZE>();
    packets
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `count` packets, each filled with its number.
    fn packets(count: u8) -> Vec<u8> {
        (0..count)
            .flat_map(|n| std::iter::once(SYNC_BYTE).chain(std::iter::repeat_n(n, PACKET_SIZE - 1)))
            .collect()
    }

    /// Pushes `input` in pieces of `size`: the numbers of the packets that came out, and the bytes
    /// passed over.
    fn play(input: &[u8], size: usize) -> (Vec<u8>, u64) {
        let (mut sync, mut numbers, mut skipped) = (Sync::new(), Vec::new(), 0);
        for piece in input.chunks(size) {
            let mut items = sync.push(piece);
            while let Some(item) = items.next() {
                match item {
                    Item::Packets(run) => numbers.extend(run.iter().map(|packet| packet[1])),
                    Item::Skipped { bytes } => skipped += bytes,
                }
            }
        }
        (numbers, skipped)
    }

    /// Every way of cutting the input gives the same.
    fn expect(input: &[u8], numbers: &[u8], skipped: u64) {
        for size in [1, 7, 187, 188, 189, 1316, 5000, input.len()] {
            assert_eq!(play(input, size), (numbers.to_vec(), skipped), "in pieces of {size}");
        }
    }

    #[test]
    fn plain_packets_pass() {
        expect(&packets(20), &(0..20).collect::<Vec<_>>(), 0);
    }

    #[test]
    fn time_codes_and_reed_solomon_bytes_are_cut_off() {
        for stride in [192, 204] {
            let wide: Vec<u8> = packets(20)
                .chunks(PACKET_SIZE)
                .flat_map(|packet| {
                    packet.iter().copied().chain(std::iter::repeat_n(0xEE, stride - PACKET_SIZE))
                })
                .collect();
            expect(&wide, &(0..20).collect::<Vec<_>>(), 0);
            // M2TS: the time code stands in front.
            let mut m2ts = vec![0xEE; stride - PACKET_SIZE];
            m2ts.extend(&wide);
            expect(&m2ts, &(0..20).collect::<Vec<_>>(), (stride - PACKET_SIZE) as u64);
        }
    }

    #[test]
    fn garbage_in_front_is_passed_over_and_counted() {
        let mut input = b"HTTP/1.0 G\x47rbage \x47 GIF89a".to_vec();
        let garbage = input.len() as u64;
        input.extend(packets(9));
        expect(&input, &(0..9).collect::<Vec<_>>(), garbage);
    }

    #[test]
    fn one_bad_sync_byte_costs_one_packet() {
        let mut input = packets(20);
        input[7 * PACKET_SIZE] = 0;
        let expected: Vec<u8> = (0..20).filter(|&n| n != 7).collect();
        expect(&input, &expected, PACKET_SIZE as u64);
    }

    #[test]
    fn lost_bytes_are_searched_across() {
        let mut input = packets(20);
        input.drain(5 * PACKET_SIZE + 60..5 * PACKET_SIZE + 160);
        let (numbers, skipped) = play(&input, input.len());
        // Packet 5 is the wreck: it still begins with a sync byte. The next ones are found again.
        assert_eq!(numbers, (0..20).filter(|&n| n != 6).collect::<Vec<_>>());
        assert_eq!(skipped, 88);
        expect(&input, &numbers, skipped);
    }

    #[test]
    fn what_is_no_transport_stream_gives_nothing_and_keeps_little() {
        let mut sync = Sync::new();
        for _ in 0..1000 {
            let mut items = sync.push(b"<html><body>G G G G FAILED TO CONNECT!</body></html>\r\n");
            assert!(items.next().is_none());
            assert!(sync.pending() < LOCK * STRIDES[2]);
        }
        assert_eq!(sync.stride(), None);
    }
}

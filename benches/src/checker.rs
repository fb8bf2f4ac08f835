//! Looks at every packet that a viewer gets: is it whole, is none missing, is it a key picture, how old is it?

use crate::clock::Mono;
use crate::ts::{self, PACKET, PCR_CYCLE, Packet};

/// Elementary streams and tables in one channel; more are not looked at.
const MAX_PIDS: usize = 64;

/// Ticks of 27 MHz: a clock reference that is further from now is not of this machine's clock.
const MAX_AGE: u64 = 60 * 27_000_000;

/// A clock reference may be ahead of now by so much: reading the clock takes a moment.
const MAX_AHEAD: u64 = 27_000;

/// Finds faults in a stream that comes in pieces.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    /// The beginning of a packet whose end has not come.
    partial: Vec<u8>,
    counters: Vec<(u16, u8)>,
    is_lost: bool,
    counts: Counts,
}

/// What was found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    /// Whole packets.
    pub(crate) packets: u64,
    /// Places where no packet began although one should.
    pub(crate) sync_errors: u64,
    /// Steps of a continuity counter.
    pub(crate) continuity_errors: u64,
    /// Clock references that have nothing to do with this machine's clock.
    pub(crate) foreign_clocks: u64,
}

impl Counts {
    pub(crate) fn add(&mut self, other: Self) {
        self.packets += other.packets;
        self.sync_errors += other.sync_errors;
        self.continuity_errors += other.continuity_errors;
        self.foreign_clocks += other.foreign_clocks;
    }
}

/// What is told while a piece is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Seen {
    /// A picture begins that a decoder can start with.
    KeyPicture,
    /// A clock reference came, so many nanoseconds after the packet with it was due at the origin.
    Age(u64),
}

impl Checker {
    pub(crate) fn counts(&self) -> Counts {
        self.counts
    }

    /// Looks at what has come at `now`.
    pub(crate) fn push(&mut self, mut bytes: &[u8], now: Mono, mut seen: impl FnMut(Seen)) {
        while !bytes.is_empty() {
            if self.partial.is_empty() {
                let at = bytes.iter().position(|&byte| byte == 0x47).unwrap_or(bytes.len());
                if at > 0 && !self.is_lost {
                    self.counts.sync_errors += 1;
                }
                self.is_lost = at > 0;
                bytes = &bytes[at..];
                if let Some((packet, rest)) = bytes.split_first_chunk::<PACKET>() {
                    self.packet(packet, now, &mut seen);
                    bytes = rest;
                    continue;
                }
            }
            let (part, rest) = bytes.split_at(bytes.len().min(PACKET - self.partial.len()));
            self.partial.extend_from_slice(part);
            bytes = rest;
            if let Some(&packet) = self.partial.first_chunk::<PACKET>() {
                self.partial.clear();
                self.packet(&packet, now, &mut seen);
            }
        }
    }

    fn packet(&mut self, packet: &Packet, now: Mono, seen: &mut impl FnMut(Seen)) {
        self.counts.packets += 1;
        self.count(packet);
        if ts::starts_key_picture(packet) {
            seen(Seen::KeyPicture);
        }
        if let Some(pcr) = ts::pcr(packet) {
            let now = now.ticks_27m() % PCR_CYCLE;
            let age = (now + PCR_CYCLE + MAX_AHEAD - pcr) % PCR_CYCLE;
            if age < MAX_AGE {
                seen(Seen::Age(age.saturating_sub(MAX_AHEAD) * 1000 / 27));
            } else {
                self.counts.foreign_clocks += 1;
            }
        }
    }

    /// A counter goes on by one with each payload and stands without one; a packet may come twice.
    fn count(&mut self, packet: &Packet) {
        let (pid, counter) = (ts::pid(packet), ts::counter(packet));
        if pid == ts::NULL_PID {
            return;
        }
        let Some((_, last)) = self.counters.iter_mut().find(|(known, _)| *known == pid) else {
            if self.counters.len() < MAX_PIDS {
                self.counters.push((pid, counter));
            }
            return;
        };
        let expected = if ts::has_payload(packet) { (*last + 1) & 15 } else { *last };
        if counter != expected && counter != *last && !ts::is_discontinuous(packet) {
            self.counts.continuity_errors += 1;
        }
        *last = counter;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ts::build;

    fn check(bytes: &[u8], piece: usize) -> (Counts, Vec<Seen>) {
        let (mut checker, mut seen) = (Checker::default(), Vec::new());
        for piece in bytes.chunks(piece) {
            checker.push(piece, Mono(5_000_000), |found| seen.push(found));
        }
        (checker.counts(), seen)
    }

    #[test]
    fn a_good_stream_has_no_errors_however_it_is_cut() {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&build::key(0x100, 15, 0));
        bytes.extend_from_slice(&build::plain(0x101, 7));
        bytes.extend_from_slice(&build::plain(0x100, 0));
        bytes.extend_from_slice(&build::clock(0x100, 0, 4 * 27_000));
        bytes.extend_from_slice(&build::plain(0x1FFF, 9));
        bytes.extend_from_slice(&build::plain(0x100, 1));
        for piece in [1, 100, 187, 188, 189, 5000] {
            let (counts, seen) = check(&bytes, piece);
            assert_eq!(counts, Counts { packets: 6, ..Counts::default() }, "cut every {piece}");
            assert_eq!(seen, [Seen::KeyPicture, Seen::Age(1_000_000)]);
        }
    }

    #[test]
    fn a_missing_packet_is_one_error() {
        let bytes = [build::plain(0x100, 3), build::plain(0x100, 5), build::plain(0x100, 6)].concat();
        assert_eq!(check(&bytes, 188).0.continuity_errors, 1);
        let mut announced = build::key(0x100, 9, 0);
        announced[5] |= 0x80;
        assert_eq!(check(&[build::plain(0x100, 3), announced].concat(), 188).0.continuity_errors, 0);
    }

    #[test]
    fn bytes_between_packets_are_one_error() {
        let bytes = [&build::plain(0x100, 3)[..], &[0; 70], &build::plain(0x100, 4)].concat();
        for piece in [1, 50, 1000] {
            let counts = check(&bytes, piece).0;
            assert_eq!((counts.sync_errors, counts.continuity_errors, counts.packets), (1, 0, 2));
        }
    }

    #[test]
    fn clocks_of_others_say_nothing() {
        let (counts, seen) = check(&build::clock(0x100, 0, 27_000_000_000), 188);
        assert_eq!((counts.foreign_clocks, seen.len()), (1, 0));
    }
}

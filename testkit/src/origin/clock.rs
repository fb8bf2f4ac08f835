//! Clocks that do not fit the stamps, which are right.

use std::time::Duration;

use super::behaviour::{Behaviour, ticks_90k};
use crate::ts::{PACKET_SIZE, Packet, SYNC_BYTE, crc32, write_pcr};

/// Where a clock of its own is.
const APART: u16 = 0x1ff0;

/// Length of the cycle of the clock reference in 27 MHz ticks.
const CYCLE: u64 = (1 << 33) * 300;

/// What is wrong with the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    /// It runs at so many per cent of the stamps' pace.
    Pace {
        /// Percent.
        percent: u64,
    },
    /// Each reference is up to so much too early or too late.
    Jitter {
        /// The most.
        by: Duration,
    },
    /// It stands still.
    Stands,
    /// The map names it, and it never comes.
    Missing,
    /// It is on a PID of its own; nothing is wrong with that.
    Apart,
}

impl Behaviour {
    /// The clock references, from the beginning on.
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.playout(|playout| playout.clock = Some(clock))
    }
}

/// A clock as it is sent.
#[derive(Debug)]
pub(super) struct Sent {
    clock: Clock,
    first_27m: Option<u64>,
    count: u64,
    /// To be sent in front of the packet that was rewritten last.
    apart: Option<[u8; PACKET_SIZE]>,
}

impl Sent {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, first_27m: None, count: 0, apart: None }
    }

    /// Rewrites the reference of a packet, which should say `right_27m`.
    pub(super) fn rewrite(&mut self, packet: &mut [u8; PACKET_SIZE], right_27m: u64) {
        let first = *self.first_27m.get_or_insert(right_27m);
        self.count += 1;
        let wrong = match self.clock {
            Clock::Pace { percent } => first + (right_27m - first) * percent / 100,
            Clock::Jitter { by } => {
                let most = ticks_90k(by) * 300;
                // The same in each run, and one after the other far apart.
                right_27m + CYCLE - most + self.count * 7919 % 1000 * most / 500
            }
            Clock::Stands => first,
            Clock::Missing => return take_off(packet),
            Clock::Apart => {
                take_off(packet);
                return self.apart = Some(alone(right_27m % CYCLE));
            }
        };
        write_pcr(packet, wrong % CYCLE);
    }

    /// Has the map name the PID of the clock.
    pub(super) fn rewrite_map(&self, packet: &mut [u8; PACKET_SIZE]) {
        let view = Packet::new(packet).expect("a clip has whole packets");
        let is_map = view.starts_unit() && view.payload().starts_with(&[0, 0x02]);
        let (Some(at), Clock::Apart, true) = (view.payload_offset(), self.clock, is_map) else { return };
        let section = &mut packet[at + 1..];
        let length = 3 + usize::from(u16::from_be_bytes([section[1] & 0x0f, section[2]]));
        section[8..10].copy_from_slice(&(0xe000 | APART).to_be_bytes());
        let crc = crc32(&section[..length - 4]);
        section[length - 4..length].copy_from_slice(&crc.to_be_bytes());
    }

    /// The packet with the reference that was taken off the last one.
    pub(super) fn take_apart(&mut self) -> Option<[u8; PACKET_SIZE]> {
        self.apart.take()
    }
}

/// Takes the reference off a packet.
fn take_off(packet: &mut [u8; PACKET_SIZE]) {
    packet[5] &= !0x10;
    packet[6..12].fill(0xff);
}

/// A packet with nothing but a reference.
fn alone(pcr: u64) -> [u8; PACKET_SIZE] {
    let [high, low] = APART.to_be_bytes();
    let mut packet = [0xff; PACKET_SIZE];
    packet[..6].copy_from_slice(&[SYNC_BYTE, high, low, 0x20, 183, 0x10]);
    write_pcr(&mut packet, pcr);
    packet
}

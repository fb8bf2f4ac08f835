//! Transport streams in RTP (RFC 3550, RFC 2250): the header, and packets in their order again.
//!
//! The contract of [`Reorder`]: after each [`Reorder::push`], and when the time that
//! [`Reorder::poll_timeout`] names has come, take items with [`Reorder::poll`] until there are none.

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use crate::time::Moment;

/// Bytes of a header without anything that may follow (RFC 3550, 5.1).
const HEADER: usize = 12;

/// Packets that wait for one before them: with seven packets of a transport stream in each, 100 ms
/// of 100 Mbit/s.
const MAX_WAITING: usize = 1024;

/// A sequence number that is further away than this is of another stream (RFC 3550, A.1).
const MAX_STEP: i16 = 3000;

/// A packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packet<'a> {
    /// Counts packets, and wraps.
    pub sequence: u16,
    /// Names the sender.
    pub ssrc: u32,
    /// What is in it: 33 is an MPEG transport stream.
    pub payload_type: u8,
    /// What it carries.
    pub payload: &'a [u8],
}

impl<'a> Packet<'a> {
    /// Reads a datagram; `None` where it is no packet of RTP version 2, or not a whole one.
    pub fn parse(bytes: &'a [u8]) -> Option<Self> {
        let head = bytes.first_chunk::<HEADER>()?;
        if head[0] >> 6 != 2 {
            return None;
        }
        let sources = 4 * usize::from(head[0] & 0x0F);
        let mut rest = bytes.get(HEADER + sources..)?;
        if head[0] & 0x10 != 0 {
            let extension = rest.first_chunk::<4>()?;
            let words = usize::from(u16::from_be_bytes([extension[2], extension[3]]));
            rest = rest.get(4 + 4 * words..)?;
        }
        if head[0] & 0x20 != 0 {
            let padding = usize::from(*rest.last()?);
            rest = rest.get(..rest.len().checked_sub(padding.max(1))?)?;
        }
        Some(Self {
            sequence: u16::from_be_bytes([head[2], head[3]]),
            ssrc: u32::from_be_bytes([head[8], head[9], head[10], head[11]]),
            payload_type: head[1] & 0x7F,
            payload: rest,
        })
    }
}

/// What has become of packets.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Packets that came.
    pub received: u64,
    /// Of them those that came behind a later one, and in time.
    pub reordered: u64,
    /// Of them those that came too late, or a second time.
    pub late: u64,
    /// Packets that never came in time.
    pub lost: u64,
}

/// Puts packets into the order of their numbers. One that is missing is waited for, within limits.
#[derive(Debug)]
pub struct Reorder<T> {
    window: Duration,
    ssrc: Option<u32>,
    /// The number behind the last one that was given, on a line without wraps.
    next: Option<u64>,
    waiting: BTreeMap<u64, (Moment, T)>,
    /// Items of a stream that has ended, in front of all others.
    before: VecDeque<T>,
    counts: Counts,
}

impl<T> Reorder<T> {
    /// One that waits for a missing packet as long as `window`.
    pub fn new(window: Duration) -> Self {
        Self {
            window,
            ssrc: None,
            next: None,
            waiting: BTreeMap::new(),
            before: VecDeque::new(),
            counts: Counts::default(),
        }
    }

    /// Takes what came in a packet with this number.
    pub fn push(&mut self, now: Moment, ssrc: u32, sequence: u16, item: T) {
        self.counts.received += 1;
        let position = self.position(ssrc, sequence);
        let Some(position) = position else {
            // Another sender, or the same one begun anew: nothing of before can be missing still.
            self.before.extend(std::mem::take(&mut self.waiting).into_values().map(|(_, item)| item));
            self.ssrc = Some(ssrc);
            // Far from zero: one that is before it may come yet.
            let first = u64::from(sequence) + (1 << 32);
            self.next = Some(first);
            self.waiting.insert(first, (now, item));
            return;
        };
        let is_late = self.next.is_some_and(|next| position < next) || self.waiting.contains_key(&position);
        if is_late {
            self.counts.late += 1;
            return;
        }
        let is_behind = self.waiting.last_key_value().is_some_and(|(&last, _)| position < last);
        self.counts.reordered += u64::from(is_behind);
        self.waiting.insert(position, (now, item));
    }

    /// The next item, if it is its turn.
    pub fn poll(&mut self, now: Moment) -> Option<T> {
        if let Some(item) = self.before.pop_front() {
            return Some(item);
        }
        let (&first, (came, _)) = self.waiting.first_key_value()?;
        let next = self.next.unwrap_or(first);
        let is_turn = first == next || now.since(*came) >= self.window || self.waiting.len() > MAX_WAITING;
        if !is_turn {
            return None;
        }
        self.counts.lost += first - next;
        self.next = Some(first + 1);
        self.waiting.pop_first().map(|(_, (_, item))| item)
    }

    /// When a packet that is missing is waited for no longer.
    pub fn poll_timeout(&self) -> Option<Moment> {
        let (_, (came, _)) = self.waiting.first_key_value()?;
        Some(Moment::new(came.elapsed() + self.window))
    }

    /// What has become of packets.
    pub fn counts(&self) -> Counts {
        self.counts
    }

    /// Items that wait.
    pub fn waiting(&self) -> usize {
        self.waiting.len() + self.before.len()
    }

    /// Where a number belongs on the line; `None` where it begins another one.
    fn position(&self, ssrc: u32, sequence: u16) -> Option<u64> {
        if self.ssrc != Some(ssrc) {
            return None;
        }
        let next = self.next?;
        let last = self.waiting.last_key_value().map_or(next, |(&last, _)| last.max(next));
        #[expect(clippy::cast_possible_truncation, clippy::cast_possible_wrap, reason = "the distance wraps")]
        let step = sequence.wrapping_sub(last as u16) as i16;
        if !(-MAX_STEP..=MAX_STEP).contains(&step) {
            return None;
        }
        last.checked_add_signed(i64::from(step))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> Moment {
        Moment::from_millis(millis)
    }

    /// Numbers at times; each item is its number, and when it was given.
    fn play(window: u64, packets: &[(u64, u16)], until: u64) -> (Vec<(u64, u16)>, Counts) {
        let mut reorder = Reorder::new(Duration::from_millis(window));
        let (mut given, mut packets) = (Vec::new(), packets.iter().peekable());
        for now in 0..=until {
            while let Some(&(_, number)) = packets.next_if(|(time, _)| *time == now) {
                reorder.push(at(now), 7, number, number);
            }
            while let Some(number) = reorder.poll(at(now)) {
                given.push((now, number));
            }
            assert!(reorder.poll_timeout().is_none_or(|due| due > at(now)));
        }
        (given, reorder.counts())
    }

    #[test]
    fn packets_come_in_order_and_missing_ones_are_waited_for() {
        let (given, counts) = play(100, &[(0, 1), (1, 3), (2, 4), (9, 2), (10, 6), (11, 7)], 200);
        assert_eq!(given, [(0, 1), (9, 2), (9, 3), (9, 4), (110, 6), (110, 7)]);
        assert_eq!(counts, Counts { received: 6, reordered: 1, late: 0, lost: 1 });
    }

    #[test]
    fn numbers_wrap_and_copies_and_stragglers_are_left_out() {
        let packets = [(0, 65_534), (1, 0), (2, 65_535), (3, 0), (4, 1), (5, 65_535)];
        let (given, counts) = play(50, &packets, 100);
        assert_eq!(given.iter().map(|(_, number)| *number).collect::<Vec<_>>(), [65_534, 65_535, 0, 1]);
        assert_eq!(counts, Counts { received: 6, reordered: 1, late: 2, lost: 0 });
    }

    #[test]
    fn a_sender_that_begins_anew_is_followed_at_once() {
        let mut reorder = Reorder::new(Duration::from_millis(100));
        reorder.push(at(0), 1, 10, 'a');
        assert_eq!(reorder.poll(at(0)), Some('a'));
        reorder.push(at(1), 1, 12, 'c');
        reorder.push(at(2), 2, 40_000, 'x');
        let given: String = std::iter::from_fn(|| reorder.poll(at(2))).collect();
        assert_eq!(given, "cx");
        reorder.push(at(3), 2, 5, 'y');
        assert_eq!((reorder.poll(at(3)), reorder.counts().lost), (Some('y'), 0));
    }

    #[test]
    fn what_waits_has_a_limit() {
        let mut reorder = Reorder::new(Duration::from_hours(1));
        reorder.push(at(0), 1, 0, 0);
        assert_eq!(reorder.poll(at(0)), Some(0));
        for number in 2..=2000 {
            reorder.push(at(0), 1, number, number);
            while reorder.poll(at(0)).is_some() {}
        }
        assert!(reorder.waiting() <= MAX_WAITING && reorder.counts().lost == 1);
    }

    #[test]
    fn headers_are_read_with_all_that_may_be_in_them() {
        let plain = [0x80, 33, 1, 2, 0, 0, 0, 0, 0, 0, 0, 9, 0x47, 1];
        let packet = Packet::parse(&plain).unwrap();
        assert_eq!((packet.sequence, packet.ssrc, packet.payload_type), (0x102, 9, 33));
        assert_eq!(packet.payload, [0x47, 1]);
        // A source, an extension of one word, two bytes of padding.
        let mut full = vec![0xB1, 0xA1, 0, 1, 0, 0, 0, 0, 0, 0, 0, 9, 1, 1, 1, 1, 0, 0, 0, 1, 2, 2, 2, 2];
        full.extend([0x47, 5, 0, 2]);
        assert_eq!(Packet::parse(&full).unwrap().payload, [0x47, 5]);
        for cut in 0..24 {
            assert_eq!(Packet::parse(&full[..cut]), None, "{cut}");
        }
        assert_eq!(Packet::parse(&[0x47; 188]), None);
    }
}

//! Datagrams that say they are RTP: whatever is in them, what is given is in order, and what waits
//! has a limit.

#![no_main]

use std::time::Duration;

use forebay_core::rtp::{Packet, Reorder};
use forebay_core::time::Moment;
use libfuzzer_sys::fuzz_target;

/// More than the limit of what waits, by nothing.
const MOST: usize = 1025;

fuzz_target!(|data: &[u8]| {
    if let Some(packet) = Packet::parse(data) {
        assert!(packet.payload.len() <= data.len());
    }
    // Four bytes each: the sender, the number, and how much later it came.
    let mut reorder = Reorder::new(Duration::from_millis(100));
    let (mut now, mut given, mut taken) = (0, 0, 0);
    for (at, piece) in data.chunks_exact(4).enumerate() {
        now += u64::from(piece[3]);
        let (moment, number) = (Moment::from_millis(now), u16::from_be_bytes([piece[1], piece[2]]));
        reorder.push(moment, u32::from(piece[0] & 1), number, at);
        taken += 1;
        while reorder.poll(moment).is_some() {
            given += 1;
        }
        assert!(reorder.waiting() <= MOST);
        assert!(reorder.poll_timeout().is_none_or(|due| due > moment));
    }
    let end = Moment::from_millis(now + 100);
    while reorder.poll(end).is_some() {
        given += 1;
    }
    let counts = reorder.counts();
    assert_eq!((counts.received, counts.late + given), (taken, taken));
    assert_eq!(reorder.waiting(), 0);
});

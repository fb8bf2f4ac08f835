//! Any bytes at any time through `Sync`, [`Inspector`](forebay_core::health::Inspector) and
//! [`Scout`](forebay_core::ts::scout::Scout), and then into a channel's splice stage.
//!
//! The first byte says whether the source is read by media time. The rest is a list of steps, each
//! a control byte and two bytes of length in front of its bytes. The control byte says how much
//! later they come (the upper six bits, in units of 64 ms), and what happens behind them: nothing,
//! a discontinuity, a cut, or the end of a part.
#![no_main]

use std::time::Duration;

use forebay_core::health::{Inspector, Rule, Rules};
use forebay_core::time::Moment;
use forebay_core::ts::packet::Bytes;
use forebay_core::ts::scout::Scout;
use forebay_core::ts::splice::Splice;
use forebay_core::ts::sync::{Item, Sync};
use libfuzzer_sys::fuzz_target;

/// Bytes of memory that a byte of input may take at most, behind the first [`ROOM`].
const MOST_PER_BYTE: usize = 400;
const ROOM: usize = 8 << 20;

fuzz_target!(|data: &[u8]| {
    let Some((&first, mut rest)) = data.split_first() else { return };
    let mut source = Source::new(first & 1 == 1);
    while let Some((&[control, high, low], behind)) = rest.split_first_chunk::<3>() {
        let length = usize::from(u16::from_be_bytes([high, low]));
        let (bytes, next) = behind.split_at(length.min(behind.len()));
        rest = next;
        source.take(control, bytes);
    }
    assert!(source.scout.memory() <= ROOM + MOST_PER_BYTE * data.len());
    source.scout.hand_over(&mut Splice::new(None));
});

struct Source {
    now: Moment,
    sync: Sync,
    inspector: Inspector,
    scout: Scout,
}

impl Source {
    fn new(is_paced: bool) -> Self {
        let mut inspector = Inspector::new(Rules::default(), None);
        if is_paced {
            inspector.set_paced();
        }
        Self { now: Moment::ZERO, sync: Sync::new(), inspector, scout: Scout::new(None) }
    }

    fn take(&mut self, control: u8, bytes: &[u8]) {
        self.now = self.now + Duration::from_millis(u64::from(control >> 2) * 64);
        let mut packets: Vec<Bytes> = Vec::new();
        let mut items = self.sync.push(bytes);
        while let Some(item) = items.next() {
            if let Item::Packets(run) = item {
                packets.extend_from_slice(run);
            }
        }
        self.inspector.push(self.now, &packets);
        self.scout.push(&packets);
        match control & 3 {
            1 => {
                self.inspector.note_discontinuity();
                self.scout.begin();
                self.sync = Sync::new();
            }
            2 => {
                self.inspector.cut();
                self.scout.cut();
            }
            3 => self.inspector.handle_part(self.now),
            _ => {}
        }
        for count in 0.. {
            let Some(fault) = self.inspector.poll_fault() else { break };
            assert!(count < Rule::COUNT && !fault.to_string().is_empty());
        }
    }
}

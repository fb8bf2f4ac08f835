//! What must hold of a remuxer's output whatever comes in: shared by the property tests and the
//! fuzz target.

use std::collections::BTreeMap;

use forebay_core::remux::{Remuxer, Rendition};
use forebay_core::ts::packet::SYNC_BYTE;
use forebay_core::ts::psi::{Pat, Pmt, Sections};
use forebay_core::ts::{PACKET_SIZE, Packet, Pid};

/// Bytes of output and of memory that a byte of input may become at most, behind the first
/// [`ROOM`]: a PES packet of a few bytes fills a packet, and comes with tables and a clock.
const MOST_PER_BYTE: usize = 400;
const ROOM: usize = 8 << 20;

/// What happens to a remuxer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Step<'a> {
    /// An initialisation segment.
    Init(Rendition, &'a [u8]),
    /// A segment.
    Push(Rendition, &'a [u8]),
    /// A discontinuity.
    Reset,
    /// The end.
    Finish,
}

/// Plays `steps` and holds all invariants against the output, which it returns.
pub(crate) fn remux<'a>(mut remuxer: Remuxer, steps: impl IntoIterator<Item = Step<'a>>) -> Vec<u8> {
    let (mut output, mut player, mut pushed) = (Vec::new(), Player::default(), 0);
    for step in steps {
        let outcome = match step {
            Step::Init(rendition, bytes) => {
                pushed += bytes.len();
                remuxer.set_init(rendition, bytes)
            }
            Step::Push(rendition, bytes) => {
                pushed += bytes.len();
                remuxer.push(rendition, bytes)
            }
            Step::Reset => {
                remuxer.reset();
                Ok(())
            }
            Step::Finish => {
                remuxer.finish();
                Ok(())
            }
        };
        if let Err(error) = outcome {
            assert!(!error.to_string().is_empty() && !error.reason.code().is_empty());
        }
        assert!(remuxer.memory() <= ROOM + MOST_PER_BYTE * pushed, "{} bytes are held", remuxer.memory());
        player.watch(remuxer.output());
        output.extend_from_slice(remuxer.output());
        remuxer.clear(1 << 16);
    }
    output
}

/// Watches the output as the strictest player would.
#[derive(Default)]
struct Player {
    counters: BTreeMap<Pid, u8>,
    pat: Sections,
    map: Sections,
    map_pid: Option<Pid>,
    /// PIDs that a map has named.
    named: Vec<Pid>,
}

impl Player {
    fn watch(&mut self, output: &[u8]) {
        let (packets, rest) = output.as_chunks::<PACKET_SIZE>();
        assert!(rest.is_empty(), "whole packets");
        for bytes in packets {
            assert_eq!(bytes[0], SYNC_BYTE);
            self.watch_packet(Packet::new(bytes));
        }
    }

    fn watch_packet(&mut self, packet: Packet<'_>) {
        let (pid, counter) = (packet.pid(), packet.continuity());
        assert_ne!(pid, Pid::NULL, "nothing is stuffed");
        if let Some(last) = self.counters.insert(pid, counter) {
            let expected = if packet.has_payload() { (last + 1) & 15 } else { last };
            assert_eq!(counter, expected, "no counter breaks: {packet:?}");
        }
        if packet.has_payload() {
            assert!(packet.payload().is_some(), "a payload that is announced is there: {packet:?}");
        }
        if pid == Pid::PAT {
            let payload = packet.payload().expect("a table has a payload");
            self.pat.push(packet.starts_unit(), payload, |section| {
                let pat = Pat::parse(section.expect("the checksum is right")).expect("a PAT");
                self.map_pid = Some(pat.programs[0].1);
            });
        } else if Some(pid) == self.map_pid {
            let payload = packet.payload().expect("a table has a payload");
            self.map.push(packet.starts_unit(), payload, |section| {
                let map = Pmt::parse(section.expect("the checksum is right")).expect("a map");
                self.named = map.streams.iter().map(|stream| stream.pid).collect();
                assert!(self.named.is_empty() || self.named.contains(&map.pcr_pid), "the clock is named");
            });
        } else {
            assert!(self.named.contains(&pid), "the map in force does not name {pid}");
        }
    }
}

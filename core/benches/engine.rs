//! How many bytes of transport stream one core takes in a second, stage by stage.
//!
//! The stream is 66 MB of 4 Mbit/s at 25 fps: an IDR of 90 kB every 2 s, other pictures of 18 kB, sound of 128 kbit/s in a PES packet per
//! frame, a clock reference every 40 ms. It lies in memory, larger than any cache, and is pushed in pieces of 64 KiB, as
//! a socket gives them. The rates are those of the stream: the stages that copy nothing touch one cache line in three, so theirs is more
//! than the memory gives. Run with `cargo bench -p forebay-core`.

#[path = "../tests/support/muxer.rs"]
mod muxer;

use std::hint::black_box;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use forebay_core::time::Pts;
use forebay_core::ts::Packet;
use forebay_core::ts::demux::{Demux, Role};
use forebay_core::ts::packet::Bytes;
use forebay_core::ts::pes::Header;
use forebay_core::ts::random_access::{Scan, Verdict};
use forebay_core::ts::splice::Splice;
use forebay_core::ts::stream::Codec;
use forebay_core::ts::survey::Survey;
use forebay_core::ts::sync::{Item, Sync};

use muxer::Clip;

/// What a read from a socket gives at best.
const PIECE: usize = 64 * 1024;

static STREAM: LazyLock<Vec<u8>> = LazyLock::new(|| clip(0, 3200).into_flattened());

fn clip(start: u64, pictures: usize) -> Vec<Bytes> {
    Clip { start: Pts::new(start), pictures, gop: 50, sizes: [90_000, 18_000], sound: 341 }.mux()
}

fn main() {
    LazyLock::force(&STREAM);
    divan::main();
}

/// Cuts the stream in pieces, finds the packets, and hands them out in runs.
fn each_run(mut take: impl FnMut(&[Bytes])) {
    let mut sync = Sync::new();
    for piece in STREAM.chunks(PIECE) {
        let mut items = sync.push(piece);
        while let Some(item) = items.next() {
            if let Item::Packets(run) = item {
                take(run);
            }
        }
    }
}

/// Finds the packets and looks at none.
#[divan::bench(sample_count = 50)]
fn sync(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(STREAM.len())).bench_local(|| {
        let mut packets = 0;
        each_run(|run| packets += run.len());
        packets
    });
}

/// What a relay must know before it rewrites anything, and no more: whose packet it is, whether one is missing, the clock, the stamps,
/// and where the random access points are. The survey, which also counts, is measured by itself.
#[divan::bench(sample_count = 50)]
fn sync_and_index(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(STREAM.len())).bench_local(|| {
        let mut index = Index { demux: Demux::new(None), scan: None, entries: 0 };
        each_run(|run| run.iter().for_each(|bytes| index.push(Packet::new(bytes))));
        assert_eq!(index.entries, 64);
    });
}

struct Index {
    demux: Demux,
    scan: Option<Scan>,
    entries: u32,
}

impl Index {
    fn push(&mut self, packet: Packet<'_>) {
        let (Role::Stream(stream), _) = black_box(self.demux.handle_packet(packet)) else { return };
        black_box(packet.pcr());
        let mut content = packet.payload().unwrap_or_default();
        if packet.starts_unit() {
            let Some(header) = black_box(Header::parse(content)) else { return };
            content = &content[header.payload_at..];
            if stream == 0 {
                self.scan = Some(Scan::new(Codec::H264, packet.hints_random_access()));
            }
        }
        if stream == 0
            && let Some(scan) = &mut self.scan
        {
            match scan.push(content) {
                Verdict::Undecided => return,
                Verdict::Entry(_) => self.entries += 1,
                _ => {}
            }
            self.scan = None;
        }
    }
}

/// All that `forebay probe` tells.
#[divan::bench(sample_count = 50)]
fn survey(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(STREAM.len())).bench_local(|| {
        let mut survey = Survey::new(None);
        STREAM.chunks(PIECE).for_each(|piece| survey.push(piece));
        survey.report()
    });
}

/// The whole engine, for the first source of a channel: PES packets put together, tables and counters written, stamps as they are.
#[divan::bench(sample_count = 50)]
fn sync_and_splice(bencher: Bencher<'_, '_>) {
    bencher
        .counter(BytesCount::new(STREAM.len()))
        .with_inputs(|| Splice::new(None))
        .bench_local_refs(|splice| relay(splice, 0));
}

/// The same for a second source: every stamp and clock reference is moved.
#[divan::bench(sample_count = 50)]
fn sync_and_splice_restamping(bencher: Bencher<'_, '_>) {
    let before = clip(1_000_000_000, 10);
    let spliced = || {
        let mut splice = Splice::new(None);
        splice.push(&before);
        splice.finish();
        splice.begin();
        splice.clear(0);
        splice
    };
    bencher
        .counter(BytesCount::new(STREAM.len()))
        .with_inputs(spliced)
        .bench_local_refs(|splice| relay(splice, 1));
}

fn relay(splice: &mut Splice, splices: u64) {
    let mut sent = 0;
    each_run(|run| {
        splice.push(run);
        sent += black_box(splice.output().0).len();
        splice.clear(1 << 20);
    });
    assert!(sent > STREAM.len() - 1_000_000 && splice.counts().splices == splices);
}

//! How many bytes of transport stream one core takes in a second, stage by stage.
//!
//! The stream is 66 MB of 4 Mbit/s at 25 fps: an IDR of 90 kB every 2 s, other pictures of 18 kB,
//! sound of 128 kbit/s in a PES packet per frame, a clock reference every 40 ms. It lies in
//! memory, larger than any cache, and is pushed in pieces of 64 KiB, as a socket gives them. The
//! rates are those of the stream: the stages that copy nothing touch one cache line in three, so
//! theirs is more than the memory gives. Run with `cargo bench -p forebay-core`.

#[path = "../tests/support/clip.rs"]
mod clip;
#[path = "../tests/support/muxer.rs"]
mod muxer;

use std::hint::black_box;
use std::sync::LazyLock;

use divan::Bencher;
use divan::counter::BytesCount;
use forebay_core::health::{Inspector, Rules};
use forebay_core::remux::{Remuxer, Rendition};
use forebay_core::time::{Moment, Pts};
use forebay_core::ts::demux::{Demux, Role};
use forebay_core::ts::packet::Bytes;
use forebay_core::ts::pes::Header;
use forebay_core::ts::random_access::{Scan, Verdict};
use forebay_core::ts::splice::Splice;
use forebay_core::ts::stream::Codec;
use forebay_core::ts::survey::Survey;
use forebay_core::ts::sync::{Item, Sync};
use forebay_core::ts::{PACKET_SIZE, Packet};

use clip::Clip;

/// What a read from a socket gives at best.
const PIECE: usize = 64 * 1024;

/// Whose initialisation segment is used.
const FMP4: &[u8] = include_bytes!("../tests/data/h264_aac.mp4");

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

/// Finds out whose packet each is, and whether one is missing: the judge and the splice stage do
/// that each for itself.
#[divan::bench(sample_count = 50)]
fn sync_and_demux(bencher: Bencher<'_, '_>) {
    bencher.counter(BytesCount::new(STREAM.len())).bench_local(|| {
        let mut demux = Demux::new(None);
        each_run(|run| {
            for bytes in run {
                black_box(demux.handle_packet(Packet::new(bytes)));
            }
        });
    });
}

/// What a relay must know before it rewrites anything, and no more: whose packet it is, whether
/// one is missing, the clock, the stamps, and where the random access points are. The survey,
/// which also counts, is measured by itself.
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
                Verdict::RandomAccess(_) => self.entries += 1,
                _ => {}
            }
            self.scan = None;
        }
    }
}

/// Judging a source by its content, which is done beside the splice stage: clocks, what is
/// missing, damage, what comes again.
#[divan::bench(sample_count = 50)]
fn sync_and_judge(bencher: Bencher<'_, '_>) {
    // As it would come: 4 Mbit/s are 500 bytes in a millisecond.
    let at = |bytes: usize| Moment::from_millis((bytes / 500) as u64);
    bencher.counter(BytesCount::new(STREAM.len())).bench_local(|| {
        let (mut inspector, mut bytes) = (Inspector::new(Rules::default(), None), 0);
        each_run(|run| {
            bytes += run.len() * PACKET_SIZE;
            inspector.push(at(bytes), run);
        });
        black_box(inspector.poll_fault())
    });
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

/// The whole engine, for the first source of a channel: PES packets put together, tables and
/// counters written, stamps as they are.
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

/// The same pictures as fragments of two seconds, become a transport stream.
#[divan::bench(sample_count = 50)]
fn remux_fmp4(bencher: Bencher<'_, '_>) {
    let segments: Vec<Vec<u8>> = (0..64).map(|n| fragment(25_600 * n)).collect();
    let bytes: usize = segments.iter().map(Vec::len).sum();
    let init = &FMP4[..FMP4.windows(4).position(|kind| kind == b"moof").expect("there are fragments") - 4];
    let remuxer = || {
        let mut remuxer = Remuxer::new();
        remuxer.set_init(Rendition::Main, init).expect("ffmpeg made it");
        remuxer
    };
    bencher.counter(BytesCount::new(bytes)).with_inputs(remuxer).bench_local_refs(|remuxer| {
        let mut sent = 0;
        for segment in &segments {
            remuxer.push(Rendition::Main, segment).expect("it is whole");
            sent += black_box(remuxer.output()).len();
            remuxer.clear(4 << 20);
        }
        assert!(sent > bytes);
    });
}

/// The stream taken apart in segments of two seconds and put together with sound of another
/// rendition.
#[divan::bench(sample_count = 50)]
fn remux_with_audio(bencher: Bencher<'_, '_>) {
    // A little more than two seconds: how far it gets ahead is no matter here.
    let sound =
        [0xFF, 0xF1, 0x4C, 0x80, 0x2A, 0x7F, 0xFC].into_iter().chain([0x55; 332]).collect::<Vec<u8>>();
    let sound = sound.repeat(94);
    bencher
        .counter(BytesCount::new(STREAM.len()))
        .with_inputs(|| Remuxer::with_audio(None))
        .bench_local_refs(|remuxer| {
            let mut sent = 0;
            for segment in STREAM.chunks(STREAM.len() / PACKET_SIZE / 64 * PACKET_SIZE) {
                remuxer.push(Rendition::Main, segment).expect("it is whole");
                remuxer.push(Rendition::Audio, &sound).expect("it is whole");
                sent += black_box(remuxer.output()).len();
                remuxer.clear(4 << 20);
            }
            assert!(sent > STREAM.len() / 2);
        });
}

/// A fragment of an IDR picture of 90 kB and 49 of 18 kB from this time on, for the first track
/// of [`FMP4`].
fn fragment(time: u32) -> Vec<u8> {
    let mp4_box = |kind: &[u8; 4], body: &[u8]| {
        let size = u32::try_from(8 + body.len()).expect("a fragment is short");
        [&size.to_be_bytes(), &kind[..], body].concat()
    };
    let words = |numbers: &[u32]| numbers.iter().flat_map(|number| number.to_be_bytes()).collect::<Vec<u8>>();
    let sizes = std::iter::once(90_000).chain(std::iter::repeat_n(18_000, 49));
    let header = mp4_box(b"tfhd", &words(&[0x02_0028, 1, 512, 0x0101_0000]));
    let start = mp4_box(b"tfdt", &words(&[0, time]));
    // 8 of the moof box, 8 of the traf box, 8 of the run's own, 16 in front of its 50 sizes, and
    // 8 of the mdat box.
    let offset =
        u32::try_from(8 + 8 + header.len() + start.len() + 8 + 16 + 200 + 8).expect("a fragment is short");
    let run =
        [words(&[0x0205, 50, offset, 0x0200_0000]), words(&sizes.clone().collect::<Vec<u32>>())].concat();
    let boxes = mp4_box(b"moof", &mp4_box(b"traf", &[header, start, mp4_box(b"trun", &run)].concat()));
    let pictures = sizes.enumerate().flat_map(|(n, size)| {
        let slice = [if n == 0 { 0x65 } else { 0x41 }, 0b1001_1000];
        let filler = vec![0x55; usize::try_from(size).expect("a picture is short") - 6];
        [&(size - 4).to_be_bytes()[..], &slice, &filler].concat()
    });
    [boxes, mp4_box(b"mdat", &pictures.collect::<Vec<u8>>())].concat()
}

//! A gap in which connections are kept alive, in everything that keeps or cuts the output: the
//! ring, the trail, the segmenter. And what the real ffmpeg makes of it.

use std::time::Duration;

use forebay_core::segmenter::{Segment, Segmenter, SequenceNumbers, Settings};
use forebay_core::store_index::{Limits, MAX_CHUNK, StoreIndex};
use forebay_core::time::MediaTime;
use forebay_core::timeshift::pace::KeyframeIndex;
use forebay_core::ts::PACKET_SIZE;
use forebay_core::ts::splice::Splice;
use forebay_core::ts::splice::keep_alive::BATCH;
use forebay_testkit::ts::{Checker, demux};

/// Two seconds of H.264 and AAC, in groups of pictures of half a second.
const CLIP: &[u8] = include_bytes!("data/h264_aac.ts");

/// Four a second for 20 s.
const GAP: usize = 80;

/// A channel as its driver keeps it, from which nothing is let go of.
struct Channel {
    splice: Splice,
    store: Vec<u8>,
    index: StoreIndex,
    keyframes: KeyframeIndex,
    segmenter: Segmenter,
}

impl Channel {
    fn new() -> Self {
        let segment = Duration::from_secs(1);
        let settings = Settings { segment, window: segment * 100, bytes: 1 << 40 };
        Self {
            splice: Splice::new(None),
            store: Vec::new(),
            index: StoreIndex::new(Limits { span: Duration::from_hours(1), bytes: 1 << 40 }),
            keyframes: KeyframeIndex::default(),
            segmenter: Segmenter::new(settings, SequenceNumbers::default()),
        }
    }

    /// Writes the output, as at a tick.
    fn write(&mut self) {
        let base = self.store.len() as u64;
        let (output, points) = self.splice.output();
        self.store.extend_from_slice(output);
        self.index.append(output.len(), points, self.splice.position().unwrap_or_default());
        self.keyframes.advance(self.index.head(), self.index.position());
        for point in points {
            self.keyframes.push(base + point.at as u64, point);
            self.segmenter.push(base + point.at as u64, *point);
        }
        self.splice.clear(1 << 20);
    }

    /// A source that comes and ends.
    fn play(&mut self) {
        self.splice.begin();
        for packets in CLIP.as_chunks::<PACKET_SIZE>().0.chunks(50) {
            self.splice.push(packets);
            self.write();
        }
        self.splice.finish();
        self.write();
    }

    fn wait(&mut self, times: usize) {
        for _ in 0..times {
            assert!(self.splice.keep_alive());
            self.write();
        }
    }

    fn bytes(&self, segment: &Segment) -> &[u8] {
        let at = |offset: u64| usize::try_from(offset).expect("a short store");
        &self.store[at(segment.start)..at(segment.end)]
    }
}

/// Three clips, with a gap behind each.
fn with_gaps(times: usize) -> Channel {
    let mut channel = Channel::new();
    for _ in 0..3 {
        channel.play();
        channel.wait(times);
    }
    channel
}

#[test]
fn segments_are_the_same_with_a_gap_at_the_end_of_one() {
    let (without, channel) = (with_gaps(0), with_gaps(GAP));
    let facts = |channel: &Channel| {
        let segments = channel.segmenter.segments();
        segments.map(|one| (one.number, one.ticks, one.shown, one.is_discontinuous)).collect::<Vec<_>>()
    };
    assert_eq!(facts(&channel), facts(&without));
    let (mut nulls, mut end) = (Vec::new(), 0);
    for (segment, other) in channel.segmenter.segments().zip(without.segmenter.segments()) {
        let (bytes, report) = (channel.bytes(segment), Checker::check(channel.bytes(segment)));
        assert_eq!((segment.start, report.continuity_errors_total(), report.sync_errors), (end, 0, 0));
        assert_eq!(report.start.bytes_before_access, Some(2 * PACKET_SIZE as u64), "a picture at once");
        let pes = |bytes| demux(bytes).into_values().flatten().map(|pes| pes.payload).collect::<Vec<_>>();
        assert!(pes(bytes) == pes(without.bytes(other)), "segment {} has other media", segment.number);
        nulls.push(report.null_packets);
        end = segment.end;
    }
    // The last group of each clip has the gap; no segment is made of nothing else.
    let gap = (GAP * (BATCH - 2)) as u64;
    assert_eq!(nulls, [0, 0, 0, gap, 0, 0, 0, gap, 0, 0, 0]);
    assert_eq!(Checker::check(&channel.store).continuity_errors_total(), 0);
}

#[test]
fn the_position_stands_and_the_store_grows() {
    let mut channel = Channel::new();
    channel.play();
    let before = (channel.index.head(), channel.index.position(), channel.index.span());
    let (edges, memory) = (channel.index.edges(Duration::from_secs(1)), channel.index.memory());
    channel.wait(GAP);
    let length = (GAP * BATCH * PACKET_SIZE) as u64;
    assert_eq!(
        (channel.index.head() - length, channel.index.position(), channel.index.span()),
        before,
        "bytes, and no time"
    );
    let after = channel.index.edges(Duration::from_secs(1));
    assert_eq!((after.join, after.newest_entry, after.tail), (edges.join, edges.newest_entry, edges.tail));
    assert_eq!(
        (channel.keyframes.head(), channel.keyframes.position()),
        (after.head, channel.index.position())
    );
    assert!(
        channel.index.memory() <= 2 * memory,
        "a gap takes no index: {length} bytes, {MAX_CHUNK} in a chunk"
    );
    // A viewer of the time-shift finds its way through it.
    let (at, ..) = channel.keyframes.reach(MediaTime::new(0)).expect("there is a time-shift");
    assert_eq!(at, 0);
    assert!(channel.keyframes.at(after.head - PACKET_SIZE as u64).is_some_and(|span| span.end == after.head));
}

mod players {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    /// The pictures and sounds that ffmpeg decodes, as checksums; it must find nothing wrong.
    fn frames(bytes: &[u8], name: &str) -> Vec<String> {
        let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&path, bytes).expect("the folder of tests can be written");
        let input = ["-v", "warning", "-xerror", "-err_detect", "explode", "-i"];
        let output = ["-map", "0", "-fps_mode", "passthrough", "-f", "framehash", "-"];
        let output = Command::new("ffmpeg").args(input).arg(&path).args(output).output();
        let output = output.expect("this test needs `ffmpeg`");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success() && said.is_empty(), "{name}: {said}");
        let lines = String::from_utf8(output.stdout).expect("ffmpeg writes text");
        lines.lines().filter(|line| !line.starts_with('#')).map(ToOwned::to_owned).collect()
    }

    #[test]
    fn ffmpeg_decodes_the_same_with_a_gap() {
        let (without, channel) = (with_gaps(0), with_gaps(GAP));
        let expected = frames(&without.store, "without-gap.ts");
        assert!(expected.len() > 3 * 50);
        assert_eq!(frames(&channel.store, "with-gap.ts"), expected);
        let second = channel.segmenter.segments().nth(3).expect("a segment with a gap");
        assert!(!frames(channel.bytes(second), "segment-with-gap.ts").is_empty());
    }
}

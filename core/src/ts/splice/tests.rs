//! Sources in, and what an independent checker says of the output.

mod cuts;
mod keep_alive;
mod order;
mod scrambled;
mod sound_boundary;
mod stills;

use forebay_testkit::ts::build::{Muxer, h264, section};
use forebay_testkit::ts::{Checker, Limits, Packet, Pes, Report, demux};

use super::*;
use crate::ts::packet::PACKET_SIZE;

const FRAME: u64 = 3_600;
const GOP: u64 = 25;
const VIDEO: u16 = 0x100;
const AUDIO: u16 = 0x101;

/// A source: pictures of H.264 and a sound frame with each, a clock in each picture.
struct Source {
    muxer: Muxer,
    video: u16,
    audio: u16,
    /// Decoding time of picture 0.
    start: u64,
    /// How far the clock runs ahead of decoding, in ticks.
    delay: u64,
}

impl Source {
    fn new() -> Self {
        Self { muxer: Muxer::h264_aac(), video: VIDEO, audio: AUDIO, start: 900_000, delay: 18_000 }
    }

    fn other(muxer: Muxer, video: u16, audio: u16) -> Self {
        Self { muxer, video, audio, start: 77_000_000, delay: 18_000 }
    }

    fn tables(&mut self) -> Vec<u8> {
        [self.muxer.pat(), self.muxer.pmt()].concat()
    }

    fn picture(&mut self, n: u64) -> Vec<u8> {
        let slice = if n.is_multiple_of(GOP) { h264::idr(1500) } else { h264::predicted(700) };
        let dts = self.start + n * FRAME;
        self.muxer.pes(self.video, dts + 2 * FRAME, Some(dts), &slice, Some((dts - self.delay) * 300))
    }

    fn sound(&mut self, n: u64) -> Vec<u8> {
        self.muxer.pes(self.audio, self.start + n * FRAME, None, &[n.to_le_bytes()[0]; 300], None)
    }

    /// Tables, and these pictures with their sound.
    fn pictures(&mut self, range: std::ops::Range<u64>) -> Vec<u8> {
        let mut out = self.tables();
        for n in range {
            out.extend(self.picture(n));
            out.extend(self.sound(n));
        }
        out
    }
}

fn push(splice: &mut Splice, bytes: &[u8]) {
    let (packets, rest) = bytes.as_chunks::<PACKET_SIZE>();
    assert!(rest.is_empty());
    splice.push(packets);
}

fn output(splice: &Splice) -> Vec<u8> {
    splice.output().0.to_vec()
}

fn check(bytes: &[u8]) -> Report {
    let report = Checker::check(bytes);
    report.assert_within(&Limits { dts_gap: Duration::from_secs(1), ..Limits::default() });
    report
}

fn times(pes: &[Pes]) -> Vec<u64> {
    pes.iter().filter_map(|pes| pes.dts.or(pes.pts)).collect()
}

/// What a second source gives behind 50 pictures of the first, which breaks off in the middle of
/// the last.
fn switch_to(second: &[u8]) -> (Splice, Vec<u8>) {
    let mut splice = Splice::new(None);
    let first = Source::new().pictures(0..50);
    push(&mut splice, &first[..first.len() - 5 * PACKET_SIZE]);
    splice.begin();
    push(&mut splice, second);
    splice.finish();
    let bytes = output(&splice);
    (splice, bytes)
}

#[test]
fn the_first_packets_are_tables_and_a_random_access_point() {
    let mut splice = Splice::new(None);
    push(&mut splice, &Source::new().pictures(7..60));
    let (bytes, points) = splice.output();
    check(bytes);
    assert_eq!(
        points.iter().map(|point| point.kind).collect::<Vec<_>>(),
        [RandomAccess::Idr, RandomAccess::Idr]
    );
    assert_eq!(points[0].at, 0);
    for point in points {
        let pids = [0, 1, 2]
            .map(|n| Packet::new(&bytes[point.at + n * PACKET_SIZE..][..PACKET_SIZE]).unwrap().pid());
        assert_eq!(pids, [0, 0x1000, VIDEO]);
    }
    let times = times(&demux(bytes)[&VIDEO]);
    assert_eq!(times[0], 900_000 + 25 * FRAME, "the first source keeps its own stamps");
}

#[test]
fn the_sound_of_the_first_picture_is_sent_though_it_came_before_all_of_that() {
    let mut source = Source::new();
    let mut stream = source.tables();
    let shown = source.start + GOP * FRAME + 2 * FRAME;
    let sound = |source: &mut Source, at: u64| source.muxer.pes(AUDIO, at, None, &[7; 300], None);
    stream.extend(sound(&mut source, shown - 100));
    stream.extend(sound(&mut source, shown + 100));
    stream.extend(source.picture(GOP));
    stream.extend(sound(&mut source, shown + 200));
    for n in GOP + 1..2 * GOP {
        stream.extend(source.picture(n));
    }
    let mut splice = Splice::new(None);
    push(&mut splice, &stream);
    let bytes = output(&splice);
    check(&bytes);
    assert_eq!(times(&demux(&bytes)[&AUDIO]), [shown + 100, shown + 200]);
    assert_eq!(splice.counts().units_dropped, 1);
    assert!(
        Packet::new(&bytes[2 * PACKET_SIZE..][..PACKET_SIZE]).is_some_and(|packet| packet.pid() == VIDEO),
        "pictures come first"
    );
}

#[test]
fn elementary_streams_pass_bit_by_bit() {
    let mut splice = Splice::new(None);
    let source = Source::new().pictures(0..60);
    push(&mut splice, &source);
    splice.finish();
    let (sent, got) = (demux(&source), demux(&output(&splice)));
    for pid in [VIDEO, AUDIO] {
        let payloads = |pes: &[Pes]| pes.iter().map(|pes| pes.payload.clone()).collect::<Vec<_>>();
        // The sound before the first picture's end is not waited for.
        let (sent, got) = (payloads(&sent[&pid]), payloads(&got[&pid]));
        assert!(sent.ends_with(&got) && got.len() >= sent.len() - 1, "{} of {}", got.len(), sent.len());
    }
}

#[test]
fn a_picture_that_was_cut_off_is_not_sent_and_the_next_source_follows_closely() {
    let mut second = Source::other(Muxer::new(0x50, 0x31).stream(0x31, 0x1b).stream(0x32, 0x0f), 0x31, 0x32);
    let (splice, bytes) = switch_to(&second.pictures(3..60));
    let report = check(&bytes);
    assert_eq!((report.pmt_versions, report.streams.len()), (vec![0], 2));
    let pes = demux(&bytes);
    assert_eq!(pes.keys().copied().collect::<Vec<_>>(), [VIDEO, AUDIO]);
    // Whether the very last is complete, only its successor could tell.
    assert!(pes.values().all(|pes| pes[..pes.len() - 1].iter().all(|pes| pes.complete)));
    let times = times(&pes[&VIDEO]);
    assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 3 * FRAME && pair[0] < pair[1]), "{times:?}");
    assert_eq!((splice.counts().splices, splice.counts().codec_changes), (1, 0));
}

#[test]
fn pids_that_mean_something_else_in_the_next_source_are_told_apart() {
    let swapped = Muxer::new(VIDEO, AUDIO).stream(AUDIO, 0x1b).stream(0x1000, 0x0f);
    let (_, bytes) = switch_to(&Source::other(swapped, AUDIO, 0x1000).pictures(0..40));
    let report = check(&bytes);
    assert_eq!(report.pmt_versions, [0]);
    assert!(report.pes_packets[&VIDEO] > 80 && report.pes_packets[&AUDIO] > 80);
}

#[test]
fn another_codec_is_announced_and_counted() {
    let hevc = |kind: u8| [0, 0, 1, kind << 1, 1, 0xAF];
    let access_unit = [hevc(32), hevc(33), hevc(34), hevc(19)].concat();
    let mut muxer = Muxer::h264_aac();
    muxer.change_streams(&[(VIDEO, 0x24), (AUDIO, 0x0f)]);
    let mut second = [muxer.pat(), muxer.pmt()].concat();
    for n in 0..30 {
        let dts = 500_000 + n * FRAME;
        second.extend(muxer.pes(VIDEO, dts, Some(dts - 900), &access_unit, Some((dts - 18_000) * 300)));
    }
    let (splice, bytes) = switch_to(&second);
    let report = check(&bytes);
    assert_eq!(report.pmt_versions, [0, 1]);
    let video = report.streams.iter().find(|stream| stream.stream_type == 0x24).unwrap();
    assert_ne!(video.pid, VIDEO, "a player that knows the PID as H.264 must not get HEVC on it");
    assert_eq!(report.pes_packets[&video.pid], 30);
    assert_eq!((splice.counts().codec_changes, splice.counts().map_changes), (1, 1));
}

#[test]
fn tracks_are_matched_by_language() {
    let languages = |codes: [&[u8; 3]; 2]| {
        let descriptor = |code: &[u8; 3]| [&[0x0A, 4][..], code, &[0]].concat();
        Muxer::new(0x1000, VIDEO)
            .stream(VIDEO, 0x1b)
            .stream_with(AUDIO, 0x0f, &descriptor(codes[0]))
            .stream_with(0x102, 0x0f, &descriptor(codes[1]))
    };
    let mut splice = Splice::new(None);
    let mut first = Source { muxer: languages([b"eng", b"deu"]), ..Source::new() };
    push(&mut splice, &first.pictures(0..30));
    splice.begin();
    splice.clear(usize::MAX);
    // German comes first here.
    let mut second = Source::other(languages([b"deu", b"eng"]), VIDEO, AUDIO);
    push(&mut splice, &second.pictures(0..30));
    let pes = demux(&output(&splice));
    assert!(pes[&0x102].len() > 20 && !pes.contains_key(&AUDIO));
    assert_eq!(splice.counts().map_changes, 0);
}

#[test]
fn a_jump_of_the_clock_is_bridged() {
    for jump in [3_600 * 90_000, 20 * 90_000, 8_000_000_000] {
        let mut splice = Splice::new(None);
        let mut source = Source::new();
        push(&mut splice, &source.pictures(0..40));
        source.start = (source.start + jump) % Pts::WRAP;
        push(&mut splice, &source.pictures(41..100));
        let bytes = output(&splice);
        check(&bytes);
        assert_eq!((splice.counts().clock_jumps, splice.counts().splices), (1, 1), "a jump of {jump}");
        let times = times(&demux(&bytes)[&VIDEO]);
        assert!(times.windows(2).all(|pair| pair[1] - pair[0] <= 3 * FRAME));
    }
}

#[test]
fn a_clock_that_stands_still_is_no_progress_though_its_pictures_are_sent() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    push(&mut splice, &source.pictures(0..30));
    assert!(splice.take_progress());
    let sent = demux(&output(&splice))[&VIDEO].len();
    for n in 30..60 {
        // The same picture time again and again.
        source.start = 900_000 + 29 * FRAME - n * FRAME;
        push(&mut splice, &source.picture(n));
    }
    assert!(!splice.take_progress());
    let bytes = output(&splice);
    check(&bytes);
    let times = times(&demux(&bytes)[&VIDEO]);
    assert_eq!(times.len(), sent + 30, "a decoder needs each");
    assert!(times.last().unwrap() - times[sent] < FRAME, "they take no time");
    push(&mut splice, &vec![Muxer::null(); 50].concat());
    assert!(!splice.take_progress());
}

#[test]
fn the_clock_never_goes_back_though_the_next_source_is_sent_longer_ahead() {
    let mut second = Source { delay: 120_000, ..Source::other(Muxer::h264_aac(), VIDEO, AUDIO) };
    let (_, bytes) = switch_to(&second.pictures(0..60));
    let report = Checker::check(&bytes);
    assert_eq!((report.pcr_backward, report.continuity_errors_total(), report.dts_backward.len()), (0, 0, 0));
    assert!(report.dts_gap[&VIDEO] < Duration::from_millis(1400), "{:?}", report.dts_gap);
}

#[test]
fn what_the_source_lost_stays_visible_and_copies_do_not() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    let mut bytes = source.pictures(0..30);
    let (packets, _) = bytes.as_chunks::<PACKET_SIZE>();
    let at = packets.iter().rposition(|packet| Packet::new(packet).unwrap().pid() == VIDEO).unwrap() - 1;
    let copy: Vec<u8> = packets[at].to_vec();
    // One packet twice, and one not at all.
    bytes.splice(at * PACKET_SIZE..at * PACKET_SIZE, copy);
    bytes.drain((at - 10) * PACKET_SIZE..(at - 9) * PACKET_SIZE);
    push(&mut splice, &bytes);
    push(&mut splice, &source.pictures(30..60));
    assert_eq!((splice.counts().continuity_errors, splice.input_counts().continuity_errors), (1, 1));
    assert_eq!(Checker::check(&output(&splice)).continuity_errors_total(), 1);
}

#[test]
fn counters_may_begin_anew_where_a_segment_ends() {
    for is_told in [true, false] {
        let mut splice = Splice::new(None);
        splice.begin();
        push(&mut splice, &Source::new().pictures(0..GOP));
        if is_told {
            splice.cut();
        }
        // The same multiplexer, whose counters begin at zero again.
        let mut next = Source::new();
        let segment: Vec<u8> =
            (GOP..2 * GOP).flat_map(|n| [next.picture(n), next.sound(n)].concat()).collect();
        push(&mut splice, &segment);
        splice.finish();
        assert_eq!(splice.counts().continuity_errors == 0, is_told);
        assert_eq!(Checker::check(&output(&splice)).continuity_errors_total() == 0, is_told);
    }
}

#[test]
fn a_clock_on_a_pid_of_its_own_passes() {
    let mut splice = Splice::new(None);
    let mut muxer = Muxer::new(0x1000, 0x1F0).stream(VIDEO, 0x1b);
    let mut bytes = [muxer.pat(), muxer.pmt()].concat();
    for n in 0..60 {
        let dts = 900_000 + n * FRAME;
        bytes.extend(muxer.pcr(0x1F0, (dts - 18_000) * 300));
        let picture = if n % GOP == 0 { h264::idr(500) } else { h264::predicted(500) };
        bytes.extend(muxer.pes(VIDEO, dts, Some(dts - 1), &picture, None));
    }
    push(&mut splice, &bytes);
    let report = check(&output(&splice));
    assert_eq!((report.pcr_pid, report.pcr.count > 50), (Some(0x1F0), true));
}

#[test]
fn a_first_picture_whose_clock_is_found_late_has_its_tables_once() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    // The first map names the sound's PID for the clock, and none comes there; the next one does
    // not. The end of the picture is lost.
    let mut wrong = Muxer::new(0x1000, AUDIO).stream(VIDEO, 0x1b).stream(AUDIO, 0x0f);
    let picture = source.picture(0);
    let mut bytes = [&wrong.pat()[..], &wrong.pmt(), &picture[..picture.len() - PACKET_SIZE]].concat();
    bytes.extend(source.pictures(1..GOP));
    push(&mut splice, &bytes);
    let (bytes, points) = splice.output();
    let pids: Vec<u16> = (0..3)
        .map(|n| Packet::new(&bytes[points[0].at + n * PACKET_SIZE..][..PACKET_SIZE]).unwrap().pid())
        .collect();
    assert_eq!(pids, [0, 0x1000, VIDEO]);
}

#[test]
fn sound_alone_begins_at_any_frame_and_again_every_half_second() {
    let mut splice = Splice::new(None);
    let mut muxer = Muxer::new(0x1000, AUDIO).stream(AUDIO, 0x0f);
    let mut bytes = [muxer.pat(), muxer.pmt()].concat();
    for n in 0..100 {
        let pts = 900_000 + n * FRAME;
        bytes.extend(muxer.pes(AUDIO, pts, None, &[7; 200], Some((pts - 9_000) * 300)));
    }
    push(&mut splice, &bytes);
    let (bytes, points) = splice.output();
    check(bytes);
    assert_eq!((points.len(), points[0].at, points[0].kind), (8, 0, RandomAccess::Audio));
}

#[test]
fn tables_come_often_enough_though_the_clock_does_not() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    let mut bytes = source.tables();
    for n in 0..200 {
        let dts = 900_000 + n * FRAME;
        let picture = if n % 100 == 0 { h264::idr(500) } else { h264::predicted(500) };
        let pcr = (n % 25 == 0).then_some((dts - 18_000) * 300);
        bytes.extend(source.muxer.pes(VIDEO, dts + 1, Some(dts), &picture, pcr));
    }
    push(&mut splice, &bytes);
    let report = Checker::check(&output(&splice));
    // The checker's clock is the stream's: half a second is counted in pictures, of three packets
    // each.
    let limit = 13 * 3 * PACKET_SIZE as u64;
    let (pat, pmt) = (report.pat.longest_bytes, report.pmt.longest_bytes);
    assert!(pat <= limit && pmt <= limit, "{pat} and {pmt} bytes");
}

#[test]
fn a_source_without_random_access_points_is_shown_after_a_while() {
    let mut splice = Splice::new(None);
    let mut source = Source::new();
    let mut bytes = source.tables();
    (1..GOP * 16).filter(|n| !n.is_multiple_of(GOP)).for_each(|n| bytes.extend(source.picture(n)));
    push(&mut splice, &bytes);
    let (_, points) = splice.output();
    assert_eq!(points.first().map(|point| point.kind), Some(RandomAccess::Blind));
}

#[test]
fn of_several_programmes_the_first_with_video_is_taken_unless_told_otherwise() {
    for (wanted, expected) in [(None, 0x200), (Some(3), 0x300)] {
        let mut splice = Splice::new(wanted);
        let mut pat = vec![];
        for (number, pid) in [(1u16, 0x1000u16), (2, 0x1001), (3, 0x1002)] {
            pat.extend(number.to_be_bytes());
            pat.extend((0xE000 | pid).to_be_bytes());
        }
        let mut radio = Muxer::new(0x1000, 0x150).program(1).stream(0x150, 0x0f);
        let mut two = Source::other(Muxer::new(0x1001, 0x200).program(2).stream(0x200, 0x1b), 0x200, 0x201);
        let mut three = Source::other(Muxer::new(0x1002, 0x300).program(3).stream(0x300, 0x1b), 0x300, 0x301);
        let mut bytes = radio.section(0, &section(0, 1, 0, &pat));
        bytes.extend([radio.pmt(), two.muxer.pmt(), three.muxer.pmt()].concat());
        (0..60).for_each(|n| bytes.extend([two.picture(n), three.picture(n)].concat()));
        push(&mut splice, &bytes);
        let report = check(&output(&splice));
        assert_eq!(report.video_pid(), Some(expected));
        assert_eq!(report.unknown_pids.len(), 0);
    }
}

/// Clips that ffmpeg made, several sound frames to a PES packet and fewer in the last: as they are
/// looped, no sound is lost that follows on.
#[test]
fn sound_goes_on_across_the_start_of_a_loop() {
    let clips: [&[u8]; 2] = [
        include_bytes!("../../../tests/data/hevc_ac3.ts"),
        include_bytes!("../../../tests/data/mpeg2_mp2.ts"),
    ];
    for clip in clips {
        let mut splice = Splice::new(None);
        for _ in 0..3 {
            push(&mut splice, clip);
            splice.finish();
            splice.begin();
        }
        assert_eq!((splice.counts().splices, splice.counts().units_dropped), (2, 0));
    }
}

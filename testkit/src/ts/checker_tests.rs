use super::*;
use crate::ts::build::{Muxer, h264};
use crate::ts::{Access, Limits};

/// 40 ms in 90 kHz ticks.
const PICTURE: u64 = 3600;

/// A clean stream of so many pictures with tables every ten.
fn pictures(mux: &mut Muxer, range: std::ops::Range<u64>) -> Vec<u8> {
    let mut out = Vec::new();
    for number in range {
        let dts = 100_000 + number * PICTURE;
        let pcr = Some((dts - 30_000) * 300);
        if number % 10 == 0 {
            out.extend(mux.pat());
            out.extend(mux.pmt());
            out.extend(mux.key_pes(0x100, dts + PICTURE, Some(dts), &h264::idr(700), pcr));
        } else {
            out.extend(mux.pes(0x100, dts + PICTURE, Some(dts), &h264::predicted(400), pcr));
        }
        out.extend(mux.pes(0x101, dts, None, &[0x55; 300], None));
    }
    out
}

fn clean() -> Vec<u8> {
    pictures(&mut Muxer::h264_aac(), 0..50)
}

fn packets(stream: &[u8]) -> Vec<Vec<u8>> {
    stream.chunks(PACKET_SIZE).map(<[u8]>::to_vec).collect()
}

fn faults(stream: &[u8]) -> Vec<String> {
    Checker::check(stream).faults(&Limits::default())
}

#[test]
fn a_clean_stream_has_no_faults_in_pieces_of_any_size() {
    let stream = clean();
    let whole = Checker::check(&stream);
    whole.assert_clean();
    assert_eq!(whole.start.access, Some(Access::Key));
    assert_eq!(whole.start.bytes_before_access, Some(2 * 188));
    assert_eq!((whole.pat.count, whole.pmt.count, whole.pcr.count), (5, 5, 50));
    assert_eq!(whole.pat.longest, Duration::from_millis(400));
    assert_eq!(whole.media_time, Duration::from_millis(49 * 40));
    assert_eq!(whole.dts_gap[&0x100], Duration::from_millis(40));
    assert_eq!((whole.video_pid(), whole.audio_pids()), (Some(0x100), vec![0x101]));
    for size in [1, 7, 187, 189, 1000] {
        let mut checker = Checker::new();
        stream.chunks(size).for_each(|piece| checker.push(piece));
        assert_eq!(format!("{:?}", checker.report()), format!("{whole:?}"), "in pieces of {size}");
    }
}

#[test]
fn a_lost_packet_is_one_continuity_error_of_its_pid() {
    let mut list = packets(&clean());
    let at = list.iter().skip(9).position(|packet| packet[2] == 0x01).unwrap() + 9;
    list.remove(at);
    let report = Checker::check(&list.concat());
    assert_eq!(report.continuity_errors, BTreeMap::from([(0x101, 1)]));
}

#[test]
fn one_repeat_is_allowed_and_two_are_not() {
    let mut list = packets(&clean());
    list.insert(6, list[5].clone());
    assert_eq!(faults(&list.concat()), [""; 0]);
    list.insert(6, list[5].clone());
    assert_eq!(faults(&list.concat()), ["1 continuity errors"]);
}

#[test]
fn an_announced_jump_is_no_error() {
    let mut list = packets(&clean());
    let jump = |list: &mut Vec<Vec<u8>>, flag: u8| {
        let mut packet = Muxer::new(0x1000, 0x100).pcr(0x100, 70_000 * 300);
        packet[3] |= 9;
        packet[5] |= flag;
        list.insert(8, packet);
    };
    let mut unannounced = list.clone();
    jump(&mut unannounced, 0);
    jump(&mut list, 0x80);
    assert_eq!(Checker::check(&unannounced.concat()).continuity_errors[&0x100], 2, "there and back");
    let report = Checker::check(&list.concat());
    assert_eq!((report.continuity_errors_total(), report.discontinuities), (1, 1), "back again is one");
}

#[test]
fn bytes_in_between_lose_the_sync() {
    let stream = clean();
    let broken = [&stream[..1880], b"not a packet", &stream[1880..]].concat();
    assert_eq!(Checker::check(&broken).sync_errors, 1);
    let report = Checker::check(&stream[..1000]);
    assert_eq!(report.trailing_bytes, 1000 - 5 * 188);
    assert!(report.faults(&Limits { cut_end: false, ..Limits::default() })[0].contains("after the last"));
}

#[test]
fn a_wrong_checksum_is_found() {
    let mut stream = clean();
    stream[12] ^= 1;
    let report = Checker::check(&stream);
    assert_eq!(report.crc_errors, 1);
    assert!(!report.start.pmt_next);
}

#[test]
fn time_that_goes_backward_is_found() {
    let mut mux = Muxer::h264_aac();
    let stream = [pictures(&mut mux, 10..20), pictures(&mut mux, 0..10)].concat();
    let report = Checker::check(&stream);
    assert_eq!(report.pcr_backward, 1);
    assert_eq!(report.dts_backward, BTreeMap::from([(0x100, 1), (0x101, 1)]));
}

#[test]
fn time_that_jumps_forward_is_found() {
    let mut mux = Muxer::h264_aac();
    let stream = [pictures(&mut mux, 0..10), pictures(&mut mux, 100..110)].concat();
    let report = Checker::check(&stream);
    assert_eq!(report.dts_gap[&0x100], Duration::from_millis(91 * 40));
    assert_eq!(report.pcr.longest, Duration::from_millis(91 * 40));
    assert_eq!(report.faults(&Limits::default()).len(), 5, "{:?}", report.faults(&Limits::default()));
}

#[test]
fn a_start_that_cannot_be_decoded_is_found() {
    let stream = clean();
    assert!(faults(&stream[188..]).iter().any(|fault| fault.contains("does not begin with a PAT")));
    let mut mux = Muxer::h264_aac();
    let late = [mux.pat(), mux.pmt(), pictures(&mut mux, 1..20)].concat();
    let report = Checker::check(&late);
    assert_eq!(report.start.access, Some(Access::Dependent));
    assert!(report.start.bytes_before_access.unwrap() > 1000);
    assert!(report.faults(&Limits::default())[0].contains("no random access point"));
    let mut mux = Muxer::h264_aac();
    let audio =
        [mux.pat(), mux.pmt(), mux.pes(0x101, 1, None, &[1; 9], None), pictures(&mut mux, 0..9)].concat();
    assert!(!Checker::check(&audio).start.media_next);
}

#[test]
fn a_new_version_and_an_unknown_pid_are_seen() {
    let mut mux = Muxer::h264_aac();
    let mut stream = pictures(&mut mux, 0..10);
    mux.change_streams(&[(0x100, 0x1b)]);
    stream.extend(pictures(&mut mux, 10..20));
    let report = Checker::check(&stream);
    assert_eq!(report.pmt_versions, [0, 1]);
    assert_eq!(report.unknown_pids, [0x101].into());
}

#[test]
fn scrambled_and_damaged_packets_are_counted() {
    let mut stream = clean();
    stream[2 * 188 + 3] |= 0x80;
    stream[3 * 188 + 1] |= 0x80;
    let report = Checker::check(&stream);
    assert_eq!((report.scrambled, report.damaged), (1, 1));
}

#[test]
fn a_long_pmt_takes_more_than_one_packet() {
    let mut mux = Muxer::h264_aac().stream_with(0x102, 0x06, &[[0x59, 98].as_slice(), &[7; 98]].concat());
    mux = mux.stream_with(0x103, 0x06, &[[0x56, 98].as_slice(), &[7; 98]].concat());
    let pmt = mux.pmt();
    assert_eq!(pmt.len(), 2 * 188);
    let report = Checker::check(&[mux.pat(), pmt, pictures(&mut mux, 1..9)].concat());
    assert!(report.start.pmt_next && report.start.media_next, "{report:?}");
    assert_eq!(report.streams.len(), 4);
}

#[test]
fn payloads_come_back_out() {
    let mut mux = Muxer::h264_aac();
    let payloads: Vec<Vec<u8>> = (170..220).map(|size| vec![0x42; size]).collect();
    let mut stream = Vec::new();
    for (number, payload) in (0u64..).zip(&payloads) {
        stream.extend(mux.pes(0x100, number, Some(number), payload, Some(number)));
        stream.extend(mux.pes(0x101, number, None, payload, None));
        stream.extend(Muxer::null());
    }
    let streams = crate::ts::demux(&stream);
    for (pid, complete) in [(0x100, 49), (0x101, 50)] {
        let got: Vec<_> = streams[&pid].iter().map(|pes| pes.payload.clone()).collect();
        assert_eq!(got, payloads);
        assert_eq!(
            streams[&pid].iter().filter(|pes| pes.complete).count(),
            complete,
            "the last may be unbounded"
        );
    }
    let mut list = packets(&stream);
    list.remove(1);
    assert!(!crate::ts::demux(&list.concat())[&0x100][0].complete);
}

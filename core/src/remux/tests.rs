use std::collections::BTreeMap;
use std::time::Duration;

use forebay_testkit::ts::build::{Muxer, h264};
use forebay_testkit::ts::{Checker, Limits, Packet, Pes, PmtStream, Report, demux};

use super::*;
use crate::ts::PACKET_SIZE;
use crate::ts::random_access::RandomAccess;
use crate::ts::splice::Splice;

const VIDEO: u16 = 0x100;
const SOUND: u16 = 0x101;

const TS: &[u8] = include_bytes!("../../tests/data/h264_aac.ts");
const FMP4: &[u8] = include_bytes!("../../tests/data/h264_aac.mp4");
const HEVC: &[u8] = include_bytes!("../../tests/data/hevc_ac3.mp4");
const MP3: &[u8] = include_bytes!("../../tests/data/mp3.mp4");

/// What a remuxer makes of all steps.
fn play(remuxer: &mut Remuxer, steps: &[(Rendition, &[u8])]) -> Vec<u8> {
    for (rendition, bytes) in steps {
        remuxer.push(*rendition, bytes).unwrap();
    }
    remuxer.finish();
    let output = remuxer.output().to_vec();
    remuxer.clear(0);
    output
}

/// Judges a stream that may begin with sound. Behind the last picture the clock comes with the
/// frames of sound, and may be one late.
fn check(bytes: &[u8]) -> Report {
    let limits = Limits {
        tables: Duration::from_millis(200),
        pcr: Duration::from_millis(40 + 22),
        clean_start: false,
        ..Limits::default()
    };
    let report = Checker::check(bytes);
    report.assert_within(&limits);
    report
}

/// The PES packets of a transport stream of which the last is complete.
fn all(bytes: &[u8]) -> BTreeMap<u16, Vec<Pes>> {
    let mut streams = demux(bytes);
    for pes in streams.values_mut().filter_map(|list| list.last_mut()) {
        pes.complete = true;
    }
    streams
}

/// When each PES packet is shown, without what is added to all times, and what it holds.
fn content(list: &[Pes]) -> Vec<(u64, &[u8])> {
    list.iter()
        .map(|pes| {
            assert!(pes.complete);
            (Pts::new(pes.pts.unwrap()).shifted(-SHIFT).ticks(), &pes.payload[..])
        })
        .collect()
}

/// The same of PES packets of a source.
fn shifted(list: &[Pes]) -> Vec<(u64, &[u8])> {
    list.iter().map(|pes| (pes.pts.unwrap(), &pes.payload[..])).collect()
}

/// Two segments of a stream, cut in front of the PAT that is nearest to the middle.
fn halves(bytes: &[u8]) -> [&[u8]; 2] {
    let packets = bytes.len() / PACKET_SIZE;
    let is_pat = |n: &usize| Packet::new(&bytes[n * PACKET_SIZE..][..PACKET_SIZE]).unwrap().pid() == 0;
    let at = (packets / 2..packets).find(is_pat).unwrap() * PACKET_SIZE;
    [&bytes[..at], &bytes[at..]]
}

/// A segment of packed audio: what PES packets hold, behind the time of the first.
fn packed(list: &[Pes]) -> Vec<u8> {
    let mut out =
        b"ID3\x04\0\0\0\0\0\x3FPRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0".to_vec();
    out.extend(list[0].pts.unwrap().to_be_bytes());
    out.extend(list.iter().flat_map(|pes| &pes.payload));
    out
}

fn streams(report: &Report) -> Vec<(u16, u8, Option<[u8; 3]>)> {
    let language = |stream: &PmtStream| crate::ts::stream::language(&stream.descriptors);
    report.streams.iter().map(|stream| (stream.pid, stream.stream_type, language(stream))).collect()
}

#[test]
fn fragments_become_a_stream_that_the_splice_stage_takes() {
    for (bytes, entries) in
        [(FMP4, [RandomAccess::Idr, RandomAccess::Idr]), (HEVC, [RandomAccess::Idr, RandomAccess::OpenGop])]
    {
        let output = play(&mut Remuxer::new(), &[(Rendition::Main, bytes)]);
        let report = check(&output);
        assert_eq!(report.pes_packets[&VIDEO], 100);
        assert_eq!(report.pmt_versions, [0]);
        let mut splice = Splice::new(None);
        splice.push(output.as_chunks().0);
        splice.finish();
        let points: Vec<RandomAccess> = splice.output().1.iter().map(|point| point.kind).collect();
        assert_eq!(points, entries);
        assert_eq!(splice.counts().continuity_errors + splice.counts().clock_jumps, 0);
        assert_eq!(Checker::check(splice.output().0).pes_packets[&VIDEO], 100);
    }
}

#[test]
fn random_access_points_stand_behind_tables() {
    let output = play(&mut Remuxer::new(), &[(Rendition::Main, FMP4)]);
    let packets: Vec<Packet<'_>> =
        output.chunks_exact(PACKET_SIZE).map(|bytes| Packet::new(bytes).unwrap()).collect();
    let marked: Vec<usize> = (0..packets.len()).filter(|&n| packets[n].is_random_access()).collect();
    assert_eq!(marked.len(), 2);
    for at in marked {
        assert_eq!([2, 1, 0].map(|back| packets[at - back].pid()), [0, 0x1000, VIDEO]);
        assert!(packets[at].pcr().is_some());
    }
}

#[test]
fn sound_of_its_own_is_put_beside_the_main_rendition() {
    let source = all(TS);
    let sound = &source[&SOUND];
    // Segments of sound that end elsewhere than those of pictures.
    let [one, two, three] = [&sound[..3], &sound[3..7], &sound[7..]].map(packed);
    let [first, second] = halves(TS);
    let (main, audio) = (Rendition::Main, Rendition::Audio);
    let orders: [&[(Rendition, &[u8])]; 3] = [
        &[(main, first), (audio, &one), (audio, &two), (main, second), (audio, &three)],
        &[(audio, &one), (audio, &two), (audio, &three), (main, first), (main, second)],
        &[(main, first), (main, second), (audio, &one), (audio, &two), (audio, &three)],
    ];
    for order in orders {
        let mut remuxer = Remuxer::with_audio(Some("fr-CA"));
        let output = play(&mut remuxer, order);
        let report = check(&output);
        let mut told = streams(&report);
        told.sort_by_key(|stream| stream.2);
        let [video, german, french] = told[..] else { panic!("{told:?}") };
        assert_eq!([video.1, german.1, french.1], [0x1B, 0x0F, 0x0F]);
        assert_eq!([video.2, german.2, french.2], [None, Some(*b"deu"), Some(*b"fra")]);
        let output = all(&output);
        assert_eq!(content(&output[&video.0]), shifted(&source[&VIDEO]));
        assert_eq!(content(&output[&german.0]), shifted(sound));
        // Frame by frame now, and without those in front of the first picture.
        let french: Vec<u8> = output[&french.0].iter().flat_map(|pes| pes.payload.clone()).collect();
        let whole: Vec<u8> = sound.iter().flat_map(|pes| pes.payload.clone()).collect();
        assert!(whole.ends_with(&french) && french.len() * 20 > whole.len() * 19);
        assert_eq!(remuxer.counts().unmatched, 0);
    }
}

#[test]
fn sound_in_front_of_the_first_picture_is_left_out() {
    let sound: Vec<Pes> = all(TS)[&SOUND].clone();
    let early: Vec<Pes> = sound
        .into_iter()
        .map(|pes| Pes { pts: Some(Pts::new(pes.pts.unwrap()).shifted(-90_000).ticks()), ..pes })
        .collect();
    let mut remuxer = Remuxer::with_audio(Some("fra"));
    let output = play(&mut remuxer, &[(Rendition::Main, TS), (Rendition::Audio, &packed(&early))]);
    // A second of frames.
    assert!((45..=50).contains(&remuxer.counts().out_of_time), "{:?}", remuxer.counts());
    let output = all(&output);
    let [.., french] = &output.values().collect::<Vec<_>>()[..] else { panic!("no streams") };
    let begin = output[&VIDEO][0].dts.min(output[&SOUND][0].dts);
    assert!(french[0].pts >= begin, "{:?} in front of {begin:?}", french[0].pts);
}

#[test]
fn everything_goes_out_in_the_order_of_its_decoding() {
    let sound = packed(&all(TS)[&SOUND]);
    let output = play(&mut Remuxer::with_audio(None), &[(Rendition::Audio, &sound), (Rendition::Main, FMP4)]);
    let mut times = Vec::new();
    for bytes in output.as_chunks::<PACKET_SIZE>().0 {
        let packet = crate::ts::Packet::new(bytes);
        if packet.starts_unit()
            && let Some(header) = pes::Header::parse(packet.payload().unwrap())
        {
            times.push(header.decode_time().unwrap().ticks());
        }
    }
    assert!(times.len() > 200 && times.is_sorted());
}

/// Ten seconds of pictures, one a second, from this second on.
fn pictures(muxer: &mut Muxer, second: u64) -> Vec<u8> {
    let mut out = [muxer.pat(), muxer.pmt()].concat();
    for second in second..second + 10 {
        out.extend(muxer.key_pes(VIDEO, 90_000 * second, None, &h264::idr(300), None));
    }
    out
}

#[test]
fn a_rendition_is_not_waited_for_for_ever() {
    let mut muxer = Muxer::new(0x1000, VIDEO).stream(VIDEO, 0x1B);
    let mut remuxer = Remuxer::with_audio(None);
    let mut packets = 0;
    for turn in 0..20 {
        remuxer.push(Rendition::Main, &pictures(&mut muxer, 1000 + 10 * turn)).unwrap();
        let sent = Checker::check(remuxer.output());
        packets += sent.pes_packets.get(&VIDEO).copied().unwrap_or(0);
        remuxer.clear(0);
        // Half a minute, and the last picture, which may go on.
        assert_eq!(packets, (10 * turn + 9).saturating_sub(31), "in turn {turn}");
        assert_eq!(remuxer.counts().unmatched, packets);
        assert!(remuxer.memory() < 60_000);
    }
    // What comes too late is left out, and what comes in time is not.
    let late = |second: u64| {
        let list: Vec<Pes> = all(TS)[&SOUND].clone();
        packed(&list.into_iter().map(|pes| Pes { pts: Some(90_000 * second), ..pes }).collect::<Vec<_>>())
    };
    remuxer.push(Rendition::Audio, &late(1160)).unwrap();
    assert!(remuxer.counts().out_of_time > 100);
    let before = remuxer.counts().out_of_time;
    remuxer.push(Rendition::Audio, &late(1190)).unwrap();
    remuxer.finish();
    assert_eq!(remuxer.counts().out_of_time, before);
}

#[test]
fn bytes_that_are_held_are_limited() {
    let mut muxer = Muxer::new(0x1000, VIDEO).stream(VIDEO, 0x1B);
    let mut remuxer = Remuxer::with_audio(None);
    for n in 0..80 {
        let mut segment = [muxer.pat(), muxer.pmt()].concat();
        segment.extend(muxer.key_pes(VIDEO, 90_000 + 3600 * n, None, &h264::idr(1 << 20), None));
        remuxer.push(Rendition::Main, &segment).unwrap();
        remuxer.clear(0);
        // A picture is a megabyte, and one is being put together.
        assert!(remuxer.memory() <= (64 + 3) << 20, "{} bytes in turn {n}", remuxer.memory());
    }
    assert!(remuxer.counts().unmatched > 0);
}

#[test]
fn a_discontinuity_begins_another_timeline_in_the_same_programme() {
    let mut remuxer = Remuxer::new();
    let first = play(&mut remuxer, &[(Rendition::Main, FMP4)]);
    remuxer.reset();
    let second = play(&mut remuxer, &[(Rendition::Main, FMP4)]);
    let report = Checker::check(&[&first[..], &second].concat());
    assert_eq!((report.continuity_errors_total(), &report.pmt_versions[..]), (0, &[0][..]));
    assert_eq!(report.discontinuities, 1, "the clock's step is announced");
    assert_eq!(report.pes_packets[&VIDEO], 200);
    assert_eq!(content(&all(&first)[&VIDEO]), content(&all(&second)[&VIDEO]));
}

#[test]
fn other_streams_are_another_version_of_the_map() {
    let mut remuxer = Remuxer::new();
    let mut output = play(&mut remuxer, &[(Rendition::Main, FMP4)]);
    for bytes in [MP3, HEVC, FMP4, FMP4] {
        remuxer.reset();
        output.extend(play(&mut remuxer, &[(Rendition::Main, bytes)]));
    }
    let report = Checker::check(&output);
    assert_eq!((report.continuity_errors_total(), report.unknown_pids.len()), (0, 0));
    assert_eq!(report.pmt_versions, [0, 1, 2, 3]);
    // The first streams come back to their PIDs.
    let pids: Vec<u16> = report.streams.iter().map(|stream| stream.pid).collect();
    assert_eq!((pids, report.pcr_pid), (vec![VIDEO, SOUND], Some(VIDEO)));
}

#[test]
fn time_stamps_wrap_without_a_step() {
    let mut muxer = Muxer::h264_aac();
    let begin = Pts::WRAP - 90_000;
    let mut segments: [Vec<u8>; 2] = [[muxer.pat(), muxer.pmt()].concat(), Vec::new()];
    for n in 0..100 {
        let time = Pts::new(begin + 3600 * n).ticks();
        let segment = &mut segments[usize::from(n >= 20)];
        segment.extend(muxer.key_pes(VIDEO, time, None, &h264::idr(500), None));
        segment.extend(muxer.pes(SOUND, time, None, &[0xFF; 50], None));
    }
    let [first, second] = &segments;
    let sound = packed(
        &all(TS)[&SOUND].iter().map(|pes| Pes { pts: Some(begin), ..pes.clone() }).collect::<Vec<_>>(),
    );
    let steps = [(Rendition::Main, &first[..]), (Rendition::Audio, &sound), (Rendition::Main, second)];
    let output = play(&mut Remuxer::with_audio(None), &steps);
    let report = check(&output);
    assert_eq!(report.pes_packets[&VIDEO], 100);
    assert!(report.pes_packets.values().all(|&count| count >= 100), "{:?}", report.pes_packets);
}

#[test]
fn the_clock_goes_on_between_pictures_that_are_far_apart() {
    let mut muxer = Muxer::h264_aac();
    let mut segment = [muxer.pat(), muxer.pmt()].concat();
    for n in 0..100 {
        if n % 10 == 0 {
            segment.extend(muxer.key_pes(VIDEO, 90_000 + 1800 * n, None, &h264::idr(500), None));
        }
        segment.extend(muxer.pes(SOUND, 90_000 + 1800 * n, None, &[0xFF; 50], None));
    }
    let report = Checker::check(&play(&mut Remuxer::new(), &[(Rendition::Main, &segment)]));
    assert_eq!(report.continuity_errors_total() + report.pcr_backward, 0);
    // The sound comes every 20 ms, in which the clock is a fraction late.
    assert!(report.pcr.longest <= Duration::from_millis(60), "{:?}", report.pcr);
    assert_eq!(report.discontinuities, 0);
}

#[test]
fn pes_packets_that_segments_divide_are_put_together() {
    let source = all(TS);
    for at in [500 * PACKET_SIZE, 501 * PACKET_SIZE, 502 * PACKET_SIZE] {
        let (first, second) = TS.split_at(at);
        let output =
            play(&mut Remuxer::with_audio(None), &[(Rendition::Main, first), (Rendition::Main, second)]);
        let output = all(&output);
        assert_eq!(content(&output[&VIDEO]), shifted(&source[&VIDEO]));
        assert_eq!(content(&output[&SOUND]), shifted(&source[&SOUND]));
    }
}

#[test]
fn what_cannot_be_used_is_told_and_the_next_segment_is_taken() {
    let mut remuxer = Remuxer::new();
    let code = |outcome: Result<(), Error>| {
        outcome.map_err(|error| (error.reason.code(), error.reason.is_lasting()))
    };
    let fragment = &FMP4[FMP4.windows(4).position(|kind| kind == b"moof").unwrap() - 4..];
    let main = Rendition::Main;
    assert_eq!(code(remuxer.push(main, fragment)), Err(("no_init_segment", true)));
    assert_eq!(code(remuxer.push(main, b"<html>not found</html>")), Err(("not_media", false)));
    assert_eq!(code(remuxer.push(main, b"WEBVTT\n\n")), Err(("not_media", false)));
    assert_eq!(code(remuxer.set_init(main, b"")), Err(("not_media", false)));
    let error = remuxer.push(Rendition::Audio, b"FAILED TO CONNECT").unwrap_err();
    assert_eq!(error.to_string(), "the audio rendition: text came where media should be");
    assert_eq!(code(remuxer.push(main, &FMP4[..FMP4.len() - 100])), Err(("damaged_segment", false)));
    assert_eq!(code(remuxer.push(main, FMP4)), Ok(()));
    remuxer.finish();
    assert!(Checker::check(remuxer.output()).pes_packets[&VIDEO] >= 198);
}

#[test]
fn sample_aes_and_scrambled_packets_are_refused() {
    let mut muxer = Muxer::new(0x1000, VIDEO).stream(VIDEO, 0xDB);
    let encrypted = pictures(&mut muxer, 1);
    let mut scrambled = pictures(&mut Muxer::new(0x1000, VIDEO).stream(VIDEO, 0x1B), 1);
    for packet in scrambled.chunks_exact_mut(PACKET_SIZE).skip(2) {
        packet[3] |= 0x80;
    }
    for segment in [encrypted, scrambled] {
        let error = Remuxer::with_audio(None).push(Rendition::Main, &segment).unwrap_err();
        assert_eq!(error.reason.code(), "encrypted");
    }
}

#[test]
fn an_initialisation_segment_may_come_again_and_with_every_segment() {
    let at = FMP4.windows(4).position(|kind| kind == b"moof").unwrap() - 4;
    let (init, fragments) = FMP4.split_at(at);
    let mut remuxer = Remuxer::new();
    for _ in 0..2 {
        remuxer.set_init(Rendition::Main, init).unwrap();
    }
    remuxer.push(Rendition::Main, fragments).unwrap();
    remuxer.set_init(Rendition::Main, init).unwrap();
    remuxer.finish();
    assert_eq!(remuxer.output(), play(&mut Remuxer::new(), &[(Rendition::Main, FMP4)]));
    // Of a transport stream it holds the tables.
    let mut muxer = Muxer::h264_aac();
    let tables = [muxer.pat(), muxer.pmt()].concat();
    let picture = (0..4)
        .flat_map(|n| muxer.key_pes(VIDEO, 90_000 * n, None, &h264::idr(300), None))
        .collect::<Vec<u8>>();
    let mut remuxer = Remuxer::new();
    remuxer.set_init(Rendition::Main, &tables).unwrap();
    assert_eq!(Checker::check(&play(&mut remuxer, &[(Rendition::Main, &picture)])).pes_packets[&VIDEO], 4);
}

#[test]
fn sections_pass_and_their_counter_goes_on() {
    let mut muxer = Muxer::h264_aac().stream(0x120, 0x86);
    let mut segment = [muxer.pat(), muxer.pmt()].concat();
    let cue = forebay_testkit::ts::build::section(0xFC, 0, 0, &[0; 9]);
    for n in 0..40 {
        segment.extend(muxer.key_pes(VIDEO, 90_000 + 3600 * n, None, &h264::idr(300), None));
        segment.extend(muxer.section(0x120, &cue));
    }
    let output = play(&mut Remuxer::with_audio(None), &[(Rendition::Main, &segment)]);
    let cues = |bytes: &[u8]| -> Vec<Vec<u8>> {
        let packets = bytes.chunks_exact(PACKET_SIZE).map(|bytes| Packet::new(bytes).unwrap());
        packets.filter(|packet| packet.pid() == 0x120).map(|packet| packet.payload().to_vec()).collect()
    };
    assert_eq!(cues(&output), cues(&segment));
    assert_eq!(Checker::check(&output).continuity_errors_total(), 0);
}

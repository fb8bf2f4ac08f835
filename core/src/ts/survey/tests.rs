use std::time::Duration;

use super::*;
use crate::ts::stream::{Class, Codec};

/// Made with ffmpeg: see the README beside them.
const H264_AAC: &[u8] = include_bytes!("../../../tests/data/h264_aac.ts");
const HEVC_AC3: &[u8] = include_bytes!("../../../tests/data/hevc_ac3.ts");
const MPEG2_MP2: &[u8] = include_bytes!("../../../tests/data/mpeg2_mp2.ts");

/// The report, and that it is the same however the bytes are cut.
fn survey(bytes: &[u8]) -> Report {
    let of = |size: usize| {
        let mut survey = Survey::new(None);
        bytes.chunks(size).for_each(|piece| survey.push(piece));
        survey.report()
    };
    let whole = of(bytes.len());
    for size in [1316, 5000] {
        assert_eq!(of(size), whole, "in pieces of {size}");
    }
    whole
}

/// What the report says of the streams, a line each.
fn lines(report: &Report) -> Vec<String> {
    let line = |stream: &Stream| {
        let video = stream.video.as_ref().map(|video| {
            let (format, gop) = (video.format.as_ref().unwrap(), video.gop.unwrap());
            let (pictures, seconds) = (gop.pictures, gop.seconds);
            format!(
                ", {}x{} {} {}, {:.2} fps, {:?}, {}/{:.1}/{} pictures, {:.2}/{:.2} s",
                format.width,
                format.height,
                format.profile,
                format.level,
                video.frame_rate.unwrap(),
                video.entries,
                pictures.min,
                pictures.mean,
                pictures.max,
                seconds.min,
                seconds.max,
            )
        });
        let audio = stream.audio.as_ref();
        let audio =
            audio.map(|audio| format!(", {} Hz, {} channels", audio.sample_rate, audio.channels.unwrap()));
        format!("{} {}{}", stream.pid, stream.codec, video.or(audio).unwrap_or_default())
    };
    report.streams.iter().map(line).collect()
}

#[test]
fn h264_and_aac() {
    let report = survey(H264_AAC);
    assert_eq!((report.packet_size, report.packets), (Some(188), 513));
    assert_eq!((report.bytes, report.skipped_bytes, report.null_packets), (96_444, 0, 0));
    assert_eq!((report.programs.as_slice(), report.program), (&[1][..], Some(1)));
    assert_eq!((report.map_pid, report.clock_pid), (Some(Pid::new(0x1000)), Some(Pid::new(0x100))));
    assert_eq!(
        lines(&report),
        [
            "0x0100 H.264, 320x180 Main 1.2, 25.00 fps, [(Idr, 4)], 25/25.0/25 pictures, 1.00/1.00 s",
            "0x0101 AAC, 48000 Hz, 2 channels",
        ]
    );
    let [video, audio] = &report.streams[..] else { panic!("two streams") };
    assert_eq!((video.class, video.language, video.units), (Class::Video, None, 100));
    assert_eq!((audio.codec, audio.language, audio.continuity_errors), (Codec::Aac, Some(*b"deu"), 0));
    let (low, high) = video.pts.unwrap();
    assert_eq!((low.ticks(), high.ticks()), (133_200, 133_200 + 99 * 3600));
}

#[test]
fn hevc_and_ac3() {
    assert_eq!(
        lines(&survey(HEVC_AC3)),
        [
            "0x0100 HEVC, 320x180 Main 2.0, 25.00 fps, [(Idr, 1), (OpenGop, 1)], 46/46.0/46 pictures, 1.84/1.84 s",
            "0x0101 AC-3, 48000 Hz, 6 channels",
        ]
    );
}

#[test]
fn mpeg2_and_mp2() {
    assert_eq!(
        lines(&survey(MPEG2_MP2)),
        [
            "0x0100 MPEG-2 video, 176x144 Main Main, 25.00 fps, [(OpenGop, 7)], 10/11.7/12 pictures, 0.40/0.48 s",
            "0x0101 MPEG audio, 44100 Hz, 1 channels",
        ]
    );
}

#[test]
fn the_clock_measures_time_and_rates() {
    let report = survey(H264_AAC);
    let clock = report.clock;
    assert_eq!((clock.references, clock.jumps), (52, 0));
    assert_eq!((clock.mean_interval_us, clock.max_interval_us), (76_862, 80_000));
    assert_eq!(report.duration, Duration::from_millis(3920));
    // The whole file plays 4 s, so the rates are about those of the file: sound comes in bursts.
    let rate_of = |packets: u64| packets * 188 * 8 / 4;
    let is_near =
        |rate: Option<u64>, packets| rate.unwrap().abs_diff(rate_of(packets)) < rate_of(packets) / 8;
    assert!(is_near(report.bitrate, report.packets), "{report:?}");
    assert!(report.streams.iter().all(|stream| is_near(stream.bitrate, stream.packets)), "{report:?}");
}

#[test]
fn damage_is_counted_where_it_is() {
    let mut bytes = b"HTTP/1.1 200 OK\r\n\r\n".to_vec();
    let garbage = bytes.len() as u64;
    let (packets, _) = H264_AAC.as_chunks::<188>();
    let is_audio = |packet: &[u8; 188]| Packet::new(packet).pid() == Pid::new(0x101);
    let lost = packets.iter().rposition(is_audio).unwrap() - 20;
    let lost = lost + packets[lost..].iter().position(is_audio).unwrap();
    for (index, packet) in packets.iter().enumerate() {
        if index != lost {
            bytes.extend(packet);
        }
    }
    bytes.extend([0x47, 0x1F, 0xFF, 0x10].into_iter().chain([0xFF; 184]));
    let report = survey(&bytes);
    assert_eq!((report.skipped_bytes, report.null_packets), (garbage, 1));
    let errors: Vec<u64> = report.streams.iter().map(|stream| stream.continuity_errors).collect();
    assert_eq!(errors, [0, 1]);
}

#[test]
fn what_is_no_stream_is_all_skipped() {
    let report = survey(&[b'x'; 10_000]);
    assert_eq!((report.packet_size, report.program, report.skipped_bytes), (None, None, 10_000));
    assert_eq!((report.bitrate, report.duration), (None, Duration::ZERO));
    assert!(report.streams.is_empty());
}

#[test]
fn stamps_measure_where_there_is_no_clock() {
    let mut bytes = H264_AAC.to_vec();
    let (packets, _) = bytes.as_chunks_mut::<188>();
    for packet in packets.iter_mut().filter(|packet| Packet::new(packet).pcr().is_some()) {
        packet[5] &= !0x10;
    }
    let report = survey(&bytes);
    assert_eq!((report.clock.references, report.clock_pid), (0, Some(Pid::new(0x100))));
    assert!((3.9..4.1).contains(&report.duration.as_secs_f64()), "{:?}", report.duration);
    assert!(report.bitrate.is_some() && report.streams[0].bitrate.is_some());
}

//! Sources whose tables are wrong, odd or missing, as multiplexers in the field write them: what
//! goes out is the same as of the well-made source.

#![allow(clippy::print_stdout, reason = "measured numbers are told")]

use std::path::Path;
use std::process::Command;

use forebay_core::ts::packet::{self, Bytes};
use forebay_core::ts::psi::{Pat, Pmt, Sections, crc32, packetize};
use forebay_core::ts::splice::Splice;
use forebay_core::ts::{PACKET_SIZE, Packet, Pid};

const CLIP: &[u8] = include_bytes!("data/h264_aac.ts");

/// The clip, several times in a row, on one timeline: 4 s each.
fn source() -> Vec<Bytes> {
    let (packets, _) = CLIP.as_chunks::<PACKET_SIZE>();
    packets.to_vec()
}

fn section_of(packets: &[Bytes], pid: Pid) -> Vec<u8> {
    let (mut sections, mut found) = (Sections::default(), None);
    for packet in packets.iter().map(Packet::new).filter(|packet| packet.pid() == pid) {
        sections.push(packet.starts_unit(), packet.payload().expect("a table has a payload"), |section| {
            found = found.take().or_else(|| section.ok().map(<[u8]>::to_vec));
        });
    }
    found.expect("the clip has this table")
}

fn map_pid(packets: &[Bytes]) -> Pid {
    Pat::parse(&section_of(packets, Pid::PAT)).expect("a PAT").programs[0].1
}

/// `packets` with these packets in place of each that carries `pid`.
fn replaced(packets: &[Bytes], pid: Pid, new: &[Bytes]) -> Vec<Bytes> {
    let (mut out, mut counter) = (Vec::new(), 0);
    for bytes in packets {
        if Packet::new(bytes).pid() != pid {
            out.push(*bytes);
            continue;
        }
        for mut bytes in new.iter().copied() {
            packet::set_continuity(&mut bytes, counter);
            counter = counter.wrapping_add(1);
            out.push(bytes);
        }
    }
    out
}

/// `section` with another checksum at its end: right, or not.
fn with_checksum(mut section: Vec<u8>, is_right: bool) -> Vec<u8> {
    section.truncate(section.len() - 4);
    let crc = crc32(&section) ^ u32::from(!is_right);
    section.extend(crc.to_be_bytes());
    section
}

/// What goes out.
fn spliced(packets: &[Bytes]) -> Vec<Bytes> {
    let mut splice = Splice::new(None);
    splice.begin();
    splice.push(packets);
    splice.finish();
    splice.output().0.as_chunks::<PACKET_SIZE>().0.to_vec()
}

/// PES packets of pictures and of sound that go out.
fn passed(packets: &[Bytes]) -> (usize, usize) {
    let output = spliced(packets);
    let units = output.iter().map(Packet::new).filter(|packet| packet.starts_unit());
    let of = |id: u8| {
        units.clone().filter(|it| it.payload().is_some_and(|it| it.starts_with(&[0, 0, 1, id]))).count()
    };
    (of(0xE0), of(0xC0))
}

/// All of it, but for what came before the tables were believed.
fn assert_passes(what: &str, packets: &[Bytes], pictures_lost: usize) {
    let whole = passed(&source());
    let (pictures, sound) = passed(packets);
    assert!(pictures + pictures_lost >= whole.0, "{what}: {pictures} of {} pictures", whole.0);
    assert!(sound > 0, "{what}: no sound");
    // ffmpeg on the source and on what goes out.
    let (direct, relayed) = (decoded(what, packets), decoded(&format!("{what}, relayed"), &spliced(packets)));
    println!("{what}: ffmpeg decodes {} pictures directly, {} relayed", direct.len(), relayed.len());
    assert!(relayed.len() + pictures_lost >= direct.len(), "{what}: {} of {}", relayed.len(), direct.len());
    let good = decoded(&format!("{what}, well made"), &source());
    let wrong = relayed.iter().filter(|picture| !good.contains(picture)).count();
    assert!(!relayed.is_empty() && wrong == 0, "{what}: {wrong} of {} pictures are wrong", relayed.len());
}

/// The pictures that the real ffmpeg decodes, as checksums.
fn decoded(what: &str, packets: &[Bytes]) -> Vec<String> {
    let name: String = what.chars().map(|it| if it.is_ascii_alphanumeric() { it } else { '-' }).collect();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("tables-{name}.ts"));
    std::fs::write(&path, packets.as_flattened()).expect("the folder of tests can be written");
    let output = Command::new("ffmpeg")
        .args(["-v", "quiet", "-threads", "1", "-i"])
        .arg(&path)
        .args(["-map", "0:v", "-fps_mode", "passthrough", "-f", "framemd5", "-"])
        .output();
    let output = output.unwrap_or_else(|error| panic!("this test needs `ffmpeg`: {error}"));
    let said = String::from_utf8(output.stdout).expect("ffmpeg writes text");
    let lines = said.lines().filter(|line| !line.starts_with('#'));
    lines.filter_map(|line| Some(line.rsplit(',').next()?.trim().to_owned())).collect()
}

#[test]
fn a_checksum_that_is_always_wrong() {
    let source = source();
    for pid in [Pid::PAT, map_pid(&source)] {
        let wrong = packetize(&with_checksum(section_of(&source, pid), false), pid);
        // Tables come every 0.1 s, key pictures every second.
        assert_passes(&format!("wrong checksum on {pid}"), &replaced(&source, pid, &wrong), 25);
    }
}

#[test]
fn a_pat_in_two_sections() {
    let source = source();
    let ours = Pat::parse(&section_of(&source, Pid::PAT)).unwrap();
    let other = Pat { programs: vec![(9, Pid::new(0x900))], ..ours.clone() };
    for ours_is in [0, 1] {
        let mut sections = Vec::new();
        for (number, pat) in [(ours_is, &ours), (1 - ours_is, &other)] {
            let mut section = pat.render();
            (section[6], section[7]) = (number, 1);
            sections.extend(packetize(&with_checksum(section, true), Pid::PAT));
        }
        assert_passes("PAT in two sections", &replaced(&source, Pid::PAT, &sections), 25);
    }
}

#[test]
fn a_length_that_runs_over() {
    let source = source();
    let pid = map_pid(&source);
    let map = Pmt::parse(&section_of(&source, pid)).unwrap();
    let mut section = map.render();
    let at = section.len() - 4 - map.streams.last().unwrap().descriptors.len() - 2;
    section[at + 1] = section[at + 1].wrapping_add(9);
    let packets = packetize(&with_checksum(section, true), pid);
    assert_passes("ES_info_length too long", &replaced(&source, pid, &packets), 0);
}

#[test]
fn a_length_of_descriptors_that_is_wrong() {
    let source = source();
    let pid = map_pid(&source);
    let map = Pmt::parse(&section_of(&source, pid)).unwrap();
    // None, and one of a registration.
    for descriptors in [&b""[..], b"\x05\x04HDMV"] {
        let section = Pmt { descriptors: descriptors.to_vec(), ..map.clone() }.render();
        let said = u16::try_from(descriptors.len()).unwrap();
        let rest = u16::try_from(section.len()).unwrap() - 16;
        // Short of it, into the first stream, to the end of the section, beyond it.
        for length in [0, 1, 3, said + 1, said + 3, said + 5, rest - 1, rest, rest + 1, 0xFFF] {
            let mut section = section.clone();
            section[10..12].copy_from_slice(&(0xF000 | length).to_be_bytes());
            let packets = packetize(&with_checksum(section, true), pid);
            let what = format!("program_info_length {length} for {said}");
            assert_passes(&what, &replaced(&source, pid, &packets), 0);
        }
    }
}

#[test]
fn a_pmt_in_two_sections() {
    let source = source();
    let pid = map_pid(&source);
    let map = Pmt::parse(&section_of(&source, pid)).unwrap();
    let (pictures, sound) = map.streams.split_at(1);
    for parts in [[pictures, sound], [sound, pictures]] {
        for order in [[0, 1], [1, 0]] {
            let mut sections = Vec::new();
            for number in order {
                let mut section = Pmt { streams: parts[number].to_vec(), ..map.clone() }.render();
                (section[6], section[7]) = (u8::try_from(number).unwrap(), 1);
                sections.extend(packetize(&with_checksum(section, true), pid));
            }
            assert_passes(&format!("PMT in two sections, {order:?}"), &replaced(&source, pid, &sections), 25);
        }
    }
}

#[test]
fn no_tables_at_all() {
    let source = source();
    let pid = map_pid(&source);
    let is_media = |bytes: &&Bytes| ![Pid::PAT, pid].contains(&Packet::new(bytes).pid());
    let bare: Vec<Bytes> = source.iter().filter(is_media).copied().collect();
    // They are waited for 1.5 s, and key pictures come every second.
    assert_passes("neither PAT nor PMT", &bare, 75);
    let without_map = replaced(&source, pid, &[]);
    assert_passes("no PMT", &without_map, 75);
}

#[test]
fn every_packet_marked_as_damaged() {
    let mut source = source();
    for bytes in &mut source {
        bytes[1] |= 0x80;
    }
    assert_passes("transport_error_indicator", &source, 25);
    let mut splice = Splice::new(None);
    splice.push(&source);
    let (output, _) = splice.output().0.as_chunks::<PACKET_SIZE>();
    assert!(output.iter().all(|bytes| !Packet::new(bytes).is_damaged()), "players would throw them away");
    assert_eq!(splice.input_counts().damaged, 0);
}

#[test]
fn marks_of_damage_among_whole_packets_are_counted_and_kept() {
    let mut source = source();
    for index in (0..source.len()).step_by(100) {
        source[index][1] |= 0x80;
    }
    let marked = source.len().div_ceil(100);
    // A player of the source itself has all pictures.
    assert_passes("one packet of a hundred marked", &source, 25);
    let mut splice = Splice::new(None);
    splice.push(&source);
    let counts = splice.input_counts();
    assert_eq!((counts.damaged, counts.continuity_errors), (marked as u64, 0), "each counts once");
    let (output, _) = splice.output().0.as_chunks::<PACKET_SIZE>();
    let kept = output.iter().filter(|bytes| Packet::new(bytes).is_damaged()).count();
    assert!(2 * kept >= marked, "players decide: {kept} of {marked}");
}

#[test]
fn a_damaged_packet_that_continues_nothing_does_not_pass() {
    let mut source = source();
    let whole = passed(&source);
    let of_video =
        |bytes: &&Bytes| Packet::new(bytes).payload().is_some() && !Packet::new(bytes).starts_unit();
    let mut strayed = *source.iter().filter(of_video).nth(40).expect("there are so many");
    let counter = Packet::new(&strayed).continuity();
    packet::set_continuity(&mut strayed, counter + 7);
    strayed[1] |= 0x80;
    let at = source.len() / 2;
    source.insert(at, strayed);
    assert_eq!(passed(&source), whole);
    let mut splice = Splice::new(None);
    splice.push(&source);
    let counts = splice.input_counts();
    assert_eq!((counts.damaged, counts.continuity_errors), (1, 0));
}

#[test]
fn service_information_passes() {
    // What a section says is nobody's business here; one of 300 bytes takes two packets.
    let event = [&[0x4E, 0xF1, 0x29][..], &[0xAB; 297]].concat();
    let services = [&[0x42, 0xF1, 0x29][..], &[0xAB; 297]].concat();
    // Table and length, then a date and a time (EN 300 468, 5.2.5).
    let time = vec![0x70, 0x70, 0x05, 0xE4, 0x00, 0x12, 0x34, 0x56];
    for (pid, section) in [(0x11, services), (0x12, event), (0x14, time)] {
        passes(pid, &packetize(&section, Pid::new(pid)));
    }
}

/// The packets of this table pass, and none of them where the source has become another service.
fn passes(pid: u16, table: &[Bytes]) {
    // The clip has a table of services of its own.
    let is_other = |bytes: &Bytes| Packet::new(bytes).pid().value() != pid;
    let clip: Vec<Bytes> = source().into_iter().filter(is_other).collect();
    let pat = Pat::parse(&section_of(&clip, Pid::PAT)).expect("the clip has it");
    let mut with_table = Vec::new();
    for (index, bytes) in clip.iter().enumerate() {
        with_table.push(*bytes);
        if index % 50 == 49 {
            let first = table.len() * (index / 50);
            with_table.extend(table.iter().copied().enumerate().map(|(part, mut bytes)| {
                packet::set_continuity(
                    &mut bytes,
                    u8::try_from((first + part) % 16).expect("the clip has it"),
                );
                bytes
            }));
        }
    }
    let came = clip.len() / 50;
    let mut splice = Splice::new(None);
    splice.push(&with_table);
    let found = |splice: &Splice| {
        let (output, _) = splice.output().0.as_chunks::<PACKET_SIZE>();
        let packets: Vec<Bytes> =
            output.iter().filter(|bytes| Packet::new(bytes).pid().value() == pid).copied().collect();
        packets
    };
    let passed = found(&splice);
    let whole = table.len();
    assert!(passed.len() >= whole * (came - 2), "{pid:#x}: {} packets of {}", passed.len(), whole * came);
    assert!(passed.len().is_multiple_of(whole), "whole sections");
    let payload = |bytes: &Bytes| Packet::new(bytes).payload().map(<[u8]>::to_vec);
    for (passed, sent) in passed.iter().zip(table.iter().cycle()) {
        assert_eq!(payload(passed), payload(sent), "{pid:#x} is as it was");
    }
    let counters: Vec<u8> = passed.iter().map(|bytes| Packet::new(bytes).continuity()).collect();
    assert!(counters.windows(2).all(|pair| pair[1] == (pair[0] + 1) & 15), "{pid:#x}: {counters:?}");

    // Of another service it would mislead.
    let other = packetize(&Pat { transport_stream_id: 77, ..pat }.render(), Pid::PAT);
    splice.clear(0);
    splice.begin();
    splice.push(&replaced(&with_table, Pid::PAT, &other));
    assert_eq!(found(&splice).len(), 0, "{pid:#x}");
}

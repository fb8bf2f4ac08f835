use super::*;
use crate::time::Pts;
use crate::ts::codec_headers::VideoFormat;
use crate::ts::packet::PACKET_SIZE;

/// Two seconds with B-frames and AAC; see `core/tests/data`.
const AVC: &[u8] = include_bytes!("../../tests/data/h264_aac.ts");
const HEVC: &[u8] = include_bytes!("../../tests/data/hevc_ac3.ts");
const MPEG2: &[u8] = include_bytes!("../../tests/data/mpeg2_mp2.ts");

fn items_of(mut muxer: Muxer, packets: &[u8], size: usize) -> Vec<Item> {
    let mut items = Vec::new();
    for piece in packets.chunks(size * PACKET_SIZE) {
        muxer.push(piece);
        items.extend(std::iter::from_fn(|| muxer.poll()));
    }
    items
}

fn tags(items: &[Item]) -> Vec<&Tag> {
    let mut tags = Vec::new();
    for item in items {
        if let Item::Tag(tag) = item {
            tags.push(tag);
        }
    }
    tags
}

fn offset(tag: &Tag) -> u32 {
    u32::from_be_bytes([0, tag.body[2], tag.body[3], tag.body[4]])
}

#[test]
fn a_stream_begins_with_its_headers_and_a_key_frame_at_zero() {
    let items = items_of(Muxer::new(), AVC, 1);
    let Item::Begin(format) = &items[0] else { panic!("{:?}", items[0]) };
    let expected = VideoFormat::find(Codec::H264, AVC).unwrap();
    assert_eq!((format.width, format.height), (expected.width, expected.height));
    let tags = tags(&items);
    assert_eq!(tags[0].content, Content::PictureHeader);
    assert_eq!((&tags[0].body[..6], tags[0].time), (&[0x17, 0, 0, 0, 0, 1][..], 0));
    let first = |content| tags.iter().position(|tag| tag.content == content).unwrap();
    assert!(first(Content::PictureHeader) < first(Content::KeyFrame));
    assert!(first(Content::SoundHeader) < first(Content::Sound));
    assert_eq!(tags[first(Content::KeyFrame)].time, 0);
    assert_eq!(tags[first(Content::SoundHeader)].body[..2], [0xAF, 0]);
}

#[test]
fn times_never_go_back_and_pictures_are_whole() {
    let items = items_of(Muxer::new(), AVC, 7);
    let tags = tags(&items);
    for kind in [8, 9] {
        let times: Vec<u32> =
            tags.iter().filter(|tag| tag.content.kind() == kind).map(|tag| tag.time).collect();
        assert!(times.is_sorted(), "{kind}: {times:?}");
        assert!(times.last().unwrap() > &1000, "{kind}: {times:?}");
    }
    // Both in the order of decoding.
    assert!(tags.iter().map(|tag| tag.time).is_sorted());
    for tag in tags.iter().filter(|tag| matches!(tag.content, Content::KeyFrame | Content::Picture { .. })) {
        let mut rest = &tag.body[5..];
        while let Some((length, behind)) = rest.split_first_chunk() {
            rest = &behind[u32::from_be_bytes(*length) as usize..];
        }
        assert!(rest.is_empty());
    }
    let shown_later = tags.iter().filter(|tag| tag.content == Content::Picture { is_disposable: true });
    assert!(shown_later.count() > 0, "the clip has pictures that no other one needs");
    assert!(tags.iter().any(|tag| tag.content.is_of_pictures() && offset(tag) > 0), "and B-frames");
}

#[test]
fn the_pieces_make_no_difference() {
    let whole = items_of(Muxer::new(), AVC, AVC.len());
    for size in [1, 2, 7, 349] {
        assert_eq!(items_of(Muxer::new(), AVC, size), whole, "{size}");
    }
}

#[test]
fn times_may_begin_anywhere_and_end_before_31_bits() {
    let begin = 0xFF_FFFF - 500;
    let zero = items_of(Muxer::new(), AVC, 7);
    let late = items_of(Muxer::beginning_at(begin), AVC, 7);
    let times = |items: &[Item]| tags(items).iter().map(|tag| tag.time).collect::<Vec<_>>();
    assert_eq!(times(&late), times(&zero).iter().map(|time| time + begin).collect::<Vec<_>>());
    // The clip has a key frame each second.
    let items = items_of(Muxer::beginning_at((1 << 31) - 60_500), AVC, 7);
    assert_eq!(items.last(), Some(&Item::Change(Change::Time)));
    assert!(tags(&items).iter().all(|tag| tag.time < 1 << 31));
}

#[test]
fn pictures_without_sound_that_is_carried_get_silence() {
    let items = items_of(Muxer::new(), HEVC, 7);
    let tags = tags(&items);
    assert_eq!(tags[0].body[..5], [0x90, b'h', b'v', b'c', b'1']);
    let key = tags.iter().find(|tag| tag.content == Content::KeyFrame).unwrap();
    assert_eq!(key.body[..5], [0x91, b'h', b'v', b'c', b'1']);
    let header = tags.iter().find(|tag| tag.content == Content::SoundHeader).unwrap();
    assert_eq!(header.body, [0xAF, 0, 0x11, 0x90]);
    let times: Vec<u32> =
        tags.iter().filter(|tag| tag.content == Content::Sound).map(|tag| tag.time).collect();
    let steps: Vec<u32> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert!(times.len() > 20 && steps.iter().all(|step| (21..=22).contains(step)), "{times:?}");
    let mut muxer = Muxer::new();
    muxer.push(HEVC);
    assert_eq!(muxer.replaced_sound(), Some(Codec::Ac3));
}

#[test]
fn what_rtmp_does_not_carry_is_told() {
    let items = items_of(Muxer::new(), MPEG2, 7);
    assert_eq!(items, [Item::Unsupported(Unsupported::Picture(Codec::Mpeg2Video))]);
}

#[test]
fn another_stream_behind_the_first_is_a_change() {
    let items = items_of(Muxer::new(), &[AVC, HEVC].concat(), 7);
    assert_eq!(items.last(), Some(&Item::Change(Change::Picture)));
}

mod frames {
    use super::super::sound::{Frames, Silence};

    /// AAC at 48 kHz in stereo, ten bytes a frame.
    const FRAME: [u8; 10] = [0xFF, 0xF1, 0x4C, 0x80, 0x01, 0x5F, 0xFC, 0x21, 0x25, 0x07];

    fn times(packets: &[(Option<i64>, &[u8])]) -> Vec<i64> {
        let (mut frames, mut found) = (Frames::default(), Vec::new());
        for &(time, content) in packets {
            frames.push(time, content, |frame| {
                assert_eq!(frame.content, [0x21, 0x25, 0x07]);
                found.push(frame.time);
            });
        }
        found
    }

    #[test]
    fn each_frame_has_its_time_by_samples_whatever_the_packets() {
        let three = FRAME.repeat(3);
        assert_eq!(times(&[(Some(0), &three)]), [0, 1920, 3840]);
        // A packet begins within a frame: its stamp is that of the next one.
        let (one, other) = three.split_at(15);
        assert_eq!(times(&[(Some(0), one), (Some(3841), other)]), [0, 1920, 3841]);
        assert_eq!(times(&[(Some(0), one), (None, other)]), [0, 1920, 3840]);
        let broken = [&[1, 2, 3][..], &FRAME, &[9], &FRAME].concat();
        assert_eq!(times(&[(Some(7), &broken)]), [7, 1927]);
    }

    #[test]
    fn silence_is_as_long_as_the_pictures_and_leaves_out_long_pauses() {
        let mut silence = Silence::default();
        let mut until = |time| std::iter::from_fn(|| silence.next(time)).collect::<Vec<i64>>();
        assert_eq!(until(0), [0]);
        assert_eq!(until(3600), [1920]);
        assert_eq!(until(7200), [3840, 5760]);
        assert_eq!(until(900_000), [900_000]);
    }
}

#[test]
fn a_clock_that_wraps_goes_on() {
    use crate::ts::pes::{Header, shift_stamps};
    // The stamps of the clip, moved so that they wrap in its middle.
    let mut packets = AVC.to_vec();
    for packet in packets.as_chunks_mut::<PACKET_SIZE>().0 {
        let has_start = packet[1] & 0x40 != 0 && packet[3] & 0x10 != 0;
        let at = if packet[3] & 0x20 != 0 { 5 + usize::from(packet[4]) } else { 4 };
        if !has_start || packet.get(at..at + 3) != Some(&[0, 0, 1]) {
            continue;
        }
        let unit = &mut packet[at..];
        if let Some(header) = Header::parse(unit) {
            shift_stamps(unit, &header, Pts::WRAP.cast_signed() - 2 * 90_000);
        }
    }
    assert_eq!(items_of(Muxer::new(), &packets, 7), items_of(Muxer::new(), AVC, 7));
}

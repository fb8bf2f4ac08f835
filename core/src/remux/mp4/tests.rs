use super::*;
use crate::remux::SHIFT;
use crate::ts::pes::Header;

/// A box of these parts.
fn mp4_box(kind: [u8; 4], parts: &[&[u8]]) -> Vec<u8> {
    let body = parts.concat();
    let size = u32::try_from(8 + body.len()).unwrap();
    [&size.to_be_bytes(), &kind[..], &body].concat()
}

/// Numbers of 32 bits.
fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

const SPS: &[u8] = &[0x67, 0x42, 0x1E, 0xAB];
const PPS: &[u8] = &[0x68, 0xCE];
/// A NAL unit of an IDR slice and of a P slice, with their lengths.
const IDR: &[u8] = &[0, 0, 0, 2, 0x65, 0x88];
const P_SLICE: &[u8] = &[0, 0, 0, 2, 0x41, 0b1001_1000];

fn avc1() -> Vec<u8> {
    let sets = [&[1, 0x42, 0, 0x1E, 0xFF, 0xE1, 0, 4], SPS, &[1, 0, 2], PPS].concat();
    mp4_box(*b"avc1", &[&[0; 78], &mp4_box(*b"avcC", &[&sets])])
}

fn ac3() -> Vec<u8> {
    mp4_box(*b"ac-3", &[&[0; 28]])
}

/// A track with its number, units in a second and sample entry, and with boxes beside its media.
fn track(id: u32, timescale: u32, entry: &[u8], beside: &[u8]) -> Vec<u8> {
    let header = mp4_box(*b"tkhd", &[&words(&[0, 0, 0, id, 0, 0]), &[0; 60]]);
    let media = mp4_box(*b"mdhd", &[&words(&[0, 0, 0, timescale, 0]), &[0x10, 0xB5, 0, 0]]);
    let table = mp4_box(*b"stbl", &[&mp4_box(*b"stsd", &[&words(&[0, 1]), entry])]);
    mp4_box(*b"trak", &[&header, beside, &mp4_box(*b"mdia", &[&media, &mp4_box(*b"minf", &[&table])])])
}

/// An initialisation segment, with defaults for the tracks: number, duration, size and flags.
fn init(tracks: &[Vec<u8>], defaults: &[[u32; 4]]) -> Vec<u8> {
    let movie = mp4_box(*b"mvhd", &[&words(&[0, 0, 0, 1000, 0]), &[0; 80]]);
    let extends: Vec<Vec<u8>> = defaults
        .iter()
        .map(|&[id, duration, size, flags]| mp4_box(*b"trex", &[&words(&[0, id, 1, duration, size, flags])]))
        .collect();
    let ftyp = mp4_box(*b"ftyp", &[b"iso6\0\0\0\0"]);
    let extends = mp4_box(*b"mvex", &[&extends.concat()]);
    [ftyp, mp4_box(*b"moov", &[&movie, &tracks.concat(), &extends])].concat()
}

/// `default_base_is_moof`.
const OF_MOOF: u32 = 0x02_0000;

fn tfhd(flags: u32, id: u32, rest: &[u32]) -> Vec<u8> {
    mp4_box(*b"tfhd", &[&words(&[flags, id]), &words(rest)])
}

fn tfdt(time: u64) -> Vec<u8> {
    mp4_box(*b"tfdt", &[&words(&[1 << 24]), &time.to_be_bytes()])
}

/// A run; the first number holds version and flags, the second counts the samples.
fn trun(numbers: &[u32]) -> Vec<u8> {
    mp4_box(*b"trun", &[&words(numbers)])
}

/// Track fragments and the data behind them. Offsets in the fragments count from the beginning of
/// all this.
fn fragment(tracks: &[Vec<u8>], data: &[u8]) -> Vec<u8> {
    let tracks: Vec<Vec<u8>> = tracks.iter().map(|boxes| mp4_box(*b"traf", &[boxes])).collect();
    let number = mp4_box(*b"mfhd", &[&words(&[0, 1])]);
    [mp4_box(*b"moof", &[&number, &tracks.concat()]), mp4_box(*b"mdat", &[data])].concat()
}

/// What segments become: of each PES packet its stream, when it is shown and decoded without what
/// is added to all times, and its elementary stream; and what was wrong.
type Read = (Vec<(usize, i64, i64, Vec<u8>)>, Vec<Reason>);

fn read(init: &[u8], segments: &[Vec<u8>]) -> Read {
    let mut reader = Reader::new(init).unwrap();
    let (mut found, mut faults) = (Vec::new(), Vec::new());
    for segment in segments {
        faults.extend(reader.push(segment, &mut found).err());
    }
    let packets = found.into_iter().filter_map(|found| match found {
        Found::Streams(_) => None,
        Found::Pes(pes) => {
            let header = Header::parse(&pes.bytes).unwrap();
            let time = |time: Option<crate::time::Pts>| time.unwrap().since(stamp(0));
            assert_eq!(pes.time, header.decode_time());
            Some((
                pes.stream,
                time(header.pts),
                time(header.decode_time()),
                pes.bytes[header.payload_at..].to_vec(),
            ))
        }
    });
    (packets.collect(), faults)
}

/// One track of sound with 48,000 units in a second, samples of 1536 units and 4 bytes by default.
fn sound() -> Vec<u8> {
    init(&[track(7, 48_000, &ac3(), &[])], &[[7, 1536, 4, 0]])
}

fn owned(packets: &[(usize, i64, i64, &[u8])]) -> Vec<(usize, i64, i64, Vec<u8>)> {
    packets.iter().map(|&(stream, shown, decoded, data)| (stream, shown, decoded, data.to_vec())).collect()
}

#[test]
fn what_is_not_said_holds_by_default() {
    type Case = (Vec<u8>, &'static [(usize, i64, i64, &'static [u8])]);
    let head =
        |run: &[u32], header: &[u8]| fragment(&[[header, &tfdt(48_000), &trun(run)].concat()], b"aaaabbbbcc");
    // The data is 8 bytes behind the moof box, whose size differs by case.
    let offset = |size: u32| 8 + 16 + 8 + size + 8;
    let plain = tfhd(OF_MOOF, 7, &[]);
    let base = u32::try_from(plain.len() + 20).unwrap();
    // Count and offset alone; sizes; durations and sizes; duration and size of the track fragment.
    let cases: [Case; 4] = [
        (
            head(&[1, 2, offset(base + 20)], &plain),
            &[(0, 90_000, 90_000, b"aaaa"), (0, 92_880, 92_880, b"bbbb")],
        ),
        (
            head(&[0x201, 2, offset(base + 28), 1, 5], &plain),
            &[(0, 90_000, 90_000, b"a"), (0, 92_880, 92_880, b"aaabb")],
        ),
        (
            head(&[0x301, 2, offset(base + 36), 480, 4, 480, 4], &plain),
            &[(0, 90_000, 90_000, b"aaaa"), (0, 90_900, 90_900, b"bbbb")],
        ),
        (
            head(&[1, 2, offset(base + 28)], &tfhd(OF_MOOF | 0x18, 7, &[960, 2])),
            &[(0, 90_000, 90_000, b"aa"), (0, 91_800, 91_800, b"aa")],
        ),
    ];
    for (segment, expected) in cases {
        assert_eq!(read(&sound(), &[segment]), (owned(expected), vec![]));
    }
}

#[test]
fn a_track_goes_on_where_it_ended_unless_it_says_when() {
    let run = |header: Vec<u8>| {
        fragment(&[[header, trun(&[1, 2, 8 + 16 + 8 + 16 + 20 + 8])].concat()], b"aaaabbbb")
    };
    let first = fragment(
        &[[tfhd(OF_MOOF, 7, &[]), tfdt(96_000), trun(&[1, 2, 8 + 16 + 8 + 16 + 20 + 20 + 8])].concat()],
        b"aaaabbbb",
    );
    let (packets, faults) = read(&sound(), &[first, run(tfhd(OF_MOOF, 7, &[])), run(tfhd(OF_MOOF, 7, &[]))]);
    let times: Vec<i64> = packets.iter().map(|packet| packet.1).collect();
    assert_eq!(times, [180_000, 182_880, 185_760, 188_640, 191_520, 194_400]);
    assert!(faults.is_empty(), "{faults:?}");
}

#[test]
fn pictures_are_decoded_before_they_are_shown() {
    let video = init(&[track(1, 25, &avc1(), &[])], &[[1, 1, 6, 0x0101_0000]]);
    let pictures = [IDR, P_SLICE, P_SLICE].concat();
    let of = |version: u32, offsets: [i32; 3]| {
        let [a, b, c] = offsets.map(i32::cast_unsigned);
        let numbers = [version << 24 | 0x0805, 3, 8 + 16 + 8 + 16 + 20 + 36 + 8, 0x0200_0000, a, b, c];
        fragment(&[[tfhd(OF_MOOF, 1, &[]), tfdt(100), trun(&numbers)].concat()], &pictures)
    };
    let entry =
        [&[0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1], SPS, &[0, 0, 0, 1], PPS, &[0, 0, 0, 1, 0x65, 0x88]].concat();
    let other = [0, 0, 0, 1, 9, 0xF0, 0, 0, 0, 1, 0x41, 0b1001_1000];
    // Offsets from one picture on; the same with decoding times that are a picture later, as
    // version 1 allows.
    for (version, offsets, shown) in [(0, [1, 2, 0], 101), (1, [0, 1, -1], 100)] {
        let (packets, faults) = read(&video, &[of(version, offsets)]);
        let at = |picture: i64| 3600 * (shown + picture);
        let expected: [(usize, i64, i64, &[u8]); 3] =
            [(0, at(0), at(-1), &entry), (0, at(2), at(0), &other), (0, at(1), at(1), &other)];
        assert_eq!(packets, owned(&expected), "version {version}");
        assert!(faults.is_empty(), "{faults:?}");
    }
}

#[test]
fn tracks_share_a_segment_in_any_way() {
    let both =
        init(&[track(1, 25, &avc1(), &[]), track(2, 48_000, &ac3(), &[])], &[[1, 1, 6, 0], [2, 1536, 4, 0]]);
    let data = [IDR, IDR, b"aaaabbbb"].concat();
    // Where the data begins, and that of the sound.
    let from = |bytes: usize| u32::try_from(bytes).unwrap();
    // By offsets of their own; the second behind the first, since nothing is said; two runs, the
    // second behind the first.
    let own = |at: u32| {
        let first = [tfhd(OF_MOOF, 1, &[]), tfdt(0), trun(&[1, 2, at])].concat();
        let second = [tfhd(OF_MOOF, 2, &[]), tfdt(0), trun(&[1, 2, at + 12])].concat();
        fragment(&[first, second], &data)
    };
    let behind = |at: u32| {
        let first = [tfhd(0, 1, &[]), tfdt(0), trun(&[1, 2, at])].concat();
        fragment(&[first, [tfhd(0, 2, &[]), tfdt(0), trun(&[0, 2])].concat()], &data)
    };
    let runs = |at: u32| {
        let first = [tfhd(1, 1, &[0, 99_999]), tfdt(0), trun(&[1, 1, at]), trun(&[0, 1])].concat();
        fragment(&[first, [tfhd(OF_MOOF, 2, &[]), tfdt(0), trun(&[1, 2, at + 12])].concat()], &data)
    };
    for make in [&own as &dyn Fn(u32) -> Vec<u8>, &behind, &runs] {
        let at = from(make(0).len() - data.len());
        let (packets, faults) = read(&both, &[make(at), make(at)]);
        assert!(faults.is_empty(), "{faults:?}");
        let found: Vec<(usize, i64, &[u8])> = packets
            .iter()
            .map(|(stream, shown, _, data)| (*stream, *shown, &data[data.len() - 2..]))
            .collect();
        let once = [(0, 0, &[0x65, 0x88][..]), (0, 3600, &[0x65, 0x88]), (1, 0, b"aa"), (1, 2880, b"bb")];
        assert_eq!(found, [once, once].concat());
    }
}

#[test]
fn data_goes_on_behind_that_of_a_track_that_is_left_out() {
    // The second track is of subtitles.
    let text = track(2, 1000, &mp4_box(*b"wvtt", &[&[0; 8]]), &[]);
    let tracks = [track(1, 25, &avc1(), &[]), text, track(3, 48_000, &ac3(), &[])];
    let init = init(&tracks, &[[1, 1, 6, 0], [2, 1000, 3, 0], [3, 1536, 4, 0]]);
    let data = [IDR, b"xxxyyy", b"aaaa"].concat();
    // Its samples say how large they are, or it does, or the beginning of the file.
    let of_samples = [tfhd(0, 2, &[]), trun(&[0x200, 2, 4, 2])].concat();
    let of_fragment = [tfhd(0x10, 2, &[2]), trun(&[0, 1]), trun(&[0, 2])].concat();
    let of_file = [tfhd(0, 2, &[]), trun(&[0, 2])].concat();
    for text in [of_samples, of_fragment, of_file] {
        let make = |at: u32| {
            let first = [tfhd(0, 1, &[]), tfdt(0), trun(&[1, 1, at])].concat();
            let last = [tfhd(0, 3, &[]), tfdt(0), trun(&[0, 1])].concat();
            fragment(&[first, text.clone(), last], &data)
        };
        let at = u32::try_from(make(0).len() - data.len()).unwrap();
        let (packets, faults) = read(&init, &[make(at)]);
        assert!(faults.is_empty(), "{faults:?}");
        assert_eq!((packets.len(), &packets[1].3[..]), (2, &b"aaaa"[..]));
    }
}

#[test]
fn an_edit_list_moves_its_track() {
    // Half a second of nothing, and then from unit 960 on.
    let edits = words(&[0, 2, 500, u32::MAX, 0x1_0000, 0, 960, 0x1_0000]);
    let list = mp4_box(*b"edts", &[&mp4_box(*b"elst", &[&edits])]);
    let moved = init(&[track(7, 48_000, &ac3(), &list)], &[[7, 1536, 4, 0]]);
    let segment = fragment(
        &[[tfhd(OF_MOOF, 7, &[]), tfdt(48_000), trun(&[1, 1, 8 + 16 + 8 + 16 + 20 + 20 + 8])].concat()],
        b"aaaa",
    );
    let (packets, _) = read(&moved, &[segment]);
    assert_eq!(packets[0].1, 90_000 + 45_000 - 1800);
}

#[test]
fn what_is_whole_passes_and_the_rest_is_told() {
    let at = 8 + 16 + 8 + 16 + 20 + 20 + 8;
    let whole = fragment(&[[tfhd(OF_MOOF, 7, &[]), tfdt(0), trun(&[1, 3, at])].concat()], b"aaaabbbbcccc");
    let (packets, faults) = read(&sound(), &[whole[..whole.len() - 2].to_vec()]);
    assert_eq!(packets.len(), 2);
    let place = usize::try_from(at + 8).unwrap();
    assert_eq!(faults, [Reason::Damaged { what: "a sample lies outside of the segment", at: place }]);
    // In the boxes nothing can be believed.
    let (packets, faults) = read(&sound(), &[whole[..60].to_vec()]);
    assert!(packets.is_empty() && faults[0].code() == "damaged_segment", "{faults:?}");
    // A picture that is none, between two that are.
    let video = init(&[track(1, 25, &avc1(), &[])], &[[1, 1, 6, 0]]);
    let pictures = [IDR, &[0, 0, 0, 9, 1, 1], IDR].concat();
    let segment = fragment(&[[tfhd(OF_MOOF, 1, &[]), tfdt(0), trun(&[1, 3, at])].concat()], &pictures);
    let (packets, faults) = read(&video, &[segment]);
    assert_eq!((packets.len(), packets[1].1, faults.len()), (2, 7200, 1));
}

#[test]
fn hostile_boxes_cost_little() {
    // More samples than there are bytes, of no size and of the same bytes again and again.
    let run = |runs: &[u8], size: u32| {
        let header = tfhd(OF_MOOF | 0x10, 7, &[size]);
        fragment(&[[header, tfdt(0), runs.to_vec()].concat()], &[1; 5000])
    };
    let endless = run(&trun(&[1, u32::MAX, 0]), 0);
    let again = run(&trun(&[1, 1, 0]).repeat(200), 4000);
    for segment in [endless, again] {
        let (packets, faults) = read(&sound(), std::slice::from_ref(&segment));
        assert!(packets.iter().map(|packet| packet.3.len()).sum::<usize>() <= segment.len());
        assert_eq!(faults.iter().map(Reason::code).collect::<Vec<_>>(), ["damaged_segment"]);
    }
    // Boxes and descriptors that are nested as deep as they fit.
    let nested = |kind: &[u8; 4], depth: usize| {
        let size = |level: usize| u32::try_from(8 * (depth - level)).unwrap().to_be_bytes();
        (0..depth).flat_map(|level| [size(level), *kind].concat()).collect::<Vec<u8>>()
    };
    for kind in [b"moov", b"trak", b"moof", b"traf", b"meta"] {
        let deep = nested(kind, 500_000);
        assert!(Reader::new(&mp4_box(*b"moov", &[&deep])).is_err());
        assert_eq!(read(&sound(), &[deep]).0, []);
    }
    let depth = 100_000;
    let descriptor = |level: usize| {
        let size = 8 * (depth - level) - 5; // in 7 bits a byte
        let [a, b, c, d] = [21, 14, 7, 0].map(|shift| (size >> shift & 0x7F).to_le_bytes()[0]);
        [3, a | 0x80, b | 0x80, c | 0x80, d, 0, 0, 0]
    };
    let descriptors = mp4_box(*b"esds", &[&[0; 4], &(0..depth).flat_map(descriptor).collect::<Vec<u8>>()]);
    let entry = mp4_box(*b"mp4a", &[&[0; 28], &descriptors]);
    assert!(Reader::new(&init(&[track(1, 48_000, &entry, &[])], &[])).is_err());
}

#[test]
fn what_is_encrypted_or_of_another_description_is_refused() {
    let of = |boxes: &[u8]| {
        let run = trun(&[1, 1, 0]);
        read(&sound(), &[fragment(&[[boxes, &run[..]].concat()], b"aaaa")]).1
    };
    let senc = [tfhd(OF_MOOF, 7, &[]), mp4_box(*b"senc", &[&[0; 8]])].concat();
    assert_eq!(of(&senc), [Reason::Encrypted("senc".into())]);
    assert_eq!(of(&tfhd(OF_MOOF | 2, 7, &[2]))[0].code(), "damaged_segment");
    assert_eq!(of(&tfhd(OF_MOOF, 8, &[]))[0].code(), "damaged_segment", "there is nothing but another track");
    let tracks = [8, 7].map(|id| [tfhd(OF_MOOF, id, &[]), trun(&[1, 1, 0])].concat());
    assert_eq!(read(&sound(), &[fragment(&tracks, b"aaaa")]).1, [], "another track is passed over");
    let scheme = mp4_box(*b"sinf", &[&mp4_box(*b"schm", &[&[0; 4], b"cbcs\0\x01\0\0"])]);
    let entry = mp4_box(*b"encv", &[&[0; 78], &scheme]);
    let refused = |tracks: &[Vec<u8>]| Reader::new(&init(tracks, &[])).err();
    assert_eq!(refused(&[track(1, 25, &entry, &[])]), Some(Reason::Encrypted("cbcs".into())));
    // Sound that cannot be carried matters only where there is no other.
    let opus = track(2, 48_000, &mp4_box(*b"Opus", &[&[0; 28]]), &[]);
    let video = track(1, 25, &avc1(), &[]);
    assert_eq!(refused(&[video.clone(), opus.clone()]), Some(Reason::Codec("Opus".into())));
    assert_eq!(refused(&[video, opus, track(3, 48_000, &ac3(), &[])]), None);
    assert_eq!(refused(&[]).map(|reason| reason.code()), Some("damaged_segment"));
}

#[test]
fn streams_are_named_with_their_language() {
    let mut reader = Reader::new(&sound()).unwrap();
    let mut found = Vec::new();
    let _ = reader.push(&[], &mut found);
    let Some(Found::Streams(streams)) = found.first() else { panic!("no streams") };
    assert_eq!(
        (streams[0].stream_type, crate::ts::stream::language(&streams[0].descriptors)),
        (0x81, Some(*b"deu"))
    );
    assert_eq!(SHIFT, stamp(0).ticks().cast_signed());
}

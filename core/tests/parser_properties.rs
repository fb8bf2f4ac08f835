//! Properties of the transport stream engine: what holds for any bytes, and for real streams with
//! any damage. The same for the heads of HTTP answers.

#[path = "support/damage.rs"]
mod damage;
#[path = "support/heads.rs"]
mod heads;
#[path = "support/invariants.rs"]
mod invariants;

use forebay_core::ts::packet::SYNC_BYTE;
use forebay_core::ts::survey::Survey;
use forebay_core::ts::{PACKET_SIZE, Packet};
use proptest::prelude::*;
use proptest::sample::Index;

use damage::{Damage, damages, spoil};
use invariants::{Spliced, Step, splice, sync};

const STREAMS: [&[u8]; 3] = [
    include_bytes!("data/h264_aac.ts"),
    include_bytes!("data/hevc_ac3.ts"),
    include_bytes!("data/mpeg2_mp2.ts"),
];

/// Cuts `bytes` into pieces of `sizes`, over and over.
fn cut<'a>(mut bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let mut sizes = sizes.iter().cycle();
    std::iter::from_fn(move || {
        let (piece, rest) = bytes.split_at((*sizes.next()?).min(bytes.len()));
        bytes = rest;
        (!piece.is_empty()).then_some(piece)
    })
}

/// Pieces from single bytes to many packets.
fn sizes() -> impl Strategy<Value = Vec<usize>> {
    let size = prop_oneof![1usize..10, 180usize..210, 1usize..2000, 1usize..70_000];
    prop::collection::vec(size, 1..8)
}

/// Bytes with more sync bytes, and more of them where packets would have them, than chance gives.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let any_bytes = prop::collection::vec(prop_oneof![3 => any::<u8>(), 1 => Just(SYNC_BYTE)], 0..3000);
    let packets = (prop::sample::select(vec![188, 192, 204]), 0usize..20, any::<u8>()).prop_map(
        |(stride, count, byte)| {
            let packet = |_| std::iter::once(SYNC_BYTE).chain(std::iter::repeat_n(byte, stride - 1));
            (0..count).flat_map(packet).collect::<Vec<u8>>()
        },
    );
    let part = prop_oneof![any_bytes, packets];
    (prop::collection::vec(part, 1..6), prop::collection::vec((any::<Index>(), any::<u8>()), 0..10)).prop_map(
        |(parts, changes)| {
            let mut bytes = parts.concat();
            for (at, byte) in &changes {
                if !bytes.is_empty() {
                    let at = at.index(bytes.len());
                    bytes[at] = *byte;
                }
            }
            bytes
        },
    )
}

/// How one source follows another.
#[derive(Debug, Clone, Copy)]
enum Joint {
    /// It is the same to the splice.
    Unnoticed,
    /// The first broke off.
    Begin,
    /// The first came to its end.
    FinishAndBegin,
    /// The first broke off, and connections were kept alive until the next had begun, and after.
    Gap,
}

#[derive(Debug, Clone)]
struct Source {
    stream: usize,
    damages: Vec<Damage>,
    joint: Joint,
}

fn sources() -> impl Strategy<Value = Vec<Source>> {
    let joint = prop_oneof![
        Just(Joint::Unnoticed),
        Just(Joint::Begin),
        Just(Joint::FinishAndBegin),
        Just(Joint::Gap)
    ];
    let source = (0..STREAMS.len(), damages(), joint).prop_map(|(stream, damages, joint)| Source {
        stream,
        damages,
        joint,
    });
    prop::collection::vec(source, 1..4)
}

/// Plays `sources`, spoilt before as their damages say, in pieces of `sizes`.
fn play(sources: &[(Vec<u8>, Joint)], sizes: &[usize]) -> Spliced {
    splice(sources.iter().flat_map(|(bytes, joint)| {
        let steps: &[Step<'_>] = match joint {
            Joint::Unnoticed => &[],
            Joint::Begin => &[Step::Begin],
            Joint::FinishAndBegin => &[Step::Finish, Step::Begin],
            Joint::Gap => &[Step::KeepAlive, Step::Begin, Step::KeepAlive],
        };
        cut(bytes, sizes).map(Step::Push).chain(steps.iter().copied())
    }))
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn sync_accounts_for_every_byte_however_it_is_cut(bytes in bytes(), sizes in sizes()) {
        let whole = sync([&bytes[..]]);
        prop_assert_eq!(sync(cut(&bytes, &sizes)), whole);
    }

    #[test]
    fn sync_finds_every_packet_behind_garbage(
        garbage in prop::collection::vec(any::<u8>(), 0..576),
        contents in prop::collection::vec(any::<u8>(), 5..40),
        stride in prop::sample::select(vec![188, 192, 204]),
        sizes in sizes(),
    ) {
        // Garbage of this length holds no lock of its own, and the packets no second one.
        let contents: Vec<u8> = contents.into_iter().map(|byte| if byte == SYNC_BYTE { 0 } else { byte }).collect();
        let mut bytes = garbage;
        for &content in &contents {
            bytes.push(SYNC_BYTE);
            bytes.resize(bytes.len() + stride - 1, content);
        }
        let found: Vec<u8> = sync(cut(&bytes, &sizes)).packets.iter().map(|packet| packet[1]).collect();
        prop_assert!(found.ends_with(&contents), "{:?} in {:?}", contents, found);
    }

    #[test]
    fn any_bytes_are_survived(bytes in bytes(), sizes in sizes()) {
        let whole = splice([Step::Push(&bytes)]);
        prop_assert_eq!(splice(cut(&bytes, &sizes).map(Step::Push)), whole);
        let mut survey = Survey::new(None);
        cut(&bytes, &sizes).for_each(|piece| survey.push(piece));
        prop_assert_eq!(survey.report().bytes, bytes.len() as u64);
    }

    #[test]
    fn damage_is_survived(sources in sources(), sizes in sizes()) {
        let spoilt: Vec<(Vec<u8>, Joint)> = sources
            .iter()
            .map(|source| {
                let mut bytes = STREAMS[source.stream].to_vec();
                spoil(&mut bytes, &source.damages);
                (bytes, source.joint)
            })
            .collect();
        let whole = play(&spoilt, &[usize::MAX]);
        prop_assert!(play(&spoilt, &sizes) == whole, "cut otherwise, the output is another");

        let (mut at_once, mut in_pieces) = (Survey::new(None), Survey::new(None));
        for (bytes, _) in &spoilt {
            at_once.push(bytes);
            cut(bytes, &sizes).for_each(|piece| in_pieces.push(piece));
        }
        prop_assert_eq!(in_pieces.report(), at_once.report());
    }
}

/// The payload of the packets of `pid`.
fn payload(stream: &[u8], pid: u16) -> Vec<u8> {
    let packets = stream.as_chunks::<PACKET_SIZE>().0.iter().map(Packet::new);
    packets
        .filter(|packet| packet.pid().value() == pid)
        .filter_map(Packet::payload)
        .flatten()
        .copied()
        .collect()
}

#[test]
fn elementary_streams_pass_byte_by_byte() {
    for bytes in STREAMS {
        let spliced = splice([Step::Push(bytes), Step::Finish]);
        assert!(spliced.points.len() >= 2);
        for pid in [0x100, 0x101] {
            assert!(payload(&spliced.output, pid) == payload(bytes, pid), "PID {pid:#x}");
        }
    }
}

/// The standard lets any packet be sent twice (ISO/IEC 13818-1, 2.4.3.3); one copy passes.
#[test]
fn packets_sent_twice_pass_once() {
    for bytes in STREAMS {
        let is_stream =
            |packet: &[u8; PACKET_SIZE]| matches!(Packet::new(packet).pid().value(), 0x100 | 0x101);
        let packets = bytes.as_chunks::<PACKET_SIZE>().0;
        let twice: Vec<u8> = packets
            .iter()
            .flat_map(|packet| std::iter::repeat_n(packet, if is_stream(packet) { 2 } else { 1 }))
            .flatten()
            .copied()
            .collect();
        let [once, twice] = [bytes, &twice].map(|bytes| splice([Step::Push(bytes), Step::Finish]).output);
        for pid in [0x100, 0x101] {
            assert!(payload(&twice, pid) == payload(&once, pid), "PID {pid:#x}");
        }
    }
}

/// Lines of a head, good and bad.
fn head() -> impl Strategy<Value = Vec<u8>> {
    let line = prop_oneof![
        "HTTP/1[.][01] [12][0-9]{2}( OK)?",
        "(ICY|HTTP/2)[ \t]{1,2}200",
        "(Content-Length|Transfer-Encoding|Connection)[ ]?: ?(-1|[0-9]{1,22}|chunked|identity|close|keep-alive|,)*",
        "[A-Za-z:\x00-\x20]{0,12}",
        Just(String::new()),
    ];
    let end = prop_oneof![4 => Just("\r\n"), 1 => Just("\n"), 1 => Just("\r")];
    let lines = prop::collection::vec((line, end), 0..12);
    lines.prop_map(|lines| lines.into_iter().flat_map(|(line, end)| (line + end).into_bytes()).collect())
}

proptest! {
    #[test]
    fn a_head_is_read_in_one_way_or_not_at_all(
        (start, rest, cut) in (prop::bool::ANY, head(), 0usize..400)
    ) {
        let start: &[u8] = if start { b"HTTP/1.1 200 OK\r\n" } else { b"" };
        heads::read(&[start, &rest].concat(), cut);
    }
}

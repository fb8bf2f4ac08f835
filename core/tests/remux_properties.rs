//! Properties of the remuxer: what holds for any bytes, and for real renditions with any damage.

#[path = "support/remuxed.rs"]
mod remuxed;

use forebay_core::remux::{Remuxer, Rendition, sniff};
use proptest::prelude::*;
use proptest::sample::Index;

use remuxed::{Step, remux};

const FILES: [&[u8]; 6] = [
    include_bytes!("data/h264_aac.mp4"),
    include_bytes!("data/hevc_ac3.mp4"),
    include_bytes!("data/eac3.mp4"),
    include_bytes!("data/mp3.mp4"),
    include_bytes!("data/h264_aac.ts"),
    include_bytes!("data/mpeg2_mp2.ts"),
];

/// One thing that goes wrong with a file.
#[derive(Debug, Clone)]
enum Damage {
    /// A byte is another. Most often near the beginning, where the boxes are.
    Change(Index, bool, u8),
    /// Four bytes are another number.
    Number(Index, bool, u32),
    /// Bytes are lost.
    Delete(Index, usize),
    /// Bytes come from nowhere.
    Insert(Index, Vec<u8>),
    /// The rest is missing.
    Cut(Index),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let at = any::<Index>;
    let number = prop_oneof![Just(0), Just(1), Just(8), Just(u32::MAX), 0u32..100_000, any::<u32>()];
    let damage = prop_oneof![
        (at(), any::<bool>(), any::<u8>()).prop_map(|(at, head, byte)| Damage::Change(at, head, byte)),
        (at(), any::<bool>(), number).prop_map(|(at, head, number)| Damage::Number(at, head, number)),
        (at(), 1usize..1000).prop_map(|(at, count)| Damage::Delete(at, count)),
        (at(), prop::collection::vec(any::<u8>(), 1..100)).prop_map(|(at, bytes)| Damage::Insert(at, bytes)),
        at().prop_map(Damage::Cut),
    ];
    prop::collection::vec(damage, 0..6)
}

fn spoil(bytes: &mut Vec<u8>, damages: &[Damage]) {
    for damage in damages {
        let length = bytes.len();
        if length < 8 {
            return;
        }
        let place = |at: &Index, head: bool| at.index(if head { length.min(2000) } else { length });
        match damage {
            Damage::Change(at, head, byte) => bytes[place(at, *head)] = *byte,
            Damage::Number(at, head, number) => {
                let at = place(at, *head).min(length - 4);
                bytes[at..at + 4].copy_from_slice(&number.to_be_bytes());
            }
            Damage::Delete(at, count) => {
                let at = at.index(length);
                bytes.drain(at..length.min(at + count));
            }
            Damage::Insert(at, new) => {
                let at = at.index(length);
                bytes.splice(at..at, new.iter().copied());
            }
            Damage::Cut(at) => bytes.truncate(at.index(length)),
        }
    }
}

/// What a script does with the bytes beside it.
#[derive(Debug, Clone, Copy)]
enum Doing {
    Init,
    Push,
    PushAndReset,
    PushAndFinish,
}

fn script() -> impl Strategy<Value = Vec<(Doing, bool, usize, Vec<Damage>)>> {
    let doing = prop_oneof![
        Just(Doing::Init),
        Just(Doing::Push),
        Just(Doing::Push),
        Just(Doing::PushAndReset),
        Just(Doing::PushAndFinish),
    ];
    prop::collection::vec((doing, any::<bool>(), 0..FILES.len(), damages()), 1..6)
}

fn remuxer(with_audio: bool) -> Remuxer {
    if with_audio { Remuxer::with_audio(Some("de")) } else { Remuxer::new() }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_are_survived(
        bytes in prop::collection::vec(any::<u8>(), 0..3000),
        kind in prop::sample::select(vec![&b"moof"[..], b"moov", b"styp", b"ID3\x04", b"\x47", b""]),
        with_audio in any::<bool>(),
    ) {
        let mut bytes = bytes;
        let at = if kind.starts_with(b"ID3") || kind == b"\x47" { 0 } else { 4.min(bytes.len()) };
        bytes.splice(at..at, kind.iter().copied());
        sniff(&bytes);
        let steps = [
            Step::Init(Rendition::Main, &bytes),
            Step::Push(Rendition::Main, &bytes),
            Step::Push(Rendition::Audio, &bytes),
            Step::Finish,
        ];
        remux(remuxer(with_audio), steps);
    }

    #[test]
    fn damage_is_survived(script in script(), with_audio in any::<bool>()) {
        let spoilt: Vec<(Doing, Rendition, Vec<u8>)> = script
            .iter()
            .map(|(doing, is_audio, file, damages)| {
                let mut bytes = FILES[*file].to_vec();
                spoil(&mut bytes, damages);
                (*doing, if *is_audio { Rendition::Audio } else { Rendition::Main }, bytes)
            })
            .collect();
        let steps = spoilt.iter().flat_map(|(doing, rendition, bytes)| match doing {
            Doing::Init => vec![Step::Init(*rendition, bytes)],
            Doing::Push => vec![Step::Push(*rendition, bytes)],
            Doing::PushAndReset => vec![Step::Push(*rendition, bytes), Step::Reset],
            Doing::PushAndFinish => vec![Step::Push(*rendition, bytes), Step::Finish],
        });
        remux(remuxer(with_audio), steps.chain([Step::Finish]));
    }
}

//! Playlists of any lines, and real ones.

mod support {
    pub(crate) mod followed;
    pub(crate) mod playlists;
}

use std::path::Path;

use forebay_core::playlist::model::{Playlist, Variables};
use forebay_core::playlist::parse::{MAX_SEGMENTS, parse};
use proptest::prelude::*;
use support::followed::{Step, follow};
use support::playlists;
use url::Url;

/// Lines as they are written, or nearly so.
fn line() -> impl Strategy<Value = String> {
    let number = || prop_oneof![0..9u64, Just(u64::MAX), 1_000..9_000u64];
    prop_oneof![
        4 => (0..12u8).prop_map(|name| format!("#EXTINF:2,\n{name}")),
        1 => (0..12u8, 0..12u8).prop_map(|(name, query)| format!("{name}?{query}")),
        1 => number().prop_map(|number| format!("#EXT-X-MEDIA-SEQUENCE:{number}")),
        1 => number().prop_map(|number| format!("#EXT-X-TARGETDURATION:{number}")),
        1 => number().prop_map(|number| format!("#EXTINF:{number}.{number},")),
        1 => (number(), number()).prop_map(|(length, offset)| format!("#EXT-X-BYTERANGE:{length}@{offset}")),
        1 => prop_oneof![
            Just("#EXT-X-DISCONTINUITY"),
            Just("#EXT-X-GAP"),
            Just("#EXT-X-ENDLIST"),
            Just("#EXT-X-KEY:METHOD=AES-128,URI=\"k\""),
            Just("#EXT-X-KEY:METHOD=NONE"),
            Just("#EXT-X-MAP:URI=\"i\",BYTERANGE=\"5\""),
            Just("#EXT-X-STREAM-INF:BANDWIDTH=7,AUDIO=\"a\"\nv"),
            Just("#EXT-X-MEDIA:TYPE=AUDIO,GROUP-ID=\"a\",URI=\"s\""),
            Just("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{$a}\"\n{$a}"),
        ]
        .prop_map(str::to_owned),
        1 => "[#A-Z0-9:=\",@{$}/ -]{0,20}",
    ]
}

fn body() -> impl Strategy<Value = Vec<u8>> {
    let lines = prop::collection::vec(line(), 0..12);
    prop_oneof![
        9 => lines.prop_map(|lines| format!("#EXTM3U\n{}\n", lines.join("\n")).into_bytes()),
        1 => prop::collection::vec(any::<u8>(), 0..100),
    ]
}

proptest! {
    #[test]
    fn any_playlists_are_followed_in_good_order(
        steps in prop::collection::vec((any::<u8>(), body()), 1..12)
    ) {
        follow(steps.iter().map(|(control, body)| Step { control: *control, body }));
    }
}

/// A definition, or a line that uses some.
fn filled() -> impl Strategy<Value = String> {
    let name = || "[a-c]";
    prop_oneof![
        (name(), "(b|\\{\\$[a-c]\\}|\\{\\$){0,40}")
            .prop_map(|(name, value)| format!("#EXT-X-DEFINE:NAME=\"{name}\",VALUE=\"{value}\"")),
        name().prop_map(|name| format!("#EXT-X-DEFINE:IMPORT=\"{name}\"")),
        name().prop_map(|name| format!("#EXT-X-KEY:METHOD=AES-128,URI=\"{{${name}}}\"")),
        name().prop_map(|name| format!("#EXT-X-MAP:URI=\"{{${name}}}\"")),
        (name(), 0..4000usize)
            .prop_map(|(name, times)| { format!("#EXTINF:2,\n{}", format!("{{${name}}}").repeat(times)) }),
        Just("#EXT-X-STREAM-INF:BANDWIDTH=7\n{$a}{$b}".to_owned()),
    ]
}

proptest! {
    #[test]
    fn no_more_comes_of_a_playlist_than_may_be_kept(
        lists in prop::collection::vec(prop::collection::vec(filled(), 0..12), 1..4)
    ) {
        let base = Url::parse("http://h/live/index.m3u8?a=b").unwrap();
        let mut inherited = Variables::default();
        for lines in lines_of(lists) {
            inherited = playlists::read(lines.as_bytes(), &base, &inherited);
        }
    }
}

fn lines_of(lists: Vec<Vec<String>>) -> impl Iterator<Item = String> {
    lists.into_iter().map(|lines| format!("#EXTM3U\n{}\n", lines.join("\n")))
}

#[test]
fn real_playlists_are_read() {
    let read = |name: &str| {
        let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/playlists").join(name);
        let base = Url::parse("http://h/live/index.m3u8").unwrap();
        parse(&std::fs::read(path).unwrap(), &base, &Variables::default()).unwrap()
    };
    // Segments (or variants), seconds of the target, first number, whether it is complete.
    for (name, expected) in [
        ("mediaplaylist-byterange.m3u8", (8, 11, 0, true)),
        ("media-playlist-with-scte35.m3u8", (3, 10, 0, false)),
        ("media-not-ending-in-newline.m3u8", (15, 3, 338_559, false)),
        ("llhls-byte-range.m3u8", (17, 10, 0, false)),
        ("llhlsDelta.m3u8", (4, 4, 269, false)),
        ("diff-init-key.m3u8", (11, 15, 7_794, false)),
        ("manifestNoExtM3u.m3u8", (1, 10, 0, true)),
        ("manifestExtTTargetdurationNegative.m3u8", (1, 10, 0, true)),
    ] {
        let Playlist::Media(media) = read(name) else { panic!("{name} is no list of segments") };
        assert!(media.segments.len() < MAX_SEGMENTS);
        let read = (media.segments.len(), media.target.as_secs(), media.sequence, media.is_ended);
        assert_eq!(read, expected, "{name}");
    }
    for (name, variants) in [("master-with-multiple-codecs.m3u8", 5), ("streamInfInvalid.m3u8", 2)] {
        let Playlist::Multivariant(list) = read(name) else { panic!("{name} is no list of variants") };
        assert_eq!(list.variants.len(), variants, "{name}");
    }
}

/// Run by hand on a folder of playlists, `FOREBAY_PLAYLISTS=…`: tells what each is.
#[test]
#[ignore = "it is for folders of one's own"]
fn playlists_of_a_folder_are_read_or_refused() {
    let root = std::env::var("FOREBAY_PLAYLISTS").expect("FOREBAY_PLAYLISTS names a folder");
    let base = Url::parse("http://h/live/index.m3u8").unwrap();
    let mut folders = vec![Path::new(&root).to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "m3u8") {
                let body = std::fs::read(&path).unwrap();
                let shown = match parse(&body, &base, &Variables::default()) {
                    Ok(Playlist::Media(media)) => {
                        format!("media {} faults={}", media.segments.len(), media.faults)
                    }
                    Ok(Playlist::Multivariant(list)) => format!("multivariant {}", list.variants.len()),
                    Err(error) => format!("refused: {error}"),
                };
                println!("{shown}\t{}", path.display());
                follow([Step { control: 0, body: &body }, Step { control: 0, body: &body }]);
            }
        }
    }
}

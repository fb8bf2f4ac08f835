use std::fmt::Write as _;
use std::sync::Arc;

use super::super::model::{Key, Segment};
use super::*;

fn read(text: &str) -> Result<Playlist, Error> {
    parse(text.as_bytes(), &Url::parse("http://h/live/index.m3u8?t=1").unwrap(), &Variables::default())
}

fn media(text: &str) -> Media {
    match read(text) {
        Ok(Playlist::Media(media)) => media,
        other => panic!("{text}: {other:?}"),
    }
}

/// The segments of a playlist with these lines: address without the host, duration in ms, range,
/// `D` for a discontinuity, `G` for a gap.
fn segments(lines: &str) -> Vec<String> {
    let media = media(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:6\n{lines}"));
    let show = |segment: &Segment| {
        let url = segment.url.as_str().replace("http://h", "");
        let range = segment.range.map(|range| format!(" {}@{}", range.length, range.offset));
        let marks = [(segment.is_discontinuity, " D"), (segment.is_gap, " G")];
        let marks: String = marks.iter().filter(|(is, _)| *is).map(|(_, mark)| *mark).collect();
        format!("{url} {}{}{marks}", segment.duration.as_millis(), range.unwrap_or_default())
    };
    media.segments.iter().map(show).collect()
}

#[test]
fn a_beginning_tells_a_playlist() {
    for (text, is_playlist) in [
        ("", None),
        ("\u{feff}", None),
        ("\r\n \t#EXTM3", None),
        ("#EXTM3U\n", Some(true)),
        ("\u{feff}\n#EXTM3U", Some(true)),
        ("#EXT-X-VERSION:3", Some(true)),
        ("#EXTINF:5,\n", Some(true)),
        ("#EXTRA", Some(false)),
        ("<html>", Some(false)),
        ("G\u{1f}", Some(false)),
    ] {
        assert_eq!(begins_like_a_playlist(text.as_bytes()), is_playlist, "{text:?}");
    }
    assert_eq!(begins_like_a_playlist(&[b' '; 2000]), Some(false));
}

#[test]
fn a_list_of_segments_is_read() {
    let media = media(
        "#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:6\n#EXT-X-MEDIA-SEQUENCE:7\n#EXTINF:5.96,title\na.ts\n#EXTINF:6,\nb.ts\n",
    );
    assert_eq!((media.target, media.sequence, media.is_ended), (Duration::from_secs(6), 7, false));
    assert_eq!((media.segments.len(), media.faults), (2, 0));
    assert_eq!(media.duration(), Duration::from_millis(11_960));
}

#[test]
fn addresses_are_taken_relative_to_where_the_playlist_came_from() {
    assert_eq!(
        segments(
            "#EXTINF:1,\na.ts\n#EXTINF:1,\n/b.ts?x=1\n#EXTINF:1,\nhttps://other/c\n#EXTINF:1,\n?d\n#EXTINF:1,\nfile:///etc/passwd\n"
        ),
        [
            "/live/a.ts 1000",
            "/b.ts?x=1 1000",
            "https://other/c 1000",
            "/live/index.m3u8?d 1000",
            "about:blank 1000 G"
        ]
    );
}

#[test]
fn durations_are_read_however_they_are_written() {
    for (line, millis) in [
        ("#EXTINF:9.009,", 9009),
        ("#EXTINF: 9.0 ,x", 9000),
        ("#EXTINF:9", 9000),
        ("#EXTINF:9,5", 9000),
        ("#EXTINF:0,", 1),
        ("#EXTINF:-1,", 6000),
        ("#EXTINF:x,", 6000),
        ("#EXTINF:", 6000),
        ("#EXT-X-BITRATE:5", 6000),
        ("#EXTINF:1e999,", 1000),
        ("#EXTINF:99999999999999999999,", 86_400_000),
    ] {
        assert_eq!(segments(&format!("{line}\na\n")), [format!("/live/a {millis}")], "{line}");
    }
}

#[test]
fn target_durations_are_made_up_where_they_are_missing() {
    for (lines, seconds) in [
        ("#EXT-X-TARGETDURATION:9.6\n#EXTINF:2,\na", 10),
        ("#EXT-X-TARGETDURATION: 8\n#EXTINF:2,\na", 8),
        ("#EXT-X-TARGETDURATION:-3\n#EXTINF:2,\na", 2),
        ("#EXT-X-TARGETDURATION:\n#EXTINF:2,\na\n#EXTINF:4,\nb", 4),
        ("#EXT-X-MEDIA-SEQUENCE:1\na", 10),
        ("#EXT-X-TARGETDURATION:0\n", 10),
    ] {
        assert_eq!(media(&format!("#EXTM3U\n{lines}\n")).target, Duration::from_secs(seconds), "{lines}");
    }
}

#[test]
fn ranges_go_on_behind_the_one_before_of_the_same_address() {
    assert_eq!(
        segments(
            "#EXT-X-BYTERANGE:100@10\n#EXTINF:1,\na\n#EXTINF:1,\n#EXT-X-BYTERANGE:50\na\n#EXT-X-BYTERANGE:5\n#EXTINF:1,\nb\n\
             #EXT-X-BYTERANGE:0@3\n#EXTINF:1,\na\n#EXT-X-BYTERANGE:18446744073709551615@2\n#EXTINF:1,\na\n"
        ),
        ["/live/a 1000 100@10", "/live/a 1000 50@110", "/live/b 1000 5@0", "/live/a 1000", "/live/a 1000"]
    );
}

#[test]
fn marks_belong_to_the_next_segment_only() {
    assert_eq!(
        segments("#EXTINF:1,\n#EXT-X-DISCONTINUITY\na\n#EXT-X-GAP\n#EXTINF:1,\nb\n#EXTINF:1,\nc\n"),
        ["/live/a 1000 D", "/live/b 1000 G", "/live/c 1000"]
    );
}

/// What the segment behind these lines is encrypted with.
fn key(lines: &str) -> Option<Key> {
    let media = media(&format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{lines}\n#EXTINF:1,\na\n"));
    media.segments[0].key.as_deref().cloned()
}

#[test]
fn keys_apply_until_the_next_of_their_format() {
    let aes = |iv| Some(Key::Aes128 { url: Url::parse("http://h/live/k").unwrap(), iv });
    let identity = "#EXT-X-KEY:METHOD=AES-128,URI=\"k\"";
    let drm = "#EXT-X-KEY:METHOD=SAMPLE-AES,KEYFORMAT=\"com.apple.streamingkeydelivery\",URI=\"skd://x\"";
    assert_eq!(key(identity), aes(None));
    assert_eq!(
        key(&format!("{identity},IV=0x00000000000000000000000000000009")),
        aes(Some(u128::to_be_bytes(9)))
    );
    assert_eq!(key(&format!("{identity},IV=0X1,KEYFORMAT=\"identity\"")), aes(Some(u128::to_be_bytes(1))));
    assert_eq!(key(&format!("{identity}\n#EXT-X-KEY:METHOD=NONE")), None);
    assert_eq!(key(&format!("{identity}\n{drm}")), aes(None), "one that can be had is enough");
    for (lines, word) in [
        (drm, "com.apple.streamingkeydelivery"),
        ("#EXT-X-KEY:METHOD=SAMPLE-AES,URI=\"k\"", "SAMPLE-AES"),
        ("#EXT-X-KEY:METHOD=AES-128", "without the address"),
        ("#EXT-X-KEY:URI=\"k\"", "method"),
    ] {
        let found = key(lines);
        assert!(matches!(&found, Some(Key::Unusable(reason)) if reason.contains(word)), "{lines}: {found:?}");
    }
}

#[test]
fn initialisation_sections_are_kept_until_the_next() {
    let media = media(
        "#EXTM3U\n#EXT-X-MAP:URI=\"i.mp4\",BYTERANGE=\"720@5\"\n#EXTINF:1,\na\n#EXTINF:1,\nb\n#EXT-X-MAP:URI=\"j\"\n#EXTINF:1,\nc\n",
    );
    let shown: Vec<_> = media
        .segments
        .iter()
        .map(|segment| {
            segment.init.as_ref().map(|init| (init.url.path(), init.range.map(|range| range.offset)))
        })
        .collect();
    assert_eq!(
        shown,
        [Some(("/live/i.mp4", Some(5))), Some(("/live/i.mp4", Some(5))), Some(("/live/j", None))]
    );
}

#[test]
fn variables_are_filled_in() {
    let lines = "#EXT-X-DEFINE:NAME=\"dir\",VALUE=\"x/y\"\n#EXT-X-DEFINE:QUERYPARAM=\"t\"\n\
                 #EXT-X-DEFINE:IMPORT=\"host\"\n#EXTINF:1,\n{$dir}/{$t}/{$none}\n#EXTINF:1,\nhttp://{$host}/a\n";
    let mut inherited = Variables::default();
    inherited.define("host", "cdn");
    let base = Url::parse("http://h/live/index.m3u8?t=7").unwrap();
    let text = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{lines}");
    let Ok(Playlist::Media(media)) = parse(text.as_bytes(), &base, &inherited) else {
        panic!("it is a playlist")
    };
    let urls: Vec<_> = media.segments.iter().map(|segment| segment.url.as_str()).collect();
    assert_eq!(urls, ["http://h/live/x/y/7/%7B$none%7D", "http://cdn/a"]);
}

#[test]
fn what_is_careless_but_evident_is_read() {
    let plain = media("#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:3\n#EXTINF:2,\na\n");
    for text in [
        "\u{feff}#EXTM3U\r\n#EXT-X-TARGETDURATION:2\r\n\r\n#EXT-X-MEDIA-SEQUENCE:3\r\n#EXTINF:2,\r\na\r\n",
        "\n\n#EXTM3U url-tvg=\"x\"\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE: 3\n#EXTINF:2,\n  a  ",
        "#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:3\n#EXTINF:2,\na\n",
        "#EXTM3U\n# a remark\n#EXT-X-UNHEARD-OF:1\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:3\n#EXTINF:2,\n#EXT-X-DATERANGE:ID=\"x\"\na\n",
        "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXT-X-MEDIA-SEQUENCE:1\n#EXT-X-SKIP:SKIPPED-SEGMENTS=2\n#EXTINF:2,\na\n",
    ] {
        assert_eq!(media(text), plain, "{text:?}");
    }
}

#[test]
fn what_is_no_list_of_segments_is_refused() {
    for (text, error) in [
        ("", Error::NotAPlaylist),
        ("<html></html>", Error::NotAPlaylist),
        ("#EXTM3U\n", Error::NotAPlaylist),
        ("#EXTINF:5,\na\n", Error::NotAPlaylist),
        ("#EXTM3U\n#EXTINF:-1 tvg-id=\"a\",A\nhttp://h/a\n", Error::ChannelList),
        ("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXT-X-I-FRAMES-ONLY\n#EXTINF:1,\na\n", Error::StillPictures),
        ("#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1\n", Error::NoVariants),
    ] {
        assert_eq!(read(text), Err(error), "{text:?}");
    }
    assert_eq!(read(&" ".repeat(MAX_BODY + 1)), Err(Error::TooLarge));
    assert!(read("#EXTM3U\n#EXTINF:10,\na.ts\n").is_ok(), "the oldest form has no other tags");
}

#[test]
fn no_more_is_kept_than_there_is_room_for() {
    let lines = (0..MAX_SEGMENTS * 3).fold(String::new(), |mut lines, number| {
        write!(lines, "#EXTINF:1,\n{number}\n").unwrap();
        lines
    });
    let media = media(&format!("#EXTM3U\n#EXT-X-MEDIA-SEQUENCE:5\n{lines}"));
    assert_eq!(media.segments.len(), MAX_SEGMENTS);
    assert_eq!(media.sequence, 5 + 2 * MAX_SEGMENTS as u64, "the latest are kept");
    assert_eq!(media.segments[0].url.path(), format!("/live/{}", MAX_SEGMENTS * 2));
}

/// Bytes of addresses in what is kept of a list: shared ones once.
fn kept(media: &Media) -> usize {
    let mut shared = std::collections::HashSet::new();
    let mut bytes = 0;
    let mut add = |at: *const (), url: &Url| {
        if shared.insert(at) {
            bytes += url.as_str().len();
        }
    };
    for segment in &media.segments {
        add(std::ptr::from_ref(segment).cast(), &segment.url);
        let keys = [segment.key.as_ref(), segment.init.as_ref().and_then(|init| init.key.as_ref())];
        for key in keys.into_iter().flatten() {
            if let Key::Aes128 { url, .. } = &**key {
                add(Arc::as_ptr(key).cast(), url);
            }
        }
        if let Some(init) = &segment.init {
            add(Arc::as_ptr(init).cast(), &init.url);
        }
    }
    bytes
}

/// What a hostile provider can make of one answer: below an address of 8 KiB, or with variables, a
/// few bytes of a line become thousands. Each of these lists took hundreds of megabytes or minutes
/// once.
#[test]
fn hostile_lists_cost_no_more_than_their_length() {
    let long = Url::parse(&format!("http://h/{}/", "a".repeat(8000))).unwrap();
    let value = "b".repeat(1024);
    let define = format!("#EXT-X-DEFINE:NAME=\"a\",VALUE=\"{value}\"\n");
    let lines =
        |line: &str| (0..200_000).map(|number| line.replace('~', &number.to_string())).collect::<String>();
    for (name, lines) in [
        ("brackets", format!("{define}#EXTINF:1,\n/{}\n", "{$".repeat(4_000_000))),
        (
            "brackets in keys",
            format!("{define}#EXT-X-KEY:METHOD=AES-128,URI=\"{}\"\n#EXTINF:1,\na\n", "{$".repeat(4_000_000)),
        ),
        ("expansion", format!("{define}#EXTINF:1,\n/{}\n", "{$a}".repeat(2_000_000))),
        ("many expansions", format!("{define}{}", lines("#EXTINF:1,\n/{$a}{$a}{$a}{$a}\n"))),
        ("lost", lines("#EXTINF:1,\nx:\n")),
        ("segments", lines("#EXTINF:1,\n~\n")),
        ("keys", lines("#EXT-X-KEY:METHOD=AES-128,URI=\"~\"\n#EXTINF:1,\n~\n")),
        ("maps", lines("#EXT-X-MAP:URI=\"~\"\n#EXTINF:1,\n~\n")),
        ("formats", lines("#EXT-X-KEY:METHOD=AES-128,KEYFORMAT=\"~\"\n#EXTINF:1,\n~\n")),
        ("data", format!("#EXT-X-MAP:URI=\"data:,{}\"\n#EXTINF:1,\na\n", "a".repeat(60_000)).repeat(250)),
        ("ranges", lines("#EXTINF:1,\n#EXT-X-BYTERANGE:1\n~\n")),
    ] {
        let body = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n{lines}");
        let Ok(Playlist::Media(media)) = parse(body.as_bytes(), &long, &Variables::default()) else {
            panic!("{name} is a list of segments")
        };
        assert!(!media.segments.is_empty() && kept(&media) <= MAX_KEPT, "{name}: {} bytes", kept(&media));
        let total = media.sequence + media.segments.len() as u64;
        let written = body.matches("#EXTINF").count() as u64;
        assert_eq!(total, written, "{name}: the latest are kept, and counted");
    }
    let variants = lines("#EXT-X-STREAM-INF:BANDWIDTH=~\n~\n");
    let Ok(Playlist::Multivariant(list)) = parse(variants.as_bytes(), &long, &Variables::default()) else {
        panic!("it lists variants")
    };
    assert_eq!(list.variants.len(), MAX_VARIANTS);
}

#[test]
fn raw_bytes_of_an_address_are_percent_encoded() {
    let text = b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,caf\xE9\ncaf\xE9/\xFC.ts?a=\xE9\n#EXTINF:1,\nca\xC3\xA9.ts\n";
    let base = Url::parse("http://h/").unwrap();
    let Ok(Playlist::Media(media)) = parse(text, &base, &Variables::default()) else { panic!("a list") };
    let urls: Vec<_> = media.segments.iter().map(|segment| segment.url.as_str()).collect();
    assert_eq!(urls, ["http://h/caf%E9/%FC.ts?a=%E9", "http://h/ca%C3%A9.ts"]);
}

#[test]
fn keys_and_maps_may_stand_in_their_addresses() {
    let media = media(
        "#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI=\"data:;base64,AAAA\"\n#EXT-X-MAP:URI=\"DATA:,x\"\n#EXTINF:1,\na\n\
         #EXTINF:1,\ndata:,b\n",
    );
    let [first, second] = &media.segments[..] else { panic!("{media:?}") };
    let Some(Key::Aes128 { url, .. }) = first.key.as_deref() else { panic!("{first:?}") };
    assert_eq!((url.as_str(), first.init.as_ref().unwrap().url.as_str()), ("data:;base64,AAAA", "data:,x"));
    assert!(second.is_gap, "but no segments");
}

#[test]
fn variants_are_read_however_they_are_written() {
    let text = "#EXTM3U\n#EXT-X-STREAM-INF:BANDWIDTH=1280000, RESOLUTION=640x360 ,CODECS=\"avc1.4d401f, mp4a.40.2\",\nlow\n\
                #EXT-X-STREAM-INF:AVERAGE-BANDWIDTH=5,CODECS=mp4a.40.2\n\nmiddle\n\
                #EXT-X-I-FRAME-STREAM-INF:BANDWIDTH=9,URI=\"i\"\n#EXT-X-STREAM-INF:\nhigh\nstray\n";
    let Ok(Playlist::Multivariant(list)) = read(text) else { panic!("{text}") };
    let shown: Vec<_> = list
        .variants
        .iter()
        .map(|variant| (variant.url.path(), variant.bandwidth, variant.resolution, variant.codecs.len()))
        .collect();
    assert_eq!(
        shown,
        [
            ("/live/low", 1_280_000, Some((640, 360)), 2),
            ("/live/middle", 5, None, 1),
            ("/live/high", 0, None, 0)
        ]
    );
}

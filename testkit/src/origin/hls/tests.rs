use std::collections::BTreeMap;
use std::io::Read as _;

use cbc::cipher::block_padding::Pkcs7;
use cbc::cipher::{BlockModeDecrypt, KeyIvInit};
use tokio::process::Command;

use super::*;
use crate::client::{self, Answer, Request};
use crate::clip::Kind;
use crate::player::ffmpeg_strict;
use crate::ts::{Checker, Limits, Pes, demux};

const SHORT: Duration = Duration::from_millis(800);
const SOON: Duration = Duration::from_secs(5);

fn live() -> Hls {
    Hls::live(Clip::get(Kind::ShortGop)).segment(SHORT)
}

async fn get(origin: &Origin, path: &str) -> Answer {
    client::get(origin.address(), path).await
}

async fn playlist(origin: &Origin) -> String {
    let answer = get(origin, "/live/index.m3u8").await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.text()
}

fn value<'a>(text: &'a str, tag: &str) -> Vec<&'a str> {
    text.lines().filter_map(|line| line.strip_prefix(tag)?.strip_prefix(':')).collect()
}

fn uris(text: &str) -> Vec<&str> {
    text.lines().filter(|line| !line.starts_with('#') && !line.is_empty()).collect()
}

#[tokio::test]
async fn segments_are_one_clean_stream_with_the_lengths_that_are_stated() {
    let origin = Origin::start().await;
    let broadcast = live().window(4).speed(20.0).mount(&origin, "/live");
    let text = playlist(&origin).await;
    assert!(
        text.starts_with("#EXTM3U\n#EXT-X-VERSION:7\n#EXT-X-TARGETDURATION:1\n#EXT-X-MEDIA-SEQUENCE:10"),
        "{text}"
    );
    assert_eq!((uris(&text).len(), value(&text, "#EXTINF")[0]), (4, "0.80000,"));
    // Around the loop of the clip.
    let mut stream = Vec::new();
    for number in 0..30 {
        while broadcast.segments() <= number {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let answer = get(&origin, &format!("/live/seg{number}.ts")).await;
        assert_eq!((answer.status, answer.header("content-type")), (200, Some("video/mp2t")));
        let report = Checker::check(&answer.body);
        assert!(report.start.pat_first && report.start.pmt_next, "{number}: {:?}", report.start);
        report.assert_within(&Limits { cut_end: false, ..Limits::default() });
        stream.extend(answer.body);
    }
    let report = Checker::check(&stream);
    report.assert_clean();
    assert!(report.media_time.abs_diff(SHORT * 30) < Duration::from_millis(100), "{:?}", report.media_time);
}

#[tokio::test]
async fn the_window_moves_on_in_real_time() {
    let origin = Origin::start().await;
    let broadcast = live().window(3).first_sequence(7).mount(&origin, "/live");
    let first = playlist(&origin).await;
    assert_eq!(
        (uris(&first), value(&first, "#EXT-X-MEDIA-SEQUENCE")),
        (vec!["seg0.ts", "seg1.ts", "seg2.ts"], vec!["7"])
    );
    let began = tokio::time::Instant::now();
    while broadcast.segments() < 5 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert!(began.elapsed().abs_diff(SHORT * 2) < Duration::from_millis(150), "{:?}", began.elapsed());
    let text = playlist(&origin).await;
    assert_eq!(
        (uris(&text), value(&text, "#EXT-X-MEDIA-SEQUENCE")),
        (vec!["seg2.ts", "seg3.ts", "seg4.ts"], vec!["9"])
    );
    assert_eq!(get(&origin, "/live/seg9.ts").await.status, 404, "it is not there yet");
    broadcast.change(|hls| hls.frozen(true));
    let held = playlist(&origin).await;
    tokio::time::sleep(SHORT * 2).await;
    assert_eq!(playlist(&origin).await, held);
    broadcast.change(|hls| hls.ended(true));
    assert!(playlist(&origin).await.ends_with("#EXT-X-ENDLIST\n"));
    broadcast.change(|hls| hls.ended(false));
    broadcast.skip(20);
    let text = playlist(&origin).await;
    assert!(uris(&text)[0] >= "seg24.ts", "{text}");
    let stats = broadcast.stats();
    assert_eq!((stats.polls(), stats.segments(), stats.segment(9)), (6, vec![9], 1), "{stats:?}");
    assert_eq!(stats.polls, [1, 3, 1, 1], "the frozen one came again");
}

#[tokio::test]
async fn restarts_splices_and_odd_sequences_are_as_asked() {
    let origin = Origin::start().await;
    let other = Clip::get(Kind::H264AacB);
    let broadcast =
        live().window(3).frozen(false).discontinuity_at(1, other.clone()).speed(4.0).mount(&origin, "/live");
    let text = playlist(&origin).await;
    assert!(text.contains("seg0.ts\n#EXT-X-DISCONTINUITY\n#EXTINF"), "{text}");
    let foreign = Checker::check(&get(&origin, "/live/seg1.ts").await.body);
    assert_eq!(foreign.video_pid(), other.video_pid());
    broadcast.skip(3);
    let text = playlist(&origin).await;
    assert_eq!(value(&text, "#EXT-X-DISCONTINUITY-SEQUENCE"), ["1"], "{text}");
    broadcast.restart_encoder();
    broadcast.skip(2);
    let text = playlist(&origin).await;
    assert_eq!(value(&text, "#EXT-X-MEDIA-SEQUENCE"), ["0"], "{text}");
    assert!(uris(&text).len() < 4 && !text.contains("#EXT-X-DISCONTINUITY\n"), "{text}");
    broadcast.change(Hls::constant_sequence);
    assert_eq!(value(&playlist(&origin).await, "#EXT-X-MEDIA-SEQUENCE"), ["100"]);
    broadcast.change(|hls| hls.older_playlists(2, 2).frozen(true));
    let sequence = |text: &str| uris(text)[0].to_owned();
    let polls = [playlist(&origin).await, playlist(&origin).await, playlist(&origin).await];
    assert_ne!(sequence(&polls[0]), sequence(&polls[1]));
    assert_eq!(sequence(&polls[0]), sequence(&polls[2]));
}

#[tokio::test]
async fn segments_are_damaged_as_asked() {
    let origin = Origin::start().await;
    let hls = live().window(12).frozen(true);
    let slow = Fault::Slow { bytes_per_second: 1_000_000 };
    let hls =
        hls.fault(.., Fault::Status(500)).fault(0..1, Fault::Gap).fault(1..2, Fault::Missing { tries: 2 });
    let hls =
        hls.fault(2..3, Fault::Truncated).fault(3..4, Fault::ShortWithoutNotice).fault(4..5, Fault::Cut);
    let hls = hls
        .fault(5..6, Fault::Stalled)
        .fault(6..7, slow)
        .fault(7..8, Fault::Repeated)
        .fault(8..9, Fault::Png);
    let hls = hls.fault(11..12, Fault::Garbage);
    let broadcast = hls.fault(9..10, Fault::Html).mount(&origin, "/live");
    let text = playlist(&origin).await;
    assert!(text.contains("#EXT-X-GAP\n#EXTINF:0.80000,\nseg0.ts\n") && text.contains("seg8.png"), "{text}");
    let status = async |path: &str| get(&origin, path).await.status;
    assert_eq!(status("/live/seg0.ts").await, 404);
    assert_eq!(
        [status("/live/seg1.ts").await, status("/live/seg1.ts").await, status("/live/seg1.ts").await],
        [404, 404, 200]
    );
    let whole = |number: u64| broadcast.segment_bytes(number);
    for number in [2, 4, 5] {
        let mut viewer = client::Viewer::get(origin.address(), &format!("/live/seg{number}.ts")).await;
        let half = viewer.read_for(Duration::from_millis(300)).await;
        assert_eq!(half, whole(number)[..whole(number).len() / 2], "{number}");
        assert_eq!(viewer.ended().is_none(), number == 5, "{number}: {:?}", viewer.ended());
    }
    assert_eq!(get(&origin, "/live/seg3.ts").await.body, whole(3)[..whole(3).len() / 2]);
    let began = tokio::time::Instant::now();
    assert_eq!(get(&origin, "/live/seg6.ts").await.body, whole(6));
    let expected = Duration::from_micros(whole(6).len() as u64);
    assert!(began.elapsed().abs_diff(expected) < Duration::from_millis(100), "{:?}", began.elapsed());
    assert_eq!(get(&origin, "/live/seg7.ts").await.body, whole(0));
    let png = get(&origin, "/live/seg8.png").await;
    assert_eq!((png.header("content-type"), &png.body[70..]), (Some("image/png"), &whole(8)[..]));
    assert!(get(&origin, "/live/seg9.ts").await.text().contains("<html>"));
    assert_eq!(get(&origin, "/live/seg11.ts").await.body[376..], whole(11));
    assert_eq!(status("/live/seg10.ts").await, 500);
    broadcast.change(Hls::without_faults);
    assert_eq!(status("/live/seg10.ts").await, 200);
}

#[tokio::test]
async fn tokens_cookies_and_queries_are_demanded() {
    let origin = Origin::start().await;
    let elsewhere = Origin::start().await;
    let hls = live().segment_tokens(SegmentTokens::Listed).cookie("k=v");
    let broadcast = hls.mount(&origin, "/live");
    let to = broadcast.mirror(&elsewhere, "/other").replace("/index.m3u8", "");
    let lifetime = Duration::from_millis(500);
    broadcast.change(|hls| hls.redirect(Redirect { to: Some(to), lifetime }));
    let entry = get(&origin, "/live/index.m3u8").await;
    let location = entry.header("location").expect("it leads elsewhere").to_owned();
    let node = location.strip_prefix(&elsewhere.url("")).expect("it is the other").to_owned();
    assert_eq!((entry.status, &node[..]), (302, "/other/node/index.m3u8?token=t0"));
    let text = get(&elsewhere, &node).await.text();
    let with_cookie = async |path: &str| {
        let request = Request::get(elsewhere.address(), path).header("Cookie", "a=b; k=v");
        request.send().await.expect("it answers").status
    };
    let uri = format!("/other/node/{}", uris(&text)[0]);
    assert!(uri.ends_with("seg0.ts?token=t0"), "{uri}");
    assert_eq!(
        [
            get(&elsewhere, &uri).await.status,
            with_cookie(&uri).await,
            with_cookie("/other/node/seg0.ts").await
        ],
        [403, 200, 403]
    );
    tokio::time::sleep(lifetime).await;
    assert_eq!([get(&elsewhere, &node).await.status, with_cookie(&uri).await], [403, 403]);
    assert!(get(&origin, "/live/index.m3u8").await.header("location").unwrap().ends_with("token=t1"));
    let stats = broadcast.stats();
    assert_eq!((stats.redirects, stats.forbidden), (2, 4), "{stats:?}");

    live()
        .token("abc")
        .segment_tokens(SegmentTokens::Inherited)
        .uris(Uris::WithQuery)
        .mount(&origin, "/live");
    assert_eq!(get(&origin, "/live/index.m3u8").await.status, 403);
    let text = get(&origin, "/live/index.m3u8?token=abc").await.text();
    let uri = format!("/live/{}", uris(&text)[0]);
    assert!(uri.ends_with("seg0.ts?sig=a%2Fb&n=0"), "{uri}");
    assert_eq!(
        [get(&origin, &uri).await.status, get(&origin, &format!("{uri}&token=abc")).await.status],
        [403, 200]
    );
    assert_eq!(get(&origin, "/live/seg0.ts?token=abc").await.status, 403);
}

#[tokio::test]
async fn playlists_are_written_and_answered_as_asked() {
    let origin = Origin::start().await;
    let text = Text { bom: true, crlf: true, blank_lines: true, no_comma: true, no_target: true };
    let broadcast = live().frozen(true).text(text).playlist_type("image/png").mount(&origin, "/live");
    let answer = get(&origin, "/live/index.m3u8").await;
    assert_eq!(answer.header("content-type"), Some("image/png"));
    assert!(
        answer.text().starts_with("\u{feff}#EXTM3U\r\n\r\n#EXT-X-VERSION:7\r\n\r\n#EXT-X-MEDIA"),
        "{}",
        answer.text()
    );
    assert!(answer.text().contains("#EXTINF:0.80000\r\n"));
    broadcast
        .change(|hls| hls.text(Text::default()).gzip(Gzip::WhenAccepted).validators().uris(Uris::Absolute));
    let plain = get(&origin, "/live/index.m3u8").await;
    let zipped = Request::get(origin.address(), "/live/index.m3u8").header("Accept-Encoding", "br, gzip");
    let zipped = zipped.send().await.unwrap();
    let mut text = String::new();
    flate2::read::GzDecoder::new(&zipped.body[..]).read_to_string(&mut text).unwrap();
    assert_eq!((text, zipped.header("content-encoding")), (plain.text(), Some("gzip")));
    assert_eq!(uris(&plain.text())[0], origin.url("/live/seg0.ts"));
    let tag = plain.header("etag").unwrap();
    let same =
        Request::get(origin.address(), "/live/index.m3u8").header("If-None-Match", tag).send().await.unwrap();
    assert_eq!((same.status, same.body.len()), (304, 0));
    broadcast.change(|hls| hls.uris(Uris::RootRelative).target_duration(10));
    assert!(playlist(&origin).await.contains("\n/live/seg0.ts\n"));
    broadcast.change(|hls| hls.html(true));
    assert!(playlist(&origin).await.contains("FAILED TO CONNECT"));
    broadcast.change(|hls| hls.playlist_status(Some(503)));
    assert_eq!(get(&origin, "/live/index.m3u8").await.status, 503);
    for (encryption, word) in
        [(Encryption::SampleAes, "METHOD=SAMPLE-AES,"), (Encryption::Widevine, "edef8ba9")]
    {
        live().encryption(encryption).mount(&origin, "/live");
        assert!(playlist(&origin).await.contains(word));
    }
}

#[tokio::test]
async fn low_latency_tags_name_parts_that_make_up_the_segment() {
    let origin = Origin::start().await;
    let broadcast = live().window(10).low_latency().mount(&origin, "/live");
    let text = playlist(&origin).await;
    assert!(
        text.contains("#EXT-X-SERVER-CONTROL:")
            && text.contains("#EXT-X-PRELOAD-HINT:TYPE=PART,URI=\"part10."),
        "{text}"
    );
    let mut whole = Vec::new();
    for part in 0..4 {
        assert!(text.contains(&format!("#EXT-X-PART:DURATION=0.20000,URI=\"part9.{part}.ts\"")), "{text}");
        whole.extend(get(&origin, &format!("/live/part9.{part}.ts")).await.body);
    }
    assert_eq!(whole, broadcast.segment_bytes(9));
    let delta = get(&origin, "/live/index.m3u8?_HLS_skip=YES").await.text();
    let skipped: usize =
        value(&delta, "#EXT-X-SKIP")[0].strip_prefix("SKIPPED-SEGMENTS=").unwrap().parse().unwrap();
    assert_eq!(skipped + uris(&delta).len(), 10, "{delta}");
}

/// ffmpeg reads what is played out eight times as fast as it lasts.
async fn assert_plays(name: &str, url: &str, seconds: u32) {
    let verdict = ffmpeg_strict(url, seconds).await;
    assert!(verdict.ok, "{name}: {verdict:#?}");
}

#[tokio::test]
async fn ffmpeg_plays_every_container_and_cipher() {
    let origin = Origin::start().await;
    let fast = || live().speed(8.0).window(20);
    let aes = |iv, rotate_every| fast().encryption(Encryption::Aes128 { iv, rotate_every });
    let mp3 = || Hls::live(Clip::get(Kind::Mp3Only)).segment(SHORT).speed(8.0).window(20);
    let variants = Multivariant::default()
        .variant(
            Variant::new(800_000).codecs("avc1.64001e,mp4a.40.2").resolution(640, 360).audio("a"),
            fast().container(Container::Fmp4Video),
        )
        .audio("a", "en", fast().container(Container::Fmp4Audio));
    variants.mount(&origin, "/multi");
    let cases = [
        ("ts", fast()),
        ("fmp4", fast().container(Container::Fmp4)),
        ("aac", fast().container(Container::PackedAudio)),
        ("mp3", mp3().container(Container::PackedAudio)),
        ("explicit", aes(Iv::Explicit, None)),
        ("rotated", aes(Iv::Implied, Some(3))),
        ("ranges", fast().byte_ranges()),
        ("fmp4-sealed", aes(Iv::Implied, None).container(Container::Fmp4)),
    ];
    for (name, hls) in cases {
        let broadcast = hls.mount(&origin, &format!("/{name}"));
        if name == "mp3" {
            // ffmpeg's own times of MP3 overlap by a frame where segments meet, whoever made them.
            let verdict = ffmpeg_strict(broadcast.url(), 20).await;
            let others = verdict.errors.iter().filter(|error| !error.contains("non monotonically"));
            assert!(others.count() == 0 && verdict.seconds > 19.0, "{verdict:#?}");
        } else {
            assert_plays(name, broadcast.url(), 20).await;
        }
        let encrypted = matches!(name, "explicit" | "rotated" | "fmp4-sealed");
        assert_eq!(
            broadcast.stats().files.keys().any(|name| name.starts_with("key")),
            encrypted,
            "{name}: {:?}",
            broadcast.stats()
        );
    }
    assert_plays("multi", &origin.url("/multi/index.m3u8"), 20).await;
}

#[tokio::test]
async fn picture_and_sound_of_every_container_have_the_times_of_the_clip() {
    let origin = Origin::start().await;
    let clip = Clip::get(Kind::ShortGop);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("a.ts");
    let lead = |pes: &BTreeMap<u16, Vec<Pes>>| {
        let first = |pid: u16| pes.get(&pid).map(|list| i64::try_from(list[0].pts.unwrap()).unwrap());
        (first(0x100), first(0x101))
    };
    let (video, audio) = lead(&clip.pes());
    for container in [Container::Ts, Container::Fmp4, Container::Fmp4Video, Container::Fmp4Audio] {
        // Around the loop.
        let broadcast = live().window(26).container(container).mount(&origin, &format!("/{container:?}"));
        broadcast.change(|hls| hls.ended(true));
        let arguments =
            ["-v", "error", "-y", "-copyts", "-i", broadcast.url(), "-c", "copy", "-muxdelay", "0"];
        let mut ffmpeg = Command::new("ffmpeg");
        ffmpeg.args(arguments).args([
            "-muxpreload",
            "0",
            "-pes_payload_size",
            "0",
            "-copyts",
            "-f",
            "mpegts",
        ]);
        assert!(ffmpeg.arg(&file).status().await.expect("ffmpeg runs").success());
        let bytes = std::fs::read(&file).unwrap();
        let report = Checker::check(&bytes);
        let longest = report.dts_gap.values().max().unwrap();
        assert!(
            *longest < Duration::from_millis(45) && report.pcr_backward == 0,
            "{container:?}: {report:#?}"
        );
        let times = match (lead(&demux(&bytes)), container) {
            ((audio, None), Container::Fmp4Audio) => (None, audio),
            (times, _) => times,
        };
        let near = |time: Option<i64>, expected: Option<i64>| {
            time.is_none_or(|time| time.abs_diff(expected.expect("the clip has it")) < 90)
        };
        assert!(near(times.0, video) && near(times.1, audio), "{container:?}: {times:?} {video:?} {audio:?}");
    }
    let broadcast = live().container(Container::PackedAudio).mount(&origin, "/packed");
    let units = clip.pes();
    let mut expected = units[&0x101].iter().map(|unit| (unit.pts.unwrap(), unit.payload.clone())).peekable();
    for number in 0..broadcast.segments() {
        let bytes = broadcast.segment_bytes(number);
        assert!(bytes.starts_with(
            b"ID3\x04\0\0\0\0\0\x3fPRIV\0\0\0\x35\0\0com.apple.streaming.transportStreamTimestamp\0"
        ));
        assert_eq!(bytes[65..73], expected.peek().unwrap().0.to_be_bytes());
        let mut sound = &bytes[73..];
        while !sound.is_empty() {
            sound =
                sound.strip_prefix(&expected.next().unwrap().1[..]).expect("the clip's sound, unit by unit");
        }
    }
}

#[tokio::test]
async fn counts_can_be_awaited_and_the_most_at_once_is_known() {
    let origin = Origin::start().await;
    let broadcast = live().fault(0..2, Fault::Stalled).mount(&origin, "/live");
    let first = client::Viewer::get(origin.address(), "/live/seg0.ts").await;
    let second = client::Viewer::get(origin.address(), "/live/seg1.ts").await;
    broadcast.wait(SOON, "both", |stats| stats.segment(0) + stats.segment(1) == 2).await;
    drop((first, second));
    origin.wait_connections("/live/*", 0, SOON).await;
    assert_eq!(origin.most_connections("/live/*"), 2);
}

#[tokio::test]
async fn each_byte_range_is_encrypted_by_itself() {
    let origin = Origin::start().await;
    let encryption = Encryption::Aes128 { iv: Iv::Implied, rotate_every: Some(2) };
    let broadcast = live().frozen(true).encryption(encryption).byte_ranges().mount(&origin, "/live");
    let text = playlist(&origin).await;
    assert_eq!(value(&text, "#EXT-X-KEY").len(), 3, "{text}");
    let mut from = 0;
    for (number, range) in (0u64..).zip(value(&text, "#EXT-X-BYTERANGE")) {
        let (length, offset) = range.split_once('@').unwrap_or((range, ""));
        assert_eq!(offset.is_empty(), number % 2 == 1, "{text}");
        let to = from + length.parse::<usize>().unwrap();
        let request = Request::get(origin.address(), "/live/all.ts")
            .header("Range", &format!("bytes={from}-{}", to - 1));
        let answer = request.send().await.unwrap();
        assert_eq!((answer.status, answer.body.len()), (206, to - from));
        let key: [u8; 16] =
            get(&origin, &format!("/live/key{}.bin", number / 2)).await.body.try_into().unwrap();
        let cipher =
            cbc::Decryptor::<aes::Aes128>::new(&key.into(), &u128::from(100 + number).to_be_bytes().into());
        let clear = cipher.decrypt_padded_vec::<Pkcs7>(&answer.body).expect("the padding is right");
        assert_eq!(clear, broadcast.segment_bytes(number));
        from = to;
    }
    for (form, bytes) in [
        (KeyForm::WithLineFeed, &b"the key \0\0\0\0\0\0\0\0\n"[..]),
        (KeyForm::Hex, b"746865206b6579200000000000000000"),
    ] {
        broadcast.change(|hls| hls.key_form(form));
        assert_eq!(get(&origin, "/live/key0.bin").await.body, bytes);
    }
    assert_eq!(broadcast.stats().segments(), [0, 1, 2, 3, 4, 5], "a range counts as its segment");
}

//! What a viewer gets can be played: from the first packet on, by real players, and bit for bit what the source sent.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use forebay_testkit::client::{self, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Origin};
use forebay_testkit::player;
use forebay_testkit::ts::{Checker, Codec, PACKET_SIZE, Packet, Report, contains_in_order, crc32, demux};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};
use tempfile::NamedTempFile;
use tokio::process::Command;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep_until};

use crate::program::Setup;
use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// Every stream of the clip comes under its PID, in whole PES packets whose payloads are the clip's, one after the other. A stream
/// with few of them (subtitles) may not have begun.
fn assert_same_payload(clip: &Clip, bytes: &[u8]) {
    let (sent, mut got) = (clip.pes(), demux(bytes));
    assert!(got.keys().all(|pid| sent.contains_key(pid)), "{}: {:?}", clip.name(), got.keys());
    for stream in clip.streams() {
        let got = got.remove(&stream.pid).unwrap_or_default();
        let is_media = stream.is_video() || stream.is_audio();
        assert!(got.len() > 1 || !is_media, "{}: {} PES packets of {stream:?}", clip.name(), got.len());
        // Of the last one it is not known whether it is whole: the viewer left.
        let whole = got.len().saturating_sub(1);
        let torn = got[..whole].iter().position(|pes| !pes.complete);
        assert_eq!(torn, None, "{}: a torn PES packet among {} of {stream:?}", clip.name(), got.len());
        if whole > 0
            && let Err(error) = contains_in_order(&sent[&stream.pid], &got)
        {
            panic!("{}, {stream:?}: {error}", clip.name());
        }
    }
}

/// Puts bytes into a file, whose name is the second.
fn file(bytes: &[u8]) -> (NamedTempFile, String) {
    let file = NamedTempFile::new().expect("a temporary file");
    std::fs::write(file.path(), bytes).expect("a temporary file takes the bytes");
    let path = file.path().to_string_lossy().into_owned();
    (file, path)
}

/// ffmpeg, being strict, decodes so many seconds of what a viewer got.
async fn assert_decodes(bytes: &[u8], seconds: u32) {
    let (_file, path) = file(bytes);
    player::ffmpeg_strict(&path, seconds).await.assert_ok();
}

/// ffmpeg, being strict, decodes one picture, which is all there is of the elementary stream.
async fn assert_decodes_alone(codec: Codec, picture: &[u8]) {
    let format = match codec {
        Codec::Mpeg2 => "mpegvideo",
        Codec::H264 => "h264",
        Codec::Hevc => "hevc",
    };
    let (_file, path) = file(picture);
    player::require("ffmpeg");
    let output = Command::new("ffmpeg")
        .args(["-nostdin", "-v", "warning", "-xerror", "-err_detect", "crccheck+bitstream+buffer+explode"])
        .args(["-f", format, "-i", &path, "-f", "framecrc", "-"])
        .output()
        .await
        .expect("ffmpeg can be started");
    let pictures =
        String::from_utf8_lossy(&output.stdout).lines().filter(|line| !line.starts_with('#')).count();
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && pictures == 1 && said.is_empty(),
        "{pictures} pictures of one: {said}"
    );
}

/// A viewer who joins a channel and looks for a while.
struct Join {
    bytes: Vec<u8>,
    report: Report,
    /// From the request to the first byte of the first picture, or of the first sound where there is none.
    warm: Duration,
}

impl Join {
    async fn new(address: SocketAddr, path: &str, span: Duration) -> Self {
        let mut viewer = Viewer::get(address, path).await;
        assert_eq!(viewer.status(), 200, "{path}");
        let bytes = viewer.read_for(span).await;
        let report = Checker::check(&bytes);
        let pid = report.video_pid().or_else(|| report.audio_pids().first().copied());
        let begins = |packet: &[u8]| {
            Packet::new(packet).is_some_and(|packet| Some(packet.pid()) == pid && packet.starts_unit())
        };
        let at = bytes.chunks_exact(PACKET_SIZE).position(begins);
        let at = at.unwrap_or_else(|| panic!("{path}: no picture in {} bytes", bytes.len())) * PACKET_SIZE;
        let mut read = 0;
        let came = viewer.arrivals().iter().find(|arrival| {
            read += arrival.bytes;
            read > at
        });
        let (first, came) = (viewer.arrivals()[0].at, came.expect("it was read").at);
        let warm = viewer.first_byte_after().expect("something was read") + (came - first);
        Self { bytes, report, warm }
    }

    /// It begins with the tables, and at once with a random access point: a picture that decodes alone.
    async fn assert_starts_right(&self) {
        self.report.assert_clean();
        let Some(video) = self.report.streams.iter().find(|stream| stream.is_video()) else { return };
        let before = self.report.start.bytes_before_access;
        assert_eq!(before, Some(2 * PACKET_SIZE as u64), "PAT, PMT and the picture: {:?}", self.report);
        let codec = Codec::from_stream_type(video.stream_type).expect("the clips have no others");
        assert_decodes_alone(codec, &demux(&self.bytes)[&video.pid][0].payload).await;
    }
}

/// Keeps a channel open, reading what comes, until it is aborted.
async fn keep_open(address: SocketAddr, path: &str) -> JoinHandle<()> {
    let mut viewer = Viewer::get(address, path).await;
    assert_eq!(viewer.status(), 200, "{path}");
    tokio::spawn(async move {
        loop {
            assert!(!viewer.read_for(SECOND).await.is_empty(), "the stream goes on");
        }
    })
}

/// Moments within `span`, at random but the same ones each time (xorshift).
fn moments(count: usize, span: Duration) -> impl Iterator<Item = Duration> {
    let mut state = 0x2545_f491_u32;
    std::iter::repeat_with(move || {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        span.mul_f64(f64::from(state) / f64::from(u32::MAX))
    })
    .take(count)
}

/// Joins at random moments within `span`.
async fn join_at_random(address: SocketAddr, path: &str, count: usize, span: Duration) -> Vec<Join> {
    let began = Instant::now();
    let joins = moments(count, span).map(|moment| async move {
        sleep_until(began + moment).await;
        Join::new(address, path, SECOND).await
    });
    join_all(joins).await
}

#[tokio::test(flavor = "multi_thread")]
async fn joining_at_fifty_random_moments_starts_at_once_with_a_picture_that_decodes() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::H264Aac)));
    let relay = Relay::with_sources(&[origin.url("/a.ts")], "");
    let open = keep_open(relay.address(), "/stream/one").await;
    relay.wait_status("one", 10 * SECOND, |status| status["buffer"]["seconds"].as_f64() > Some(4.0)).await;
    let joins = join_at_random(relay.address(), "/stream/one", 50, 6 * SECOND).await;
    open.abort();

    let mut warm: Vec<Duration> = joins.iter().map(|join| join.warm).collect();
    warm.sort_unstable();
    let (median, p99) = (warm[warm.len() / 2], warm[warm.len() * 99 / 100]);
    println!("warm time of {} joins: median {median:.1?}, p99 {p99:.1?} (aim: below 50 ms)", warm.len());
    assert!(p99 < Duration::from_millis(250), "a machine may be busy, but not so: {warm:?}");
    let judging = stream::iter(&joins).for_each_concurrent(2, async |join| {
        join.assert_starts_right().await;
        assert_decodes(&join.bytes, 1).await;
    });
    judging.await;
    assert_eq!(origin.opened("/a.ts"), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn every_kind_of_stream_starts_right_cold_and_warm() {
    let origin = Origin::start().await;
    let kinds =
        [Kind::HevcAc3, Kind::Mpeg2Mp2, Kind::H264OpenGopSubs, Kind::NoIdr, Kind::LongGop, Kind::AudioOnly];
    let channels = kinds.map(|kind| {
        let path = format!("/{kind:?}.ts");
        // In the middle of a group of pictures, and before the end of a long one.
        origin.serve(&path, Behaviour::ts(Clip::get(kind)).start_at(Duration::from_millis(6700)).repeating());
        channel(&format!("{kind:?}"), &[origin.url(&path)], "")
    });
    let relay = Relay::start(&channels.concat());
    let address = relay.address();
    let watching = kinds.map(|kind| async move {
        let path = format!("/stream/{kind:?}");
        let cold = Join::new(address, &path, 5 * SECOND);
        let (cold, mut joins) = tokio::join!(cold, join_at_random(address, &path, 5, 4 * SECOND));
        joins.push(cold);
        (kind, joins)
    });
    for (kind, joins) in join_all(watching).await {
        println!("{kind:?}: {:.1?}", joins.iter().map(|join| join.warm).collect::<Vec<_>>());
        for join in joins {
            assert_same_payload(&Clip::get(kind), &join.bytes);
            join.assert_starts_right().await;
            // In an open group, pictures follow that refer to some before it: a strict decoder remarks on the source.
            if !matches!(kind, Kind::H264OpenGopSubs | Kind::NoIdr) {
                assert_decodes(&join.bytes, 1).await;
            }
        }
        assert_eq!(origin.opened(&format!("/{kind:?}.ts")), 1);
    }
}

/// Real players for a while each. In a module of its own, so that few of them run at a time.
mod players {
    use super::*;

    async fn assert_plays(kind: Kind) {
        let clip = Clip::get(kind);
        let origin = Origin::start().await;
        origin.serve("/a.ts", Behaviour::ts(clip.clone()));
        let relay = Relay::with_sources(&[origin.url("/a.ts")], "");
        let url = relay.url("/stream/one");
        // Of the first round, which is the clip as it is.
        let capture = async { Viewer::get(relay.address(), "/stream/one").await.read_for(17 * SECOND).await };
        let (ffmpeg, vlc, bytes) =
            tokio::join!(player::ffmpeg_strict(&url, 20), player::vlc(&url, 14), capture);
        ffmpeg.assert_ok();
        vlc.assert_ok();
        println!("{kind:?}: ffmpeg {} pictures, VLC {}", ffmpeg.frames, vlc.frames);
        assert!(ffmpeg.frames > 19 * 25 && vlc.frames > 12 * 25, "{} and {}", ffmpeg.frames, vlc.frames);
        let report = Checker::check(&bytes);
        report.assert_clean();
        assert_eq!(report.pmt_versions, [0]);
        assert_same_payload(&clip, &bytes);
        assert_eq!(demux(&bytes).len(), clip.streams().len(), "every stream has come");
        assert_eq!(origin.opened("/a.ts"), 1, "for all three");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn h264_with_aac() {
        assert_plays(Kind::H264Aac).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn hevc_with_ac3() {
        assert_plays(Kind::HevcAc3).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn mpeg2_with_mp2() {
        assert_plays(Kind::Mpeg2Mp2).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn h264_in_open_groups_with_two_audio_tracks_and_subtitles() {
        assert_plays(Kind::H264OpenGopSubs).await;
    }
}

/// How sources may come.
mod inputs {
    use super::*;

    /// Watches a channel for two seconds: it is the clip.
    async fn assert_comes(address: SocketAddr, id: &str, clip: &Clip) {
        println!("{id}");
        let join = Join::new(address, &format!("/stream/{id}"), 2 * SECOND).await;
        join.report.assert_clean();
        assert_same_payload(clip, &join.bytes);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_any_framing_are_taken() {
        let (origin, clip) = (Origin::start().await, Clip::get(Kind::H264Aac));
        let whole = || Behaviour::ts(clip.clone());
        let sync_bytes: Vec<u8> = (0..777_u32).map(|at| if at % 90 == 0 { 0x47 } else { b'x' }).collect();
        let framings = [
            ("closed", whole()),
            ("chunked", whole().chunked()),
            ("http10", whole().http10()),
            ("length", whole().claim_length(1 << 40)),
            ("m2ts", whole().packet_size(192)),
            ("reed-solomon", whole().packet_size(204)),
            ("garbage", whole().garbage_before(sync_bytes)),
            ("chunked-m2ts-garbage", whole().packet_size(192).chunked().garbage_before("<html></html>")),
            ("type", whole().content_type("application/octet-stream")),
            ("late", whole().start_at(Duration::from_millis(3210)).answer_after(SECOND)),
            ("wrapping", whole().wrap_after(SECOND)),
        ];
        let channels: Vec<String> = framings
            .iter()
            .map(|(id, behaviour)| {
                origin.serve(&format!("/{id}"), behaviour.clone());
                channel(id, &[origin.url(&format!("/{id}"))], "")
            })
            .collect();
        let relay = Relay::start(&channels.concat());
        join_all(framings.iter().map(|(id, _)| assert_comes(relay.address(), id, &clip))).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn are_asked_for_as_configured() {
        let (origin, other, clip) = (Origin::start().await, Origin::start().await, Clip::get(Kind::H264Aac));
        let whole = || Behaviour::ts(clip.clone());
        let far = other.url("/far.ts");
        origin
            .serve("/plain.ts", whole())
            .serve("/cookie", Behaviour::redirect("/cookie/real.ts", Some("sid=abc; Path=/")))
            .serve("/cookie/real.ts", whole().require_header("Cookie", "sid=abc"))
            .serve("/away", Behaviour::redirect(&far, None))
            .serve("/basic.ts", whole().require_header("Authorization", "Basic am9lOnBAc3M="))
            .serve("/basic-away", Behaviour::redirect(&far, None))
            .serve(
                "/picky.ts",
                whole()
                    .require_header("User-Agent", "VLC/3.0.20 LibVLC/3.0.20")
                    .require_header("Referer", "https://acme.example/")
                    .require_header("X-Key", "k1"),
            );
        other.serve("/far.ts", whole());
        let (plain, address) = (origin.url(""), origin.address());
        let picky = format!(
            "[[channels]]\nid = \"picky\"\nsources = [{{ url = \"{plain}/picky.ts\", user_agent = \"VLC/3.0.20 LibVLC/3.0.20\", \
             headers = {{ Referer = \"https://acme.example/\", X-Key = \"k1\" }} }}]\n"
        );
        let channels = [
            channel("plain", &[format!("{plain}/plain.ts?a=1&b=%20")], ""),
            channel("cookie", &[format!("{plain}/cookie")], ""),
            channel("away", &[format!("{plain}/away")], ""),
            channel("basic", &[format!("http://joe:p%40ss@{address}/basic.ts")], ""),
            channel("basic-away", &[format!("http://joe:p%40ss@{address}/basic-away")], ""),
            picky,
        ];
        let relay = Relay::start(&channels.concat());
        let ids = ["plain", "cookie", "away", "basic", "basic-away", "picky"];
        join_all(ids.iter().map(|id| assert_comes(relay.address(), id, &clip))).await;
        let asked = &origin.requests_for("/plain.ts")[0];
        assert_eq!(asked.path, "/plain.ts?a=1&b=%20");
        assert!(asked.header("User-Agent").is_some_and(|agent| agent.starts_with("Forebay/")), "{asked:?}");
        assert_eq!((asked.header("Authorization"), asked.header("Referer")), (None, None));
        let asked = other.requests_for("/far.ts");
        assert_eq!(asked.len(), 2);
        assert!(
            asked.iter().all(|asked| asked.header("Authorization").is_none()),
            "a password stays with its host"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_several_programmes_are_the_one_that_is_wanted() {
        let (first, second) = (Clip::get(Kind::H264Aac), Clip::get(Kind::H264AacB));
        let (origin, multiplex) = (Origin::start().await, Arc::new(multiplex(&first, &second)));
        origin.serve("/a.ts", Behaviour::ts(multiplex));
        let source = [origin.url("/a.ts")];
        let channels = [channel("first", &source, ""), channel("second", &source, "program = 77")];
        let relay = Relay::start(&channels.concat());
        let address = relay.address();
        tokio::join!(assert_comes(address, "first", &first), assert_comes(address, "second", &second));
    }

    /// Two programmes in one stream, with a PAT that names both.
    fn multiplex(first: &Clip, second: &Clip) -> Clip {
        let mut section = vec![0x00, 0xb0, 17, 0x00, 0x01, 0xc1, 0x00, 0x00];
        section.extend([0x00, 0x01, 0xf0, 0x00, 0x00, 77, 0xf1, 0x00]);
        let checksum = crc32(&section);
        section.extend(checksum.to_be_bytes());
        let mut all = Vec::new();
        for clip in [first, second] {
            let count = clip.bytes().len() / PACKET_SIZE;
            for (index, packet) in clip.bytes().chunks_exact(PACKET_SIZE).enumerate() {
                let mut packet = packet.to_vec();
                if Packet::new(&packet).is_some_and(|packet| packet.pid() == 0) {
                    if clip.name() == second.name() {
                        continue;
                    }
                    packet[5..5 + section.len()].copy_from_slice(&section);
                    packet[5 + section.len()..].fill(0xff);
                }
                // Both are as long, so equal shares of them go together.
                all.push((index * 1_000_000 / count, packet));
            }
        }
        all.sort_by_key(|(place, _)| *place);
        let bytes = all.into_iter().flat_map(|(_, packet)| packet).collect();
        Clip::from_bytes("two programmes", bytes, first.duration())
    }

    /// The trusted roots are the system's, which are looked up when the program starts.
    #[tokio::test(flavor = "multi_thread")]
    async fn may_be_encrypted_if_the_certificate_is_trusted() {
        let (origin, clip) = (Origin::start_tls().await, Clip::get(Kind::H264Aac));
        let plain = Origin::start().await;
        origin.serve("/a.ts", Behaviour::ts(clip.clone()));
        plain.serve("/a.ts", Behaviour::redirect(&origin.url("/a.ts"), None));
        let channels = [channel("one", &[origin.url("/a.ts")], ""), channel("to", &[plain.url("/a.ts")], "")];
        let channels = channels.concat() + "[stream]\nstart_timeout = \"1s\"\n";
        let setup = Setup::new(&channels);
        let roots = setup.path("roots.pem");
        std::fs::write(&roots, origin.certificate_pem()).unwrap();
        let trusting = setup.env("SSL_CERT_FILE", roots.to_str().unwrap()).start().await;
        assert_comes(trusting.address(), "one", &clip).await;
        assert_comes(trusting.address(), "to", &clip).await;

        let wary = Setup::new(&channels).start().await;
        let (status, body) = client::get_json(wary.address(), "/stream/one").await;
        assert_eq!((status, &body["error"]["sources"][0]["reason"]), (503, &"untrusted".into()), "{body}");
        let message = body["error"]["sources"][0]["message"].as_str().unwrap();
        assert!(message.contains("certificate"), "it says why: {message}");
    }

    /// Read ahead as far as the burst, a loop is over soon.
    const NEARLY_A_LOOP: &str = "buffer = \"30s\"\nburst = ";

    #[tokio::test(flavor = "multi_thread")]
    async fn may_be_files_which_loop_without_a_seam() {
        let clip = Clip::get(Kind::H264Aac);
        let source = format!("file://{}", clip.path().canonicalize().unwrap().display());
        let relay = Relay::with_sources(&[source], &format!("{NEARLY_A_LOOP}\"18s\""));
        let join = Join::new(relay.address(), "/stream/one", 5 * SECOND).await;
        join.report.assert_clean();
        assert_same_payload(&clip, &join.bytes);
        let span = join.report.media_time;
        assert!(
            (22 * SECOND..24 * SECOND).contains(&span),
            "once around, and at its own pace from there: {span:?}"
        );
        assert_eq!(relay.status("one").await["bytes_skipped"], 0);
        assert_decodes(&join.bytes, 22).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn may_be_the_test_card() {
        let relay = Relay::with_sources(&["testcard://".into()], &format!("{NEARLY_A_LOOP}\"9s\""));
        let join = Join::new(relay.address(), "/stream/one", 4 * SECOND).await;
        join.assert_starts_right().await;
        let span = join.report.media_time;
        assert!(
            (12 * SECOND..14 * SECOND).contains(&span),
            "once around, and at its own pace from there: {span:?}"
        );
        assert_decodes(&join.bytes, 12).await;
    }
}

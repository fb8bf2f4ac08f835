//! The program as its users meet it: what it prints, how it starts and ends, signals, and what it writes into the log.

mod log;
mod reload;

use std::path::Path;
use std::time::Duration;

use forebay_testkit::client::{self, Ended, Request, Viewer};
use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Fault, Hls, Origin};
use forebay_testkit::proxy::Proxy;
use forebay_testkit::ts::{Checker, Limits, PACKET_SIZE, demux, runs};
use rustix::process::Signal;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::time::Instant;

use crate::program::{Program, Setup};
use crate::relay::{channel, refusing};

const SECOND: Duration = Duration::from_secs(1);

const TEST_CARD: &str = "[[channels]]\nid = \"card\"\nsources = [\"testcard://\"]\n";

/// The sample that ships.
fn sample() -> String {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("channels.toml").to_str().expect("a plain path").into()
}

fn clip() -> Behaviour {
    Behaviour::ts(Clip::get(Kind::H264Aac))
}

/// A viewer who is watching.
async fn watch(program: &Program, path: &str) -> Viewer {
    let mut viewer = Viewer::get(program.address(), path).await;
    assert_eq!(viewer.status(), 200, "{path}");
    assert!(!viewer.read_until(PACKET_SIZE).await.is_empty(), "{path}");
    viewer
}

/// The stream ends.
async fn end(viewer: &mut Viewer) {
    tokio::time::timeout(5 * SECOND, viewer.read_to_end()).await.expect("the stream ends");
}

mod check {
    use super::*;

    #[tokio::test]
    async fn says_that_a_good_file_is_good() {
        let finished = Setup::with_config(TEST_CARD).arg("check").run().await;
        assert_eq!((finished.status.code(), &finished.log[..]), (Some(0), ""), "{finished:?}");
        assert_eq!(finished.output, "channels.toml: ok, 1 channel, 1 source\n");
        let finished = Setup::with_config("").arg("check").arg(&sample()).run().await;
        assert_eq!((finished.status.code(), &finished.log[..]), (Some(0), ""), "{finished:?}");
    }

    #[tokio::test]
    async fn says_what_is_wrong_with_a_bad_file_and_where() {
        for (text, expected) in [
            ("[server]\nlisten = \"here\"", "channels.toml:2:10: listen: "),
            (
                "[[channels]]\nid = \"a\"\nnmae = \"A\"\nsources = [\"testcard://\"]",
                "channels.toml:3:1: unknown key \"nmae\"",
            ),
            ("[[channels]]\nid = \"a\"\nsources = []", "channels.toml:3:11: channel \"a\" has no sources"),
            ("[[channels]]\nid = \"a\"\n", "channels.toml:1:1: channel \"a\" has no sources"),
            (
                "[[channels]]\nid = \"a\"\nsources = [\"testcard://\"]\n[[channels]]\nid = \"a\"\nsources = [\"testcard://\"]",
                "channels.toml:5:6: ",
            ),
            (
                "[[channels]]\nid = \"a\"\nsources = [\"rtmp://joe:hunter2@h/\"]",
                "channels.toml:3:12: source: unknown scheme \"rtmp\", expected http, https, page, file, udp, rtp or testcard",
            ),
            (
                "[[channels]]\nid = \"a\"\nsources = [\"file:gone.ts\"]",
                "channels.toml:3:12: source: cannot read ",
            ),
            ("[[channels]\n", "channels.toml:1:"),
        ] {
            let finished = Setup::with_config(text).arg("check").run().await;
            assert_eq!((finished.status.code(), &finished.output[..]), (Some(1), ""), "{text}: {finished:?}");
            assert!(finished.log.starts_with(expected), "{text}: {}", finished.log);
            assert!(!finished.log.contains("hunter2"), "{}", finished.log);
            // And it does not start with it.
            let started = Setup::with_config(text).run().await;
            assert_eq!((started.status.code(), &started.output[..]), (Some(1), ""), "{text}: {started:?}");
            assert!(started.log.contains(expected), "{text}: {}", started.log);
        }
        let finished = Setup::with_config("").arg("check").arg("gone.toml").run().await;
        assert_eq!(finished.status.code(), Some(1));
        assert!(finished.log.starts_with("gone.toml: no such file"), "{}", finished.log);
    }
}

mod films {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn a_film_is_told_of() {
        let usual = crate::films::usual();
        let check = |path: &str| Setup::with_config("").arg("film").arg("check").arg(path);
        let finished = check(usual.to_str().expect("text")).run().await;
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        for piece in
            ["20.0", "t0: avc1.", "640x360", "t1: mp4a.40.2, 2 channels,", "segments", "HLS: a segment "]
        {
            assert!(finished.output.contains(piece), "{piece}: {}", finished.output);
        }
        let finished = check("channels.toml").run().await;
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        assert!(finished.log.contains("there is no moov box"), "{finished:?}");
    }
}

mod probe {
    use super::*;

    #[tokio::test(flavor = "multi_thread")]
    async fn tells_what_an_hls_source_sends() {
        let origin = Origin::start().await;
        let broadcast = Hls::live(Clip::get(Kind::H264Aac)).segment(SECOND).mount(&origin, "/live");
        let setup = Setup::with_config("").arg("probe").arg("--seconds").arg("2").arg(broadcast.url());
        let finished = setup.run().await;
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        for piece in ["MPEG-TS, 188 bytes a packet", "0 continuity errors", "H.264", "AAC"] {
            assert!(finished.output.contains(piece), "{piece}: {}", finished.output);
        }
        broadcast.change(|hls| hls.playlist_status(Some(403)));
        let finished = Setup::with_config("").arg("probe").arg(broadcast.url()).run().await;
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        assert!(finished.log.contains("403"), "{finished:?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn tells_why_no_segment_came() {
        let (origin, (_taken, refused)) = (Origin::start().await, refusing());
        let missing = Hls::live(Clip::get(Kind::H264Aac)).segment(SECOND).fault(.., Fault::Status(404));
        let list = |segment: &str| {
            let list = format!("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{segment}\n#EXT-X-ENDLIST\n");
            Behaviour::body("application/vnd.apple.mpegurl", list)
        };
        origin.serve("/refused.m3u8", list(&format!("http://{refused}/1.ts")));
        origin.serve("/encoded.m3u8", list("br.ts"));
        origin.serve("/br.ts", Behaviour::body("video/mp2t", "?").header("Content-Encoding", "br"));
        let missing = missing.mount(&origin, "/missing");
        for (url, message) in [
            (missing.url().to_owned(), "HTTP 404"),
            (origin.url("/refused.m3u8"), "the connection was refused"),
            (origin.url("/encoded.m3u8"), "encoded with br"),
        ] {
            let setup = Setup::with_config("").arg("probe").arg("--seconds").arg("4");
            let finished = setup.arg(&url).run().await;
            assert_eq!(finished.status.code(), Some(1), "{url}: {finished:?}");
            assert!(finished.log.contains(message), "{url}: {finished:?}");
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn reaches_what_a_source_reaches_by_tls_and_proxy() {
        let origin = Origin::start_tls().await;
        origin.serve("/live.ts", Behaviour::ts(Clip::get(Kind::H264Aac)).burst(SECOND));
        let proxy = Proxy::start(origin.address()).await;
        // A name that only the proxy knows, and a certificate that is for another.
        let probe = |flags: &[&str]| {
            let setup = Setup::with_config("").arg("probe").arg("--seconds").arg("2");
            flags.iter().fold(setup, |setup, flag| setup.arg(flag)).arg("https://provider.invalid/live.ts")
        };
        let address = format!("http://joe:hunter2@{}", proxy.address());
        let finished = probe(&["--tls", "unverified", "--proxy", &address]).run().await;
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        assert!(finished.output.contains("H.264"), "{}", finished.output);
        let finished = probe(&["--proxy", &address]).run().await;
        assert_eq!(finished.status.code(), Some(1), "{finished:?}");
        assert!(finished.log.contains("cannot be trusted"), "{finished:?}");
        let finished = probe(&["--proxy", "hunter2"]).run().await;
        assert_eq!(finished.status.code(), Some(2), "{finished:?}");
        assert!(finished.log.contains("must begin with http:// or socks5h://"), "{finished:?}");
    }
}

mod start {
    use super::*;

    #[tokio::test]
    async fn help_explains_what_there_is() {
        let finished = Setup::with_config("").arg("--help").run().await;
        assert_eq!(finished.status.code(), Some(0));
        for piece in [
            "Usage: forebay",
            "check",
            "probe",
            "--config",
            "--listen",
            "FOREBAY_CONFIG",
            "SIGHUP",
            "Examples:",
        ] {
            assert!(finished.output.contains(piece), "{piece}: {}", finished.output);
        }
        let finished = Setup::with_config("").arg("--version").run().await;
        assert_eq!(finished.output, format!("forebay {}\n", env!("CARGO_PKG_VERSION")));
        let finished = Setup::with_config("").arg("serve").run().await;
        assert_eq!((finished.status.code(), &finished.output[..]), (Some(2), ""), "{finished:?}");
    }

    #[tokio::test]
    async fn a_port_in_use_is_one_clear_line() {
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let finished = Setup::with_config(TEST_CARD).arg("--listen").arg(&address).run().await;
        assert_eq!((finished.status.code(), &finished.output[..]), (Some(1), ""), "{finished:?}");
        let line = format!("forebay: cannot listen on {address}: Address already in use");
        assert!(finished.log.starts_with(&line) && finished.log.lines().count() == 1, "{}", finished.log);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_sample_that_ships_has_something_to_watch() {
        let scratch = tempfile::tempdir().unwrap();
        let program = Setup::with_config("")
            .arg("--listen")
            .arg("127.0.0.1:0")
            .arg("--config")
            .arg(&sample())
            // Beside the sample, in the checkout, it would be left behind.
            .env("FOREBAY_DATA_DIR", scratch.path().to_str().expect("a plain path"))
            .start()
            .await;
        let (output, base) = (program.output(), format!("http://{}/", program.address()));
        let lines: Vec<&str> = output.lines().collect();
        let expected = [
            format!("forebay {}", env!("CARGO_PKG_VERSION")),
            format!("configuration {}", sample()),
            "2 channels".into(),
            format!("listening on http://{}", program.address()),
            "streams  open to private networks, by a token or a password elsewhere".into(),
            format!("playlist {base}playlist.m3u"),
        ];
        assert_eq!(lines[..6], expected, "a line for each thing a person needs");
        let playlist = client::get(program.address(), "/playlist.m3u").await.text();
        let urls: Vec<&str> = playlist.lines().filter_map(|line| line.strip_prefix(&base)).collect();
        assert_eq!(urls, ["stream/testcard.ts", "stream/testcard-backup.ts"], "{playlist}");
        for path in urls {
            let bytes = Viewer::get(program.address(), &format!("/{path}")).await.read_until(100_000).await;
            Checker::check(&bytes).assert_clean();
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn it_listens_soon_and_needs_little_memory_while_nobody_watches() {
        let mut times = Vec::new();
        let mut memory = 0;
        for _ in 0..5 {
            let program = Setup::new(TEST_CARD).start().await;
            times.push(program.age());
            assert!(program.output().contains("\n1 channel\n"), "{}", program.output());
            let (status, health) = client::get_json(program.address(), "/health").await;
            assert_eq!((status, &health["status"]), (200, &"healthy".into()), "{health}");
            memory = memory.max(program.memory_kb("RssAnon"));
        }
        times.sort_unstable();
        println!(
            "listening after {:.0?} (median of {times:.0?}); {memory} kB of its own when idle",
            times[2]
        );
        assert!(times[2] < SECOND, "the aim is 100 ms, on a machine that is not busy: {times:?}");
        // The aim is 20 MiB in all, which the release binary keeps to. An unoptimised one is
        // several times as large and maps that much more of itself, so what counts here is what it
        // takes beside that.
        assert!(memory < 8 * 1024, "{memory} kB");
    }
}

mod signals {
    use super::*;

    /// A viewer who takes nothing, on a channel that has sent more than the system holds for one.
    async fn stuck(program: &Program) -> Viewer {
        let request = Request::get(program.address(), "/stream/card").receive_buffer(8 * 1024);
        let viewer = request.open().await.expect("the relay answers");
        assert_eq!(viewer.status(), 200);
        let is_stuck = async {
            while client::get_json(program.address(), "/api/streams/card/status").await.1["buffer"]["bytes"]
                .as_u64()
                < Some(400_000)
            {
                tokio::time::sleep(SECOND / 50).await;
            }
        };
        tokio::time::timeout(5 * SECOND, is_stuck)
            .await
            .expect("a test card that is read ahead fills the buffer");
        viewer
    }

    const LONG_BURST: &str = "[stream]\nburst = \"8s\"\n";

    #[tokio::test(flavor = "multi_thread")]
    async fn the_first_one_ends_viewers_and_then_the_program() {
        let origin = Origin::start().await;
        origin.serve("/a.ts", clip());
        for signal in [Signal::TERM, Signal::INT] {
            let program = Setup::new(&channel("one", &[origin.url("/a.ts")], "")).start().await;
            let mut viewer = watch(&program, "/stream/one").await;
            let asked = Instant::now();
            program.signal(signal);
            end(&mut viewer).await;
            assert_eq!(viewer.ended(), Some(&Ended::Cleanly));
            assert!(viewer.total().is_multiple_of(PACKET_SIZE as u64), "whole packets to the end");
            let finished = program.wait().await;
            assert_eq!(finished.status.code(), Some(0), "{signal:?}: {finished:?}");
            assert!(asked.elapsed() < 2 * SECOND, "{signal:?}: {:?}", asked.elapsed());
            origin.wait_connections("/a.ts", 0, SECOND).await;
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_viewer_who_takes_nothing_does_not_hold_up_the_end() {
        let config = format!("shutdown_grace = \"1m\"\n{LONG_BURST}{TEST_CARD}");
        let program = Setup::new(&config).start().await;
        let _stuck = stuck(&program).await;
        let asked = Instant::now();
        program.signal(Signal::TERM);
        let finished = program.wait().await;
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        assert!(asked.elapsed() < 2 * SECOND, "{:?}: {}", asked.elapsed(), finished.log);
    }

    /// A client who has said half of what it wants, and does not go on.
    async fn half_a_request(program: &Program) -> TcpStream {
        let mut client = TcpStream::connect(program.address()).await.expect("the program listens");
        client.write_all(b"GET /health HTTP/1.1\r\n").await.expect("the socket takes a line");
        let is_accepted = async {
            while client::get_json(program.address(), "/api/streams/status").await.1["server"]["connections"]
                ["now"]
                .as_u64()
                < Some(2)
            {
                tokio::time::sleep(SECOND / 50).await;
            }
        };
        tokio::time::timeout(5 * SECOND, is_accepted).await.expect("it is a connection");
        client
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_client_who_does_not_finish_a_request_holds_up_the_end_no_longer_than_the_grace_period() {
        let program = Setup::new(&format!("shutdown_grace = \"500ms\"\n{TEST_CARD}")).start().await;
        let _client = half_a_request(&program).await;
        let asked = Instant::now();
        program.signal(Signal::TERM);
        let finished = program.wait().await;
        let took = asked.elapsed();
        assert_eq!(finished.status.code(), Some(0), "{finished:?}");
        assert!((SECOND / 2..2 * SECOND).contains(&took), "{took:?}: {}", finished.log);
        assert!(finished.log.contains("grace period"), "{}", finished.log);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn the_second_one_ends_it_at_once() {
        let mut program = Setup::new(&format!("shutdown_grace = \"1m\"\n{TEST_CARD}")).start().await;
        let _client = half_a_request(&program).await;
        program.signal(Signal::TERM);
        program.wait_log("stopping").await;
        let asked = Instant::now();
        program.signal(Signal::TERM);
        let finished = program.wait().await;
        assert_eq!(finished.status.code(), Some(130), "as a program that was interrupted: {finished:?}");
        assert!(asked.elapsed() < SECOND, "{:?}", asked.elapsed());
    }
}

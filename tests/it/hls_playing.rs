//! What players and a strict follower say of a channel as HLS, whether its source is MPEG-TS or HLS.

use std::time::Duration;

use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::hls::{Follower, Rules};
use forebay_testkit::origin::{Behaviour, Broadcast, Hls, Origin};
use rustix::process::Signal;

use crate::program::{Program, Setup};
use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// What kind of source.
#[derive(Clone, Copy)]
enum From {
    Ts,
    Hls,
}

/// An origin with two sources of the same codecs, and a relay of them.
struct Show {
    origin: Origin,
    /// The first source, where it is HLS.
    broadcast: Option<Broadcast>,
    relay: Relay,
}

impl Show {
    async fn begin(from: From) -> Self {
        let origin = Origin::start().await;
        let clip = || Clip::get(Kind::H264Aac);
        let mut broadcast = None;
        let sources = match from {
            From::Ts => {
                origin.serve("/a.ts", Behaviour::ts(clip()));
                origin.serve("/b.ts", Behaviour::ts(Clip::get(Kind::H264AacB)));
                [origin.url("/a.ts"), origin.url("/b.ts")]
            }
            From::Hls => {
                let hls = |kind| Hls::live(Clip::get(kind)).segment(2 * SECOND);
                let second = hls(Kind::H264AacB).mount(&origin, "/second").url().to_owned();
                let first = broadcast.insert(hls(Kind::H264Aac).mount(&origin, "/first"));
                [first.url().to_owned(), second]
            }
        };
        let relay = Relay::with_sources(&sources, "");
        Self { origin, broadcast, relay }
    }

    fn url(&self) -> String {
        self.relay.url("/stream/one/index.m3u8")
    }

    /// The first source is no more.
    fn kill(&self) {
        if let Some(broadcast) = &self.broadcast {
            return broadcast.change(|hls| hls.playlist_status(Some(404)));
        }
        self.origin.serve("/a.ts", Behaviour::status(404, "text/plain", "gone"));
        self.origin.kill("/a.ts");
    }

    async fn wait_second(&self) {
        let is_second =
            |status: &serde_json::Value| status["source_index"] == 1 && status["source_live"] == true;
        self.relay.wait_status("one", 20 * SECOND, is_second).await;
    }
}

/// Before, over and after a failover.
async fn is_followed(from: From) {
    let show = Show::begin(from).await;
    let mut before = Follower::new(&show.url());
    // Of a source that broke off, the last sound is not whole, and the next one's begins with its first picture.
    let rules = Rules { sound_gap: SECOND / 2, dts_gap: SECOND / 2, ..Rules::default() };
    let mut throughout = Follower::with_rules(&show.url(), rules);
    tokio::join!(before.watch(8 * SECOND), throughout.watch(8 * SECOND));
    before.finish().assert_clean();
    show.kill();
    tokio::join!(throughout.watch(16 * SECOND), show.wait_second());
    throughout.check_removed().await;
    throughout.finish().assert_clean();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ts_source_is_followed_over_a_failover() {
    is_followed(From::Ts).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hls_source_is_followed_over_a_failover() {
    is_followed(From::Hls).await;
}

/// One follower all the way: over the end of the channel because nobody watches, and over the end of the process.
#[tokio::test(flavor = "multi_thread")]
async fn a_stop_of_the_channel_and_a_restart_of_the_process_are_followed() {
    let origin = Origin::start().await;
    origin.serve("/a.ts", Behaviour::ts(Clip::get(Kind::ShortGop)).burst(4 * SECOND));
    let channel = channel("one", &[origin.url("/a.ts")], "idle_timeout = \"2s\"");
    let mut program =
        Setup::new(&format!("[hls]\ndir = \"cache\"\nsegment = \"1s\"\n{channel}")).start().await;
    let url = |program: &Program| format!("http://{}/stream/one/index.m3u8", program.address());
    // A list that begins anew is short: nothing else about it may be worse than that of one that goes on.
    let rules = Rules { full_window: false, ..Rules::default() };
    let mut throughout = Follower::with_rules(&url(&program), rules);
    let mut next = 0;
    for stretch in 0..3 {
        let mut alone = Follower::new(&url(&program));
        tokio::join!(throughout.watch(8 * SECOND), alone.watch(8 * SECOND));
        alone.check_removed().await;
        let report = alone.finish();
        report.assert_clean();
        let (first, last) = report.numbers.expect("there were segments");
        assert!(first >= next && report.segments > 6, "from {next} on: {report:#?}");
        next = last + 1;
        if stretch == 0 {
            origin.wait_connections("/a.ts", 0, 20 * SECOND).await;
        } else if stretch == 1 {
            program.signal(Signal::TERM);
            let (folder, _) = program.wait_in_folder().await;
            program = Setup::again(folder).start().await;
        }
        throughout.resume_at(&url(&program));
    }
    let report = throughout.finish();
    report.assert_clean();
    assert!(report.discontinuities >= 2, "each stretch has a timeline of its own: {report:#?}");
    assert_eq!(origin.opened("/a.ts"), 3);
}

mod players {
    use forebay_testkit::player::{browser_hls, ffmpeg_strict, gstreamer, vlc};

    use super::*;

    async fn play(from: From) {
        let show = Show::begin(from).await;
        let url = show.url();
        // On the closed channel: whoever comes later finds more to begin with, and never showed
        // that VLC stood still.
        let vlc = vlc(&url, 15).await;
        vlc.assert_ok();
        let (ffmpeg, gstreamer) = tokio::join!(ffmpeg_strict(&url, 14), gstreamer(&url, 10));
        ffmpeg.assert_ok();
        gstreamer.assert_ok();
        println!("ffmpeg {} pictures, VLC {}, GStreamer {}", ffmpeg.frames, vlc.frames, gstreamer.frames);
        assert!(ffmpeg.frames > 13 * 25 && vlc.frames > 14 * 25, "{} and {}", ffmpeg.frames, vlc.frames);
    }

    /// Each player alone, as HLS and as MPEG-TS, for as long as `FOREBAY_PLAY_SECONDS` says.
    async fn play_long(from: From) {
        let seconds = std::env::var("FOREBAY_PLAY_SECONDS");
        let seconds: u32 = seconds.map_or(30, |text| text.parse().expect("FOREBAY_PLAY_SECONDS is a number"));
        let show = Show::begin(from).await;
        // VLC and GStreamer are asked in real time, and a first segment may be late.
        let least = u64::from(seconds.saturating_sub(4)) * 25;
        for url in [show.url(), show.relay.url("/stream/one")] {
            let ffmpeg = ffmpeg_strict(&url, seconds).await;
            let vlc = vlc(&url, seconds).await;
            let gstreamer = gstreamer(&url, seconds).await;
            for (name, verdict) in [("ffmpeg", ffmpeg), ("VLC", vlc), ("GStreamer", gstreamer)] {
                println!("{name} {url}: {} pictures in {:.1} s", verdict.frames, verdict.seconds);
                verdict.assert_ok();
                assert!(verdict.frames > least, "{name} had {} pictures, not {least}", verdict.frames);
            }
        }
        let status = show.relay.status("one").await;
        assert_eq!((&status["failovers"]["total"], &status["continuity_errors_out"]), (&0.into(), &0.into()));
        assert_eq!(status["upstream_connections_opened"], 1, "{status}");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn play_a_ts_source_for_long() {
        play_long(From::Ts).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn play_an_hls_source_for_long() {
        play_long(From::Hls).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn play_a_ts_source() {
        play(From::Ts).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn play_an_hls_source() {
        play(From::Hls).await;
    }

    /// A browser, for so many seconds; the first source is killed while it plays.
    async fn browse(from: From, seconds: u32) {
        let show = Show::begin(from).await;
        let url = show.url();
        let (browsed, ()) = tokio::join!(browser_hls(&url, seconds), async {
            show.relay.wait_status("one", 20 * SECOND, |status| status["clients"] == 1).await;
            tokio::time::sleep(8 * SECOND).await;
            show.kill();
            show.wait_second().await;
        });
        println!("played {:?}, stalls {:?}", browsed.played, browsed.stalls);
        browsed.assert_ok();
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn browse_a_ts_source_for_long() {
        browse(From::Ts, 60).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn browse_an_hls_source_for_long() {
        browse(From::Hls, 60).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_browser_plays_a_ts_source_over_a_failover() {
        browse(From::Ts, 20).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_browser_plays_an_hls_source_over_a_failover() {
        browse(From::Hls, 20).await;
    }
}

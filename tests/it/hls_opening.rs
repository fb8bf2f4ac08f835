//! Real players on channels that nobody watches: when they show their first picture, and whether
//! they stand still afterwards, beside the same players on the source itself.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Container, Hls, Origin};
use forebay_testkit::player::model::Rules;
use forebay_testkit::player::{
    Verdict, browser_hls, ffmpeg_strict, gstreamer_within, simulated, vlc_audio, vlc_within,
};
use futures_util::future::join_all;
use futures_util::{StreamExt, stream};

use crate::relay::{Relay, channel};

const SECOND: Duration = Duration::from_secs(1);

/// How long each player plays from its first picture on, in seconds.
const PLAYED: u32 = 14;

/// What a source is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// MPEG-TS at the pace of its clock.
    Ts,
    /// The same, of which so much comes at once.
    TsBurst,
    /// HLS of whole groups of pictures, as MPEG-TS or as fragmented MP4.
    Hls(Container),
}

/// The players.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Player {
    Vlc,
    Ffmpeg,
    GStreamer,
    /// hls.js in Chromium.
    HlsJs,
    /// A model of `ExoPlayer`.
    Exo,
    /// A model of `AVPlayer`, which keeps to the letter of RFC 8216.
    Apple,
}

const PLAYERS: [Player; 6] =
    [Player::Vlc, Player::Ffmpeg, Player::GStreamer, Player::HlsJs, Player::Exo, Player::Apple];

/// What a player saw.
struct Seen {
    first: Option<Duration>,
    errors: Vec<String>,
}

impl fmt::Display for Seen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.first {
            Some(first) => write!(f, "{:5.1} s", first.as_secs_f64())?,
            None => f.write_str("   never")?,
        }
        write!(f, "{}", if self.errors.is_empty() { "  " } else { " !" })
    }
}

impl From<Verdict> for Seen {
    fn from(verdict: Verdict) -> Self {
        Self { first: verdict.first, errors: verdict.errors }
    }
}

impl Player {
    /// Plays for a while; a player that begins later than `within` never does.
    async fn play(self, url: &str, within: Duration) -> Seen {
        match self {
            Self::Vlc => vlc_within(url, PLAYED, within).await.into(),
            Self::GStreamer => gstreamer_within(url, PLAYED, within).await.into(),
            Self::Ffmpeg => {
                let verdict = ffmpeg_strict(url, PLAYED).await;
                let stood = verdict.stood;
                let mut seen = Seen::from(verdict);
                if stood > SECOND / 2 {
                    seen.errors.push(format!("it stood still for {stood:.1?}"));
                }
                seen
            }
            Self::HlsJs => {
                let browsed = browser_hls(url, PLAYED).await;
                Seen { first: browsed.first, errors: browsed.errors }
            }
            Self::Exo => {
                let agent = "AndroidXMedia3/1.4.1 (Linux;Android 14)";
                simulated(url, Rules::ThreeTargets, agent, PLAYED, within).await.into()
            }
            Self::Apple => {
                let agent = "AppleCoreMedia/1.0.0.22A3354 (iPhone; U; CPU OS 18_0 like Mac OS X; en_us)";
                simulated(url, Rules::Strict, agent, PLAYED, within).await.into()
            }
        }
    }
}

/// The clip in groups of so many seconds.
fn clip(group: u64) -> Arc<Clip> {
    Clip::get(match group {
        1 => Kind::H264AacB,
        2 => Kind::H264Aac,
        4 => Kind::Gop4,
        10 => Kind::Gop10,
        other => panic!("there is no clip in groups of {other} s"),
    })
}

/// A source at an origin, and a channel of it for each player.
struct Show {
    source: String,
    relay: Relay,
    /// What players open that play the source itself; hls.js and models cannot play MPEG-TS.
    direct: Vec<Player>,
    _origin: Origin,
}

impl Show {
    async fn begin(source: Source, group: u64) -> Self {
        let origin = Origin::start().await;
        let mut direct = PLAYERS.to_vec();
        let url = match source {
            Source::Ts | Source::TsBurst => {
                let burst = if source == Source::Ts { 0 } else { (3 * group / 2).max(6) };
                origin.serve("/a.ts", Behaviour::ts(clip(group)).burst(Duration::from_secs(burst)));
                direct.truncate(3);
                origin.url("/a.ts")
            }
            Source::Hls(container) => {
                let segment = Duration::from_secs(group);
                let hls = Hls::live(clip(group)).segment(segment).container(container);
                hls.mount(&origin, "/a").url().to_owned()
            }
        };
        let channels = PLAYERS.map(|player| channel(&format!("{player:?}"), std::slice::from_ref(&url), ""));
        let relay = Relay::start(&channels.concat());
        Self { source: url, relay, direct, _origin: origin }
    }

    /// What these players see, each on a closed channel of its own.
    async fn play(&self, players: &[Player]) -> Vec<(Player, Seen)> {
        let url = |player: Player| self.relay.url(&format!("/stream/{player:?}/hls"));
        play(players.iter().map(|&player| (player, url(player)))).await
    }

    /// What players see of the source itself.
    async fn play_directly(&self) -> Vec<(Player, Seen)> {
        play(self.direct.iter().map(|&player| (player, self.source.clone()))).await
    }
}

async fn play(players: impl Iterator<Item = (Player, String)>) -> Vec<(Player, Seen)> {
    let playing = players.map(|(player, url)| async move { (player, player.play(&url, 30 * SECOND).await) });
    join_all(playing).await
}

mod players {
    use tokio::time::sleep;

    use super::*;

    /// When a player may have its first picture at the latest: the time that the source takes, and
    /// what starting a process takes on a machine that has much to do.
    fn latest(player: Player, source: Source, group: u64) -> Duration {
        let segment = Duration::from_secs(group.max(2));
        let media = match (player, source) {
            // What is needed is there at once.
            (_, Source::Hls(_)) => Duration::ZERO,
            (Player::Vlc | Player::Ffmpeg, Source::Ts) => SECOND,
            (Player::HlsJs, Source::Ts) => segment + SECOND,
            // These must not be told of what is yet to come: three segments of a second.
            (_, Source::Ts) => 3 * SECOND,
            // Of the burst, the last group may not be whole.
            (Player::GStreamer | Player::Exo | Player::Apple, Source::TsBurst) => segment,
            (_, Source::TsBurst) => SECOND,
        };
        let starts_at_once = matches!(player, Player::Exo | Player::Apple);
        media + if starts_at_once { SECOND * 2 } else { SECOND * 4 }
    }

    fn judge(source: Source, group: u64, seen: &[(Player, Seen)]) -> Vec<String> {
        let faults = seen.iter().flat_map(|(player, seen)| {
            let latest = latest(*player, source, group);
            let late = seen.first.is_none_or(|first| first > latest);
            let late = late.then(|| format!("the first picture came after {:?}", seen.first));
            let errors = seen.errors.iter().cloned().chain(late);
            errors.map(move |error| format!("{player:?}, {source:?}, groups of {group} s: {error}"))
        });
        faults.collect()
    }

    /// All players on all kinds of sources, and on the sources themselves.
    async fn open(group: u64) {
        let mut faults = Vec::new();
        let names = PLAYERS.map(|player| format!("{player:?}")).join(", ");
        println!("groups of {group} s: {names}; ! stands for a fault");
        for source in [Source::Ts, Source::TsBurst, Source::Hls(Container::Ts), Source::Hls(Container::Fmp4)]
        {
            let show = Show::begin(source, group).await;
            let relayed = show.play(&PLAYERS).await;
            let direct = show.play_directly().await;
            for (way, seen) in [("relayed", &relayed), ("direct", &direct)] {
                let cells: Vec<String> = seen.iter().map(|(_, seen)| seen.to_string()).collect();
                println!("{:<10} {way:<8} {}", format!("{source:?}"), cells.join("  "));
            }
            faults.extend(judge(source, group, &relayed));
        }
        assert!(faults.is_empty(), "{faults:#?}");
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn open_groups_of_1_s_for_long() {
        open(1).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn open_groups_of_2_s_for_long() {
        open(2).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn open_groups_of_4_s_for_long() {
        open(4).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn open_groups_of_10_s_for_long() {
        open(10).await;
    }

    /// VLC opens closed channels of ten kinds, two at a time.
    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn vlc_opens_ten_kinds_for_long() {
        let origin = Origin::start().await;
        let ts = |name: &str, clip: Arc<Clip>, burst: u64| {
            let path = format!("/{name}.ts");
            origin.serve(&path, Behaviour::ts(clip).burst(Duration::from_secs(burst)));
            (name.to_owned(), origin.url(&path))
        };
        let hls = |name: &str, group: u64, container: Container| {
            let hls = Hls::live(clip(group)).segment(Duration::from_secs(group)).container(container);
            (name.to_owned(), hls.mount(&origin, &format!("/{name}")).url().to_owned())
        };
        let sources = [
            ts("one", clip(1), 0),
            ts("two", clip(2), 0),
            ts("four", clip(4), 0),
            ts("ten", clip(10), 0),
            ts("burst", clip(4), 15),
            ts("hevc", Clip::get(Kind::HevcAc3), 0),
            ts("sound", Clip::get(Kind::AudioOnly), 0),
            hls("hls", 4, Container::Ts),
            hls("fmp4", 2, Container::Fmp4),
            ("card".to_owned(), "testcard://".to_owned()),
        ];
        let channels = sources.iter().map(|(id, url)| channel(id, std::slice::from_ref(url), ""));
        let relay = Relay::start(&channels.collect::<String>());
        let playing = sources.iter().map(|(id, _)| {
            let url = relay.url(&format!("/stream/{id}/hls"));
            async move {
                let verdict = match id.as_str() {
                    "sound" => vlc_audio(&url, PLAYED).await,
                    _ => vlc_within(&url, PLAYED, 30 * SECOND).await,
                };
                println!("{id:<6} {:.1?} {:?}", verdict.first, verdict.errors);
                verdict.errors.into_iter().map(move |error| format!("{id}: {error}"))
            }
        });
        let faults: Vec<String> =
            stream::iter(playing).buffer_unordered(2).flat_map(stream::iter).collect().await;
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// VLC opens a channel in groups of so many seconds, and others join it later by these seconds.
    async fn join(group: u64, later: &[u32]) {
        let origin = Origin::start().await;
        origin.serve("/a.ts", Behaviour::ts(clip(group)));
        let relay = Relay::with_sources(&[origin.url("/a.ts")], "");
        let url = &relay.url("/stream/one/hls");
        let playing = [0].iter().chain(later).map(|&later| async move {
            sleep(later * SECOND).await;
            let verdict = vlc_within(url, PLAYED / 2, 30 * SECOND).await;
            println!("groups of {group} s, {later} s later: {:.1?} {:?}", verdict.first, verdict.errors);
            verdict.errors.into_iter().map(move |error| format!("{group} s, {later} s later: {error}"))
        });
        let faults: Vec<String> = join_all(playing).await.into_iter().flatten().collect();
        assert!(faults.is_empty(), "{faults:#?}");
    }

    /// Its list is still short then, and holds what the first viewer was given to begin with.
    #[tokio::test(flavor = "multi_thread")]
    async fn join_soon_after_another() {
        join(4, &[6, 15]).await;
    }

    #[tokio::test(flavor = "multi_thread")]
    #[ignore = "it takes minutes: `make test-long`"]
    async fn join_5_to_30_s_after_another_for_long() {
        for group in [1, 2, 4, 10] {
            join(group, &[5, 15, 25, 30]).await;
        }
    }

    /// The players for which most can go wrong, on the sources for which it does.
    #[tokio::test(flavor = "multi_thread")]
    async fn show_a_picture_soon_and_never_stand_still() {
        let (ts, hls) = tokio::join!(Show::begin(Source::Ts, 4), Show::begin(Source::Hls(Container::Ts), 4));
        let on_hls = [Player::Ffmpeg, Player::Exo, Player::Apple];
        let on_ts = [Player::Vlc, Player::Exo, Player::Apple];
        let (on_ts, on_hls) = tokio::join!(ts.play(&on_ts), hls.play(&on_hls));
        let mut faults = judge(Source::Ts, 4, &on_ts);
        faults.extend(judge(Source::Hls(Container::Ts), 4, &on_hls));
        assert!(faults.is_empty(), "{faults:#?}");
    }
}

//! What fails, and how soon that is to be found out.

use std::time::Duration;

use forebay_testkit::clip::{Clip, Kind};
use forebay_testkit::origin::{Behaviour, Broadcast, Fault, Hls, Origin};
use tokio::time::{Instant, sleep_until};

const SECOND: Duration = Duration::from_secs(1);

/// How long a source is healthy.
pub(super) const HEALTHY: Duration = Duration::from_secs(5);

/// One way to fail.
pub(super) struct Case {
    pub(super) name: &'static str,
    first: First,
    /// The longest it may take until another source is on air.
    pub(super) detect: Duration,
    /// The longest that a viewer may be without a new picture, or without sound.
    pub(super) gap: Duration,
    /// Whether the damage itself is in the stream until it is found out.
    pub(super) is_visible: bool,
    /// What its channel sets.
    pub(super) settings: &'static str,
}

enum First {
    /// The stream, which fails by itself after [`HEALTHY`].
    Ts(Behaviour),
    /// The stream, and that nothing listens any more.
    Refused(Behaviour),
    /// What happens to a broadcast.
    Hls(Hls, fn(&Broadcast)),
    /// Nothing listens any more.
    HlsRefused(Hls),
    /// A broadcast of a clip that turns bad by itself, [`TURNS`] after its beginning; three seconds
    /// of it are there at once.
    HlsTurns(Hls),
}

/// Where in their clips the loop and the picture that stands still begin.
const TURNS: Duration = Duration::from_millis(4800);

/// A case on air.
pub(super) struct Show {
    pub(super) origin: Origin,
    pub(super) url: String,
    broadcast: Option<Broadcast>,
    begun: Instant,
}

const PATH: &str = "/a.ts";

impl Case {
    /// Puts the first source on air.
    pub(super) async fn begin(&self) -> Show {
        let (origin, begun) = (Origin::start().await, Instant::now());
        match &self.first {
            First::Ts(behaviour) | First::Refused(behaviour) => {
                origin.serve(PATH, behaviour.clone());
                let url = origin.url(PATH);
                Show { origin, url, broadcast: None, begun }
            }
            First::Hls(hls, _) | First::HlsRefused(hls) | First::HlsTurns(hls) => {
                let broadcast = hls.clone().mount(&origin, "/live");
                Show { url: broadcast.url().to_owned(), origin, broadcast: Some(broadcast), begun }
            }
        }
    }

    /// Lets it fail in its time; returns when it did.
    pub(super) async fn fail(&self, show: &Show) -> Instant {
        if let First::HlsTurns(_) = &self.first {
            // The segment in which it begins is whole, and listed, up to a second later.
            return show.begun + TURNS - 3 * SECOND;
        }
        let begun = match &show.broadcast {
            None => {
                show.origin.wait_opened(PATH, 1, 20 * SECOND).await;
                show.origin.requests()[0].at
            }
            Some(_) => Instant::now(),
        };
        // Who asks again shall not get five healthy seconds more.
        if show.broadcast.is_none() {
            show.origin.serve(PATH, Behaviour::status(503, "text/plain", "no"));
        }
        let at = begun + HEALTHY;
        sleep_until(at).await;
        match (&self.first, &show.broadcast) {
            (First::Hls(_, change), Some(broadcast)) => change(broadcast),
            (First::Refused(_) | First::HlsRefused(_), _) => {
                show.origin.set_listening(false).await;
                show.origin.kill(PATH);
            }
            _ => {}
        }
        at
    }
}

fn case(name: &'static str, first: First, detect: u32, gap: u32) -> Case {
    Case { name, first, detect: detect * SECOND, gap: gap * SECOND, is_visible: false, settings: "" }
}

fn visible(case: Case) -> Case {
    Case { is_visible: true, ..case }
}

/// Of a picture that stands still, which is asked for.
fn frozen(first: First, detect: u32) -> Case {
    Case { settings: "health = { frozen_picture = \"2s\" }", ..case("frozen picture", first, detect, 5) }
}

/// All of TS sources.
pub(super) fn of_streams() -> Vec<Case> {
    let clip = || Behaviour::ts(Clip::get(Kind::ShortGop));
    let brief = || Behaviour::ts(Clip::get(Kind::Brief));
    let ts = |name, behaviour, detect, gap| case(name, First::Ts(behaviour), detect, gap);
    vec![
        ts("eof", clip().end_after(HEALTHY), 3, 3),
        ts("cut", clip().cut_after(HEALTHY), 3, 3),
        case("refused", First::Refused(clip()), 3, 3),
        ts("stall", clip().stall_after(HEALTHY), 5, 5),
        ts("null packets", clip().drip_nulls_after(HEALTHY), 5, 5),
        ts("html", clip().page_after(HEALTHY), 5, 5),
        ts("frozen clock", clip().freeze_pcr_after(HEALTHY), 5, 5),
        ts("slow drip", clip().slow_after(HEALTHY, 40), 5, 5),
        visible(ts("scrambled", clip().scramble_after(HEALTHY), 5, 5)),
        ts("no video", clip().drop_video_after(HEALTHY), 6, 6),
        ts("no audio", clip().drop_audio_after(HEALTHY), 8, 8),
        visible(ts("lost packets", clip().lose_packets_after(HEALTHY, 30), 6, 5)),
        visible(ts("marked errors", clip().damage_after(HEALTHY, 30), 6, 5)),
        ts("erratic clock", clip().jump_after(HEALTHY, SECOND, 20 * SECOND), 9, 5),
        ts("loop", brief().repeat_after(HEALTHY), 12, 5),
        frozen(First::Ts(Behaviour::ts(Clip::get(Kind::Still))), 5),
    ]
}

/// All of HLS sources. What they send is played three segments behind, and what fails in it is
/// found out as late.
pub(super) fn of_broadcasts() -> Vec<Case> {
    let hls = || Hls::live(Clip::get(Kind::ShortGop)).segment(SECOND);
    let brief = || Hls::live(Clip::get(Kind::Brief)).segment(SECOND).begins_with(3);
    let still = Hls::live(Clip::get(Kind::Still)).segment(SECOND).begins_with(3);
    let list = |name, change, detect, gap| case(name, First::Hls(hls(), change), detect, gap);
    let segments = |name, change, detect: u32, gap| case(name, First::Hls(hls(), change), detect + 6, gap);
    vec![
        list("ended", |live| live.change(|hls| hls.ended(true)), 8, 5),
        case("refused", First::HlsRefused(hls()), 10, 6),
        list("503", |live| live.change(|hls| hls.playlist_status(Some(503))), 10, 6),
        list("html", |live| live.change(|hls| hls.html(true)), 10, 6),
        list("frozen list", |live| live.change(|hls| hls.frozen(true)), 10, 6),
        // What is stored lasts 5 s at this pace, and media is 5 s behind after up to five segments
        // of 2.5 s more: it is known sooner only where a standstill of 3 s happens to be among
        // them.
        list("slow list", |live| live.change(|hls| hls.speed(0.4)), 17, 6),
        visible(segments("stall", |live| spoil(live, Fault::Stalled), 6, 6)),
        segments("slow drip", |live| spoil(live, Fault::Slow { bytes_per_second: 50_000 }), 10, 6),
        segments("500", |live| spoil(live, Fault::Status(500)), 6, 6),
        visible(segments("scrambled", |live| spoil(live, Fault::Scrambled), 5, 5)),
        segments("no video", |live| spoil(live, Fault::NoVideo), 6, 6),
        segments("no audio", |live| spoil(live, Fault::NoAudio), 8, 8),
        visible(segments("lost packets", |live| spoil(live, Fault::LostPackets { every: 30 }), 6, 5)),
        visible(segments("marked errors", |live| spoil(live, Fault::Damaged { every: 30 }), 6, 5)),
        segments("erratic clock", |live| spoil(live, Fault::Jumps { by: 20 * SECOND }), 9, 5),
        segments("same segment", |live| spoil(live, Fault::Repeated), 6, 6),
        case("loop", First::HlsTurns(brief().repeating()), 12, 5),
        frozen(First::HlsTurns(still), 10),
    ]
}

/// From the next segment on.
fn spoil(live: &Broadcast, fault: Fault) {
    let next = live.segments();
    live.change(|hls| hls.fault(next.., fault));
}

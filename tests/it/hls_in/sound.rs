//! Separate sound that is listed later or sooner than its picture, or is away.

use forebay_testkit::client::get_json;
use forebay_testkit::origin::{Container, Fault, Multicast, Multivariant, Variant};
use forebay_testkit::ts::demux;
use tokio::time::Instant;

use super::*;

/// Longer than any window of these tests.
pub(super) const ON_AIR: Duration = Duration::from_mins(2);

pub(super) fn picture(segment: Duration) -> Hls {
    Hls::live(Clip::get(Kind::ShortGop)).container(Container::Fmp4Video).segment(segment).on_air_for(ON_AIR)
}

pub(super) fn sound(segment: Duration) -> Hls {
    picture(segment).container(Container::Fmp4Audio)
}

pub(super) fn both(picture: Hls, sound: Hls) -> Multivariant {
    let variant = Variant::new(2_000_000).resolution(640, 360).audio("a");
    Multivariant::default().variant(variant, picture).audio("a", "eng", sound)
}

/// A viewer of both.
pub(super) struct Pair {
    pub(super) show: Show,
    pub(super) sound: Broadcast,
    pub(super) opened_after: Duration,
}

impl Pair {
    pub(super) async fn begin(multivariant: Multivariant) -> Self {
        let origin = Origin::start().await;
        let Multicast { url, mut variants, mut audio } = multivariant.mount(&origin, "/live");
        let began = Instant::now();
        let show = Show::begin_at(origin, variants.remove(0), &url).await;
        Self { show, sound: audio.remove(0), opened_after: began.elapsed() }
    }

    /// Ends it: the source was opened once, and the picture never stood still for as long as
    /// players have in store.
    pub(super) async fn end(self, name: &str, least: Duration) -> Heard {
        self.end_within(name, least, 3 * SECOND).await
    }

    /// The same where the picture waited for its sound, once: for four seconds at most, when
    /// nothing was in store, which may be a segment that was about to come.
    pub(super) async fn end_waited(self, name: &str, least: Duration) -> Heard {
        self.end_within(name, least, 7 * SECOND).await
    }

    async fn end_within(self, name: &str, least: Duration, longest: Duration) -> Heard {
        let status = self.show.relay.status("one").await;
        let gap = self.show.viewer.largest_gap();
        let heard = Heard::of(&self.show.bytes);
        println!(
            "{name}: opened after {:?}, gap {gap:?}, connections {}, {heard:?}",
            self.opened_after, status["upstream_connections_opened"]
        );
        assert_eq!(status["upstream_connections_opened"], 1, "{name}: {status}");
        assert!(gap < longest, "{name}: nothing came for {gap:?}");
        assert!(self.show.viewer.ended().is_none() && heard.seen >= least, "{name}: {heard:?}: {status}");
        heard
    }
}

/// What of the sound is heard with the picture.
#[derive(Debug)]
pub(super) struct Heard {
    /// How long the picture is.
    pub(super) seen: Duration,
    /// How much later than the picture the sound begins, and how much sooner it ends.
    pub(super) begins_after: Duration,
    pub(super) ends_before: Duration,
    /// How long it is missing at most, in between.
    pub(super) missing: Duration,
}

impl Heard {
    pub(super) fn of(bytes: &[u8]) -> Self {
        let report = Checker::check(bytes);
        let streams = demux(bytes);
        let times = |pid: Option<u16>| -> Vec<u64> {
            let units = pid.and_then(|pid| streams.get(&pid)).map(Vec::as_slice).unwrap_or_default();
            let mut times: Vec<u64> = units.iter().filter_map(|unit| unit.pts).collect();
            times.sort_unstable();
            times
        };
        let span = |from: u64, to: u64| Duration::from_millis(to.saturating_sub(from) / 90);
        let (pictures, sounds) = (times(report.video_pid()), times(report.audio_pids().first().copied()));
        let (Some(&first), Some(&last)) = (pictures.first(), pictures.last()) else {
            panic!("there is no picture: {report:?}")
        };
        let seen = span(first, last);
        let missing = sounds.windows(2).map(|pair| span(pair[0], pair[1])).max().unwrap_or(seen);
        Self {
            seen,
            begins_after: sounds.first().map_or(seen, |&begin| span(first, begin)),
            ends_before: sounds.last().map_or(seen, |&end| span(end, last)),
            missing,
        }
    }

    /// Nothing of it is missing that anybody would hear.
    pub(super) fn assert_whole(&self, name: &str) {
        let most = Duration::from_millis(500);
        let longest = self.begins_after.max(self.ends_before).max(self.missing);
        assert!(longest <= most, "{name}: {self:?}");
    }
}

/// Picture and sound are in step from the beginning, within the time of an ordinary opening.
async fn in_step(name: &str, picture: Hls, sound: Hls, seconds: u32) {
    let mut pair = Pair::begin(both(picture, sound)).await;
    assert!(pair.opened_after < 3 * SECOND, "{name}: {:?}", pair.opened_after);
    pair.show.watch(seconds).await;
    pair.end(name, (seconds - 1) * SECOND).await.assert_whole(name);
}

/// Long enough to see the next segments of the sound come.
#[tokio::test(flavor = "multi_thread")]
async fn longer_segments_than_those_of_the_picture() {
    for window in [6, 20] {
        let name = format!("10 s, picture of {window}");
        in_step(&name, picture(2 * SECOND).window(window), sound(10 * SECOND), 13).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_three_times_as_long_as_those_of_the_picture() {
    in_step("6 s", picture(2 * SECOND), sound(6 * SECOND), 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn shorter_segments_than_those_of_the_picture() {
    in_step("2 s for 6 s", picture(6 * SECOND), sound(2 * SECOND), 9).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_behind_that_of_the_picture() {
    in_step("3 of 6 s behind", picture(6 * SECOND), sound(6 * SECOND).late(18 * SECOND), 9).await;
    in_step("4 of 2 s behind", picture(2 * SECOND), sound(2 * SECOND).late(8 * SECOND), 7).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_ahead_of_that_of_the_picture() {
    in_step("2 of 6 s ahead", picture(6 * SECOND).late(12 * SECOND), sound(6 * SECOND), 7).await;
    let short = sound(2 * SECOND).window(4);
    in_step("3 of 2 s ahead, no more listed", picture(2 * SECOND).late(6 * SECOND), short, 7).await;
}

/// The picture's list does not go back so far: the viewer waits once, and has sound from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_behind_all_of_the_picture() {
    let picture = picture(2 * SECOND).window(3);
    let mut pair = Pair::begin(both(picture, sound(2 * SECOND).late(7 * SECOND))).await;
    pair.show.watch(7).await;
    assert!(pair.opened_after < 6 * SECOND, "{:?}", pair.opened_after);
    pair.end("behind all of it", 6 * SECOND).await.assert_whole("behind all of it");
}

/// The picture opens as without this sound.
async fn opens_without(name: &str, sound: Hls, reason: &str) -> Pair {
    let mut pair = Pair::begin(both(picture(2 * SECOND), sound)).await;
    assert!(pair.opened_after < 3 * SECOND, "{name}: {:?}", pair.opened_after);
    pair.show.watch(4).await;
    let hls = pair.show.hls().await;
    assert!(hls["audio_trouble"].as_str().is_some_and(|text| text.contains(reason)), "{name}: {hls}");
    pair
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_refused() {
    for status in [404, 503] {
        let reason = format!("HTTP {status} (http://127.0.0.1");
        let sound = sound(2 * SECOND).playlist_status(Some(status));
        let pair = opens_without(&format!("list {status}"), sound, &reason).await;
        pair.end(&format!("list {status}"), 3 * SECOND).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_hangs() {
    let sound = sound(2 * SECOND).playlist_delay(Duration::from_hours(1));
    opens_without("list hangs", sound, "did not come in time").await.end("list hangs", 3 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_are_refused_and_come_back() {
    let sound = sound(2 * SECOND).fault(.., Fault::Status(404));
    let mut pair = opens_without("segments 404", sound, "HTTP 404").await;
    pair.sound.change(Hls::without_faults);
    pair.show.watch(10).await;
    assert_eq!(pair.show.hls().await["audio_trouble"], Value::Null);
    let heard = pair.end("segments 404 at first", 13 * SECOND).await;
    assert!(heard.begins_after < 12 * SECOND && heard.ends_before < SECOND, "{heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_next_sound_of_the_group_is_taken() {
    let dead = sound(2 * SECOND).playlist_status(Some(404));
    let multivariant = both(picture(2 * SECOND), dead).audio("a", "deu", sound(2 * SECOND));
    let mut pair = Pair::begin(multivariant).await;
    pair.show.watch(5).await;
    let hls = pair.show.hls().await;
    assert_eq!((&hls["audio_trouble"], &hls["audio_lost"]), (&Value::Null, &1.into()), "{hls}");
    pair.end("next of the group", 4 * SECOND).await.assert_whole("next of the group");
}

/// Sound that is away for so long that it is given up, and comes back.
async fn away_in_mid_play(name: &str, fail: fn(Hls) -> Hls, mend: fn(Hls) -> Hls) {
    let mut pair = Pair::begin(both(picture(2 * SECOND), sound(2 * SECOND))).await;
    pair.show.watch(3).await;
    pair.sound.change(fail);
    pair.show.watch(12).await;
    pair.sound.change(mend);
    pair.show.watch(10).await;
    // It is waited for once, for as long as it usually takes.
    let heard = pair.end_waited(name, 22 * SECOND).await;
    assert!(heard.missing < 18 * SECOND && heard.ends_before < SECOND, "{name}: {heard:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_is_away_in_mid_play() {
    let away = |hls: Hls| hls.playlist_status(Some(503));
    away_in_mid_play("list away", away, |hls| hls.playlist_status(None)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_stands_still_in_mid_play() {
    away_in_mid_play("list frozen", |hls| hls.frozen(true), |hls| hls.frozen(false)).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_that_are_away_in_mid_play() {
    let away = |hls: Hls| hls.fault(.., Fault::Status(404));
    away_in_mid_play("segments away", away, Hls::without_faults).await;
}

/// Both are away: the reason is that of the picture.
#[tokio::test(flavor = "multi_thread")]
async fn a_picture_that_is_refused_too_is_the_reason() {
    let origin = Origin::start().await;
    let url =
        both(picture(2 * SECOND).playlist_status(Some(403)), sound(2 * SECOND).playlist_status(Some(404)))
            .mount(&origin, "/live")
            .url;
    let relay = Relay::with_sources(&[url], "start_timeout = \"1s\"");
    let (status, body) = get_json(relay.address(), "/stream/one").await;
    let message = body["error"]["sources"][0]["message"].as_str().unwrap_or_default();
    assert!(status == 503 && message.contains("HTTP 403"), "{body}");
}

//! Separate sound whose segments hang, and sound that falls behind its picture in mid-play.

use forebay_testkit::origin::Fault;

use super::sound::{Heard, ON_AIR, Pair, both, picture, sound};
use super::*;

/// Two segments are listed, and no later one of the sound is to be had.
async fn goes_on_without(name: &str, fault: Fault) {
    let segment = 4 * SECOND;
    let next = ON_AIR.as_secs() / segment.as_secs();
    let dead = sound(segment).window(2).fault(next.., fault);
    let mut pair = Pair::begin(both(picture(segment).window(2), dead)).await;
    pair.show.watch(18).await;
    pair.end_waited(name, 15 * SECOND).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_of_sound_that_hang_do_not_hold_the_picture_up() {
    goes_on_without("no answer", Fault::Hanging).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn segments_of_sound_that_trickle_do_not_hold_the_picture_up() {
    goes_on_without("trickle", Fault::Slow { bytes_per_second: 2_000 }).await;
}

/// The list of the sound stands still for so long, and is so much later from then on.
async fn falls_behind(span: Duration, seconds: u32) -> Heard {
    let mut pair = Pair::begin(both(picture(2 * SECOND), sound(2 * SECOND))).await;
    pair.show.watch(3).await;
    pair.sound.change(|hls| hls.late(span));
    pair.show.watch(seconds).await;
    pair.end_waited(&format!("{span:?} behind"), (seconds - 6) * SECOND).await
}

/// It is late for as long as there is media in store: the picture waits for it once.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_falls_behind_a_little_in_mid_play() {
    let heard = falls_behind(6 * SECOND, 16).await;
    assert!(heard.ends_before < SECOND, "{heard:?}");
}

/// The picture has gone on meanwhile: it goes back to its sound.
#[tokio::test(flavor = "multi_thread")]
async fn a_list_that_falls_behind_for_good_in_mid_play() {
    let heard = falls_behind(14 * SECOND, 34).await;
    assert!(heard.ends_before < SECOND && heard.missing < 20 * SECOND, "{heard:?}");
}

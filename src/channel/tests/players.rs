//! Models of HLS players on closed channels.

use forebay_testkit::player::model::{Model, Rules};
use futures_util::future::join_all;

use super::*;

/// An hour of pictures in groups of this length; the first ones come at once, the others as they
/// play.
pub(super) fn groups(
    group: Duration,
    burst: Duration,
    open: Arc<()>,
) -> stream::BoxStream<'static, Result<Piece, Error>> {
    let at_once = count(burst);
    let mut muxed = muxed_in_groups(u64::MAX, count(group));
    stream::iter(0..count(3600 * SECOND))
        .map(move |n| (n, muxed(n)))
        .then(move |(n, bytes)| async move {
            if n >= at_once {
                sleep(Duration::from_millis(40)).await;
            }
            Ok(Piece::Bytes(bytes))
        })
        .inspect(move |_| debug_assert!(Arc::strong_count(&open) > 1))
        .boxed()
}

/// Plays the channel as a player would that comes after so long, for 40 s from its first picture
/// on.
async fn play(house: &House, rules: Rules, after: Duration) -> Model {
    sleep(after).await;
    let (session, began) = (Session::new(house.join()), Instant::now());
    let mut player = Model::new(rules);
    while player.began().is_none_or(|first| began.elapsed() < first + 40 * SECOND) {
        let playlist = session.playlist().await.unwrap();
        session.begin(&playlist);
        let text = std::str::from_utf8(&playlist.rendered.text).unwrap();
        sleep(player.take(began.elapsed(), text)).await;
    }
    player
}

/// Whoever opens a closed channel, and those who come soon after.
#[tokio::test(start_paused = true)]
async fn no_player_that_opens_a_closed_channel_stands_still() {
    const FIRST: [Rules; 4] = [Rules::Vlc, Rules::Strict, Rules::ThreeTargets, Rules::LastSegment];
    for (group, burst) in [(1, 0), (1, 7), (2, 0), (2, 7), (4, 0), (4, 15), (10, 0)]
        .map(|(group, burst)| (group * SECOND, burst * SECOND))
    {
        let plays: &[Play] = &[Play::Groups(group, burst)];
        let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", plays)]);
        let first = FIRST.map(|rules| play(&house, rules, Duration::ZERO));
        let later = [3, 8, 14].map(|after| play(&house, Rules::Vlc, after * SECOND));
        let (first, later) = tokio::join!(join_all(first), join_all(later));
        // A target duration, two groups, a second and the start; less what came at once, to the
        // last whole group.
        let media = group.max(2 * SECOND) + 2 * group + 1_400 * MILLISECOND;
        let came = if burst.is_zero() { burst } else { burst.saturating_sub(group) };
        for player in first.iter().chain(&later) {
            let what = format!("groups of {group:?}, {burst:?} at once: {player:?}");
            assert!(
                player.began().is_some_and(|began| began <= media.saturating_sub(came).max(SECOND / 2)),
                "{what}"
            );
            assert_eq!(player.stood(player.asked()), Duration::ZERO, "{what}");
        }
    }
}

//! Models of HLS players on closed channels.

use std::cell::RefCell;

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

/// Plays the channel as a player would that comes after so long, for 25 s from its first picture
/// on.
async fn play(house: &House, (rules, player): (Rules, Player), after: Duration) -> Model {
    sleep(after).await;
    let began = Instant::now();
    let model = RefCell::new(Model::new(rules));
    let asking = async {
        let mut session = house.session(player);
        loop {
            let playlist = session.playlist().await.unwrap();
            if playlist.is_lead() {
                session = house.session_on(player, PlaylistKind::Short);
                continue;
            }
            session.note_sent(&playlist);
            let text = std::str::from_utf8(&playlist.rendered.text).unwrap();
            let wait = model.borrow_mut().take(began.elapsed(), text);
            sleep(wait).await;
        }
    };
    let until = async {
        while model.borrow().began().is_none_or(|first| began.elapsed() < first + 25 * SECOND) {
            sleep(SECOND / 10).await;
        }
    };
    tokio::select! {
        () = asking => {}
        () = fetch(house, &model, began) => {}
        () = until => {}
    }
    model.into_inner()
}

/// Fetches one segment after the other, each 50 ms after the player knows of it and has the one
/// before.
async fn fetch(house: &House, model: &RefCell<Model>, began: Instant) {
    let id = house.found().channel.id.clone();
    loop {
        let next = model.borrow().next();
        sleep(50 * MILLISECOND).await;
        let Some((number, mut media)) = next else { continue };
        if house.channels.segment(&id, number).is_none() {
            let mut growing = house.channels.growing(&id, number).expect("what is named is there");
            media = Duration::ZERO;
            while let Some(bytes) = growing.next().await.unwrap() {
                media += 40 * MILLISECOND * pictures(&bytes);
                model.borrow_mut().receive(began.elapsed(), media);
            }
        }
        model.borrow_mut().complete(began.elapsed(), media);
    }
}

/// How many pictures begin in these packets.
fn pictures(bytes: &[u8]) -> u32 {
    let begins = |packet: &&[u8]| packet[1..3] == [0x41, 0x00];
    u32::try_from(bytes.chunks_exact(188).filter(begins).count()).unwrap()
}

/// Whoever opens a closed channel, and those who come soon after. Players that need whole segments
/// change what the others get, so each kind is also there alone.
#[tokio::test(start_paused = true)]
async fn no_player_that_opens_a_closed_channel_stands_still() {
    const VLC: (Rules, Player) = (Rules::Vlc, Player::Streaming);
    const STREAMING: &[(Rules, Player)] = &[VLC, (Rules::Ffmpeg, Player::Streaming)];
    const WHOLE: &[(Rules, Player)] = &[
        (Rules::HlsJs, Player::Whole),
        (Rules::Strict, Player::Strict),
        (Rules::ThreeTargets, Player::Strict),
        (Rules::Strict, Player::Native),
        (Rules::ThreeTargets, Player::Native),
    ];
    let groups = [(1, 0), (1, 7), (2, 0), (4, 0), (4, 15), (10, 0)];
    for (group, burst) in groups.map(|(group, burst)| (group * SECOND, burst * SECOND)) {
        for (first, later) in [(STREAMING, STREAMING), (WHOLE, STREAMING), (&[VLC], WHOLE)] {
            let plays: &[Play] = &[Play::Groups(group, burst)];
            let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", plays)]);
            let at_once = first.iter().map(|&kind| (kind, 0));
            let soon = later.iter().flat_map(|&kind| [3, 14].map(|after| (kind, after)));
            let playing = at_once.chain(soon).map(|(kind, after)| {
                let model = play(&house, kind, after * SECOND);
                async move { (kind, after, model.await) }
            });
            for ((rules, kind), after, player) in join_all(playing).await {
                let what =
                    format!("groups of {group:?}, {burst:?} at once, {kind:?} after {after} s: {player:?}");
                let began = player.began().unwrap_or_else(|| panic!("never: {what}"));
                let opens = after == 0 && kind == Player::Native;
                assert!(began <= soonest(rules, opens, group, burst), "{what}");
                assert_eq!(player.stood(player.asked()), Duration::ZERO, "{what}");
            }
        }
    }
}

/// When a player has its first picture, at the latest.
///
/// `opens` is whether it opens the channel, and may have segments that begin with any picture.
fn soonest(rules: Rules, opens: bool, group: Duration, burst: Duration) -> Duration {
    // What comes at once counts to the last whole group.
    let came = if burst.is_zero() { burst } else { burst.saturating_sub(group) };
    let segment = group.max(2 * SECOND);
    let media = match rules {
        Rules::Vlc | Rules::Ffmpeg => SECOND,
        // The first segment, and what the next one may be late.
        Rules::HlsJs => segment + SECOND,
        // A target duration of 2 s until it asks again, and a segment that is made then.
        Rules::Strict | Rules::ThreeTargets if opens => 3 * SECOND,
        // The same with segments as long as groups.
        Rules::Strict | Rules::ThreeTargets => 2 * segment,
    };
    media.saturating_sub(came) + SECOND / 2
}

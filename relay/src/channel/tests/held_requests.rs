//! Requests for a playlist that wait for the next segment.

use super::*;

/// How long a request for a playlist takes, and the newest segment that it names.
async fn ask(session: &Session) -> (Duration, u64) {
    let asked = Instant::now();
    let playlist = session.playlist().await.unwrap();
    session.note_sent(&playlist);
    (asked.elapsed(), playlist.newest())
}

#[tokio::test(start_paused = true)]
async fn who_plays_at_the_edge_and_asks_a_moment_too_early_waits_for_the_segment() {
    let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", &[endless()])]);
    let near = house.session(Player::Strict);
    let (_, first) = ask(&near).await;
    let mut newest = first;
    // The growing segment has just begun.
    sleep(1_500 * MILLISECOND).await;
    while newest == first {
        (_, newest) = ask(&near).await;
    }
    for _ in 0..4 {
        // A segment has just come: there is none to wait for.
        assert_eq!(ask(&near).await, (Duration::ZERO, newest));
        sleep(1_900 * MILLISECOND).await;
        let (took, next) = ask(&near).await;
        assert_eq!(next, newest + 1);
        assert!(took > Duration::ZERO && took <= 100 * MILLISECOND, "{took:?}");
        newest = next;
    }
    // Whoever does not know the newest gets it at once.
    sleep(3_900 * MILLISECOND).await;
    assert_eq!(ask(&near).await, (Duration::ZERO, newest + 1));
    // And who has enough to play comes again.
    sleep(12 * SECOND).await;
    let far = house.session(Player::Strict);
    ask(&near).await;
    ask(&near).await;
    ask(&far).await;
    sleep(900 * MILLISECOND).await;
    assert_eq!(ask(&far).await.0, Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn who_waits_for_a_segment_that_does_not_come_waits_half_a_target_duration() {
    let house = gone();
    let near = house.session(Player::Strict);
    ask(&near).await;
    sleep(20 * SECOND).await;
    // It is told of what came until its source was gone.
    assert_eq!(ask(&near).await.0, Duration::ZERO);
    assert_eq!(ask(&near).await.0, SECOND, "short segments have a target duration of 2 s");
}

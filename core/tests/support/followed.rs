//! Follows playlists of any bytes, and holds what must be true of the actions against them.

use std::time::Duration;

use forebay_core::playlist::follow::{Action, Answer, Follower, MAX_TRIES, MIN_RELOAD, Options, Outcome};
use forebay_core::playlist::model::Variables;
use forebay_core::playlist::parse::parse;
use forebay_core::time::Moment;
use url::Url;

/// What a provider does next.
pub(crate) struct Step<'a> {
    /// Which answer the next request for a playlist gets, what becomes of the next segment, and how much later that is.
    pub(crate) control: u8,
    pub(crate) body: &'a [u8],
}

/// Actions that may follow one piece of news: a list of segments that are all passed over, and a few more.
const MAX_ACTIONS: usize = 10_000;

/// Multivariant playlists may lead to one another twice.
const MAX_IN_A_ROW: u32 = 3;

/// Plays the steps, one for each playlist that is asked for.
pub(crate) fn follow<'a>(steps: impl IntoIterator<Item = Step<'a>>) {
    let entry = Url::parse("http://h/live/index.m3u8?token=t").expect("it is an address");
    let mut follower = Follower::new(
        Moment::ZERO,
        entry.clone(),
        Options { max_bandwidth: Some(5_000_000), ..Options::default() },
    );
    let mut now = Moment::ZERO;
    let mut asked_at: Option<Moment> = None;
    let mut in_a_row = 0;
    let mut url = entry.clone();
    let mut variables = Variables::default();
    for step in steps {
        follower.handle_playlist(now, answer(&step, &url, &variables));
        let mut actions = 0;
        let mut tries = (None, 0);
        loop {
            actions += 1;
            assert!(actions < MAX_ACTIONS, "it does not come to rest");
            match follower.poll_action(now) {
                Some(Action::FetchPlaylist { url: at, inherited, timeout, .. }) => {
                    assert!(matches!(at.scheme(), "http" | "https") && !timeout.is_zero());
                    // Only lists that lead to themselves are asked for at once, and those not often.
                    let is_quick = at == url && asked_at.is_some_and(|before| now.since(before) < MIN_RELOAD);
                    in_a_row = if is_quick { in_a_row + 1 } else { 0 };
                    assert!(in_a_row <= MAX_IN_A_ROW, "it asks for the same playlist again and again");
                    (url, variables, asked_at) = (at, inherited, Some(now));
                    break;
                }
                Some(Action::FetchSegment(fetch)) => {
                    assert!(matches!(fetch.url.scheme(), "http" | "https"));
                    assert!(
                        !fetch.duration.is_zero()
                            && !fetch.timeout.is_zero()
                            && !fetch.idle_timeout.is_zero()
                    );
                    assert!(fetch.range.is_none_or(|range| {
                        range.length > 0 && range.offset.checked_add(range.length).is_some()
                    }));
                    let id = Some((fetch.url.path().to_owned(), fetch.range, follower.sequence()));
                    tries = if tries.0 == id { (id, tries.1 + 1) } else { (id, 1) };
                    // Once more for the query, which is learned.
                    assert!(tries.1 <= MAX_TRIES + 2, "a segment is tried {} times", tries.1);
                    follower.handle_segment(now, outcome(step.control));
                }
                Some(Action::PassOn { .. }) => {}
                Some(Action::End | Action::Fail(_)) => {
                    assert!(follower.poll_action(now).is_none() && follower.poll_timeout().is_none());
                    return;
                }
                None => {
                    let Some(at) = follower.poll_timeout() else { return };
                    let next = if at > now { at } else { now + Duration::from_millis(1) };
                    now = next + Duration::from_millis(u64::from(step.control & 0xC0));
                    follower.handle_timeout(now);
                }
            }
        }
        match follower.poll_action(now) {
            None | Some(Action::FetchSegment(_) | Action::PassOn { .. }) => {}
            Some(Action::FetchPlaylist { .. }) => panic!("it asks for two playlists at once"),
            // A list that is complete ends, and a key that is not to be had fails, whatever is on its way.
            Some(Action::End | Action::Fail(_)) => {
                assert!(follower.poll_action(now).is_none() && follower.poll_timeout().is_none());
                return;
            }
        }
        follower.handle_segment(now, outcome(step.control));
    }
}

fn answer(step: &Step<'_>, url: &Url, inherited: &Variables) -> Answer {
    match step.control & 7 {
        0..=2 => {
            let playlist = parse(step.body, url, inherited);
            Answer::Playlist { url: url.clone(), playlist, etag: None }
        }
        3 => Answer::NotModified,
        4 => Answer::Refused(403),
        5 => Answer::Refused(404),
        6 => Answer::Refused(500),
        _ => Answer::Failed,
    }
}

fn outcome(control: u8) -> Outcome {
    match control >> 3 & 7 {
        0..=1 => Outcome::Done,
        2 => Outcome::Truncated,
        3 => Outcome::Refused(403),
        4 => Outcome::Refused(404),
        5 => Outcome::Repeated,
        6 => Outcome::Unusable,
        7 => Outcome::Stalled,
        _ => Outcome::Failed,
    }
}

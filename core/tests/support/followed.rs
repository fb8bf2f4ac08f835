//! Follows playlists of any bytes, and holds what must be true of the actions against them.

use std::mem;
use std::time::Duration;

use forebay_core::playlist::follow::{
    Action, Answer, Fetch, Follower, MAX_TRIES, MIN_RELOAD, Options, Outcome, Rendition,
};
use forebay_core::playlist::model::{Range, Variables};
use forebay_core::playlist::parse::parse;
use forebay_core::time::Moment;
use url::Url;

/// What a provider does next.
pub(crate) struct Step<'a> {
    /// Which answer the next request for a playlist gets, what becomes of the next segment, and how
    /// much later that is.
    pub(crate) control: u8,
    pub(crate) body: &'a [u8],
}

/// Actions that may follow one piece of news: a list of segments that are all passed over, and a
/// few more.
const MAX_ACTIONS: usize = 10_000;

/// Multivariant playlists may lead to one another twice.
const MAX_IN_A_ROW: u32 = 3;

const RENDITIONS: [Rendition; 2] = [Rendition::Main, Rendition::Audio];

/// What is asked for of one rendition.
#[derive(Default)]
struct Asked {
    /// The playlist that is to be answered, with what it inherits.
    list: Option<(Url, Variables)>,
    /// The same before, and when it was asked for.
    before: Option<(Url, Moment)>,
    in_a_row: u32,
    /// A segment is on its way.
    has_segment: bool,
    /// Which one was asked for last, and how often.
    tries: (Option<(String, Option<Range>, u64)>, u32),
}

impl Asked {
    fn ask(&mut self, now: Moment, url: Url, inherited: Variables) {
        assert!(self.list.is_none(), "it asks for two playlists at once");
        // Only lists that lead to themselves are asked for at once, and those not often.
        let is_quick =
            self.before.as_ref().is_some_and(|(before, at)| *before == url && now.since(*at) < MIN_RELOAD);
        self.in_a_row = if is_quick { self.in_a_row + 1 } else { 0 };
        assert!(self.in_a_row <= MAX_IN_A_ROW, "it asks for the same playlist again and again");
        (self.before, self.list) = (Some((url.clone(), now)), Some((url, inherited)));
    }

    fn fetch(&mut self, fetch: &Fetch, sequence: u64) {
        assert!(!mem::replace(&mut self.has_segment, true), "it asks for two segments at once");
        assert!(matches!(fetch.url.scheme(), "http" | "https"));
        assert!(!fetch.duration.is_zero() && !fetch.timeout.is_zero() && !fetch.idle_timeout.is_zero());
        assert!(
            fetch
                .range
                .is_none_or(|range| { range.length > 0 && range.offset.checked_add(range.length).is_some() })
        );
        let id = Some((fetch.url.path().to_owned(), fetch.range, sequence));
        self.tries = if self.tries.0 == id { (id, self.tries.1 + 1) } else { (id, 1) };
        // Once more for the query, which is learned.
        assert!(self.tries.1 <= MAX_TRIES + 2, "a segment is tried {} times", self.tries.1);
    }
}

/// Plays the steps, one for each playlist that is asked for.
pub(crate) fn follow<'a>(steps: impl IntoIterator<Item = Step<'a>>) {
    let entry = Url::parse("http://h/live/index.m3u8?token=t").expect("it is an address");
    let options = Options { max_bandwidth: Some(5_000_000), ..Options::default() };
    let mut follower = Follower::new(Moment::ZERO, entry.clone(), options);
    let mut now = Moment::ZERO;
    let mut asked = [Asked::default(), Asked::default()];
    asked[0].list = Some((entry, Variables::default()));
    for step in steps {
        let is_of_sound = asked[0].list.is_none() || asked[1].list.is_some() && step.control & 0x40 != 0;
        let of = RENDITIONS[usize::from(is_of_sound)];
        let (url, variables) = asked[of as usize].list.take().expect("it has asked for one");
        follower.handle_playlist(now, of, answer(&step, &url, &variables));
        land(&mut follower, &mut asked, now, &step);
        for asked in &mut asked {
            asked.tries = (None, 0);
        }
        for actions in 0.. {
            assert!(actions < MAX_ACTIONS, "it does not come to rest");
            match follower.poll_action(now) {
                Some(Action::FetchPlaylist { of, url, inherited, timeout, .. }) => {
                    assert!(matches!(url.scheme(), "http" | "https") && !timeout.is_zero());
                    asked[of as usize].ask(now, url, inherited);
                }
                Some(Action::FetchSegment(fetch)) => {
                    asked[fetch.rendition as usize].fetch(&fetch, follower.sequence());
                    // Or it takes until the next playlist has come.
                    if step.control & 0x80 == 0 {
                        land(&mut follower, &mut asked, now, &step);
                    }
                }
                Some(Action::Pair(_)) => {}
                Some(Action::End | Action::Fail(_)) => {
                    assert!(follower.poll_action(now).is_none() && follower.poll_timeout().is_none());
                    return;
                }
                None if asked.iter().any(|asked| asked.list.is_some()) => break,
                None => {
                    land(&mut follower, &mut asked, now, &step);
                    let Some(at) = follower.poll_timeout() else { return };
                    let next = if at > now { at } else { now + Duration::from_millis(1) };
                    now = next + Duration::from_millis(u64::from(step.control & 0xC0));
                    follower.handle_timeout(now);
                }
            }
        }
    }
}

/// The segments that are on their way come, or do not.
fn land(follower: &mut Follower, asked: &mut [Asked; 2], now: Moment, step: &Step<'_>) {
    for of in RENDITIONS {
        if mem::take(&mut asked[of as usize].has_segment) {
            follower.handle_segment(now, of, outcome(step.control));
        }
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

//! An input whose time is a literal.

use forebay_testkit::ts::build::{Muxer, h264};

use super::search::{MAX_SEARCHED, PREFIX};
use super::*;

const LIMITS: Limits =
    Limits { burst: Duration::from_secs(2), read_ahead: Duration::from_secs(30), buffer_bytes: 64 << 20 };

/// 25 pictures a second, one in 25 of them a key picture.
struct Programme {
    muxer: Muxer,
    pictures: u64,
}

impl Programme {
    fn new() -> Self {
        Self { muxer: Muxer::new(0x1000, 0x100).stream(0x100, 0x1b), pictures: 0 }
    }

    /// The next so many pictures.
    fn next(&mut self, count: u64) -> Vec<u8> {
        (0..count).flat_map(|_| self.picture()).collect()
    }

    fn picture(&mut self) -> Vec<u8> {
        let n = self.pictures;
        self.pictures += 1;
        let dts = 900_000 + n * 3600;
        let is_key = n.is_multiple_of(25);
        let slice = if is_key { h264::idr(1500) } else { h264::predicted(400) };
        let mut bytes = if is_key { [self.muxer.pat(), self.muxer.pmt()].concat() } else { Vec::new() };
        bytes.extend(self.muxer.pes(0x100, dts, None, &slice, Some((dts - 9000) * 300)));
        bytes
    }
}

fn at(millis: u64) -> Moment {
    Moment::from_millis(millis)
}

fn input(facts: Facts) -> Input {
    Input::new(facts, Rules::OFF, None, LIMITS)
}

/// An active input, of which two seconds of media came at 0 s.
fn active(facts: Facts, lead: Lead) -> (Input, Splice, Programme) {
    let (mut input, mut splice, mut programme) = (input(facts), Splice::new(None), Programme::new());
    let taken = input.push(at(0), &programme.next(50), &mut splice).unwrap();
    assert_eq!((taken.is_found, taken.picture), (true, Picture::New));
    input.activate(at(0), &mut splice, lead);
    (input, splice, programme)
}

#[test]
fn a_candidate_shows_nothing_until_it_is_active() {
    let (mut input, mut splice) = (input(Facts::new(Pace::Live)), Splice::new(None));
    let mut programme = Programme::new();
    let first = input.push(at(0), &programme.next(1), &mut splice).unwrap();
    assert_eq!((first.is_found, first.picture), (true, Picture::New));
    let second = input.push(at(40), &programme.next(1), &mut splice).unwrap();
    assert_eq!((second.is_found, second.picture), (false, Picture::Unchanged), "it is no key picture");
    assert!(splice.output().0.is_empty() && !input.is_active());
    input.activate(at(40), &mut splice, Lead::None);
    assert!(!splice.output().0.is_empty() && input.is_active());
}

#[test]
fn what_is_no_transport_stream_is_unfit() {
    let (mut input, mut splice) = (input(Facts::new(Pace::Live)), Splice::new(None));
    let page = b"<html>".repeat(1000);
    assert!(input.push(at(0), &page, &mut splice).is_ok());
    assert!(input.beginning().starts_with(b"<html>") && input.beginning().len() == PREFIX);
    assert_eq!(input.begin_anew(&mut splice), Err(Unfit::NotTransportStream));
    let more = vec![0; usize::try_from(MAX_SEARCHED).unwrap()];
    assert_eq!(input.push(at(0), &more, &mut splice), Err(Unfit::NotTransportStream));
}

#[test]
fn a_file_without_a_picture_is_given_up_and_a_list_of_segments_is_not() {
    for (parts, last) in [(None, Err(Unfit::NoPicture)), (Some(PartsState::default()), Ok(Taken::default()))]
    {
        let (mut input, mut splice) = (input(Facts::new(Pace::MediaTime)), Splice::new(None));
        if let Some(parts) = parts {
            input.set_parts(at(0), parts);
        }
        input.push(at(0), &Muxer::null().repeat(10), &mut splice).unwrap();
        assert_eq!(input.begin_anew(&mut splice), Ok(Taken::default()));
        input.push(at(0), &Muxer::null().repeat(10), &mut splice).unwrap();
        assert_eq!(input.begin_anew(&mut splice), last);
    }
}

#[test]
fn media_that_could_be_read_at_any_speed_is_read_as_it_plays() {
    let (mut input, mut splice, mut programme) = active(Facts::new(Pace::MediaTime), Lead::None);
    assert!(!input.poll_resume(at(0)));
    input.push(at(0), &programme.next(250), &mut splice).unwrap();
    let resumes_at = input.resumes_at().expect("ten seconds are enough for now");
    assert!((at(9_500)..at(10_100)).contains(&resumes_at), "{resumes_at:?}");
    assert_eq!(input.reads_at(at(20), Duration::from_millis(20)), Some(resumes_at));
    assert!(input.poll_resume(at(10_100)));
    assert_eq!(input.reads_at(at(10_100), Duration::from_millis(20)), None);
}

#[test]
fn a_lead_comes_at_once_and_is_ahead_of_time_beyond_the_burst() {
    let lead = Lead::Opening { burst: LIMITS.burst, head_start: Duration::ZERO };
    let (mut input, mut splice, mut programme) = active(Facts::new(Pace::MediaTime), lead);
    input.push(at(0), &programme.next(250), &mut splice).unwrap();
    let resumes_at = input.resumes_at().unwrap();
    assert!((at(7_500)..at(8_100)).contains(&resumes_at), "{resumes_at:?}");
    assert_eq!(input.not_due(at(0)), Duration::ZERO);

    let mut input = self::input(Facts::new(Pace::MediaTime));
    input.set_parts(at(0), PartsState { at_once: Duration::from_secs(6), ..PartsState::default() });
    input.activate(at(0), &mut Splice::new(None), lead);
    assert_eq!(input.not_due(at(0)), Duration::from_secs(4));
}

#[test]
fn a_live_source_that_sends_ahead_is_read_until_there_is_enough() {
    let (mut input, mut splice, mut programme) = active(Facts::new(Pace::Live), Lead::None);
    input.push(at(0), &programme.next(25 * 20), &mut splice).unwrap();
    assert!(!input.is_held(), "20 s are not more than it may be ahead");
    input.push(at(0), &programme.next(25 * 20), &mut splice).unwrap();
    let resumes_at = input.resumes_at().expect("40 s are");
    assert!(input.is_held() && (at(9_000)..at(13_000)).contains(&resumes_at), "{resumes_at:?}");
    assert!(input.ahead(at(0)) > Duration::from_secs(38));
}

#[test]
fn what_has_a_length_ends_when_it_has_been_played() {
    let file = Facts { has_length: true, ..Facts::new(Pace::Live) };
    let (mut input, mut splice, mut programme) = active(file, Lead::None);
    input.push(at(0), &programme.next(25 * 10), &mut splice).unwrap();
    assert!(!input.plays_on(at(0), true, &mut splice), "another source is there, and it may be a notice");
    assert!(input.plays_on(at(0), false, &mut splice));
    let ends_at = input.resumes_at().unwrap();
    assert!((at(11_000)..at(12_100)).contains(&ends_at), "{ends_at:?}");
    assert!(!input.plays_on(ends_at, false, &mut splice));
    let (mut live, mut splice, _) = active(Facts::new(Pace::Live), Lead::None);
    assert!(!live.plays_on(at(0), false, &mut splice), "a live stream has no end");
}

#[test]
fn an_input_in_parts_says_how_long_it_may_stand_still() {
    let mut input = input(Facts::new(Pace::MediaTime));
    assert_eq!(input.patience(), None);
    let stall_after = Duration::from_secs(12);
    input.set_parts(at(0), PartsState { stall_after, ..PartsState::default() });
    assert_eq!((input.patience(), input.has_head_start()), (Some(stall_after), false));
    input.set_parts(at(0), PartsState { head_start: Duration::from_secs(1), ..PartsState::default() });
    assert!(input.has_head_start());
}

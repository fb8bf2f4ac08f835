//! The driver on a paused clock, fed from memory: no socket, no real time.

use std::collections::{HashMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use forebay_core::channel::{ErrorCode, SwitchReason};
use forebay_core::ingest::Facts;
use forebay_core::lifecycle::Phase;
use forebay_core::playlist::opening::Player;
use forebay_testkit::ts::build::{Muxer, h264};
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt, stream};
use tokio::time::{Instant, sleep, timeout};

use super::*;
use crate::events::Event;
use crate::fixture::{Fixture, List};
use crate::input::{Context, Error, Pace, Piece, SocketGuard, Upstream};
use crate::model::Source;

pub(in crate::channel) const SECOND: Duration = Duration::from_secs(1);
const MILLISECOND: Duration = Duration::from_millis(1);
const ENDED: SwitchReason = SwitchReason::Failed(ErrorCode::Ended);

mod crew;
mod held_requests;
mod lossy;
mod outages;
mod players;
mod readers;
mod reload;
mod timing;

/// What a scripted source does when it is opened.
#[derive(Debug, Clone)]
pub(in crate::channel) enum Play {
    /// Pictures for so long, then this end.
    For(Duration, Error),
    /// The same so many pictures again and again.
    Loop(u64),
    /// So much media, of which each picture comes when this says, counted from the answer; a file
    /// or a live stream.
    Timed { span: Duration, comes: timing::Comes, has_length: bool },
    /// Null packets twice a second for a while, then pictures.
    WarmUp(Duration),
    /// No answer for a while, then pictures.
    Late(Duration),
    /// Pictures of which one packet in so many is missing.
    Lossy(usize),
    /// Groups of pictures of this length, and how much comes at once.
    Groups(Duration, Duration),
    /// Fails after a while.
    Fail(Duration, Error),
}

/// Sources by their address; each opening takes the next of its script, and the last one again and
/// again.
#[derive(Debug, Default)]
struct Script {
    plays: Mutex<HashMap<String, VecDeque<Play>>>,
    opened: Mutex<Vec<String>>,
    /// Kept by every open upstream.
    open: Arc<()>,
}

impl Script {
    fn new(plays: &[(&str, &[Play])]) -> Arc<Self> {
        let plays =
            plays.iter().map(|(path, plays)| ((*path).to_owned(), plays.iter().cloned().collect())).collect();
        Arc::new(Self { plays: Mutex::new(plays), ..Self::default() })
    }

    fn opened(&self) -> Vec<String> {
        self.opened.lock().unwrap().clone()
    }

    fn open_now(&self) -> usize {
        Arc::strong_count(&self.open) - 1
    }
}

impl Opener for Script {
    fn open(
        &self,
        source: &Source,
        _: &Context,
        hold: SocketGuard,
    ) -> BoxFuture<'static, Result<Upstream, Error>> {
        let path = source.url.expose().path().to_owned();
        self.opened.lock().unwrap().push(path.clone());
        let mut plays = self.plays.lock().unwrap();
        let script = plays.get_mut(&path).unwrap();
        let play = if script.len() > 1 { script.pop_front().unwrap() } else { script[0].clone() };
        let open = Arc::clone(&self.open);
        async move {
            match play {
                Play::Fail(after, error) => {
                    sleep(after).await;
                    drop(open);
                    Err(error)
                }
                Play::For(span, end) => {
                    Ok(Upstream::new(pictures(span, u64::MAX, end, open), Pace::Live, hold))
                }
                Play::Timed { span, comes, has_length } => {
                    let pictures = timing::timed(span, comes, open);
                    let facts = Facts { has_length, ..Facts::new(Pace::Live) };
                    Ok(Upstream { facts, ..Upstream::new(pictures, Pace::Live, hold) })
                }
                Play::Groups(group, burst) => {
                    Ok(Upstream::new(players::groups(group, burst, open), Pace::Live, hold))
                }
                Play::WarmUp(span) => {
                    let pictures = pictures(3600 * SECOND, u64::MAX, Error::Ended, open);
                    Ok(Upstream::new(timing::warm_up(span, pictures), Pace::Live, hold))
                }
                Play::Late(after) => {
                    sleep(after).await;
                    let pictures = pictures(3600 * SECOND, u64::MAX, Error::Ended, open);
                    Ok(Upstream::new(pictures, Pace::Live, hold))
                }
                Play::Lossy(every) => Ok(Upstream::new(lossy::lossy(every, open), Pace::Live, hold)),
                Play::Loop(length) => {
                    Ok(Upstream::new(pictures(3600 * SECOND, length, Error::Ended, open), Pace::Live, hold))
                }
            }
        }
        .boxed()
    }
}

/// 25 pictures a second, a random access point every second. After `length` pictures they come
/// again.
fn pictures(
    span: Duration,
    length: u64,
    end: Error,
    open: Arc<()>,
) -> stream::BoxStream<'static, Result<Piece, Error>> {
    stream::iter(0..count(span))
        .map(muxed(length))
        .then(|bytes| async move {
            sleep(Duration::from_millis(40)).await;
            Ok(Piece::Bytes(bytes))
        })
        .chain(stream::once(std::future::ready(Err(end))))
        // The stream keeps it until it is dropped.
        .inspect(move |_| debug_assert!(Arc::strong_count(&open) > 1))
        .boxed()
}

/// How many pictures those are.
fn count(span: Duration) -> u64 {
    u64::try_from(span.as_millis()).unwrap() / 40
}

/// Makes a picture of its number, with a random access point every second.
fn muxed(length: u64) -> impl FnMut(u64) -> Bytes + Send + 'static {
    muxed_in_groups(length, 25)
}

/// The same, with a random access point every so many pictures.
fn muxed_in_groups(length: u64, group: u64) -> impl FnMut(u64) -> Bytes + Send + 'static {
    let mut muxer = Muxer::new(0x1000, 0x100).stream(0x100, 0x1b).program(7);
    move |n: u64| {
        let dts = 900_000 + n * 3600;
        let mut bytes = if n.is_multiple_of(5) { [muxer.pat(), muxer.pmt()].concat() } else { Vec::new() };
        // No two groups are alike: what repeats is a notice in a loop.
        let more = usize::try_from(((n % length).wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 40) % 151).unwrap();
        let slice = if n.is_multiple_of(group) { h264::idr(350 + more) } else { h264::predicted(170 + more) };
        bytes.extend(muxer.pes(0x100, dts, Some(dts - 1), &slice, Some((dts - 9000) * 300)));
        Bytes::from(bytes)
    }
}

pub(in crate::channel) fn endless() -> Play {
    Play::For(3600 * SECOND, Error::Ended)
}

pub(in crate::channel) fn config(text: &str) -> Fixture {
    Fixture::parse(text)
}

fn one(sources: &str) -> Fixture {
    config(&format!("[[channels]]\nid = \"one\"\nsources = {sources}\n"))
}

pub(in crate::channel) struct House {
    pub(in crate::channel) channels: Arc<Channels>,
    script: Arc<Script>,
    list: Mutex<Arc<List>>,
}

impl House {
    pub(in crate::channel) fn new(config: &Fixture, plays: &[(&str, &[Play])]) -> Self {
        let script = Script::new(plays);
        let opener: Arc<dyn Opener> = Arc::clone(&script) as _;
        let (list, hls_dir) = (config.lookup(), config.hls_dir());
        let lookup = Arc::clone(&list) as Arc<dyn Lookup>;
        let channels = Channels::new(lookup, &config.providers, hls_dir, opener, Handle::current());
        Self { channels, script, list: Mutex::new(list) }
    }

    /// Takes another configuration.
    fn configure(&self, config: &Fixture) -> Changes {
        let new = config.lookup();
        let before = std::mem::replace(&mut *self.list.lock().unwrap(), Arc::clone(&new));
        let difference = new.since(&before);
        self.channels.set_providers(&config.providers);
        self.channels.apply(&difference);
        difference.count()
    }

    pub(in crate::channel) fn join(&self) -> Subscription {
        Subscription::new(self.reader(ReaderKind::Ts).unwrap())
    }

    pub(in crate::channel) fn reader(&self, kind: ReaderKind) -> Result<Reader, Refusal> {
        self.channels.join(
            &self.found(),
            (kind, 0),
            &AdmissionLimits { max_bandwidth: None, served: &ViewersByChannel::new() },
        )
    }

    /// The channel "one" of the list that is in force.
    pub(in crate::channel) fn found(&self) -> ListedChannel {
        let channel = self.list.lock().unwrap().channel("one").unwrap();
        ListedChannel::new(channel, self.channels.revision())
    }

    pub(in crate::channel) fn session(&self, player: Player) -> Session {
        self.session_on(player, PlaylistKind::Standard)
    }

    fn session_on(&self, player: Player, list: PlaylistKind) -> Session {
        Session::new(self.reader(ReaderKind::Hls).unwrap(), player, list)
    }

    pub(in crate::channel) fn phase(&self) -> Option<Phase> {
        self.channels.report("one").map(|report| report.phase)
    }
}

/// Reads for a while; the number of bytes.
async fn watch(viewer: &mut Subscription, span: Duration) -> usize {
    let mut bytes = 0;
    let _ = timeout(span, async {
        while let Some(piece) = viewer.next().await.unwrap() {
            bytes += piece.len();
        }
    })
    .await;
    bytes
}

#[tokio::test(start_paused = true)]
async fn whoever_wants_to_know_is_told_what_happens() {
    let ends = [Play::For(3 * SECOND, Error::Ended), Play::Fail(SECOND, Error::Refused)];
    let config = one(r#"["http://h/a", "http://h/b"]"#);
    let house = House::new(&config, &[("/a", &ends), ("/b", &[endless()])]);
    let [a, b] = config.channels[0].source_ids()[..] else { panic!("two sources") };
    let mut events = house.channels.events().subscribe();
    let mut viewer = house.join();
    watch(&mut viewer, 8 * SECOND).await;
    drop(viewer);
    let mut told = Vec::new();
    while told.last().is_none_or(|last| *last != "closed") {
        told.push(match events.next().await.unwrap() {
            Event::ViewerJoined { .. } => "joined",
            Event::StreamOpened { .. } => "opened",
            Event::StreamStarted { source, .. } if source == a => "first",
            Event::StreamStarted { .. } => "second",
            Event::OutageBegun { .. } => "outage",
            Event::OutageEnded { lasted, .. } if lasted < 5 * SECOND => "over",
            Event::StreamSwitched { from, to, reason: ENDED, .. } if (from, to) == (a, b) => "switched",
            Event::ViewerLeft { sent, .. } if sent > 0 => "left",
            Event::StreamClosed { .. } => "closed",
            event => panic!("{event:?}"),
        });
    }
    let expected = ["joined", "opened", "first", "outage", "over", "second", "switched", "left", "closed"];
    assert_eq!(told, expected);
    assert_eq!(events.lost(), 0);
}

#[tokio::test(start_paused = true)]
async fn viewers_share_one_upstream_and_it_lingers_after_the_last() {
    let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", &[endless()])]);
    assert_eq!(house.phase(), None);
    let mut viewers: Vec<Subscription> = (0..200).map(|_| house.join()).collect();
    assert!(matches!(viewers[0].started().await, Start::Started));
    assert!(watch(&mut viewers[199], 3 * SECOND).await > 10_000);
    assert_eq!(house.script.opened(), ["/a"]);
    drop(viewers);
    sleep(29 * SECOND).await;
    assert_eq!((house.script.open_now(), house.phase()), (1, Some(Phase::Stopping)));
    let late = house.join();
    sleep(60 * SECOND).await;
    assert_eq!(
        (house.script.open_now(), house.script.opened().len(), house.phase()),
        (1, 1, Some(Phase::Active))
    );
    drop(late);
    sleep(31 * SECOND).await;
    assert_eq!((house.script.open_now(), house.phase()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn a_start_that_fails_names_every_source_and_the_next_viewer_starts_anew() {
    let refused = Play::Fail(SECOND, Error::Refused);
    let gone = Play::Fail(SECOND, Error::Status { status: 404 });
    let house = House::new(
        &one(r#"["http://joe:secret@h/a", "http://h/b"]"#),
        &[
            ("/a", &[refused.clone(), refused.clone(), refused.clone(), refused.clone(), endless()]),
            ("/b", &[gone]),
        ],
    );
    let (mut viewer, mut other) = (house.join(), house.join());
    let Start::Failed(failure) = viewer.started().await else { panic!("it cannot start") };
    let told: Vec<(&str, ErrorCode)> =
        failure.sources.iter().map(|s| (s.url.as_str(), s.last_error.as_ref().unwrap().0)).collect();
    assert_eq!(told[1].1, ErrorCode::HttpStatus);
    assert!(!told[0].0.contains("secret") && told[0].1 == ErrorCode::Refused, "{told:?}");
    assert!(matches!(other.started().await, Start::Failed(_)));
    assert_eq!(other.next().await.unwrap(), None);
    // Both still hold the feed that failed; a new viewer gets another.
    let mut third = house.join();
    assert!(
        matches!(timeout(9 * SECOND, third.started()).await, Ok(Start::Started)),
        "{:?}",
        house.script.opened()
    );
    drop((viewer, other));
    assert!(watch(&mut third, SECOND).await > 0);
}

#[tokio::test(start_paused = true)]
async fn what_a_source_failed_with_says_more_than_that_the_time_is_over() {
    let text = "[[channels]]\nid = \"one\"\nsources = [\"http://h/a\"]\nstart_timeout = \"2s\"\n";
    let hangs = Play::Fail(60 * SECOND, Error::Ended);
    for (plays, code) in [
        (vec![Play::Fail(SECOND / 10, Error::Refused), hangs.clone()], ErrorCode::Refused),
        (vec![hangs], ErrorCode::ConnectTimeout),
    ] {
        let house = House::new(&config(text), &[("/a", &plays)]);
        let Start::Failed(failure) = house.join().started().await else { panic!("it cannot start") };
        let told = failure.sources[0].last_error.as_ref().map(|(code, _)| *code);
        assert_eq!((told, house.script.opened().len()), (Some(code), plays.len()));
    }
}

#[tokio::test(start_paused = true)]
async fn viewers_who_leave_during_the_start_leave_nothing_behind() {
    let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", &[Play::Fail(3 * SECOND, Error::Refused)])]);
    let viewer = house.join();
    sleep(SECOND).await;
    drop(viewer);
    sleep(31 * SECOND).await;
    assert_eq!((house.script.open_now(), house.phase()), (0, None));
}

#[tokio::test(start_paused = true)]
async fn a_stall_is_left_for_the_next_source_and_a_single_source_is_tried_on() {
    let short = Play::For(12 * SECOND, Error::Ended);
    let house = House::new(
        &one(r#"["http://h/a"]"#),
        &[("/a", &[short, Play::Fail(SECOND / 10, Error::Refused), endless()])],
    );
    let mut viewer = house.join();
    assert!(watch(&mut viewer, 60 * SECOND).await > 100_000);
    assert_eq!(house.script.opened(), ["/a", "/a", "/a"]);
    let report = house.channels.report("one").unwrap();
    assert_eq!((report.output.splices, report.is_live, report.switches_total), (1, true, 1));
    assert_eq!(report.switches[0].reason, ENDED);
}

/// A channel whose source ends for ever.
fn gone() -> House {
    let plays = &[Play::For(12 * SECOND, Error::Ended), Play::Fail(SECOND / 10, Error::Refused)];
    House::new(&one(r#"["http://h/a"]"#), &[("/a", plays)])
}

#[tokio::test(start_paused = true)]
async fn a_viewer_who_stands_still_is_moved_on_alone() {
    let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", &[endless()])]);
    let (mut slow, mut quick) = (house.join(), house.join());
    slow.next().await.unwrap().unwrap();
    watch(&mut quick, 40 * SECOND).await;
    let bytes = slow.next().await.unwrap().unwrap();
    assert_eq!(bytes[..3], [0x47, 0x40, 0], "it goes on with a PAT");
    let report = house.channels.report("one").unwrap();
    assert_eq!(report.moved_on, 1);
    assert!(report.window <= 13 * SECOND && report.window >= 11 * SECOND);
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_everything() {
    let house = House::new(&one(r#"["http://h/a"]"#), &[("/a", &[endless()])]);
    let mut viewer = house.join();
    watch(&mut viewer, 2 * SECOND).await;
    timeout(SECOND, house.channels.shutdown()).await.unwrap();
    watch(&mut viewer, SECOND).await;
    assert_eq!(viewer.next().await.unwrap(), None);
    assert_eq!(house.script.open_now(), 0);
    let admission = AdmissionLimits { max_bandwidth: None, served: &ViewersByChannel::new() };
    assert!(house.channels.subscribe(&house.found(), 0, &admission).is_err());
}

//! The task that runs one open channel: it carries out what [`Lifecycle`] decides, and brings the bytes from the upstream through
//! [`Splice`] into the store.

mod output;
mod packager;
mod report;
mod settings;
mod timeshift;

use std::io;
use std::sync::Arc;
use std::time::Duration;

use forebay_core::cadence::{Cadence, GROUPS, Load};
use forebay_core::lifecycle::{Action, Attempt, Event, Lifecycle, Reason};
use forebay_core::pacer::Pacer;
use forebay_core::ring::Ring;
use forebay_core::time::Moment;
use forebay_core::ts::splice::Splice;
use forebay_core::ts::sync::{Item, Sync};
use futures_util::StreamExt;
use futures_util::future::BoxFuture;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error, info, info_span, warn};

use self::packager::Packager;
use self::settings::{limits, times};
use self::timeshift::Timeshift;
use super::archive::Archive;
use super::feed::{Feed, Stage, StartFailure};
use super::hls::Audience;
use super::numbers::Numbering;
use super::store::{Reclaim, Store};
use super::{Channels, Clock};
use crate::config::Channel;
use crate::upstream::{Error, Hold, Opener, Pace, Piece, Upstream, sniff};

/// Bytes in which a transport stream must be found: a disguise in front of one is far shorter.
const MAX_UNLOCKED: u64 = 256 * 1024;

/// Passes of a file without a picture, after which it is given up.
const MAX_BLIND_PASSES: u32 = 2;

/// An upstream is read in the last part of a tick, so that it costs one wake-up a tick and not one for each packet that comes. What it has
/// sent before waits in the kernel.
const READING: Duration = Duration::from_millis(2);

/// An upstream that was not quiet for so long at the tick has more: it is read on.
const QUIET: Duration = Duration::from_millis(1);

/// Makes a feed and the driver that is to be spawned for it. It begins with the source `first`; `archive` has what is kept of the past.
pub(super) fn create(
    channels: &Channels,
    channel: &Arc<Channel>,
    stop: CancellationToken,
    first: usize,
    archive: Option<Arc<Archive>>,
) -> io::Result<(Arc<Feed>, Driver)> {
    let mut numbers = channels.numbering.get(&channel.id);
    let mut base = 0;
    if let Some(archive) = &archive {
        (base, numbers) = archive.begin(channel, numbers);
    }
    let store = Store::new(base).inspect_err(|error| error!(%error, "no memory for a channel's store"))?;
    let timeshift = archive.clone().map(Timeshift::new);
    let feed = Feed::new(channel, (store, base), archive, stop.clone(), Arc::clone(&channels.population));
    let driver = Driver {
        life: Lifecycle::new(times(&channel.policy), channel.sources.len(), first),
        splice: Splice::new(channel.program),
        ring: Ring::starting_at(limits(&channel.policy), base),
        demand: feed.demand.subscribe(),
        settings: feed.channel.subscribe(),
        audience: feed.audience.subscribe(),
        packager: timeshift.is_some().then(|| Packager::new(&channel.policy.hls, numbers)),
        timeshift,
        numbering: Arc::clone(&channels.numbering),
        tasks: channels.tasks.clone(),
        feed: Arc::clone(&feed),
        channel: Arc::clone(channel),
        opener: Arc::clone(&channels.opener),
        clock: channels.clock,
        stop,
        attempt: Attempt::default(),
        source: 0,
        opening: None,
        input: None,
        reclaim: Reclaim::default(),
        is_store_failing: false,
        cadence: Cadence::new(Load::default(), 0),
        turn: 0,
        ticked_at: Moment::ZERO,
        told: [base; GROUPS],
        errors: vec![None; channel.sources.len()],
        left: None,
        has_news: true,
        rate: (Moment::ZERO, base),
        bytes_per_second: 0,
    };
    Ok((feed, driver))
}

/// Runs one feed.
pub(super) struct Driver {
    feed: Arc<Feed>,
    channel: Arc<Channel>,
    opener: Arc<dyn Opener>,
    clock: Clock,
    stop: CancellationToken,
    life: Lifecycle,
    splice: Splice,
    ring: Ring,
    demand: watch::Receiver<usize>,
    settings: watch::Receiver<Arc<Channel>>,
    audience: watch::Receiver<Audience>,
    /// While somebody watches by HLS, and some time after; always where the past is kept.
    packager: Option<Packager>,
    timeshift: Option<Timeshift>,
    numbering: Arc<Numbering>,
    tasks: TaskTracker,
    attempt: Attempt,
    /// The index of the source that was opened last: the lifecycle may be past it already.
    source: usize,
    opening: Option<BoxFuture<'static, Result<Upstream, Error>>>,
    input: Option<Input>,
    reclaim: Reclaim,
    is_store_failing: bool,
    cadence: Cadence,
    /// Counts the ticks.
    turn: u64,
    ticked_at: Moment,
    /// The head that each group of viewers was told last.
    told: [u64; GROUPS],
    /// What each source failed with last.
    errors: Vec<Option<Error>>,
    /// The source that was left while it was live, and why, until the next one is on air.
    left: Option<(usize, &'static str)>,
    /// Whether the report's sources and streams are out of date.
    has_news: bool,
    /// When the bit rate was taken last, and the head of the store then.
    rate: (Moment, u64),
    /// What the splice stage gave lately; 0 until that is known.
    bytes_per_second: u64,
}

/// The upstream on hand.
struct Input {
    upstream: Upstream,
    sync: Sync,
    /// The first bytes, until a transport stream is found.
    beginning: Vec<u8>,
    bytes: u64,
    is_locked: bool,
    is_on_air: bool,
    blind_passes: u32,
    pacer: Option<Pacer>,
    /// When the last piece came.
    read_at: Moment,
    /// Set while the pace says to wait.
    resumes_at: Option<Moment>,
}

/// What woke the driver.
enum Wake {
    Stop,
    Demand,
    Settings,
    Audience,
    Timer,
    Opened(Result<Upstream, Error>),
    Piece(Result<Piece, Error>),
}

impl Driver {
    /// Runs until the feed is over.
    pub(super) fn run(self, channels: Arc<Channels>) -> impl Future<Output = ()> + Send + 'static {
        let span = info_span!("channel", id = %self.channel.id);
        self.run_to_end(channels).instrument(span)
    }

    async fn run_to_end(mut self, channels: Arc<Channels>) {
        let _ending = Ending { feed: Arc::clone(&self.feed), channels: Arc::clone(&channels) };
        self.handle_demand();
        while !self.carry_out(&channels) {
            let wake = self.wait().await;
            self.handle(wake);
            self.report_state();
        }
        self.end_timeshift();
        info!(bytes = self.ring.head() - self.feed.base, "channel closed");
    }

    /// Waits for the next thing to do.
    async fn wait(&mut self) -> Wake {
        let now = self.clock.now();
        let reads_at = self.input.as_ref().and_then(|input| self.reads_at(input)).filter(|&at| at > now);
        let timers = [self.life.poll_timeout(), reads_at, self.tick_at(), self.packager_ends_at()];
        let timer = timers.into_iter().flatten().min();
        let clock = self.clock;
        let sleep = async move {
            match timer {
                Some(at) => tokio::time::sleep_until(clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        let opened = async {
            match &mut self.opening {
                Some(opening) => opening.await,
                None => std::future::pending().await,
            }
        };
        let piece = async {
            match &mut self.input {
                Some(input) if reads_at.is_none() => {
                    input.upstream.pieces.next().await.unwrap_or(Err(Error::Ended))
                }
                _ => std::future::pending().await,
            }
        };
        // Data comes last, so that an upstream that always has some cannot hold up a timer or a shutdown.
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Wake::Stop,
            _ = self.demand.changed() => Wake::Demand,
            _ = self.settings.changed() => Wake::Settings,
            _ = self.audience.changed() => Wake::Audience,
            () = sleep => Wake::Timer,
            result = opened => Wake::Opened(result),
            piece = piece => Wake::Piece(piece),
        }
    }

    /// When the upstream is read next; `None` for at once.
    fn reads_at(&self, input: &Input) -> Option<Moment> {
        let is_live = input.is_on_air && input.pacer.is_none();
        let rests = is_live && self.ticked_at.since(input.read_at) >= QUIET;
        let rests_until = rests.then(|| self.ticked_at + self.cadence.tick().saturating_sub(READING));
        input.resumes_at.max(rests_until)
    }

    fn handle(&mut self, wake: Wake) {
        let now = self.clock.now();
        match wake {
            Wake::Stop => self.life.handle_event(now, Event::Shutdown),
            Wake::Demand => self.handle_demand(),
            Wake::Settings => self.handle_settings(now),
            Wake::Audience => self.handle_audience(now),
            Wake::Timer => {
                if let Some(input) = &mut self.input
                    && input.resumes_at.is_some_and(|at| at <= now)
                {
                    input.resumes_at = None;
                    // It was the pace that kept it from going on.
                    self.life.handle_event(now, Event::Progress(self.attempt));
                }
                self.tick_if_due(now);
                self.end_packager_if_due(now);
                self.life.handle_timeout(now);
            }
            Wake::Opened(Ok(upstream)) => self.handle_opened(upstream),
            Wake::Piece(Ok(piece)) => {
                if let Err(error) = self.handle_piece(now, &piece) {
                    self.handle_failure(now, error);
                }
            }
            Wake::Opened(Err(error)) | Wake::Piece(Err(error)) => self.handle_failure(now, error),
        }
    }

    fn handle_demand(&mut self) {
        let viewers = *self.demand.borrow_and_update();
        let event = if viewers > 0 { Event::Wanted } else { Event::Unwanted };
        self.life.handle_event(self.clock.now(), event);
    }

    fn handle_opened(&mut self, upstream: Upstream) {
        self.opening = None;
        debug!("upstream answered");
        let pacer = (upstream.pace == Pace::MediaTime).then(|| Pacer::new(self.channel.policy.burst));
        if let Some(monitor) = &upstream.monitor {
            self.life.set_patience(monitor.stall_after());
            self.has_news = true;
        }
        self.input = Some(Input {
            upstream,
            sync: Sync::new(),
            beginning: Vec::new(),
            bytes: 0,
            is_locked: false,
            is_on_air: false,
            blind_passes: 0,
            pacer,
            read_at: Moment::ZERO,
            resumes_at: None,
        });
    }

    fn handle_piece(&mut self, now: Moment, piece: &Piece) -> Result<(), Error> {
        let Some(input) = &mut self.input else { return Ok(()) };
        if *piece == Piece::Cut {
            self.splice.cut();
            return Ok(());
        }
        let Piece::Bytes(bytes) = piece else {
            if !input.is_locked {
                return Err(Error::NotTransportStream(sniff::describe(&input.beginning)));
            }
            // A list of segments has other seams than that behind its last.
            let is_blind = !self.splice.is_open() && input.upstream.monitor.is_none();
            input.blind_passes = if is_blind { input.blind_passes + 1 } else { 0 };
            if input.blind_passes >= MAX_BLIND_PASSES {
                return Err(Error::NoPicture);
            }
            input.sync = Sync::new();
            self.splice.finish();
            self.splice.begin();
            return Ok(());
        };
        input.bytes += bytes.len() as u64;
        input.read_at = now;
        if !input.is_locked && input.beginning.len() < sniff::LOOKED_AT {
            input.beginning.extend(bytes.iter().take(sniff::LOOKED_AT - input.beginning.len()));
        }
        let mut skipped = 0;
        let mut items = input.sync.push(bytes);
        while let Some(item) = items.next() {
            match item {
                Item::Packets(packets) => self.splice.push(packets),
                Item::Skipped { bytes } => skipped += bytes,
            }
        }
        if !input.is_locked {
            if let Some(stride) = input.sync.stride() {
                input.is_locked = true;
                debug!(stride, "transport stream found");
                self.life.handle_event(now, Event::Locked(self.attempt));
            } else if input.bytes > MAX_UNLOCKED {
                return Err(Error::NotTransportStream(sniff::describe(&input.beginning)));
            }
        }
        if self.splice.take_progress() {
            self.life.handle_event(now, Event::Progress(self.attempt));
        }
        if let (Some(pacer), Some(position)) = (&mut input.pacer, self.splice.position())
            && self.splice.is_open()
        {
            if let Some(monitor) = &input.upstream.monitor {
                pacer.steer(now, position, monitor.waiting());
            }
            input.resumes_at = Some(pacer.due(now, position)).filter(|&due| due > now);
        }
        let comes_on_air = self.splice.is_open() && !input.is_on_air;
        input.is_on_air |= comes_on_air;
        {
            let mut report = self.feed.edit_report();
            report.bytes_received += bytes.len() as u64;
            report.bytes_skipped += skipped;
        }
        if comes_on_air {
            self.go_on_air(now);
        } else {
            self.tick_if_due(now);
        }
        Ok(())
    }

    /// The upstream on hand, or the attempt to open one, has failed.
    fn handle_failure(&mut self, now: Moment, error: Error) {
        let error = match &self.input {
            Some(input) if !input.is_locked && error == Error::Ended => {
                Error::NotTransportStream(sniff::describe(&input.beginning))
            }
            _ => error,
        };
        let event = if error.is_patient() { Event::Stalled } else { Event::Ended };
        self.note_failure(error);
        self.close_upstream();
        self.life.handle_event(now, event(self.attempt));
    }

    fn note_failure(&mut self, error: Error) {
        let source = self.source;
        warn!(source, url = %self.channel.sources[source].url, %error, "source failed");
        self.feed.tell(|window| window.is_live = false);
        if self.input.as_ref().is_some_and(|input| input.is_on_air) {
            self.left = Some((source, error.code()));
        }
        self.errors[source] = Some(error);
        self.has_news = true;
    }

    fn close_upstream(&mut self) {
        self.opening = None;
        self.input = None;
    }

    /// Does what the lifecycle wants; true when the feed is over.
    fn carry_out(&mut self, channels: &Channels) -> bool {
        let mut is_given_up = false;
        while let Some(action) = self.life.poll_action() {
            match action {
                Action::Open { attempt, source } => self.open(attempt, source),
                Action::Close { reason } => self.close(reason),
                Action::GiveUp => {
                    is_given_up = true;
                    self.note_pending(Reason::StartTimeout);
                    let failure = Arc::new(StartFailure { sources: self.source_reports() });
                    warn!(viewers = self.feed.viewers(), "no source answered, giving up");
                    self.feed.tell(|window| window.stage = Stage::Failed(Arc::clone(&failure)));
                }
                Action::Finish => {
                    if is_given_up {
                        channels.begin_with(&self.channel.id, self.life.source());
                    }
                    if channels.retire(&self.feed, is_given_up || self.stop.is_cancelled()) {
                        return true;
                    }
                    // Somebody came at the last moment: the feed lives on, on the same timeline.
                    self.life = Lifecycle::new(times(&self.channel.policy), self.channel.sources.len(), 0);
                    self.handle_demand();
                }
            }
        }
        self.report_state();
        false
    }

    fn open(&mut self, attempt: Attempt, source: usize) {
        (self.attempt, self.source) = (attempt, source);
        self.close_upstream();
        self.splice.begin();
        let chosen = &self.channel.sources[source];
        info!(source, url = %chosen.url, "opening source");
        let span = info_span!("upstream", source, attempt = attempt.0);
        self.opening = Some(Box::pin(self.opener.open(chosen, Hold::default()).instrument(span)));
        self.feed.edit_report().upstreams_opened += 1;
    }

    fn close(&mut self, reason: Reason) {
        if !self.note_pending(reason) {
            info!(?reason, "closing upstream");
            self.feed.tell(|window| window.is_live = false);
        }
        self.close_upstream();
    }

    /// Notes what the upstream on hand has failed to do, if `reason` says that it failed.
    fn note_pending(&mut self, reason: Reason) -> bool {
        let input = self.input.as_ref();
        let beginning = input.filter(|input| !input.is_locked).map(|input| input.beginning.as_slice());
        let error = match (reason, beginning) {
            (Reason::StartTimeout, _) if input.is_none() && self.opening.is_none() => return false,
            (Reason::ConnectTimeout | Reason::StartTimeout, Some(bytes)) if !bytes.is_empty() => {
                Error::NotTransportStream(sniff::describe(bytes))
            }
            (Reason::NoPicture | Reason::StartTimeout, None) if self.splice.input_counts().scrambled > 0 => {
                Error::Scrambled
            }
            (Reason::StartTimeout, None) if input.is_some() => Error::NoPicture,
            (Reason::ConnectTimeout | Reason::StartTimeout, _) => Error::ConnectTimeout,
            (Reason::NoPicture, _) => Error::NoPicture,
            (Reason::Stalled, _) => Error::Stalled,
            (Reason::Removed | Reason::Idle | Reason::Shutdown, _) => return false,
        };
        self.note_failure(error);
        true
    }
}

/// Ends the feed whichever way its driver ends, a panic included: no viewer waits on it, and the next one gets another.
struct Ending {
    feed: Arc<Feed>,
    channels: Arc<Channels>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.channels.retire(&self.feed, true);
        self.feed.tell(|window| {
            if !matches!(window.stage, Stage::Failed(_)) {
                window.stage = Stage::Ended;
            }
        });
    }
}

//! The task that runs one open channel: it carries out what [`Lifecycle`] decides, and brings the bytes from the upstream through
//! [`Splice`] into the store.

mod actions;
mod demand;
mod events;
mod flow;
mod gap;
mod groups;
mod input;
mod line;
mod lines;
mod output;
mod packager;
mod report;
mod second_look;
mod settings;
mod sources;
mod timeshift;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::task::Poll;
use std::time::Duration;

use forebay_core::cadence::{Cadence, GROUPS, Load};
use forebay_core::channel::SwitchReason;
use forebay_core::failover::{Failover, SourceId};
use forebay_core::health::{Fault, Rule};
use forebay_core::lifecycle::{Attempt, Event, Lifecycle, Phase};
use forebay_core::provider::Standing;
use forebay_core::ring::Ring;
use forebay_core::time::Moment;
use forebay_core::ts::splice::Splice;
use futures_util::StreamExt;
use tokio::sync::{mpsc, watch};
use tokio::task::coop::consume_budget;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, debug, error, info, info_span, warn};

use self::actions::{LISTED, slot_for};
use self::demand::{Demand, Wish};
use self::gap::Gap;
use self::groups::GroupNotices;
use self::input::{Input, Picture};
use self::line::{Line, News};
use self::lines::Lines;
use self::packager::Packager;
use self::second_look::{Opinion, SecondLook};
use self::settings::{limits, times};
use self::sources::Sources;
use self::timeshift::Timeshift;
use super::archive::Archive;
use super::audience::Audience;
use super::command::{Command, MAX_COMMANDS};
use super::feed::{Feed, Stage};
use super::numbers::Numbering;
use super::store::{Reclaim, Store};
use super::{Channels, Clock};
use crate::events::Event as Happened;
use crate::input::{Error, Opener, Piece, Upstream, sniff};
use crate::model::{Channel, SourceKind};
use crate::providers::Providers;

/// Why an upstream that brings something is open.
const DELIVERS: &str = "pieces come of an upstream that is open";

/// Why a source is on air of which something is held back.
const HELD_ON_AIR: &str = "only the source on air has its media held back";

/// Makes a feed and the driver that is to be spawned for it. `failover` knows how the sources have done; `archive` has what is kept of the past.
pub(super) fn create(
    channels: &Channels,
    channel: &Arc<Channel>,
    stop: CancellationToken,
    failover: Failover,
    archive: Option<Arc<Archive>>,
) -> io::Result<(Arc<Feed>, Driver)> {
    let mut numbers = channels.numbering.get(&channel.id);
    let mut base = 0;
    if let Some(archive) = &archive {
        (base, numbers) = archive.begin(channel, numbers);
    }
    let store = Store::new(base).inspect_err(|error| error!(%error, "no memory for a channel's store"))?;
    let (steering, commands) = mpsc::channel(MAX_COMMANDS);
    let feed = Feed::new(
        channel,
        (store, base),
        archive,
        stop.clone(),
        Arc::clone(&channels.population),
        channels.events.clone(),
        steering,
    );
    let timeshift = feed.archive.clone().map(|archive| Timeshift::new(archive, &feed));
    let driver = Driver {
        life: Lifecycle::new(times(&channel.policy), failover),
        splice: Splice::new(channel.program),
        ring: Ring::starting_at(limits(&channel.policy), base),
        demand: Demand::new(feed.readers.subscribe()),
        settings: feed.channel.subscribe(),
        audience: feed.audience.subscribe(),
        waits_for_whole: Arc::default(),
        commands,
        slots: channels.providers.changed(),
        packager: timeshift.is_some().then(|| Packager::new(&channel.policy.hls, numbers)),
        timeshift,
        numbering: Arc::clone(&channels.numbering),
        tasks: channels.tasks.clone(),
        feed: Arc::clone(&feed),
        channel: Arc::clone(channel),
        opener: Arc::clone(&channels.opener),
        providers: channels.providers.clone(),
        clock: channels.clock,
        stop,
        lines: Lines::default(),
        gap: Gap::default(),
        reclaim: Reclaim::default(),
        is_store_failing: false,
        groups: GroupNotices::default(),
        cadence: Cadence::new(Load::default(), 0),
        turn: 0,
        ticked_at: Moment::ZERO,
        told: [base; GROUPS],
        sources: Sources::default(),
        faults: [0; Rule::COUNT],
        second_look: None,
        left: None,
        aired_at: base,
        steered: None,
        has_news: true,
        content: 0,
        rate: (Moment::ZERO, 0),
        bytes_per_second: 0,
    };
    Ok((feed, driver))
}

/// Runs one feed.
pub(super) struct Driver {
    feed: Arc<Feed>,
    channel: Arc<Channel>,
    opener: Arc<dyn Opener>,
    providers: Providers,
    clock: Clock,
    stop: CancellationToken,
    life: Lifecycle,
    splice: Splice,
    ring: Ring,
    demand: Demand,
    settings: watch::Receiver<Arc<Channel>>,
    audience: watch::Receiver<Audience>,
    /// Whether all viewers wait for whole HLS segments: nobody else is left behind by a head start.
    waits_for_whole: Arc<AtomicBool>,
    commands: mpsc::Receiver<Command>,
    /// Changes when some provider may have a connection to spare again.
    slots: watch::Receiver<u64>,
    /// While somebody watches by HLS, and some time after; always where the past is kept.
    packager: Option<Packager>,
    timeshift: Option<Timeshift>,
    numbering: Arc<Numbering>,
    tasks: TaskTracker,
    /// What is on air, if anything is, and behind it what is on its way there: three at most.
    lines: Lines,
    /// What viewers are sent while nothing is on air.
    gap: Gap,
    reclaim: Reclaim,
    is_store_failing: bool,
    groups: GroupNotices,
    cadence: Cadence,
    /// Counts the ticks.
    turn: u64,
    ticked_at: Moment,
    /// The head that each group of viewers was told last.
    told: [u64; GROUPS],
    sources: Sources,
    /// How often each rule of health found fault.
    faults: [u64; Rule::COUNT],
    /// While a picture that seems to stand still is looked at.
    second_look: Option<SecondLook>,
    /// The source that was left while it was live, and why, until the next one is on air.
    left: Option<(SourceId, SwitchReason)>,
    /// The end of the store when what is on air went there.
    aired_at: u64,
    /// What an admin wanted, until that is done.
    steered: Option<SwitchReason>,
    /// Whether the report's sources and streams are out of date.
    has_news: bool,
    /// Bytes so far that are more than packets that keep connections alive.
    content: u64,
    /// When the bit rate was taken last, and the bytes until then.
    rate: (Moment, u64),
    /// What the splice stage gave lately; 0 until that is known.
    bytes_per_second: u64,
}

/// What woke the driver.
enum Wake {
    Stop,
    Demand,
    Settings,
    Audience,
    Command(Command),
    SlotFree(SourceId),
    Timer,
    Line(Attempt, News),
    Slate(Result<Piece, Error>),
    Opinion(Opinion),
}

impl Driver {
    /// Runs until the feed is over.
    pub(super) fn run(self, channels: Arc<Channels>) -> impl Future<Output = ()> + Send + 'static {
        let span = info_span!("channel", id = %self.channel.id);
        self.run_to_end(channels).instrument(span)
    }

    async fn run_to_end(mut self, channels: Arc<Channels>) {
        let _ending = Ending { feed: Arc::clone(&self.feed), channels: Arc::clone(&channels) };
        self.happened(|channel| Happened::StreamOpened { channel });
        self.handle_demand();
        while !self.carry_out(&channels) {
            let wake = self.wait().await;
            if self.note_resumed() && self.carry_out(&channels) {
                break;
            }
            if !self.is_late(&wake) {
                self.handle(wake);
            }
            self.report_state();
            // An upstream that always has something must not keep the thread to itself.
            consume_budget().await;
        }
        self.end_timeshift();
        self.happened(|channel| Happened::StreamClosed { channel });
        info!(bytes = self.ring.head() - self.feed.base, "channel closed");
    }

    /// Waits for the next thing to do.
    async fn wait(&mut self) -> Wake {
        let now = self.clock.now();
        let tick = self.cadence.tick();
        let reads_at = |input: &Input| input.reads_at(self.ticked_at, tick).filter(|&at| at > now);
        let reads_at: Vec<Option<Moment>> =
            self.lines.iter().map(|line| line.opened().and_then(reads_at)).collect();
        let slate_at = self.gap.slate.as_ref().and_then(|slate| slate.resumes_at).filter(|&at| at > now);
        let timers = [
            self.life.poll_timeout(),
            self.tick_at(),
            self.packager_ends_at(),
            self.gap_at(),
            slate_at,
            self.due(),
        ];
        let timer = timers.into_iter().chain(reads_at.iter().copied()).flatten().min();
        let clock = self.clock;
        let sleep = async move {
            match timer {
                Some(at) => tokio::time::sleep_until(clock.instant(at)).await,
                None => std::future::pending().await,
            }
        };
        let lines = poll_fn(|context| {
            for line in self.lines.iter_mut() {
                if let Poll::Ready(news) = line.poll_yield(context) {
                    return Poll::Ready((line.attempt, news));
                }
            }
            for (line, reads_at) in self.lines.iter_mut().zip(&reads_at) {
                if let Poll::Ready(news) = line.poll(context, reads_at.is_none()) {
                    return Poll::Ready((line.attempt, news));
                }
            }
            Poll::Pending
        });
        let slate = async {
            match &mut self.gap.slate {
                Some(slate) if slate_at.is_none() => {
                    slate.upstream.pieces.next().await.unwrap_or(Err(Error::Ended))
                }
                _ => std::future::pending().await,
            }
        };
        let opinion = async {
            match &mut self.second_look {
                Some(look) => look.opinion().await,
                None => std::future::pending().await,
            }
        };
        let slotless = self.life.slotless();
        let slot = slot_for(&slotless, &self.channel, &self.providers, &mut self.slots);
        // Data comes last, so that an upstream that always has some cannot hold up a timer or a shutdown.
        tokio::select! {
            biased;
            () = self.stop.cancelled() => Wake::Stop,
            () = self.demand.changed() => Wake::Demand,
            _ = self.settings.changed() => Wake::Settings,
            _ = self.audience.changed() => Wake::Audience,
            Some(command) = self.commands.recv() => Wake::Command(command),
            source = slot, if !slotless.is_empty() => Wake::SlotFree(source),
            () = sleep => Wake::Timer,
            opinion = opinion => Wake::Opinion(opinion),
            (attempt, news) = lines => Wake::Line(attempt, news),
            piece = slate => Wake::Slate(piece),
        }
    }

    /// Whether the wake-up is about something that was closed before it could be handled.
    fn is_late(&self, wake: &Wake) -> bool {
        match wake {
            Wake::Line(attempt, _) => !self.lines.has(*attempt),
            Wake::Slate(_) => self.gap.slate.is_none(),
            Wake::Opinion(_) => self.second_look.is_none(),
            Wake::Stop
            | Wake::Demand
            | Wake::Settings
            | Wake::Audience
            | Wake::Command(_)
            | Wake::SlotFree(_)
            | Wake::Timer => false,
        }
    }

    fn handle(&mut self, wake: Wake) {
        let now = self.clock.now();
        match wake {
            Wake::Stop => self.life.handle_event(now, Event::Shutdown),
            Wake::Demand => self.handle_demand(),
            Wake::Settings => self.handle_settings(now),
            Wake::Audience => self.handle_audience(now),
            Wake::Command(command) => self.handle_command(now, command),
            Wake::SlotFree(source) => self.life.handle_event(now, Event::SlotFree(source)),
            Wake::Timer => self.handle_timer(now),
            Wake::Line(attempt, news) => self.handle_news(now, attempt, news),
            Wake::Slate(piece) => self.handle_slate(now, piece),
            Wake::Opinion(opinion) => self.handle_opinion(now, opinion),
        }
    }

    /// Those whose pace lets them go on now: it was the pace that kept them from it. Returns
    /// whether there are any.
    fn note_resumed(&mut self) -> bool {
        let now = self.clock.now();
        let mut has_resumed = false;
        for line in self.lines.iter_mut() {
            let attempt = line.attempt;
            if let Some(input) = line.input()
                && input.resumes_at.take_if(|at| *at <= now).is_some()
            {
                self.life.set_ahead(attempt, input.ahead(now));
                self.life.handle_event(now, Event::Progress(attempt));
                has_resumed = true;
            }
        }
        has_resumed
    }

    fn handle_timer(&mut self, now: Moment) {
        self.fill_gap(now);
        self.give_due(now);
        self.tick_if_due(now);
        self.end_packager_if_due(now);
        self.life.handle_timeout(now);
    }

    fn handle_demand(&mut self) {
        let now = self.clock.now();
        let wish = self.demand.update(now);
        if wish == Wish::Open && self.life.phase() == Phase::Stopping {
            self.gap.begin_anew(now);
        }
        self.note_who_waits();
        let (event, standing) = match wish {
            Wish::Open => (Event::Wanted, Standing::Watched),
            Wish::Nothing(since) => (Event::Unwanted(since.unwrap_or(Duration::MAX)), Standing::Lingering),
        };
        for lease in self.lines.iter().filter_map(|line| line.lease.as_ref()) {
            lease.set_standing(standing);
        }
        self.life.handle_event(now, event);
    }

    fn handle_news(&mut self, now: Moment, attempt: Attempt, news: News) {
        match news {
            News::Claimed(Ok(lease)) => self.open(now, attempt, lease),
            News::Claimed(Err(no_slot)) => {
                if let Some(provider) = self.provider_of(attempt) {
                    self.happened(|channel| Happened::ConnectionRefused { channel, provider });
                }
                if self.life.is_beside(attempt) {
                    debug!(attempt = attempt.0, %no_slot, "nothing is opened beside");
                    self.lines.remove(attempt);
                } else {
                    self.fail(attempt, no_slot.into());
                }
                self.life.handle_event(now, Event::NoSlot(attempt));
            }
            News::Opened(Ok(upstream)) => self.handle_opened(attempt, upstream),
            News::Piece(Ok(piece)) => {
                if let Err(error) = self.handle_piece(now, attempt, &piece) {
                    self.handle_failure(now, attempt, error);
                }
            }
            News::Piece(Err(Error::Ended)) if self.plays_on(now, attempt) => {}
            News::Opened(Err(error)) | News::Piece(Err(error)) => self.handle_failure(now, attempt, error),
            News::Yield => {
                if let Some(provider) = self.provider_of(attempt) {
                    self.happened(|channel| Happened::ConnectionPreempted { channel, provider });
                }
                self.life.handle_event(now, Event::Yield(attempt));
            }
        }
    }

    fn handle_opened(&mut self, attempt: Attempt, upstream: Upstream) {
        debug!(attempt = attempt.0, "upstream answered");
        let line = self.lines.of_mut(attempt);
        if let Some(monitor) = &upstream.monitor {
            self.life.set_patience(attempt, monitor.stall_after());
            self.has_news = true;
        }
        let mut rules = self.channel.policy.health;
        if self.channel.source(line.source).expect(LISTED).url.kind() != SourceKind::Http {
            rules.repeating = None; // files and clips begin again
        }
        line.set_input(Input::new(upstream, rules, self.channel.program, &self.channel.policy));
    }

    fn handle_piece(&mut self, now: Moment, attempt: Attempt, piece: &Piece) -> Result<(), Error> {
        let input = self.lines.of_mut(attempt).input().expect(DELIVERS);
        let is_spent = input.spend(now, self.cadence.tick(), piece);
        let taken = input.take(now, piece, &mut self.splice)?;
        let patience = if matches!(piece, Piece::Bytes(_)) { None } else { input.patience() };
        let fault = input.inspector.poll_fault();
        let (ahead, is_getting_ready, is_held) =
            (input.ahead(now), input.is_getting_ready(), input.is_held());
        let fault = fault.filter(|fault| fault.rule != Rule::Slow || !input.makes_do_with_less());
        {
            let mut report = self.feed.edit_report();
            report.bytes_received += taken.bytes;
            report.bytes_skipped += taken.skipped;
            report.read_pauses += u64::from(is_held || is_spent);
        }
        if taken.is_found {
            debug!(attempt = attempt.0, "transport stream found");
            self.life.handle_event(now, Event::Locked(attempt));
        }
        self.life.set_ahead(attempt, ahead);
        if is_getting_ready && taken.bytes > taken.skipped {
            self.life.handle_event(now, Event::GettingReady(attempt));
        }
        if taken.is_alive {
            self.life.handle_event(now, Event::Alive(attempt));
        }
        if let Some(patience) = patience {
            self.life.set_patience(attempt, patience);
        }
        if taken.has_progress {
            self.life.handle_event(now, Event::Progress(attempt));
        }
        match taken.picture {
            Picture::Unchanged => {}
            Picture::New => self.life.handle_event(now, Event::Picture(attempt)),
            Picture::Gone => {
                debug!(attempt = attempt.0, "group of pictures too long to be held");
                self.life.handle_event(now, Event::Blind(attempt));
            }
        }
        if let Some(fault) = fault.filter(|fault| !self.doubts(attempt, *fault)) {
            self.condemn(now, attempt, fault);
        }
        self.tick_if_due(now);
        Ok(())
    }

    /// When something that is held back of the source on air is due.
    fn due(&self) -> Option<Moment> {
        self.lines.iter().filter_map(Line::opened).find_map(Input::due)
    }

    /// Gives viewers what is due of the source on air.
    fn give_due(&mut self, now: Moment) {
        if self.due().is_none_or(|at| at > now) {
            return;
        }
        let line = self.lines.iter_mut().find(|line| line.is_on_air()).expect(HELD_ON_AIR);
        let attempt = line.attempt;
        let input = line.input().expect(DELIVERS);
        if input.give_due(now, &mut self.splice) {
            self.life.set_ahead(attempt, input.ahead(now));
            self.life.handle_event(now, Event::Progress(attempt));
        }
    }

    /// An upstream has come to its end, and whether viewers have not, who still play what came.
    fn plays_on(&mut self, now: Moment, attempt: Attempt) -> bool {
        let has_other = self.life.failover().beside(now).is_some();
        let input = self.lines.of_mut(attempt).input().expect(DELIVERS);
        input.plays_on(now, has_other, &mut self.splice)
    }

    /// A source delivers what it should not.
    fn condemn(&mut self, now: Moment, attempt: Attempt, fault: Fault) {
        let line = self.lines.of(attempt);
        if fault.is_new {
            self.faults[fault.rule.index()] += 1;
            warn!(source = line.label.place, url = %line.label.url, rule = fault.rule.name(), %fault, "source is not as it should be");
        }
        let error = Error::Unhealthy { rule: fault.rule, what: fault.to_string() };
        self.sources.of(line.source).error = Some(error);
        self.has_news = true;
        self.life.handle_event(now, Event::Unhealthy { attempt, worth: fault.rule.worth() });
    }

    /// An upstream, or the attempt to open one, has failed.
    fn handle_failure(&mut self, now: Moment, attempt: Attempt, error: Error) {
        let line = self.lines.of(attempt);
        let error = match line.opened() {
            Some(input) if !input.is_locked && error == Error::Ended => {
                Error::NotTransportStream(sniff::describe(&input.beginning))
            }
            _ => error,
        };
        // A list that has ended is not asked again at once: it would play its end once more.
        let is_over =
            error.is_patient() || line.opened().is_some_and(|input| input.upstream.monitor.is_some());
        let event = if is_over { Event::Stalled } else { Event::Ended };
        self.fail(attempt, error);
        self.life.handle_event(now, event(attempt));
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

//! The task that runs one open channel: it carries out what [`Lifecycle`] decides, and brings the
//! bytes of the sources through the output timeline into the store.
//!
//! The driver owns its parts and passes events between them: [`Inbox`] receives events from
//! outside, [`Ingests`] are the open sources, [`Output`] is the timeline and the store, [`Fillers`]
//! sends keep-alive packets or the slate in an outage, [`HlsOutput`] makes segments and
//! [`Timeshift`] copies to disk what was stored, and [`Status`] keeps the report for the status
//! document.
//!
//! [`Driver::run`] is a loop: carry out what the lifecycle decided (`actions`), wait for the next
//! event, and handle it (`ingest_events` for those of sources).

mod actions;
mod fillers;
mod freeze_check;
mod gop_notices;
mod hls;
mod inbox;
mod ingest;
mod ingest_events;
mod ingests;
mod leasing;
mod open_input;
mod output;
mod publish;
mod readership;
mod settings;
mod source_memory;
mod status;
mod timeshift;
mod write;

use std::future::poll_fn;
use std::io;
use std::sync::Arc;

use forebay_core::channel::{Presence, SwitchTracker};
use forebay_core::failover::Failover;
use forebay_core::lifecycle::{AttemptId, Event, Lifecycle, Phase};
use forebay_core::time::Moment;
use tokio::sync::mpsc;
use tokio::task::coop::consume_budget;
use tokio_util::sync::CancellationToken;
use tracing::{Instrument, error, info, info_span};

use self::fillers::Fillers;
use self::freeze_check::{FreezeCheck, Verdict};
use self::hls::{HlsOutput, PackagingContext};
use self::inbox::{Inbox, Message};
use self::ingest::IngestEvent;
use self::ingests::Ingests;
use self::leasing::waiting_for_slot;
use self::output::Output;
use self::settings::{limits, times};
use self::status::Status;
use self::timeshift::Timeshift;
use super::archive::Archive;
use super::command::MAX_COMMANDS;
use super::feed::Feed;
use super::store::Store;
use super::window::Stage;
use super::{Channels, Clock};
use crate::events;
use crate::input::{Error, Piece};
use crate::model::Channel;

/// Makes a feed, and its driver, which the caller spawns. `failover` has the health of the sources
/// from before; `archive` is the channel's time-shift, if it has one.
pub(super) fn create(
    channels: &Channels,
    channel: &Arc<Channel>,
    stop: CancellationToken,
    failover: Failover,
    archive: Option<Arc<Archive>>,
) -> io::Result<(Arc<Feed>, Driver)> {
    let mut numbers = channels.sequences.get(&channel.id);
    let mut base = 0;
    // The store goes on where the file ends: a byte has the same offset in memory and on the disk.
    if let Some(archive) = &archive {
        (base, numbers) = archive.begin(channel, numbers);
    }
    let store = Store::new(base).inspect_err(|error| error!(%error, "no memory for a channel's store"))?;
    let (sender, commands) = mpsc::channel(MAX_COMMANDS);
    let feed = Feed::new(
        channel,
        (store, base),
        archive,
        stop.clone(),
        Arc::clone(&channels.totals),
        channels.events.clone(),
        sender,
    );
    let tasks = || channels.tasks.clone();
    let timeshift = feed.media.archive.clone().map(|archive| Timeshift::new(archive, &feed, tasks()));
    let mut hls = HlsOutput::new(Arc::clone(&channels.sequences), tasks());
    if timeshift.is_some() {
        hls = hls.with_packager(&channel.policy.hls, numbers);
    }
    let driver = Driver {
        inbox: Inbox::new(&feed, commands, &channels.providers, stop),
        life: Lifecycle::new(times(&channel.policy), failover),
        ingests: Ingests::new(Arc::clone(&channels.opener), channels.providers.clone()),
        output: Output::new(channel.program, limits(&channel.policy), base),
        fillers: Fillers::default(),
        hls,
        timeshift,
        switches: SwitchTracker::default(),
        freeze_check: None,
        status: Status::new(),
        feed: Arc::clone(&feed),
        channel: Arc::clone(channel),
        clock: channels.clock,
    };
    Ok((feed, driver))
}

/// The task of an open channel.
pub(super) struct Driver {
    feed: Arc<Feed>,
    channel: Arc<Channel>,
    clock: Clock,
    inbox: Inbox,
    life: Lifecycle,
    ingests: Ingests,
    output: Output,
    fillers: Fillers,
    hls: HlsOutput,
    timeshift: Option<Timeshift>,
    switches: SwitchTracker,
    /// The check of a picture that seems frozen, while one is under way.
    freeze_check: Option<FreezeCheck>,
    status: Status,
}

/// What woke the driver.
enum Wake {
    Message(Message),
    Timer,
    Verdict(Verdict),
    Ingest(AttemptId, IngestEvent),
    Slate(Result<Piece, Error>),
}

impl Driver {
    /// Runs until the feed is over.
    pub(super) fn run(self, channels: Arc<Channels>) -> impl Future<Output = ()> + Send + 'static {
        let span = info_span!("channel", id = %self.channel.id);
        self.run_to_end(channels).instrument(span)
    }

    async fn run_to_end(mut self, channels: Arc<Channels>) {
        let _ending = Ending { feed: Arc::clone(&self.feed), channels: Arc::clone(&channels) };
        self.publish(|channel| events::Event::StreamOpened { channel });
        self.handle_readers();
        while !self.carry_out(&channels) {
            let wake = self.wait().await;
            // Before the event itself: a stall timer that fires now must
            // not blame a source whose reading was paused by us.
            if self.note_resumed() && self.carry_out(&channels) {
                break;
            }
            if !self.is_late(&wake) {
                self.handle(wake);
            }
            self.report_state();
            // An upstream that always has data must not keep the thread to itself.
            consume_budget().await;
        }
        if let Some(timeshift) = &mut self.timeshift {
            // After the last action, when nothing more is written.
            timeshift.end(&self.feed, self.output.index.head());
        }
        self.publish(|channel| events::Event::StreamClosed { channel });
        info!(bytes = self.output.index.head() - self.feed.media.base, "channel closed");
    }

    /// Waits for the next event.
    async fn wait(&mut self) -> Wake {
        let (now, priority) = (self.clock.now(), self.priority());
        let (ticked_at, tick) = (self.output.ticked_at(), self.output.tick());
        let timer = sleep_until(self.clock, self.wakes_at(now));
        let verdict = async {
            match &mut self.freeze_check {
                Some(check) => check.verdict().await,
                None => std::future::pending().await,
            }
        };
        let waiting = waiting_for_slot(now, &self.life);
        // A handle of its own, since the ingests are polled mutably beside it.
        let providers = self.ingests.providers.clone();
        let message = self.inbox.next(&waiting, (&self.channel, priority), &providers);
        let event = poll_fn(|context| self.ingests.poll(context, now, ticked_at, tick));
        // Data comes last: an upstream that always has some must not hold up a timer or a shutdown.
        tokio::select! {
            biased;
            message = message => Wake::Message(message),
            () = timer => Wake::Timer,
            verdict = verdict => Wake::Verdict(verdict),
            (attempt, event) = event => Wake::Ingest(attempt, event),
            piece = self.fillers.next_piece(now) => Wake::Slate(piece),
        }
    }

    /// The next time at which something is due.
    fn wakes_at(&self, now: Moment) -> Option<Moment> {
        let timers = [
            self.life.poll_timeout(),
            self.output.tick_at(),
            self.hls.ends_at(),
            self.filler_at(),
            self.fillers.slate_at().filter(|&at| at > now),
            self.ingests.due(),
            self.ingests.resumes_at(now, self.output.ticked_at(), self.output.tick()),
        ];
        timers.into_iter().flatten().min()
    }

    /// Whether the event is of something that was closed before the event could be handled.
    fn is_late(&self, wake: &Wake) -> bool {
        match wake {
            Wake::Ingest(attempt, _) => !self.ingests.has(*attempt),
            Wake::Slate(_) => !self.fillers.has_slate(),
            Wake::Verdict(_) => self.freeze_check.is_none(),
            Wake::Message(_) | Wake::Timer => false,
        }
    }

    fn handle(&mut self, wake: Wake) {
        let now = self.clock.now();
        match wake {
            Wake::Message(message) => self.handle_message(now, message),
            Wake::Timer => self.handle_timer(now),
            Wake::Verdict(verdict) => self.handle_verdict(now, verdict),
            Wake::Ingest(attempt, event) => self.handle_ingest_event(now, attempt, event),
            Wake::Slate(piece) => self.handle_slate(now, piece),
        }
    }

    fn handle_message(&mut self, now: Moment, message: Message) {
        match message {
            Message::Stop => self.life.handle_event(now, Event::Shutdown),
            Message::Readers => self.handle_readers(),
            Message::Settings => self.handle_settings(now),
            Message::HlsViewers => self.handle_hls_viewers(now),
            Message::Command(command) => self.handle_command(now, command),
            Message::ConnectionFree(source) => self.life.handle_event(now, Event::ConnectionFree(source)),
        }
    }

    fn handle_timer(&mut self, now: Moment) {
        // Media before the lifecycle: media that is due now counts
        // as progress before the lifecycle decides on a stall.
        self.fill_if_due(now);
        self.give_due(now);
        self.tick_if_due(now);
        let context = PackagingContext::of(&self.feed, &self.channel, self.inbox.hls_viewers());
        if self.hls.end_if_due(now, context) {
            self.release();
        }
        self.life.handle_timeout(now);
    }

    fn handle_readers(&mut self) {
        let now = self.clock.now();
        let presence = self.inbox.readership.update(now);
        if presence == Presence::Present && self.life.phase() == Phase::Stopping {
            self.fillers.outage.reset_start(now);
        }
        self.hls.note_who_waits(self.inbox.hls_viewers(), self.inbox.readership.readers());
        self.ingests.set_demand(presence.demand(), self.priority());
        self.life.handle_event(now, presence.event());
    }

    /// The priority of the channel where its providers' connections are short: its own plus the
    /// highest among its readers.
    fn priority(&self) -> i32 {
        self.channel.priority.saturating_add(self.inbox.readership.priority())
    }

    /// The viewers by HLS have changed.
    fn handle_hls_viewers(&mut self, now: Moment) {
        let hls_viewers = self.inbox.take_hls_viewers();
        self.hls.note_who_waits(hls_viewers, self.inbox.readership.readers());
        let idle_timeout = self.channel.policy.idle_timeout;
        // A time-shift is made of segments, so its packager is never dropped.
        let until = self.timeshift.is_none().then(|| now + idle_timeout);
        let context = PackagingContext::of(&self.feed, &self.channel, hls_viewers);
        if self.hls.handle_viewers(hls_viewers, until) {
            let entries: Vec<_> = self.output.index.entries().collect();
            self.hls.start(context, &entries);
        }
        let is_opening = self.output.index.head() == self.feed.media.base;
        if self.hls.arrange_short(context, is_opening) {
            self.release();
        }
    }
}

async fn sleep_until(clock: Clock, at: Option<Moment>) {
    match at {
        Some(at) => tokio::time::sleep_until(clock.instant(at)).await,
        None => std::future::pending().await,
    }
}

/// Ends the feed when the driver ends, by a panic too: so no viewer goes on waiting, and the next
/// viewer gets a new feed.
struct Ending {
    feed: Arc<Feed>,
    channels: Arc<Channels>,
}

impl Drop for Ending {
    fn drop(&mut self) {
        self.channels.retire(&self.feed, true);
        self.feed.set_stage(Stage::Ended);
    }
}

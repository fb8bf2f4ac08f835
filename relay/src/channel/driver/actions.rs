//! Carries out the actions of the lifecycle.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use forebay_core::channel::{ErrorCode, claims};
use forebay_core::failover::SourceId;
use forebay_core::ingest::Lead;
use forebay_core::lifecycle::{Action, AttemptId, Event, Lifecycle, Purpose, Reason};
use forebay_core::playlist::follow::Others;
use forebay_core::provider::Demand;
use forebay_core::time::Moment;
use futures_util::FutureExt;
use tracing::{Instrument, info, info_span, warn};

use super::Driver;
use super::ingest::Ingest;
use super::leasing::{claim_of, server_of};
use super::settings::times;
use super::source_memory::Label;
use crate::channel::Channels;
use crate::channel::report::StartFailure;
use crate::channel::window::Stage;
use crate::events;
use crate::input::{Context, Error, SocketGuard};
use crate::model::{Source, SourceKind};
use crate::providers::{self, Lease, NoConnection};

/// Media of a file that is passed on at once, beyond the burst, to viewers that wait for whole
/// segments: enough for groups of pictures of up to 4 s.
const HEAD_START: Duration = Duration::from_secs(7);

/// How much longer than other sources a page may take to open: its platform answers several
/// requests before the address of the media is known.
const RESOLVE: Duration = Duration::from_secs(10);

/// Why an open source must be in the list: the lifecycle closes sources that have left the list
/// before it does anything else.
const LISTED: &str = "a source that is opened or open is listed";

impl Driver {
    /// A source that is open or being opened.
    pub(super) fn listed(&self, source: SourceId) -> &Source {
        self.channel.source(source).expect(LISTED)
    }

    /// Carries out the pending actions. Returns true when the feed is over.
    pub(super) fn carry_out(&mut self, channels: &Channels) -> bool {
        let mut is_given_up = false;
        let mut has_acted = false;
        // Until there are none: carrying out one action may cause the next.
        while let Some(action) = self.life.poll_action() {
            has_acted = true;
            let now = self.clock.now();
            match action {
                Action::Open { attempt, source, purpose } => self.claim(attempt, source, purpose),
                Action::Promote { attempt } => self.promote(attempt),
                Action::Activate { attempt } => self.activate(now, attempt),
                Action::Close { attempt, reason } => self.close(attempt, reason),
                Action::GiveUp => {
                    is_given_up = true;
                    self.give_up();
                }
                Action::Finish => {
                    if self.finish(channels, is_given_up) {
                        return true;
                    }
                }
            }
        }
        if has_acted {
            self.report_state();
        }
        false
    }

    /// Ends the feed, and returns true. If a reader joined at the last moment, the feed lives on,
    /// on the same timeline, and this returns false.
    fn finish(&mut self, channels: &Channels, is_given_up: bool) -> bool {
        let is_stopping = self.inbox.stop.is_cancelled();
        // The history of a channel that was removed is forgotten.
        if !is_stopping {
            channels.remember(&self.channel, self.life.failover());
        }
        // Readers that still wait were told of the failure, so they do not keep the feed.
        if channels.retire(&self.feed, is_given_up || is_stopping) {
            return true;
        }
        // With what is known of the sources, so that it
        // does not begin with one that has just failed.
        self.life = Lifecycle::new(times(&self.channel.policy), self.life.failover().clone());
        self.handle_readers();
        false
    }

    /// Claims a connection to a source.
    fn claim(&mut self, attempt: AttemptId, source: SourceId, purpose: Purpose) {
        let chosen = self.channel.source(source).expect(LISTED);
        let told = claims::purpose_at(self.clock.now(), self.life.failover(), source, purpose);
        let claim = claim_of(&self.channel, self.priority(), told);
        let open = self.ingests.iter().filter_map(|ingest| self.channel.source(ingest.source));
        let claim = if claims::may_open(purpose, &server_of(chosen), open.map(server_of)) {
            // Not waited for here: the driver goes on with its viewers while a provider is full.
            self.ingests.providers.claim(chosen.provider.as_ref(), claim).boxed()
        } else {
            // Answered like a claim, on the next turn, so that
            // there is one way only in which it can fail.
            std::future::ready(Err(NoConnection::SameServer)).boxed()
        };
        let position = self.channel.position(source).expect(LISTED);
        let label = Label { position, url: chosen.url.clone() };
        self.ingests.push(Ingest::new(attempt, source, label, claim));
    }

    /// Opens a source, for which there is a connection.
    pub(super) fn open(&mut self, now: Moment, attempt: AttemptId, lease: Lease) {
        let context = self.context_for(self.ingests.of(attempt).source);
        let handle = lease.handle();
        if !self.inbox.readership.is_kept_open() {
            handle.set_demand(Demand::Lingering);
        }
        // Readers may have come and gone since it was claimed.
        handle.set_priority(self.priority());
        let opener = Arc::clone(&self.ingests.opener);
        let ingest = self.ingests.of_mut(attempt);
        let Label { position, url } = &ingest.label;
        info!(source = position, %url, attempt = attempt.0, "opening source");
        let span = info_span!("upstream", source = position, attempt = attempt.0);
        let chosen = self.channel.source(ingest.source).expect(LISTED);
        let is_page = chosen.url.kind() == SourceKind::Page;
        let opening = opener.open(chosen, &context, SocketGuard::new(lease)).instrument(span).boxed();
        ingest.open(handle, opening);
        self.feed.edit_report().upstreams_opened += 1;
        if let Some(provider) = self.provider_of(attempt) {
            self.publish(|channel| events::Event::ConnectionGranted { channel, provider });
        }
        if is_page {
            self.life.set_connect(attempt, self.channel.policy.connect_timeout + RESOLVE);
        }
        self.life.handle_event(now, Event::Granted(attempt));
    }

    /// What an opener needs to know of the channel and of earlier attempts.
    fn context_for(&mut self, source: SourceId) -> Context {
        let others = if self.life.is_live() {
            Others::Active
        } else if self.life.failover().is_only_one() {
            Others::None
        } else {
            Others::Idle
        };
        let waits = self.hls.waits_for_whole();
        // A head start would leave behind the viewers who are there already.
        let has_head_start = if self.is_opening() { Arc::clone(waits) } else { Arc::default() };
        let memory = self.ingests.memory.of(source).memory.clone();
        Context { memory, others, has_head_start, followed: None }
    }

    /// Whether no media has been sent to any reader yet.
    pub(super) fn is_opening(&self) -> bool {
        self.output.index.head() == self.feed.media.base
    }

    /// Tells the provider that viewers now depend on this attempt's connection.
    fn promote(&mut self, attempt: AttemptId) {
        if let Some(lease) = &self.ingests.of(attempt).lease {
            lease.set_purpose(providers::Purpose::Active);
        }
    }

    /// Makes an attempt the active source.
    fn activate(&mut self, now: Moment, attempt: AttemptId) {
        self.promote(attempt);
        self.end_outage(now);
        let lead = self.lead();
        let ingest = self.ingests.put_first(attempt);
        let source = ingest.source;
        let open = ingest.delivering();
        open.activate(now, &mut self.output.splice, lead);
        // With a head start, usual segments are there as soon as short ones would be.
        let needs_no_short = matches!(lead, Lead::Opening { .. }) && open.input.has_head_start();
        if needs_no_short && self.inbox.hls_viewers().short == 0 && self.hls.end_short(&self.feed) {
            self.release();
        }
        self.start_showing(now, source);
    }

    /// How much media of a source that becomes active is passed on at once.
    fn lead(&self) -> Lead {
        let burst = self.channel.policy.burst;
        if self.is_opening() {
            let waits = self.hls.waits_for_whole().load(Ordering::Relaxed);
            Lead::Opening { burst, head_start: if waits { HEAD_START } else { Duration::ZERO } }
        } else if self.fillers.outage.was_covered() {
            Lead::None
        } else {
            Lead::Burst(burst)
        }
    }

    /// Closes a source. For some reasons, that counts as its failure.
    fn close(&mut self, attempt: AttemptId, reason: Reason) {
        let ingest = self.ingests.of(attempt);
        if let Some(error) = self.blame(ingest, reason) {
            return self.fail(attempt, error);
        }
        info!(source = ingest.label.position, url = %ingest.label.url, ?reason, "closing upstream");
        if ingest.is_active() {
            self.switches.handle_close(ingest.source, reason);
            self.leave_active(matches!(reason, Reason::Replaced | Reason::Lossy));
        }
        self.ingests.remove(attempt);
        self.freeze_check.take_if(|check| check.is_of(attempt));
    }

    /// The error of a source that is closed for this reason; none if the source did not fail.
    fn blame(&self, ingest: &Ingest, reason: Reason) -> Option<Error> {
        match reason {
            Reason::Replaced
            | Reason::Lossy
            | Reason::Skipped
            | Reason::Preempted
            | Reason::Removed
            | Reason::Idle
            | Reason::Shutdown => None,
            Reason::Unhealthy => self.ingests.memory.error(ingest.source).cloned(),
            Reason::Stalled => Some(Error::Stalled),
            Reason::NoPicture if self.is_scrambled(ingest) => Some(Error::Scrambled),
            Reason::NoPicture => Some(Error::NoPicture),
            Reason::ConnectTimeout => Some(connect_timeout(ingest)),
            Reason::StartTimeout => self.blame_at_start(ingest),
        }
    }

    /// The error of a source that delivered no picture within `start_timeout`.
    fn blame_at_start(&self, ingest: &Ingest) -> Option<Error> {
        if ingest.is_claiming() {
            let provider = self.listed(ingest.source).provider.as_ref();
            return provider.map(|provider| self.ingests.providers.no_connection_yet(provider).into());
        }
        match ingest.opened().map(|open| &open.input) {
            Some(input) if input.is_transport_stream() && self.is_scrambled(ingest) => Some(Error::Scrambled),
            Some(input) if input.is_transport_stream() => Some(Error::NoPicture),
            Some(input) if !input.beginning().is_empty() => Some(connect_timeout(ingest)),
            _ => {
                // An earlier error tells more than a timeout.
                let known = self.ingests.memory.error(ingest.source);
                let is_telling = known.is_some_and(|error| error.code() != ErrorCode::ProviderLimit);
                (!is_telling).then(|| connect_timeout(ingest))
            }
        }
    }

    /// Whether an open source sends scrambled packets.
    fn is_scrambled(&self, ingest: &Ingest) -> bool {
        let counts = ingest.opened().map(|open| open.input.counts(&self.output.splice));
        counts.is_some_and(|counts| counts.scrambled > 0)
    }

    /// Removes an attempt that has failed.
    pub(super) fn fail(&mut self, attempt: AttemptId, error: Error) {
        let mut ingest = self.ingests.remove(attempt);
        self.freeze_check.take_if(|check| check.is_of(attempt));
        let source = ingest.source;
        warn!(source = ingest.label.position, url = %ingest.label.url, %error, "source failed");
        if ingest.is_active() {
            // The media that has arrived is good: viewers are
            // sent it before the outage or the next source.
            ingest.delivering().input.give_all(&mut self.output.splice);
            self.switches.handle_failure(source, error.code());
            self.leave_active(false);
        }
        self.ingests.memory.of(source).error = Some(error);
        self.status.set_stale();
    }

    /// Leaves the active source. Unless that `is_seamless`, since another source is ready, an
    /// outage begins.
    fn leave_active(&mut self, is_seamless: bool) {
        if !is_seamless {
            self.begin_outage(self.clock.now());
            self.output.splice.begin();
            self.feed.set_stage(Stage::Outage);
        }
    }

    /// Tells the viewers that no source answered.
    fn give_up(&mut self) {
        let failure = Arc::new(StartFailure { sources: self.source_reports() });
        warn!(viewers = self.feed.viewers(), "no source answered, giving up");
        self.feed.set_stage(Stage::Failed(failure));
    }
}

/// The error of a source that sent no transport stream in time.
fn connect_timeout(ingest: &Ingest) -> Error {
    let Some(open) = ingest.opened() else { return Error::ConnectTimeout };
    if !open.input.beginning().is_empty() {
        return open.not_transport_stream();
    }
    let trouble = open.upstream.parts.as_ref().and_then(|parts| parts.trouble());
    trouble.unwrap_or(Error::ConnectTimeout)
}

//! Handles the events of sources: passes them to the lifecycle, and media to the output.

use forebay_core::health::{Fault, Rule};
use forebay_core::ingest::{Picture, Taken};
use forebay_core::lifecycle::{AttemptId, Event};
use forebay_core::time::Moment;
use tracing::{debug, warn};

use super::Driver;
use super::ingest::IngestEvent;
use super::open_input::{OpenInput, Received};
use crate::events;
use crate::input::{Error, Piece, Upstream};
use crate::providers::NoConnection;

impl Driver {
    pub(super) fn handle_ingest_event(&mut self, now: Moment, attempt: AttemptId, event: IngestEvent) {
        match event {
            IngestEvent::Claimed(Ok(lease)) => self.open(now, attempt, lease),
            IngestEvent::Claimed(Err(no_connection)) => {
                self.handle_no_connection(now, attempt, no_connection);
            }
            IngestEvent::Opened(Ok(upstream)) => self.handle_opened(attempt, upstream),
            IngestEvent::Piece(Ok(piece)) => {
                if let Err(error) = self.handle_piece(now, attempt, &piece) {
                    self.handle_failure(now, attempt, error);
                }
            }
            IngestEvent::Piece(Err(Error::Ended)) if self.plays_on(now, attempt) => {}
            IngestEvent::Opened(Err(error)) | IngestEvent::Piece(Err(error)) => {
                self.handle_failure(now, attempt, error);
            }
            IngestEvent::Yield => {
                if let Some(provider) = self.provider_of(attempt) {
                    self.publish(|channel| events::Event::ConnectionPreempted { channel, provider });
                }
                self.life.handle_event(now, Event::Yield(attempt));
            }
        }
    }

    /// The provider has no connection for the attempt.
    fn handle_no_connection(&mut self, now: Moment, attempt: AttemptId, no_connection: NoConnection) {
        if let Some(provider) = self.provider_of(attempt) {
            self.publish(|channel| events::Event::ConnectionRefused { channel, provider });
        }
        if self.life.is_standby(attempt) {
            // Viewers have another source, so this is no failure.
            debug!(attempt = attempt.0, %no_connection, "no connection for a standby source");
            self.ingests.remove(attempt);
        } else {
            self.fail(attempt, no_connection.into());
        }
        self.life.handle_event(now, Event::NoConnection(attempt));
    }

    fn handle_opened(&mut self, attempt: AttemptId, upstream: Upstream) {
        debug!(attempt = attempt.0, "upstream answered");
        if let Some(parts) = &upstream.parts {
            self.life.set_patience(attempt, parts.state().stall_after);
            self.status.set_stale();
        }
        let policy = &self.channel.policy;
        let open = OpenInput::new(upstream, policy.health, self.channel.program, policy);
        self.ingests.of_mut(attempt).set_open(open);
    }

    fn handle_piece(&mut self, now: Moment, attempt: AttemptId, piece: &Piece) -> Result<(), Error> {
        let open = self.ingests.of_mut(attempt).delivering();
        let size = if let Piece::Bytes(bytes) = piece { bytes.len() } else { 0 };
        let is_spent = open.input.spend(now, self.output.tick(), size as u64);
        let received = open.take(now, piece, &mut self.output.splice)?;
        let fault = open.input.poll_fault();
        let grade = open.input.poll_grade();
        let fault = fault.filter(|fault| fault.rule != Rule::Slow || !open.try_lower_variant());
        let has_paused = open.input.is_held() || is_spent;
        let ahead = open.input.ahead(now);
        let is_getting_ready = open.input.is_getting_ready();
        self.count(&received.taken, has_paused);
        self.tell_lifecycle(now, attempt, &received, ahead, is_getting_ready);
        if let Some(grade) = grade {
            self.life.handle_event(now, Event::Graded { attempt, grade });
        }
        if let Some(fault) = fault.filter(|fault| !self.needs_check(attempt, *fault)) {
            self.mark_unhealthy(now, attempt, fault);
        }
        self.tick_if_due(now);
        Ok(())
    }

    fn count(&self, taken: &Taken, has_paused: bool) {
        let mut report = self.feed.edit_report();
        report.bytes_received += taken.bytes;
        report.bytes_skipped += taken.skipped;
        report.read_pauses += u64::from(has_paused);
    }

    /// Tells the lifecycle the result of a piece. The media so far lasts for `ahead`.
    fn tell_lifecycle(
        &mut self,
        now: Moment,
        attempt: AttemptId,
        Received { taken, is_alive, patience }: &Received,
        ahead: std::time::Duration,
        is_getting_ready: bool,
    ) {
        if taken.is_found {
            debug!(attempt = attempt.0, "transport stream found");
            self.life.handle_event(now, Event::InSync(attempt));
        }
        self.life.set_ahead(attempt, ahead);
        if is_getting_ready && taken.bytes > taken.skipped {
            self.life.handle_event(now, Event::GettingReady(attempt));
        }
        if *is_alive {
            self.life.handle_event(now, Event::Alive(attempt));
        }
        if let Some(patience) = *patience {
            self.life.set_patience(attempt, patience);
        }
        if taken.has_progress {
            self.life.handle_event(now, Event::Progress(attempt));
        }
        match taken.picture {
            Picture::Unchanged => {}
            Picture::New => self.life.handle_event(now, Event::KeyframeReady(attempt)),
            Picture::Gone => {
                debug!(attempt = attempt.0, "group of pictures too long to be held");
                self.life.handle_event(now, Event::KeyframeLost(attempt));
            }
        }
    }

    /// Passes on the held media of the active source that is due.
    pub(super) fn give_due(&mut self, now: Moment) {
        if self.ingests.due().is_none_or(|at| at > now) {
            return;
        }
        let ingest = self.ingests.holding();
        let attempt = ingest.attempt;
        let input = &mut ingest.delivering().input;
        if input.give_due(now, &mut self.output.splice) {
            self.life.set_ahead(attempt, input.ahead(now));
            self.life.handle_event(now, Event::Progress(attempt));
        }
    }

    /// Tells the lifecycle of the inputs that may be read again after a pause. Returns whether
    /// there are any.
    pub(super) fn note_resumed(&mut self) -> bool {
        let now = self.clock.now();
        let mut has_resumed = false;
        for ingest in self.ingests.iter_mut() {
            let attempt = ingest.attempt;
            if let Some(open) = ingest.opened_mut()
                && open.input.poll_resume(now)
            {
                self.life.set_ahead(attempt, open.input.ahead(now));
                self.life.handle_event(now, Event::Progress(attempt));
                has_resumed = true;
            }
        }
        has_resumed
    }

    /// An upstream has ended. Returns whether its media still lasts for viewers: then the end is
    /// handled once that has been played.
    fn plays_on(&mut self, now: Moment, attempt: AttemptId) -> bool {
        let has_other = self.life.failover().eligible_standby(now).is_some();
        let input = &mut self.ingests.of_mut(attempt).delivering().input;
        input.plays_on(now, has_other, &mut self.output.splice)
    }

    /// A rule of health has found fault with a source.
    pub(super) fn mark_unhealthy(&mut self, now: Moment, attempt: AttemptId, fault: Fault) {
        let ingest = self.ingests.of(attempt);
        let source = ingest.source;
        if fault.is_new {
            self.status.count(&fault);
            let (position, url) = (ingest.label.position, &ingest.label.url);
            warn!(source = position, %url, rule = fault.rule.name(), %fault, "source is unhealthy");
        }
        let error = Error::Unhealthy { rule: fault.rule, what: fault.to_string() };
        self.ingests.memory.of(source).error = Some(error);
        self.status.set_stale();
        self.life.handle_event(now, Event::Unhealthy { attempt, severity: fault.rule.severity() });
    }

    /// An upstream has failed, or the attempt to open it.
    fn handle_failure(&mut self, now: Moment, attempt: AttemptId, error: Error) {
        let open = self.ingests.of(attempt).opened();
        let error = match open {
            Some(open) if !open.input.is_transport_stream() && error == Error::Ended => {
                open.not_transport_stream()
            }
            _ => error,
        };
        // A source that has ended for good is not reopened at once: it would play its end again.
        let is_over = error.is_conclusive() || open.is_some_and(|open| open.upstream.facts.ends_for_good);
        let event = if is_over { Event::Stalled } else { Event::Ended };
        self.fail(attempt, error);
        self.life.handle_event(now, event(attempt));
    }
}

//! Does what the lifecycle wants.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use forebay_core::channel::{ErrorCode, SwitchReason};
use forebay_core::failover::SourceId;
use forebay_core::lifecycle::{Action, Attempt, Event, Lifecycle, Purpose, Reason};
use forebay_core::playlist::follow::Others;
use forebay_core::provider::{self, Standing};
use forebay_core::time::Moment;
use futures_util::FutureExt;
use tokio::sync::watch;
use tracing::{Instrument, info, info_span, warn};

use super::Driver;
use super::input::Lead;
use super::line::Line;
use super::settings::times;
use super::sources::Label;
use crate::channel::Channels;
use crate::channel::feed::{Stage, StartFailure};
use crate::events::Event as Happened;
use crate::input::{Context, Error, Hold, sniff};
use crate::model::{Channel, Source};
use crate::providers::{Claim, Lease, NoSlot, Providers};

/// What viewers who wait for whole segments are given at once of a file, beyond the burst: with
/// that, enough for groups of pictures of up to 4 s.
const HEAD_START: Duration = Duration::from_secs(7);

/// Why an open source is in the list: the lifecycle closes what has left it, before anything else
/// is done.
pub(super) const LISTED: &str = "what is opened or open is listed";

impl Driver {
    /// A source that is opened, or open.
    pub(super) fn listed(&self, source: SourceId) -> &Source {
        self.channel.source(source).expect(LISTED)
    }

    /// Does what the lifecycle wants; true when the feed is over.
    pub(super) fn carry_out(&mut self, channels: &Channels) -> bool {
        let mut is_given_up = false;
        let mut has_acted = false;
        while let Some(action) = self.life.poll_action() {
            has_acted = true;
            let now = self.clock.now();
            match action {
                Action::Open { attempt, source, purpose } => self.claim(attempt, source, purpose),
                Action::Raise { attempt } => self.raise(attempt),
                Action::Air { attempt } => self.put_on_air(now, attempt),
                Action::Close { attempt, reason } => self.close(attempt, reason),
                Action::GiveUp => {
                    is_given_up = true;
                    self.give_up();
                }
                Action::Finish => {
                    // What is known of a channel that is gone goes with it.
                    if !self.stop.is_cancelled() {
                        channels.remember(&self.channel, self.life.failover());
                    }
                    if channels.retire(&self.feed, is_given_up || self.stop.is_cancelled()) {
                        return true;
                    }
                    // Somebody came at the last moment: the feed lives on, on the same timeline.
                    self.life = Lifecycle::new(times(&self.channel.policy), self.life.failover().clone());
                    self.handle_demand();
                }
            }
        }
        if has_acted {
            self.report_state();
        }
        false
    }

    /// Asks for a connection to a source.
    fn claim(&mut self, attempt: Attempt, source: SourceId, purpose: Purpose) {
        let chosen = self.listed(source);
        let purpose = match purpose {
            Purpose::Air => provider::Purpose::Air,
            Purpose::Hedge => provider::Purpose::Hedge,
            Purpose::Probe => provider::Purpose::Probe,
        };
        let is_apart_from = |line: &Line| {
            let other = self.channel.source(line.source);
            other.is_none_or(|other| is_apart(chosen, other))
        };
        let may_open = purpose == provider::Purpose::Air || self.lines.iter().all(is_apart_from);
        let claim = claim_of(&self.channel, purpose);
        let claim = if may_open {
            self.providers.claim(chosen.provider.as_ref(), claim).boxed()
        } else {
            std::future::ready(Err(NoSlot::SameServer)).boxed()
        };
        let place = self.channel.place(source).expect(LISTED);
        let label = Label { place, url: chosen.url.clone() };
        self.lines.push(Line::new(attempt, source, label, claim));
    }

    /// There is a connection to spare.
    pub(super) fn open(&mut self, now: Moment, attempt: Attempt, lease: Lease) {
        let line = self.lines.of_mut(attempt);
        let source = line.source;
        let Label { place, url } = &line.label;
        info!(source = place, %url, attempt = attempt.0, "opening source");
        let span = info_span!("upstream", source = place, attempt = attempt.0);
        let handle = lease.handle();
        if !self.demand.is_read() {
            handle.set_standing(Standing::Lingering);
        }
        let others = if self.life.is_live() {
            Others::OnAir
        } else if self.life.failover().is_only_one() {
            Others::None
        } else {
            Others::Idle
        };
        let is_opening = self.ring.head() == self.feed.base;
        let has_head_start = if is_opening { Arc::clone(&self.waits_for_whole) } else { Arc::default() };
        let memory = self.sources.of(source).memory.clone();
        let context = Context { memory, others, has_head_start };
        let chosen = self.channel.source(source).expect(LISTED);
        let opening = self.opener.open(chosen, &context, Hold::new(lease)).instrument(span).boxed();
        line.open(handle, opening);
        self.feed.edit_report().upstreams_opened += 1;
        if let Some(provider) = self.provider_of(attempt) {
            self.happened(|channel| Happened::ConnectionGranted { channel, provider });
        }
        self.life.handle_event(now, Event::Granted(attempt));
    }

    /// Viewers depend on this one now.
    fn raise(&mut self, attempt: Attempt) {
        if let Some(lease) = &self.lines.of(attempt).lease {
            lease.set_purpose(provider::Purpose::Air);
        }
    }

    /// A candidate becomes what viewers see.
    fn put_on_air(&mut self, now: Moment, attempt: Attempt) {
        self.raise(attempt);
        self.end_gap(now);
        let burst = self.channel.policy.burst;
        let lead = if self.ring.head() == self.feed.base {
            let waits = self.waits_for_whole.load(Ordering::Relaxed);
            Lead::Opening { burst, head_start: if waits { HEAD_START } else { Duration::ZERO } }
        } else if self.gap.was_covered() {
            Lead::None
        } else {
            Lead::Burst(burst)
        };
        let line = self.lines.put_first(attempt);
        let source = line.source;
        let input = line.input().expect("a source that shows a picture is open");
        input.go_on_air(now, &mut self.splice, lead);
        if matches!(lead, Lead::Opening { .. }) && input.has_head_start() {
            self.end_short_unless_played();
        }
        self.go_on_air(now, source);
    }

    /// Closes an upstream.
    fn close(&mut self, attempt: Attempt, reason: Reason) {
        let line = self.lines.of(attempt);
        if let Some(error) = self.blame(line, reason) {
            return self.fail(attempt, error);
        }
        info!(source = line.label.place, url = %line.label.url, ?reason, "closing upstream");
        if line.is_on_air() {
            let is_seamless = reason == Reason::Replaced;
            match reason {
                Reason::Replaced | Reason::Skipped => {
                    self.left = Some((line.source, self.steered.take().unwrap_or(SwitchReason::Returned)));
                }
                Reason::Preempted => self.left = Some((line.source, SwitchReason::Preempted)),
                Reason::Removed => self.left = Some((line.source, SwitchReason::Removed)),
                _ => {}
            }
            self.leave_air(is_seamless);
        }
        self.lines.remove(attempt);
        self.second_look.take_if(|look| look.is_of(attempt));
    }

    /// What a source that is closed for this reason has done wrong.
    fn blame(&self, line: &Line, reason: Reason) -> Option<Error> {
        if reason == Reason::StartTimeout && line.is_claiming() {
            let provider = self.listed(line.source).provider.as_ref();
            return provider.map(|provider| self.providers.no_slot_yet(provider).into());
        }
        let input = line.opened();
        let unlocked = input.filter(|input| !input.is_locked).map(|input| input.beginning.as_slice());
        let has_come = input.is_some_and(|input| input.is_locked || !input.beginning.is_empty());
        let is_known =
            || self.sources.error(line.source).is_some_and(|error| error.code() != ErrorCode::ProviderLimit);
        if reason == Reason::StartTimeout && !has_come && is_known() {
            return None; // that says more than that the time is over
        }
        let is_scrambled = || input.is_some_and(|input| input.counts(&self.splice).scrambled > 0);
        let error = match (reason, unlocked) {
            (Reason::Unhealthy, _) => return self.sources.error(line.source).cloned(),
            (Reason::ConnectTimeout | Reason::StartTimeout, Some(bytes)) if !bytes.is_empty() => {
                Error::NotTransportStream(sniff::describe(bytes))
            }
            (Reason::NoPicture | Reason::StartTimeout, None) if is_scrambled() => Error::Scrambled,
            (Reason::StartTimeout, None) if input.is_some() => Error::NoPicture,
            (Reason::ConnectTimeout | Reason::StartTimeout, _) => {
                let trouble = input.and_then(|input| input.upstream.monitor.as_ref()?.trouble());
                trouble.unwrap_or(Error::ConnectTimeout)
            }
            (Reason::NoPicture, _) => Error::NoPicture,
            (Reason::Stalled, _) => Error::Stalled,
            (
                Reason::Replaced
                | Reason::Skipped
                | Reason::Preempted
                | Reason::Removed
                | Reason::Idle
                | Reason::Shutdown,
                _,
            ) => return None,
        };
        Some(error)
    }

    /// An upstream has failed and is no more.
    pub(super) fn fail(&mut self, attempt: Attempt, error: Error) {
        let mut line = self.lines.remove(attempt);
        if line.is_on_air()
            && let Some(input) = line.input()
        {
            input.give_all(&mut self.splice);
        }
        self.second_look.take_if(|look| look.is_of(attempt));
        let source = line.source;
        warn!(source = line.label.place, url = %line.label.url, %error, "source failed");
        if line.is_on_air() {
            self.left = Some((source, SwitchReason::Failed(error.code())));
            self.leave_air(false);
        }
        self.sources.of(source).error = Some(error);
        self.has_news = true;
    }

    /// What was on air is no longer; `is_seamless` is whether something else is there at once.
    fn leave_air(&mut self, is_seamless: bool) {
        if !is_seamless {
            self.begin_gap(self.clock.now());
            self.splice.begin();
            self.feed.tell(|window| window.is_live = false);
        }
    }

    /// Tells the viewers that no source answered.
    fn give_up(&mut self) {
        let failure = Arc::new(StartFailure { sources: self.source_reports() });
        warn!(viewers = self.feed.viewers(), "no source answered, giving up");
        self.feed.tell(|window| window.stage = Stage::Failed(Arc::clone(&failure)));
    }
}

/// Waits until one of these sources of a channel would have a connection, and tells which.
pub(super) async fn slot_for(
    sources: &[SourceId],
    channel: &Channel,
    providers: &Providers,
    changed: &mut watch::Receiver<u64>,
) -> SourceId {
    let claim = claim_of(channel, provider::Purpose::Air);
    let would_serve = |source: SourceId| {
        let provider = channel.source(source)?.provider.as_ref()?;
        Some(providers.would_serve(provider, &claim))
    };
    loop {
        changed.borrow_and_update();
        if let Some(&source) = sources.iter().find(|&&source| would_serve(source) == Some(true)) {
            return source;
        }
        if changed.changed().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// A channel's claim to a connection.
fn claim_of(channel: &Channel, purpose: provider::Purpose) -> Claim {
    Claim { channel: channel.id.clone(), priority: channel.priority, purpose }
}

/// Whether a source can be opened beside another without asking the same server for more than one connection: where no provider says how many it
/// allows, one is all that can be counted on.
fn is_apart(source: &Source, other: &Source) -> bool {
    let host = |source: &Source| {
        let url = source.url.expose();
        url.host_str()
            .filter(|host| !host.is_empty())
            .map(|host| (host.to_owned(), url.port_or_known_default()))
    };
    let is_counted = source.provider.is_some() && other.provider.is_some();
    is_counted || host(source).is_none() || host(source) != host(other)
}

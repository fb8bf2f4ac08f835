//! The attempts of a channel to open sources, those that are open included.

use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use forebay_core::ingest::Input;
use forebay_core::lifecycle::AttemptId;
use forebay_core::provider::Demand;
use forebay_core::time::Moment;

use super::ingest::{Ingest, IngestEvent};
use super::source_memory::SourceMemory;
use crate::input::Opener;
use crate::model::Channel;
use crate::providers::Providers;

/// Why the ingest of an attempt must be listed: the lifecycle only names attempts that it has
/// opened and not closed, and events of an ingest are handled only while it is listed.
const OPEN: &str = "an attempt is named between its opening and its closing";

/// Why media that is held back must be of the active ingest.
const HELD: &str = "only the active input holds media back";

/// The open sources of a channel, and what is needed to open others.
pub(super) struct Ingests {
    /// The active one first, if any is, and then candidate and standby: three at most.
    list: Vec<Ingest>,
    /// What is remembered of the sources.
    pub(super) memory: SourceMemory,
    pub(super) opener: Arc<dyn Opener>,
    pub(super) providers: Providers,
}

impl Ingests {
    pub(super) fn new(opener: Arc<dyn Opener>, providers: Providers) -> Self {
        Self { list: Vec::new(), memory: SourceMemory::default(), opener, providers }
    }

    pub(super) fn push(&mut self, ingest: Ingest) {
        debug_assert!(!self.has(ingest.attempt), "each attempt has a number of its own");
        self.list.push(ingest);
    }

    /// Whether this attempt is open, or being opened.
    pub(super) fn has(&self, attempt: AttemptId) -> bool {
        self.list.iter().any(|ingest| ingest.attempt == attempt)
    }

    pub(super) fn of(&self, attempt: AttemptId) -> &Ingest {
        self.list.iter().find(|ingest| ingest.attempt == attempt).expect(OPEN)
    }

    pub(super) fn of_mut(&mut self, attempt: AttemptId) -> &mut Ingest {
        self.list.iter_mut().find(|ingest| ingest.attempt == attempt).expect(OPEN)
    }

    pub(super) fn remove(&mut self, attempt: AttemptId) -> Ingest {
        let at = self.position(attempt);
        self.list.remove(at)
    }

    /// Puts the ingest that becomes active first.
    pub(super) fn put_first(&mut self, attempt: AttemptId) -> &mut Ingest {
        let at = self.position(attempt);
        self.list.swap(0, at);
        &mut self.list[0]
    }

    /// The active one, if any is; else the oldest.
    pub(super) fn first(&self) -> Option<&Ingest> {
        self.list.first()
    }

    /// The input that viewers see.
    pub(super) fn active(&self) -> Option<&Input> {
        self.inputs().find(|input| input.is_active())
    }

    /// The active ingest, some of whose media is held back.
    pub(super) fn holding(&mut self) -> &mut Ingest {
        self.list.iter_mut().find(|ingest| ingest.is_active()).expect(HELD)
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Ingest> {
        self.list.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Ingest> {
        self.list.iter_mut()
    }

    /// When media that is held back of the active source is due.
    pub(super) fn due(&self) -> Option<Moment> {
        self.inputs().find_map(Input::due)
    }

    /// The memory of all inputs, without the output, in bytes.
    pub(super) fn memory_used(&self) -> usize {
        self.inputs().map(Input::memory).sum()
    }

    /// Tells the providers whether the channel has readers, and its priority.
    pub(super) fn set_demand(&self, demand: Demand, priority: i32) {
        for lease in self.list.iter().filter_map(|ingest| ingest.lease.as_ref()) {
            lease.set_demand(demand);
            lease.set_priority(priority);
        }
    }

    /// The channel has new settings, and with its readers this priority.
    pub(super) fn configure(&mut self, channel: &Channel, priority: i32) {
        for ingest in &mut self.list {
            if let Some(lease) = &ingest.lease {
                lease.set_priority(priority);
            }
            // A source that was removed is closed soon, and keeps its position for the log until
            // then.
            ingest.label.position = channel.position(ingest.source).unwrap_or(ingest.label.position);
        }
        self.memory.retain(channel);
    }

    /// When the first upstream that may not be read at `now` may be read again.
    pub(super) fn resumes_at(&self, now: Moment, ticked_at: Moment, tick: Duration) -> Option<Moment> {
        let reads_at = self.list.iter().filter_map(|ingest| ingest.reads_at(ticked_at, tick));
        reads_at.filter(|&at| at > now).min()
    }

    /// Polls the next event of any ingest. A connection that is needed elsewhere comes first.
    pub(super) fn poll(
        &mut self,
        context: &mut Context<'_>,
        now: Moment,
        ticked_at: Moment,
        tick: Duration,
    ) -> Poll<(AttemptId, IngestEvent)> {
        // In a round of its own: else a source that always has data would come first each time.
        for ingest in &mut self.list {
            if let Poll::Ready(event) = ingest.poll_yield(context) {
                return Poll::Ready((ingest.attempt, event));
            }
        }
        for ingest in &mut self.list {
            let may_read = ingest.reads_at(ticked_at, tick).is_none_or(|at| at <= now);
            if let Poll::Ready(event) = ingest.poll(context, may_read) {
                return Poll::Ready((ingest.attempt, event));
            }
        }
        Poll::Pending
    }

    fn inputs(&self) -> impl Iterator<Item = &Input> {
        self.list.iter().filter_map(|ingest| Some(&ingest.opened()?.input))
    }

    fn position(&self, attempt: AttemptId) -> usize {
        self.list.iter().position(|ingest| ingest.attempt == attempt).expect(OPEN)
    }
}

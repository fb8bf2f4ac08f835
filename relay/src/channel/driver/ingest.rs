//! One attempt to open a source: from the claim for a connection to its media.

use std::task::{Context, Poll};
use std::time::Duration;

use forebay_core::failover::SourceId;
use forebay_core::lifecycle::AttemptId;
use forebay_core::time::Moment;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::open_input::OpenInput;
use super::source_memory::Label;
use crate::input::{Error, Piece, Upstream};
use crate::providers::{Lease, LeaseHandle, NoConnection};

/// An attempt to open a source, and its upstream once that is open.
pub(super) struct Ingest {
    pub(super) attempt: AttemptId,
    pub(super) source: SourceId,
    /// The source, for the log.
    pub(super) label: Label,
    state: State,
    /// The right to a connection, if the source has a provider.
    pub(super) lease: Option<LeaseHandle>,
    yielded: Option<BoxFuture<'static, ()>>,
}

enum State {
    Claiming(BoxFuture<'static, Result<Lease, NoConnection>>),
    Opening(BoxFuture<'static, Result<Upstream, Error>>),
    Open(Box<OpenInput>),
}

/// An event of an ingest.
pub(super) enum IngestEvent {
    /// The provider's answer to the claim for a connection.
    Claimed(Result<Lease, NoConnection>),
    /// Whether the source answered.
    Opened(Result<Upstream, Error>),
    Piece(Result<Piece, Error>),
    /// The provider needs the connection elsewhere.
    Yield,
}

/// Why an ingest that delivers or is active must be open.
const DELIVERS: &str = "media comes of an upstream that is open";

impl Ingest {
    pub(super) fn new(
        attempt: AttemptId,
        source: SourceId,
        label: Label,
        claim: BoxFuture<'static, Result<Lease, NoConnection>>,
    ) -> Self {
        Self { attempt, source, label, state: State::Claiming(claim), lease: None, yielded: None }
    }

    /// The upstream, if it is open.
    pub(super) fn opened(&self) -> Option<&OpenInput> {
        match &self.state {
            State::Open(open) => Some(open),
            State::Claiming(_) | State::Opening(_) => None,
        }
    }

    /// The upstream, to be changed, if it is open.
    pub(super) fn opened_mut(&mut self) -> Option<&mut OpenInput> {
        match &mut self.state {
            State::Open(open) => Some(open),
            State::Claiming(_) | State::Opening(_) => None,
        }
    }

    /// The upstream, which has delivered media.
    pub(super) fn delivering(&mut self) -> &mut OpenInput {
        self.opened_mut().expect(DELIVERS)
    }

    /// Whether viewers see this source.
    pub(super) fn is_active(&self) -> bool {
        self.opened().is_some_and(|open| open.input.is_active())
    }

    /// Whether the claim for a connection is not answered yet.
    pub(super) fn is_claiming(&self) -> bool {
        matches!(self.state, State::Claiming(_))
    }

    /// Goes on to `opening`, with the connection of this lease.
    pub(super) fn open(&mut self, lease: LeaseHandle, opening: BoxFuture<'static, Result<Upstream, Error>>) {
        self.yielded = Some(lease.yielded().boxed());
        self.lease = Some(lease);
        self.state = State::Opening(opening);
    }

    /// The source has answered.
    pub(super) fn set_open(&mut self, open: OpenInput) {
        self.state = State::Open(Box::new(open));
    }

    /// When the upstream may be read next; at once if absent. The last tick was at `ticked_at`, and
    /// ticks have this length.
    pub(super) fn reads_at(&self, ticked_at: Moment, tick: Duration) -> Option<Moment> {
        self.opened()?.input.reads_at(ticked_at, tick)
    }

    /// Polls whether the provider needs the connection elsewhere.
    pub(super) fn poll_yield(&mut self, context: &mut Context<'_>) -> Poll<IngestEvent> {
        let Some(yielded) = &mut self.yielded else { return Poll::Pending };
        std::task::ready!(yielded.poll_unpin(context));
        self.yielded = None;
        Poll::Ready(IngestEvent::Yield)
    }

    /// Polls the next event. Pieces are read only if `may_read`.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, may_read: bool) -> Poll<IngestEvent> {
        match &mut self.state {
            State::Claiming(claim) => claim.poll_unpin(context).map(IngestEvent::Claimed),
            State::Opening(opening) => opening.poll_unpin(context).map(IngestEvent::Opened),
            State::Open(open) if may_read => open.poll_piece(context).map(IngestEvent::Piece),
            State::Open(_) => Poll::Pending,
        }
    }
}

//! One upstream of a channel: on its way to the air, or on it.

use std::task::{Context, Poll};

use forebay_core::failover::SourceId;
use forebay_core::lifecycle::Attempt;
use futures_util::future::BoxFuture;
use futures_util::{FutureExt, StreamExt};

use super::input::Input;
use super::sources::Label;
use crate::input::{Error, Piece, Upstream};
use crate::providers::{Lease, LeaseHandle, NoSlot};

/// An attempt to open a source, and what has become of it.
pub(super) struct Line {
    pub(super) attempt: Attempt,
    pub(super) source: SourceId,
    /// The source, for the log.
    pub(super) label: Label,
    state: State,
    /// Where its source has a provider: its right to a connection.
    pub(super) lease: Option<LeaseHandle>,
    yielded: Option<BoxFuture<'static, ()>>,
}

enum State {
    Claiming(BoxFuture<'static, Result<Lease, NoSlot>>),
    Opening(BoxFuture<'static, Result<Upstream, Error>>),
    Open(Box<Input>),
}

/// What a line tells.
pub(super) enum News {
    /// Whether there is a connection to spare for it.
    Claimed(Result<Lease, NoSlot>),
    /// Whether the source answered.
    Opened(Result<Upstream, Error>),
    Piece(Result<Piece, Error>),
    /// Its connection is needed elsewhere.
    Yield,
}

impl Line {
    pub(super) fn new(
        attempt: Attempt,
        source: SourceId,
        label: Label,
        claim: BoxFuture<'static, Result<Lease, NoSlot>>,
    ) -> Self {
        Self { attempt, source, label, state: State::Claiming(claim), lease: None, yielded: None }
    }

    /// The upstream, once it is open.
    pub(super) fn input(&mut self) -> Option<&mut Input> {
        match &mut self.state {
            State::Open(input) => Some(input),
            State::Claiming(_) | State::Opening(_) => None,
        }
    }

    /// The same, to look at.
    pub(super) fn opened(&self) -> Option<&Input> {
        match &self.state {
            State::Open(input) => Some(input),
            State::Claiming(_) | State::Opening(_) => None,
        }
    }

    /// Whether it is what viewers see.
    pub(super) fn is_on_air(&self) -> bool {
        self.opened().is_some_and(Input::is_on_air)
    }

    /// Whether its provider has not said yet that there is a connection for it.
    pub(super) fn is_claiming(&self) -> bool {
        matches!(self.state, State::Claiming(_))
    }

    /// It has a connection, and `opening` makes use of it.
    pub(super) fn open(&mut self, lease: LeaseHandle, opening: BoxFuture<'static, Result<Upstream, Error>>) {
        self.yielded = Some(lease.yielded().boxed());
        self.lease = Some(lease);
        self.state = State::Opening(opening);
    }

    /// The source has answered.
    pub(super) fn set_input(&mut self, input: Input) {
        self.state = State::Open(Box::new(input));
    }

    /// Whether its connection is needed elsewhere.
    pub(super) fn poll_yield(&mut self, context: &mut Context<'_>) -> Poll<News> {
        let Some(yielded) = &mut self.yielded else { return Poll::Pending };
        std::task::ready!(yielded.poll_unpin(context));
        self.yielded = None;
        Poll::Ready(News::Yield)
    }

    /// What else it has to tell; pieces only where they may be read.
    pub(super) fn poll(&mut self, context: &mut Context<'_>, may_read: bool) -> Poll<News> {
        match &mut self.state {
            State::Claiming(claim) => claim.poll_unpin(context).map(News::Claimed),
            State::Opening(opening) => opening.poll_unpin(context).map(News::Opened),
            State::Open(input) if may_read => {
                let piece = input.upstream.pieces.poll_next_unpin(context);
                piece.map(|piece| News::Piece(piece.unwrap_or(Err(Error::Ended))))
            }
            State::Open(_) => Poll::Pending,
        }
    }
}

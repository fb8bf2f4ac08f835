//! An open upstream, and the input in the core that takes its pieces.

use std::task::{Context, Poll};

use forebay_core::health::Rules;
use forebay_core::ingest::{Input, Lead, Limits, PartsState, Taken, Unfit};
use forebay_core::time::Moment;
use forebay_core::ts::splice::Splice;
use futures_util::StreamExt;

use crate::input::{Error, Piece, Upstream, sniff};
use crate::model::Policy;

/// An open upstream with its input.
pub(super) struct OpenInput {
    pub(super) upstream: Upstream,
    pub(super) input: Input,
}

/// The result of a piece.
#[derive(Debug, Default)]
pub(super) struct Received {
    pub(super) taken: Taken,
    /// Data arrived that is no part of a transport stream yet.
    pub(super) is_alive: bool,
    /// How long the input may stand still until it counts as stalled, if that has changed.
    pub(super) patience: Option<std::time::Duration>,
}

impl OpenInput {
    pub(super) fn new(upstream: Upstream, rules: Rules, program: Option<u16>, policy: &Policy) -> Self {
        let limits =
            Limits { burst: policy.burst, read_ahead: policy.read_ahead, buffer_bytes: policy.buffer_bytes };
        let input = Input::new(upstream.facts, rules, program, limits);
        Self { upstream, input }
    }

    /// Polls the next piece. The end of an upstream is an error, too.
    pub(super) fn poll_piece(&mut self, context: &mut Context<'_>) -> Poll<Result<Piece, Error>> {
        self.upstream.pieces.poll_next_unpin(context).map(|piece| piece.unwrap_or(Err(Error::Ended)))
    }

    /// Takes a piece. Its media goes to `splice` if the input is active.
    pub(super) fn take(
        &mut self,
        now: Moment,
        piece: &Piece,
        splice: &mut Splice,
    ) -> Result<Received, Error> {
        self.update_parts(now);
        let taken = match piece {
            Piece::Bytes(bytes) => {
                let taken = self.input.push(now, bytes, splice);
                return taken.map_err(|unfit| self.explain(unfit)).map(Received::from);
            }
            Piece::SegmentEnd => {
                self.input.cut(splice);
                Taken::default()
            }
            Piece::Activity => Taken::default(),
            Piece::Discontinuity => self.input.begin_anew(splice).map_err(|unfit| self.explain(unfit))?,
        };
        Ok(Received { taken, is_alive: matches!(piece, Piece::Activity), patience: self.input.patience() })
    }

    /// Makes the input active.
    pub(super) fn activate(&mut self, now: Moment, splice: &mut Splice, lead: Lead) {
        self.update_parts(now);
        self.input.activate(now, splice, lead);
    }

    /// Asks an input that falls behind to change to a lower variant. Returns whether there is one;
    /// then the pace is measured anew.
    pub(super) fn try_lower_variant(&mut self) -> bool {
        let has_less = self.upstream.parts.as_ref().is_some_and(|parts| parts.ask_for_less());
        if has_less {
            self.input.forget_pace();
        }
        has_less
    }

    /// The error of an input whose bytes so far are no transport stream.
    pub(super) fn not_transport_stream(&self) -> Error {
        Error::NotTransportStream(sniff::describe(self.input.beginning()))
    }

    fn update_parts(&mut self, now: Moment) {
        if let Some(parts) = &self.upstream.parts {
            let parts: PartsState = parts.state();
            self.input.set_parts(now, parts);
        }
    }

    fn explain(&self, unfit: Unfit) -> Error {
        match unfit {
            Unfit::NotTransportStream => self.not_transport_stream(),
            Unfit::NoPicture => Error::NoPicture,
        }
    }
}

impl From<Taken> for Received {
    fn from(taken: Taken) -> Self {
        Self { taken, ..Self::default() }
    }
}

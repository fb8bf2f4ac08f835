//! What the channels of a world share, and their attempts to open sources.

use forebay_core::failover::SourceId;
use forebay_core::lifecycle::{Action, AttemptId, Purpose};
use forebay_core::provider::{Claim, Ticket};
use forebay_core::time::Moment;

use crate::account::Account;
use crate::source::{Connection, Source};
use crate::tally::Tally;

/// All that channels share.
pub(crate) struct Outside {
    pub(crate) now: Moment,
    pub(crate) accounts: Vec<Account>,
    pub(crate) sources: Vec<Source>,
    pub(crate) tally: Tally,
    /// Whether what channels decide is printed.
    pub(crate) is_logging: bool,
}

impl Outside {
    pub(crate) fn source(&self, id: SourceId) -> &Source {
        &self.sources[place(id)]
    }

    #[expect(clippy::print_stderr, reason = "for who looks at a case that fails")]
    pub(crate) fn log(&self, channel: usize, action: Action) {
        if self.is_logging {
            eprintln!("{:?} channel {channel}: {action:?}", self.now.elapsed());
        }
    }
}

/// An attempt to open a source.
pub(crate) struct Ingest {
    pub(crate) attempt: AttemptId,
    pub(crate) source: SourceId,
    pub(crate) state: State,
    /// What it was opened for.
    pub(crate) purpose: Purpose,
    pub(crate) is_told_to_yield: bool,
    pub(crate) has_picture: bool,
}

pub(crate) enum State {
    /// The claim is made when the ingest is looked at first.
    Unasked(Claim<usize>),
    Refused,
    Waiting(Ticket),
    Open(Option<Ticket>, Connection),
}

/// The provider of a source that has one.
pub(crate) fn account(outside: &mut Outside, source: SourceId) -> (&mut Account, Moment, &mut Tally) {
    let provider = outside.source(source).provider.expect("whoever has a ticket has a provider");
    (&mut outside.accounts[provider], outside.now, &mut outside.tally)
}

/// Where a source stands among those of the world.
pub(crate) fn place(id: SourceId) -> usize {
    usize::try_from(id.0).expect("there are not so many")
}

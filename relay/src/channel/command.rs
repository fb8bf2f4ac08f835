//! What an admin tells an open channel.

use forebay_core::lifecycle::{Steer, Unsteerable};
use tokio::sync::oneshot;

/// Commands that wait for a driver, which takes one as soon as it comes.
pub(super) const MAX_COMMANDS: usize = 16;

/// What an admin wants, and where the answer goes.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) steer: Steer,
    pub(super) answer: oneshot::Sender<Result<(), Unsteerable>>,
}

//! What an admin tells an open channel.

use forebay_core::lifecycle::{OverrideError, SourceOverride};
use tokio::sync::oneshot;

/// Commands that wait for a driver, which takes one as soon as it comes.
pub(super) const MAX_COMMANDS: usize = 16;

/// What an admin wants, and where the answer goes.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) order: SourceOverride,
    pub(super) answer: oneshot::Sender<Result<(), OverrideError>>,
}

//! Orders of an admin to an open channel.

use forebay_core::lifecycle::{OverrideError, SourceOverride};
use tokio::sync::oneshot;

/// Commands that may wait for a driver, which takes each as soon as it comes.
pub(super) const MAX_COMMANDS: usize = 16;

/// A source override, and where the answer goes.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) order: SourceOverride,
    pub(super) answer: oneshot::Sender<Result<(), OverrideError>>,
}

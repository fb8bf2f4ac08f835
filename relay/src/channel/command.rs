//! Orders of an admin to an open channel.

use forebay_core::lifecycle::{OverrideError, SourceOverride};
use tokio::sync::oneshot;

/// The most commands that wait for a driver. It takes each at once, so few ever wait.
pub(super) const MAX_COMMANDS: usize = 16;

/// A source override, and the channel for its answer.
#[derive(Debug)]
pub(super) struct Command {
    pub(super) order: SourceOverride,
    pub(super) answer: oneshot::Sender<Result<(), OverrideError>>,
}

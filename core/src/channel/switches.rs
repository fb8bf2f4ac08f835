//! From the end of one active source to the beginning of the next: which one was left, and why.

use crate::channel::{ErrorCode, SwitchReason};
use crate::failover::{SourceId, SourceOverride};
use crate::lifecycle::Reason;

/// Remembers why the active source was left until another one is active.
#[derive(Debug, Default)]
pub struct SwitchTracker {
    left: Option<(SourceId, SwitchReason)>,
    /// What an admin wanted, until that is done.
    order: Option<SwitchReason>,
}

impl SwitchTracker {
    /// An admin has given an order, at a time when `current` was active or being opened.
    pub fn handle_order(&mut self, order: SourceOverride, current: SourceId) {
        self.order = match order {
            SourceOverride::Pin(source) if source != current => Some(SwitchReason::Pinned),
            SourceOverride::Skip => Some(SwitchReason::Skipped),
            SourceOverride::Disable(source) if source == current => Some(SwitchReason::Disabled),
            SourceOverride::Pin(_)
            | SourceOverride::Disable(_)
            | SourceOverride::Unpin
            | SourceOverride::Enable(_) => None,
        };
    }

    /// The active source has failed.
    pub fn handle_failure(&mut self, source: SourceId, code: ErrorCode) {
        self.left = Some((source, SwitchReason::Failed(code)));
    }

    /// The active source is closed, and has not failed.
    pub fn handle_close(&mut self, source: SourceId, reason: Reason) {
        let reason = match reason {
            Reason::Replaced | Reason::Skipped => self.order.take().unwrap_or(SwitchReason::Returned),
            Reason::Lossy => self.order.take().unwrap_or(SwitchReason::Lossy),
            Reason::Preempted => SwitchReason::Preempted,
            Reason::Removed => SwitchReason::Removed,
            // These are failures, or the end of the channel.
            Reason::ConnectTimeout
            | Reason::NoPicture
            | Reason::Stalled
            | Reason::Unhealthy
            | Reason::Idle
            | Reason::StartTimeout
            | Reason::Shutdown => return,
        };
        self.left = Some((source, reason));
    }

    /// A source is active. Returns which one was left for it, and why.
    pub fn activate(&mut self) -> Option<(SourceId, SwitchReason)> {
        self.order = None;
        self.left.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: SourceId = SourceId(1);
    const B: SourceId = SourceId(2);

    #[test]
    fn a_switch_is_told_once_with_what_was_wrong() {
        let mut switches = SwitchTracker::default();
        assert_eq!(switches.activate(), None, "the first source is no switch");
        switches.handle_failure(A, ErrorCode::Stalled);
        assert_eq!(switches.activate(), Some((A, SwitchReason::Failed(ErrorCode::Stalled))));
        assert_eq!(switches.activate(), None);
    }

    #[test]
    fn a_source_that_is_replaced_was_left_for_an_admin_or_for_a_preferred_one() {
        for (order, reason) in [
            (None, SwitchReason::Returned),
            (Some(SourceOverride::Pin(B)), SwitchReason::Pinned),
            (Some(SourceOverride::Skip), SwitchReason::Skipped),
            (Some(SourceOverride::Disable(A)), SwitchReason::Disabled),
            // These do not ask for another source than the current one.
            (Some(SourceOverride::Pin(A)), SwitchReason::Returned),
            (Some(SourceOverride::Disable(B)), SwitchReason::Returned),
            (Some(SourceOverride::Unpin), SwitchReason::Returned),
        ] {
            let mut switches = SwitchTracker::default();
            if let Some(order) = order {
                switches.handle_order(order, A);
            }
            switches.handle_close(A, Reason::Replaced);
            assert_eq!(switches.activate(), Some((A, reason)), "{order:?}");
        }
    }

    #[test]
    fn an_order_is_done_with_the_next_active_source_whatever_it_was() {
        let mut switches = SwitchTracker::default();
        switches.handle_order(SourceOverride::Pin(B), A);
        switches.handle_failure(A, ErrorCode::Ended);
        assert_eq!(switches.activate(), Some((A, SwitchReason::Failed(ErrorCode::Ended))));
        switches.handle_close(B, Reason::Replaced);
        assert_eq!(switches.activate(), Some((B, SwitchReason::Returned)));
    }

    #[test]
    fn the_end_of_a_channel_is_no_switch() {
        for reason in [Reason::Idle, Reason::Shutdown] {
            let mut switches = SwitchTracker::default();
            switches.handle_close(A, reason);
            assert_eq!(switches.activate(), None);
        }
    }
}

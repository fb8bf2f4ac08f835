//! Why a channel changed from one source to another.

use std::fmt;

use super::error_code::ErrorCode;

/// Why the active source was left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum SwitchReason {
    /// The source failed, or a rule of health found fault with it.
    Failed(ErrorCode),
    /// A source that is preferred proved itself, and the channel returned to it.
    Returned,
    /// The source lost packets all the time, and another one did not.
    Lossy,
    /// An admin pinned another source.
    Pinned,
    /// An admin skipped the source.
    Skipped,
    /// An admin disabled the source.
    Disabled,
    /// Its provider needed the connection for something more important.
    Preempted,
    /// The source is no longer configured.
    Removed,
}

impl SwitchReason {
    /// Its word in the status document and in events.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Failed(code) => code.name(),
            Self::Returned => "return",
            Self::Lossy => "lossy",
            Self::Pinned => "pinned",
            Self::Skipped => "skipped",
            Self::Disabled => "disabled",
            Self::Preempted => "preempted",
            Self::Removed => "removed",
        }
    }
}

impl fmt::Display for SwitchReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

//! A channel while it is open: why its sources fail, and why one is left for another.

mod error_code;
mod switch_reason;

pub use self::error_code::ErrorCode;
pub use self::switch_reason::SwitchReason;

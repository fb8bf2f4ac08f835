//! A channel while it is open: who reads it, what may be opened for them, why its sources fail, why
//! one is left for another, what viewers are sent meanwhile, and how much they are sent.

pub mod claims;
mod error_code;
mod meter;
pub mod outage;
mod presence;
mod switch_reason;
mod switches;

pub use self::error_code::ErrorCode;
pub use self::meter::Meter;
pub use self::outage::Outage;
pub use self::presence::{Presence, PresenceTracker, ReaderCounts};
pub use self::switch_reason::SwitchReason;
pub use self::switches::SwitchTracker;

//! A channel while it is open: why its sources fail, why one is left for another, what viewers are
//! sent meanwhile, and how much they are sent.

mod error_code;
mod meter;
pub mod outage;
mod switch_reason;
mod switches;

pub use self::error_code::ErrorCode;
pub use self::meter::Meter;
pub use self::outage::Outage;
pub use self::switch_reason::SwitchReason;
pub use self::switches::Switches;

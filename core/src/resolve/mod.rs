//! Pages of video platforms, and what is known of them.
//!
//! A page is a platform and an id there ([`Page`]). A worker resolves it into a document with the
//! addresses of its media; that takes time, and a platform that is asked too often refuses. So all
//! who ask do so at one [`Desk`]: it keeps answers as long as they are good, lets one worker
//! resolve for all who wait, keeps failures by their class ([`Class`]), and spares a platform that
//! refuses.

mod choice;
mod desk;
mod expiry;
mod failure;
mod page;
mod platform;

pub use self::choice::{Choice, Format, Quality, WrongQuality, choose};
pub use self::desk::{Action, Answer, Desk, Limits, Load, Need, Resolved};
pub use self::expiry::{lifetime, renew_after};
pub use self::failure::{Class, Failure};
pub use self::page::{NotAPage, Page, Target};
pub use self::platform::Platform;

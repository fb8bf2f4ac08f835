//! Decisions about a push: when it is tried again, whether its server stands still, and what is
//! left out for one that is too slow.

mod queue;
mod retry;
mod stall;

pub use self::queue::Queue;
pub use self::retry::{Ending, Retry};
pub use self::stall::Acknowledgements;

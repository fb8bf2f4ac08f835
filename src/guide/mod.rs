//! Guides: reading them, and telling what is on.
//!
//! A guide comes to the disk as a list of channels does, is unpacked (`unpack`), and becomes a file
//! of its own (`store`), which replaces the one before when it is complete: a guide that does not
//! come any more, or that is none, changes nothing. `named` says which guides there are; `service`
//! reads them when they are due and finds out which of their channels are those of the lineup
//! (`snapshot`). A user's word on that is the guide id that he or she gives a channel. `made`
//! writes our own guide from them, once for all who may see the same channels (`kept`).
//!
//! All of it runs on threads that may wait, one piece of heavy work at a time, and no viewer waits
//! for any of it.

mod kept;
mod made;
mod named;
mod service;
mod snapshot;
mod store;
mod unpack;

pub use self::made::{Made, Seen, read_all};
pub use self::service::{Counts, GuideStatus, Guides};
pub use self::snapshot::{Snapshot, Suggested};
pub use self::store::{Airing, Error};

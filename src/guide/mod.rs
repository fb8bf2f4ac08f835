//! Guides: reading them, and telling what is on.
//!
//! `named` says which guides there are, and `schedule` when each is read. A reading (`reading`)
//! fetches the document, unpacks it (`unpack`) and writes a file of its own (`store`): each import
//! another one, which never changes, and which `files` puts in force and removes when nobody reads
//! it any more. A guide that does not come, breaks off or is none changes nothing. `service` is the
//! task that sees to all of that, and has the channels of guides matched with those of the lineup
//! (`matched`). The result is a `snapshot`, which holds the very files whose channels it numbers. A
//! user's word on a match is the guide id that he or she gives a channel. `document` writes our own
//! guide, in a task that outlives whoever asked (`making`), once for all who may watch the same
//! channels (`documents`).
//!
//! CPU-heavy work is done one job at a time on threads that may wait, and no viewer waits for it.

mod document;
mod documents;
mod files;
mod making;
mod matched;
mod named;
mod reading;
mod schedule;
mod service;
mod snapshot;
mod store;
mod tally;
mod tasks;
mod unpack;

pub use self::document::{Document, Visibility, read_all};
pub use self::service::{GuideStatus, Guides};
pub use self::snapshot::{Programmes, Snapshot, Suggested, Wanted};
pub use self::store::{Airing, Error};
pub use self::tally::Counts;

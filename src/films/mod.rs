//! Films: files in folders, which are played from the moment in which they are there.
//!
//! The [`Library`] looks into the folders and knows which films there are; each keeps its id in the
//! database. A film that is played is opened once for all its viewers ([`Shelf`]): its file, and
//! the index of it. Viewers are sent [`Content`]: a head, and ranges of the file. Segments put
//! together in memory stay there for the next viewer ([`Made`]).

mod content;
mod id;
mod key;
mod ladder;
mod library;
mod made;
mod opened;
mod pages;
mod pictures;
mod shelf;
mod sidecars;
mod video;
mod walk;

pub use self::content::{Content, Next};
pub use self::id::FilmId;
pub use self::key::SegmentKey;
pub use self::ladder::{Copies, Ladder, OpenCopy};
pub use self::library::Library;
pub use self::made::{Kept, Made, MadeCounts};
pub use self::opened::{OpenError, Opened, file_tag, open, tag};
pub use self::pictures::{NoPicture, Pictures, Storyboard};
pub use self::shelf::Shelf;
pub use self::sidecars::Sidecar;
pub use self::video::{Refusal, Video, Videos};

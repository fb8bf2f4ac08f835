//! What of lists somebody may see: the channels and films that he or she may watch.

use std::sync::Arc;

use crate::accounts::Watcher;
use crate::db::listing::Entry;
use crate::films::Video;

/// Who looks at a list. Unless something else is said, all of it is seen.
#[derive(Debug, Clone, Default)]
pub(super) struct Sight {
    watcher: Watcher,
    /// The groups that are for adults.
    adult: Arc<[String]>,
}

impl Sight {
    pub(super) fn new(watcher: Watcher, adult: Arc<[String]>) -> Self {
        Self { watcher, adult }
    }

    /// Whether that needs no look at each channel.
    pub(super) fn sees_all(&self) -> bool {
        self.watcher.may_watch_all(&self.adult)
    }

    /// Whether this channel is seen.
    pub(super) fn sees(&self, entry: &Entry<'_>) -> bool {
        self.watcher.may_watch_one(entry.id, entry.group.as_slice(), &self.adult)
    }

    /// Whether this film is seen.
    pub(super) fn sees_film(&self, video: &Video) -> bool {
        self.watcher.may_watch_one(&video.id.to_string(), &video.groups, &self.adult)
    }
}

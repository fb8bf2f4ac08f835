//! What somebody watches: a channel, a film, or a page of a video platform.

use std::sync::Arc;

use forebay_relay::model::Channel;

/// A channel or a film, as far as it matters who may watch it. Cloning is cheap.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Title {
    id: Arc<str>,
    groups: Arc<[Box<str>]>,
}

impl Title {
    /// How the id of a page of a video platform begins.
    pub const PAGE: &str = "page:";

    /// The page that is written like this: `youtube/dQw4w9WgXcQ`. It is in no group.
    pub fn of_page(page: &str) -> Self {
        Self::new(&format!("{}{page}", Self::PAGE), [])
    }

    /// What has this id, and is in these groups.
    pub fn new<'a>(id: &str, groups: impl IntoIterator<Item = &'a str>) -> Self {
        Self { id: id.into(), groups: groups.into_iter().map(Into::into).collect() }
    }

    /// Its id. No film has that of a channel.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The groups that it is in.
    pub fn groups(&self) -> &[Box<str>] {
        &self.groups
    }
}

impl From<&Channel> for Title {
    fn from(channel: &Channel) -> Self {
        Self::new(channel.id.base(), channel.group.as_deref())
    }
}

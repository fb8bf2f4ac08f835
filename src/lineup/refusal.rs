//! Why something was not done with playlists and their channels.

use std::path::PathBuf;

use forebay_core::lineup::identity::{GroupId, SourceId};
use forebay_relay::model::FieldError;

use super::fetch::FetchError;
use super::rules::WrongRule;
use crate::db;
use crate::db::lineup::{PlaylistError, PlaylistId};

/// Why something was not done. Nothing has changed.
#[derive(Debug, thiserror::Error)]
pub enum Refusal {
    /// Fields are wrong, in the words of the configuration file.
    #[error("{} fields are wrong", .0.len())]
    Fields(Vec<FieldError>),
    /// A rule is wrong.
    #[error("{}", .0.message)]
    Rule(WrongRule),
    /// The configuration file has the playlist.
    #[error("this playlist belongs to {}, and can be changed there only", .0.display())]
    FileOwns(PathBuf),
    /// There is no playlist with this number.
    #[error("there is no playlist {}", .0.0)]
    Unknown(PlaylistId),
    /// There is no channel with this number.
    #[error("there is no channel {}", .0.0)]
    UnknownChannel(SourceId),
    /// There is no group with this number.
    #[error("there is no group {}", .0.0)]
    UnknownGroup(GroupId),
    /// Another playlist has this name.
    #[error("{0}")]
    Taken(String),
    /// It is being read already.
    #[error("the playlist is being read already")]
    Running,
    /// There is nothing that could be accepted, discarded, cancelled or undone.
    #[error("{0}")]
    Nothing(&'static str),
    /// The list was not taken: an admin is to look at it.
    #[error("the list is held: {0}")]
    Held(String),
    /// The list did not come.
    #[error("the list cannot be read: {0}")]
    Fetch(#[from] FetchError),
    /// The database did not do it.
    #[error(transparent)]
    Database(#[from] db::Error),
}

impl From<PlaylistError> for Refusal {
    fn from(error: PlaylistError) -> Self {
        match error {
            PlaylistError::Database(error) => Self::Database(error),
            taken @ PlaylistError::NameTaken(_) => Self::Taken(taken.to_string()),
        }
    }
}

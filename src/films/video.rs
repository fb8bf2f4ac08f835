//! What is told of a film.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use super::FilmId;
use super::walk::media_type;
use crate::db::films::Identity;

/// A film.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Video {
    /// Its name in addresses.
    pub id: FilmId,
    pub(super) path: PathBuf,
    pub(super) identity: Identity,
    /// How long it is, where it can be played in parts.
    pub duration: Option<Duration>,
    /// Why it cannot.
    pub refusal: Option<Refusal>,
    /// The groups that it is in: the folders that it lies in, from that of the configuration down.
    pub groups: Vec<String>,
}

/// Bits a second that are assumed of a film of which nobody knows how long it is.
const ASSUMED_RATE: u64 = 8_000_000;

/// The code of the refusal of a film that is still being written.
pub(super) const GROWING: &str = "growing";

/// Why a film is offered as a file only.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// For programs.
    pub code: String,
    /// For people.
    pub message: String,
}

/// The films at one moment, in the order of their titles.
#[derive(Debug, Default)]
pub struct Videos {
    pub(super) all: Vec<Arc<Video>>,
    by_id: HashMap<FilmId, usize>,
    by_player_id: HashMap<u32, usize>,
}

impl Video {
    /// What people know it by: the name of its file.
    pub fn title(&self) -> String {
        self.path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Whether its file was still being written when it was looked at.
    pub fn is_growing(&self) -> bool {
        self.refusal.as_ref().is_some_and(|refusal| refusal.code == GROWING)
    }

    /// Bits a second that somebody needs who plays it, on average.
    pub fn rate(&self) -> u64 {
        let seconds = self.duration.map_or(0, |duration| duration.as_secs());
        // No division where the length is not known, or is less than a second.
        self.size().saturating_mul(8).checked_div(seconds).unwrap_or(ASSUMED_RATE)
    }

    /// Bytes of its file.
    pub fn size(&self) -> u64 {
        self.identity.size
    }

    /// When its file was last written to, in nanoseconds since 1970.
    pub fn modified(&self) -> i64 {
        self.identity.modified
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The media type of the file.
    pub fn media_type(&self) -> &'static str {
        media_type(&self.path).unwrap_or("application/octet-stream")
    }
}

impl Videos {
    pub(super) fn new(mut all: Vec<Arc<Video>>) -> Self {
        // With the id, so that films of one title keep their order
        // from one look to the next, and pages of lists fit together.
        all.sort_by_cached_key(|video| (video.title().to_lowercase(), video.id));
        let by_id = all.iter().enumerate().map(|(at, video)| (video.id, at)).collect();
        // The first of two with one number is its film.
        let by_player_id = all.iter().enumerate().rev().map(|(at, video)| (video.id.player_id(), at));
        Self { by_id, by_player_id: by_player_id.collect(), all }
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.all.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    /// All of them.
    pub fn all(&self) -> &[Arc<Video>] {
        &self.all
    }

    /// The film that players of Xtream Codes know by this.
    pub fn find_by_player_id(&self, id: u32) -> Option<&Arc<Video>> {
        self.by_player_id.get(&id).map(|&at| &self.all[at])
    }

    /// The film with this id.
    pub fn find(&self, id: FilmId) -> Option<Arc<Video>> {
        self.by_id.get(&id).map(|&at| Arc::clone(&self.all[at]))
    }
}

//! The guides as they are: which there are, and which of their channels are ours.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Weak;

use forebay_core::guide::matching::{GuideChannel, How};
use forebay_core::guide::suggest::{Scratch, Suggestions};

use super::store::{Airing, Error, Info, Stored};
use crate::catalogue::List;

/// The guides that can be read, in their order, and whose channels they have.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) guides: Vec<Known>,
    /// By the id of a channel of ours.
    pub(super) matches: HashMap<Box<str>, (GuideChannel, How)>,
    pub(super) version: u64,
    /// The list that was matched.
    pub(super) list: Weak<List>,
}

/// A guide that was taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Known {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) path: PathBuf,
    pub(super) info: Info,
}

/// A channel of a guide that may be one of ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Suggested {
    /// The name of the guide.
    pub guide: String,
    /// The id of the channel in it.
    pub id: String,
    /// The name that is alike.
    pub name: String,
    /// How much: 100 where they are the same.
    pub score: u32,
}

impl Snapshot {
    /// The channel of a guide that is this one of ours.
    pub(super) fn match_of(&self, id: &str) -> Option<GuideChannel> {
        self.matches.get(id).map(|(at, _)| *at)
    }

    /// Opens a guide. Waits for the disk.
    pub(super) fn open(&self, guide: u16) -> Result<Stored, Error> {
        Stored::open(&self.guides[usize::from(guide)].path)
    }

    /// The programmes of channels of ours within a window, up to `limit` of each. Waits for the
    /// disk.
    pub fn programmes(
        &self,
        ids: &[String],
        window: (i64, i64),
        limit: usize,
    ) -> Result<Vec<Vec<Airing>>, Error> {
        let mut opened: HashMap<u16, Stored> = HashMap::new();
        let of_one = |id: &String| {
            let Some(at) = self.match_of(id) else { return Ok(Vec::new()) };
            let stored = match opened.remove(&at.guide) {
                Some(stored) => stored,
                None => self.open(at.guide)?,
            };
            let mut all = Vec::new();
            stored.programmes(at.channel, window, |airing| {
                all.push(airing);
                all.len() < limit
            })?;
            opened.insert(at.guide, stored);
            Ok(all)
        };
        ids.iter().map(of_one).collect()
    }

    /// Programmes behind `from` whose title holds this folded text, with the ids of our channels
    /// that `seen` has, by the channels of guides. Waits for the disk.
    pub fn search(
        &self,
        text: &str,
        from: i64,
        seen: &[String],
        limit: usize,
    ) -> Result<Vec<(String, Airing)>, Error> {
        let mut ours: HashMap<GuideChannel, &String> = HashMap::new();
        for id in seen {
            if let Some(at) = self.match_of(id) {
                ours.entry(at).or_insert(id);
            }
        }
        let mut found = Vec::new();
        for guide in 0..u16::try_from(self.guides.len()).unwrap_or(u16::MAX) {
            let most = found.len() + limit;
            self.open(guide)?.search(text, from, |channel, airing| {
                if let Some(id) = ours.get(&GuideChannel { guide, channel }) {
                    found.push(((*id).clone(), airing));
                }
                found.len() < most
            })?;
        }
        found.sort_by_key(|(_, airing)| airing.start);
        found.truncate(limit);
        Ok(found)
    }

    /// Channels of guides whose names are like this one, the best first. Waits for the disk.
    pub fn suggest(&self, name: &str, limit: usize) -> Result<Vec<Suggested>, Error> {
        let (mut names, mut all) = (Suggestions::default(), Vec::new());
        for known in &self.guides {
            Stored::open(&known.path)?.channels(|channel| {
                for name in channel.names {
                    names.add(&name);
                    all.push((known, channel.id.clone(), name));
                }
            })?;
        }
        let found = names.find(name, limit, &mut Scratch::default());
        let suggested = found.into_iter().map(|it| {
            let (known, id, name) = &all[it.name as usize];
            Suggested { guide: known.name.clone(), id: id.clone(), name: name.clone(), score: it.score }
        });
        Ok(suggested.collect())
    }
}

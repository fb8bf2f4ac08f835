//! The guides as they are: which there are, and which of their channels are ours.

use std::collections::{BinaryHeap, HashMap, HashSet};
use std::sync::{Arc, Weak};

use forebay_core::guide::matching::{GuideChannel, MatchKind};
use forebay_core::guide::suggest::{Scratch, Suggestions};
use memchr::memmem::Finder;
use tokio_util::sync::CancellationToken;

use super::files::GuideFile;
use super::store::{Airing, Error, Stored};
use crate::catalogue::List;

/// Bytes of programmes that one answer is made of. Two weeks of a channel have less than a tenth.
const MAX_ANSWER_BYTES: usize = 8 << 20;

/// Names of guides that are compared with one that is looked for.
const MAX_NAMES: usize = 500_000;

/// Titles between two looks at whether somebody still waits.
const LOOK_EVERY: u32 = 1024;

/// The guides that can be read, in their order, and whose channels they have. The numbers of
/// channels are those of the very files that it holds.
#[derive(Debug, Default)]
pub struct Snapshot {
    pub(super) guides: Vec<StoredGuide>,
    /// By the id of a channel of ours.
    pub(super) matches: Matches,
    pub(super) version: u64,
    /// The hour since 1970 in which it was matched: what has programmes depends on the time.
    pub(super) hour: i64,
    /// The list that was matched.
    pub(super) list: Weak<List>,
    /// Names and ids of guides that had no room.
    pub(super) left_out: u64,
}

/// What of guides is ours, by the id of a channel of ours.
pub(super) type Matches = HashMap<Box<str>, Match>;

/// The channel of a guide that is one of ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) at: GuideChannel,
    pub(super) kind: MatchKind,
    /// Seconds that are to be added to the guide's times.
    pub(super) shift: i64,
}

/// A guide with the version of it that is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredGuide {
    pub(super) key: String,
    pub(super) name: String,
    pub(super) file: Arc<GuideFile>,
}

/// The programmes of channels.
#[derive(Debug, Default)]
pub struct Programmes {
    /// Those of each channel, in the order that was asked for.
    pub channels: Vec<Vec<Airing>>,
    /// There were more than one answer may have.
    pub is_cut: bool,
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

/// What of a channel's programmes is asked for. Times are in seconds since 1970.
#[derive(Debug, Clone, Copy)]
pub struct Wanted {
    /// They end behind this.
    pub from: i64,
    /// They begin before this.
    pub to: i64,
    /// The programme that runs at `from` is the first one, though others may not be over.
    pub is_from_running: bool,
    /// So many at most.
    pub limit: usize,
}

impl Snapshot {
    /// The channel of a guide that is this one of ours.
    pub(super) fn match_of(&self, id: &str) -> Option<Match> {
        self.matches.get(id).copied()
    }

    /// Opens a guide; none if it is damaged. Waits for the disk.
    pub(super) fn open(&self, guide: u16) -> Result<Option<Stored>, Error> {
        let file = &self.guides[usize::from(guide)].file;
        if file.damage().is_some() {
            return Ok(None);
        }
        match file.open() {
            Ok(stored) => Ok(Some(stored)),
            Err(error) => self.leave_out(guide, error).map(|()| None),
        }
    }

    /// Notes that a guide is damaged, and is left out from now on; other errors are handed back.
    pub(super) fn leave_out(&self, guide: u16, error: Error) -> Result<(), Error> {
        let file = &self.guides[usize::from(guide)].file;
        file.note(&error);
        if file.damage().is_some() { Ok(()) } else { Err(error) }
    }

    /// The programmes of channels of ours. Waits for the disk.
    pub fn programmes(&self, ids: &[String], wanted: Wanted) -> Result<Programmes, Error> {
        let mut opened: HashMap<u16, Option<Stored>> = HashMap::new();
        let (mut found, mut bytes) = (Programmes::default(), 0);
        for id in ids {
            let mut all = Vec::new();
            if let Some(Match { at, shift, .. }) = self.match_of(id) {
                // As the guide has it, until a programme is handed out.
                let (from, to) = (wanted.from.saturating_sub(shift), wanted.to.saturating_sub(shift));
                let stored = match opened.remove(&at.guide) {
                    Some(stored) => stored,
                    None => self.open(at.guide)?,
                };
                let read = stored.as_ref().map_or(Ok(()), |stored| {
                    let least = if wanted.is_from_running { stored.running(at.channel, from)? } else { None };
                    stored.programmes(at.channel, (from, to), |airing| {
                        if least.is_some_and(|least| airing.start.seconds() < least) {
                            return true;
                        }
                        bytes += airing.body.len();
                        found.is_cut |= bytes > MAX_ANSWER_BYTES;
                        if !found.is_cut {
                            all.push(airing.shifted(shift));
                        }
                        !found.is_cut && all.len() < wanted.limit
                    })
                });
                match read {
                    Ok(()) => opened.insert(at.guide, stored),
                    Err(error) => {
                        self.leave_out(at.guide, error)?;
                        opened.insert(at.guide, None)
                    }
                };
            }
            found.channels.push(all);
        }
        Ok(found)
    }

    /// The first programmes behind `from` whose title holds this folded text, in the order of time,
    /// with the ids of our channels that `seen` has. Waits for the disk.
    pub fn search(
        &self,
        text: &str,
        from: i64,
        seen: &[String],
        limit: usize,
        cancelled: &CancellationToken,
    ) -> Result<Vec<(String, Airing)>, Error> {
        // Channels with the same programmes at the same time are told of once, by the first of
        // them.
        let mut ours: HashMap<GuideChannel, Vec<(usize, i64)>> = HashMap::new();
        for (at, id) in seen.iter().enumerate() {
            let Some(found) = self.match_of(id) else { continue };
            let same = ours.entry(found.at).or_default();
            if same.iter().all(|(_, shift)| *shift != found.shift) {
                same.push((at, found.shift));
            }
        }
        // What is over by the guide may go on for a channel that is late.
        let latest = ours.values().flatten().map(|(_, shift)| *shift).max().unwrap_or_default();
        let finder = Finder::new(text);
        // The latest one is on top. Bodies are read of those alone that are answered.
        let mut best: BinaryHeap<(i64, u16, i64, usize)> = BinaryHeap::with_capacity(limit + 1);
        for guide in 0..u16::try_from(self.guides.len()).unwrap_or(u16::MAX) {
            let Some(stored) = self.open(guide)? else { continue };
            let mut looked = 0_u32;
            let read = stored.titles(from.saturating_sub(latest), |it| {
                looked = looked.wrapping_add(1);
                let of_channel = ours.get(&GuideChannel { guide, channel: it.channel });
                for (id, shift) in of_channel.into_iter().flatten() {
                    let hit = (it.start + shift, guide, it.row, *id);
                    let is_earlier = best.len() < limit || best.peek().is_some_and(|last| hit < *last);
                    if it.stop + shift > from && is_earlier && finder.find(it.folded).is_some() {
                        best.push(hit);
                        if best.len() > limit {
                            best.pop();
                        }
                    }
                }
                !looked.is_multiple_of(LOOK_EVERY) || !cancelled.is_cancelled()
            });
            if cancelled.is_cancelled() {
                return Err(Error::Cancelled);
            }
            if let Err(error) = read {
                self.leave_out(guide, error)?;
                best.retain(|(_, of, ..)| *of != guide);
            }
        }
        let mut opened: HashMap<u16, Option<Stored>> = HashMap::new();
        let (mut found, mut bytes) = (Vec::new(), 0);
        for (_, guide, row, id) in best.into_sorted_vec() {
            let stored = match opened.remove(&guide) {
                Some(stored) => stored,
                None => self.open(guide)?,
            };
            let airing = stored.as_ref().map(|stored| stored.programme(row)).transpose()?;
            opened.insert(guide, stored);
            let Some(airing) = airing else { continue };
            bytes += airing.body.len();
            if bytes > MAX_ANSWER_BYTES {
                break;
            }
            let shift = self.match_of(&seen[id]).map_or(0, |found| found.shift);
            found.push((seen[id].clone(), airing.shifted(shift)));
        }
        Ok(found)
    }

    /// Channels of guides that have programmes and whose names are like this one, the best first,
    /// each by the best of its names. Waits for the disk.
    pub fn suggest(
        &self,
        name: &str,
        limit: usize,
        now: i64,
        cancelled: &CancellationToken,
    ) -> Result<Vec<Suggested>, Error> {
        let (mut names, mut all) = (Suggestions::default(), Vec::new());
        for (guide, of) in (0..).zip(&self.guides) {
            let Some(stored) = self.open(guide)? else { continue };
            let read = stored.channels(now, |channel| {
                for name in channel.names {
                    if channel.has_programmes && all.len() < MAX_NAMES {
                        names.add(&name);
                        all.push((of, (guide, channel.id.clone()), name));
                    }
                }
                all.len() < MAX_NAMES && !cancelled.is_cancelled()
            });
            if cancelled.is_cancelled() {
                return Err(Error::Cancelled);
            }
            if let Err(error) = read {
                self.leave_out(guide, error)?;
            }
        }
        let mut seen = HashSet::new();
        let found = names.find(name, all.len(), &mut Scratch::default());
        let suggested = found.into_iter().filter_map(|it| {
            let (of, key, name) = &all[it.name as usize];
            let suggested = || Suggested {
                guide: of.name.clone(),
                id: key.1.clone(),
                name: name.clone(),
                score: it.score,
            };
            seen.insert(key).then(suggested)
        });
        Ok(suggested.take(limit).collect())
    }
}

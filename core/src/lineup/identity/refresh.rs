//! A refresh: the known sources and a new list become a plan.

use std::time::Duration;

use super::known::KnownSources;
use super::late::{self, Late};
use super::{Entry, Identity, Known, SourceId, UnixTime};
use crate::lineup::m3u::Document;

/// Entries that may wait for the end of the list, since only what is left over tells which sources
/// they are. Further ones are decided at once: by their key in the order of the list, or as new
/// ones.
pub const MAX_LATE: usize = 4096;

/// What a refresh may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Options {
    /// When it happens.
    pub now: UnixTime,
    /// How long a missing source is kept, with all that users made of it.
    pub keep_absent: Duration,
    /// The most that may go missing at once, in percent of the sources that were there.
    pub max_loss_percent: u64,
    /// An admin has seen what is missing, and wants it so.
    pub is_accepted: bool,
}

impl Options {
    /// The defaults: 30 days, and 30 %.
    pub fn new(now: UnixTime) -> Self {
        let keep_absent = Duration::from_hours(30 * 24);
        Self { now, keep_absent, max_loss_percent: 30, is_accepted: false }
    }
}

/// A row to write. What is not named stays as it is: numbers, ids and edits are never touched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change<'a> {
    /// A source is new.
    Added {
        /// What it is.
        entry: &'a Entry,
        /// To be stored with it.
        identity: Identity,
        /// Its place in the list, from 0.
        position: u32,
    },
    /// A known source has other attributes or another address.
    Changed {
        /// Which one.
        id: SourceId,
        /// What it is now.
        entry: &'a Entry,
        /// To be stored with it.
        identity: Identity,
        /// It was absent.
        is_back: bool,
    },
    /// An absent source is there again, and unchanged.
    Returned(SourceId),
    /// A source is missing.
    Absent(SourceId),
    /// A source has been missing for too long, and may be deleted.
    Expired(SourceId),
}

/// How many sources there are of each kind.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Entries of the list.
    pub entries: u64,
    /// New sources.
    pub added: u64,
    /// Known sources with other attributes.
    pub changed: u64,
    /// Known sources that are as they were.
    pub unchanged: u64,
    /// Sources that were absent, changed or not.
    pub returned: u64,
    /// Sources that are missing now.
    pub absent: u64,
    /// Sources that were missing for too long.
    pub expired: u64,
    /// Entries that had to be decided early: see [`MAX_LATE`].
    pub decided_early: u64,
}

/// What to do with what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Keep it.
    Applied,
    /// Take it back, and tell the admins.
    Held(Held),
}

/// Why a list is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Held {
    /// The document is not a list.
    NotAList(Document),
    /// It has no entries.
    Empty,
    /// It ended before its end.
    CutShort,
    /// More would go missing than may.
    TooManyGone {
        /// So many.
        gone: u64,
        /// Of so many.
        of: u64,
    },
}

impl Held {
    /// Whether an admin may accept the list all the same.
    pub fn is_acceptable(self) -> bool {
        !matches!(self, Self::NotAList(_))
    }
}

/// A refresh of one list. See the [module](super).
#[derive(Debug)]
pub struct Refresh {
    options: Options,
    known: KnownSources,
    /// The addresses of the known sources, in order.
    addresses: Vec<u32>,
    /// How many were present.
    present: u64,
    late: Vec<Late>,
    counts: Counts,
}

impl Refresh {
    /// Begins a refresh of a list with these sources.
    pub fn new(known: Vec<Known>, options: Options) -> Self {
        // Sorted, to be searched for each entry of the list.
        let mut addresses: Vec<u32> = known.iter().map(|it| it.identity.address).collect();
        addresses.sort_unstable();
        let known = KnownSources::new(known);
        let present = known.present();
        Self { options, known, addresses, present, late: Vec::new(), counts: Counts::default() }
    }

    /// Takes the next entry, and tells what to write, if anything.
    pub fn observe(&mut self, entry: &Entry, take: &mut impl FnMut(Change<'_>)) {
        let identity = Identity::of(entry);
        let position = u32::try_from(self.counts.entries).unwrap_or(u32::MAX);
        self.counts.entries += 1;
        // Whatever else is alike, an entry that is as it was needs no second look.
        if let Some(at) = self.known.exact(&identity) {
            self.seen(at, entry, identity, take);
        } else if !self.may_be_known(&identity) {
            self.added(entry, identity, position, take);
        } else if self.late.len() < MAX_LATE {
            self.late.push(Late { entry: entry.clone(), identity, position });
        } else {
            // Better a guess by the key than a list that fills the memory.
            self.counts.decided_early += 1;
            match self.known.by_key(identity.key) {
                Some(at) => self.seen(at, entry, identity, take),
                None => self.added(entry, identity, position, take),
            }
        }
    }

    fn may_be_known(&self, identity: &Identity) -> bool {
        // A stream id of a panel is a name of its own: the address may change with the token.
        if identity.key.is_of_stream() {
            return self.known.has_key(identity.key);
        }
        self.known.has_key(identity.key)
            || self.addresses.binary_search(&identity.address).is_ok()
            || (identity.key.id != 0 && self.known.has_guide_id(identity.key))
    }

    /// Ends the list, and tells the rest of what to write. A list that is held has no rest.
    ///
    /// `document` is what the list turned out to be; `is_whole` says that all of it came.
    pub fn finish(
        mut self,
        document: Document,
        is_whole: bool,
        take: &mut impl FnMut(Change<'_>),
    ) -> (Verdict, Counts) {
        let late = std::mem::take(&mut self.late);
        // At the end, what is left of the known sources tells which of them an entry can be.
        let found = late::assign(&late, &mut self.known);
        for (Late { entry, identity, position }, found) in late.into_iter().zip(found) {
            match found {
                Some(at) => self.seen(at, &entry, identity, take),
                None => self.added(&entry, identity, position, take),
            }
        }
        let verdict = self.verdict(document, is_whole);
        // A list that is held must not mark as missing what it did not name.
        if verdict == Verdict::Applied {
            self.absent(take);
        }
        (verdict, self.counts)
    }

    fn verdict(&self, document: Document, is_whole: bool) -> Verdict {
        // Returned ones were not present before, so they cannot make up for what is gone.
        let gone = self.present - self.present_and_seen();
        let held = match document {
            Document::List | Document::EmptyList if self.counts.entries == 0 => Held::Empty,
            // A list that broke off names only its beginning: the rest is not missing.
            Document::List if !is_whole => Held::CutShort,
            // In whole numbers, to the percent that users set.
            Document::List if gone * 100 > self.present * self.options.max_loss_percent => {
                Held::TooManyGone { gone, of: self.present }
            }
            Document::List => return Verdict::Applied,
            Document::Nothing => Held::Empty,
            document => Held::NotAList(document),
        };
        // A document that is no list has nothing that an admin could accept.
        if held.is_acceptable() && self.options.is_accepted { Verdict::Applied } else { Verdict::Held(held) }
    }

    fn present_and_seen(&self) -> u64 {
        self.counts.changed + self.counts.unchanged - self.counts.returned
    }

    fn absent(&mut self, take: &mut impl FnMut(Change<'_>)) {
        let Options { now, keep_absent, .. } = self.options;
        let kept_since = now.seconds().saturating_sub_unsigned(keep_absent.as_secs());
        for (_, Known { id, absent_since, .. }) in self.known.unseen() {
            match absent_since {
                None => {
                    self.counts.absent += 1;
                    take(Change::Absent(*id));
                }
                // Kept for so long: users' numbers and edits come back with a source that returns.
                Some(since) if since.seconds() < kept_since => {
                    self.counts.expired += 1;
                    take(Change::Expired(*id));
                }
                Some(_) => (),
            }
        }
    }

    fn seen(&mut self, at: usize, entry: &Entry, identity: Identity, take: &mut impl FnMut(Change<'_>)) {
        self.known.see(at);
        let known = self.known.get(at);
        let is_back = known.absent_since.is_some();
        self.counts.returned += u64::from(is_back);
        if known.identity == identity {
            self.counts.unchanged += 1;
            if is_back {
                take(Change::Returned(known.id));
            }
        } else {
            self.counts.changed += 1;
            take(Change::Changed { id: known.id, entry, identity, is_back });
        }
    }

    fn added(&mut self, entry: &Entry, identity: Identity, position: u32, take: &mut impl FnMut(Change<'_>)) {
        self.counts.added += 1;
        take(Change::Added { entry, identity, position });
    }
}

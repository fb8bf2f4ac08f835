//! A store of sources in memory, which does what a refresh says.

use std::collections::BTreeMap;

use forebay_core::lineup::identity::{Change, Counts, Identity, Known, Options, Refresh, SourceId, Verdict};
use forebay_core::lineup::m3u::Document;
use forebay_core::lineup::{Entry, UnixTime};

pub(crate) const DAY: i64 = 24 * 3600;

/// What a store keeps of a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Row {
    pub(crate) entry: Entry,
    pub(crate) identity: Identity,
    pub(crate) absent_since: Option<UnixTime>,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Shelf {
    pub(crate) rows: BTreeMap<SourceId, Row>,
    next: u32,
    pub(crate) writes: u64,
}

impl Shelf {
    /// Refreshes with a good list.
    pub(crate) fn refresh(&mut self, entries: &[Entry], day: i64) -> (Verdict, Counts) {
        self.refresh_with(entries, Document::List, true, Options::new(UnixTime::from_seconds(day * DAY)))
    }

    pub(crate) fn refresh_with(
        &mut self,
        entries: &[Entry],
        document: Document,
        is_whole: bool,
        options: Options,
    ) -> (Verdict, Counts) {
        let known = self.rows.iter().map(|(&id, row)| Known {
            id,
            identity: row.identity,
            absent_since: row.absent_since,
        });
        let mut refresh = Refresh::new(known.collect(), options);
        let mut new = self.clone();
        let mut take = |change: Change<'_>| new.write(change, options.now);
        for entry in entries {
            refresh.observe(entry, &mut take);
        }
        let result = refresh.finish(document, is_whole, &mut take);
        if result.0 == Verdict::Applied {
            *self = new;
        }
        result
    }

    fn write(&mut self, change: Change<'_>, now: UnixTime) {
        self.writes += 1;
        let row = |entry: &Entry, identity| Row { entry: entry.clone(), identity, absent_since: None };
        match change {
            Change::Added { entry, identity, .. } => {
                self.rows.insert(SourceId(self.next), row(entry, identity));
                self.next += 1;
            }
            Change::Changed { id, entry, identity, .. } => {
                let old = self.rows.insert(id, row(entry, identity)).expect("it is known");
                assert_ne!(old.identity, identity, "a change changes something");
            }
            Change::Returned(id) => self.row(id).absent_since = None,
            Change::Absent(id) => self.row(id).absent_since = Some(now),
            Change::Expired(id) => drop(self.rows.remove(&id).expect("it is known")),
        }
    }

    fn row(&mut self, id: SourceId) -> &mut Row {
        self.rows.get_mut(&id).expect("it is known")
    }

    /// The name and address of each present source by its id.
    pub(crate) fn present(&self) -> Vec<(u32, &str, &str)> {
        let present = self.rows.iter().filter(|(_, row)| row.absent_since.is_none());
        present.map(|(id, row)| (id.0, row.entry.name(), row.entry.url())).collect()
    }
}

/// An entry of these attributes.
pub(crate) fn entry(guide_id: &str, name: &str, url: &str) -> Entry {
    let mut entry = Entry::default();
    entry.set_title(name);
    entry.set_url(url);
    if !guide_id.is_empty() {
        entry.push(forebay_core::lineup::Origin::Attribute, "tvg-id", guide_id);
    }
    entry
}

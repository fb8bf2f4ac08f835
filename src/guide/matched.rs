//! Which channels of guides are those of the lineup: found anew when either of them is another one.

use forebay_core::guide::matching::{GuideChannel, Index, Wanted};
use rusqlite::Connection;
use tokio_util::sync::CancellationToken;

use super::snapshot::{Match, Matches, StoredGuide};
use super::store::Error;
use crate::catalogue::{BEGINNING, List};

/// The channels of guides. Guides that turn out to be damaged are taken away from `guides`. Waits
/// for the disk.
pub(super) fn index(
    guides: &mut Vec<StoredGuide>,
    now: i64,
    cancelled: &CancellationToken,
) -> Result<Index, Error> {
    loop {
        let mut index = Index::default();
        let damaged = (0..).zip(&*guides).find_map(|(at, guide)| {
            let added = add(&mut index, at, guide, now, cancelled);
            added.err().map(|error| (at, error))
        });
        let Some((at, error)) = damaged else { return Ok(index) };
        let guide = &guides[usize::from(at)];
        guide.file.note(&error);
        if guide.file.damage().is_none() {
            return Err(error);
        }
        // Some of its channels may be in the index: it is begun anew without them.
        guides.remove(usize::from(at));
    }
}

fn add(
    index: &mut Index,
    guide: u16,
    of: &StoredGuide,
    now: i64,
    cancelled: &CancellationToken,
) -> Result<(), Error> {
    of.file.open()?.channels(now, |channel| {
        let names = channel.names.iter().map(String::as_str);
        index.add(
            GuideChannel { guide, channel: channel.number },
            &channel.id,
            names,
            channel.has_programmes,
        );
        !cancelled.is_cancelled()
    })?;
    if cancelled.is_cancelled() { Err(Error::Cancelled) } else { Ok(()) }
}

/// Whose channels they are.
pub(super) fn walk(
    index: &Index,
    (list, connection): (&List, Option<&Connection>),
    cancelled: &CancellationToken,
) -> Result<Matches, Error> {
    let mut found = Matches::new();
    list.walk(connection, BEGINNING, |entry| {
        let wanted = Wanted { guide_id: entry.guide_id, name: entry.name, group: entry.group };
        if let Some((at, kind)) = index.find(&wanted) {
            found.insert(entry.id.into(), Match { at, kind, shift: entry.guide_shift });
        }
        !cancelled.is_cancelled()
    })?;
    if cancelled.is_cancelled() { Err(Error::Cancelled) } else { Ok(found) }
}

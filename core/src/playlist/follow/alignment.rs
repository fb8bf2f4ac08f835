//! Where a new version of a playlist stands against the one before: by its media sequence numbers,
//! or where these cannot be trusted, by the segments' names.

use std::collections::{HashMap, HashSet, VecDeque};

use super::super::model::{Media, Range, Segment};

/// Numbers that are further apart than this have nothing to do with each other.
const MAX_STEP: i64 = 1 << 40;

/// What is known of a playlist.
#[derive(Debug)]
pub(super) struct Known<'a> {
    pub(super) segments: &'a VecDeque<Segment>,
    /// The position of the first segment.
    pub(super) base: i64,
    /// Its media sequence number.
    pub(super) sequence: u64,
}

/// Where the first segment of a new version stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Alignment {
    /// Where its number says.
    Numbered(i64),
    /// Elsewhere than its number says, by the segments that are known.
    Renumbered(i64),
    /// Nowhere: nothing of it is known, and its numbers lead nowhere.
    Elsewhere,
}

pub(super) fn alignment(known: &Known<'_>, media: &Media) -> Alignment {
    let step = media.sequence.wrapping_sub(known.sequence).cast_signed();
    let numbered = (-MAX_STEP..MAX_STEP).contains(&step).then(|| known.base + step);
    let end = known.base.saturating_add_unsigned(known.segments.len() as u64);
    let detail = Detail::telling_apart(known.segments, &media.segments);
    let old: Vec<Name<'_>> = known.segments.iter().map(|segment| detail.name(segment)).collect();
    let new: Vec<Name<'_>> = media.segments.iter().map(|segment| detail.name(segment)).collect();
    let mut overlap = 0;
    if let Some(base) = numbered {
        let both =
            (known.base.max(base)..end).zip(usize::try_from(known.base.max(base) - base).unwrap_or(0)..);
        for (at, index) in both {
            let Some(name) = new.get(index) else { break };
            overlap += 1;
            if usize::try_from(at - known.base).is_ok_and(|at| old.get(at) == Some(name)) {
                return Alignment::Numbered(base);
            }
        }
    }
    let positions: HashMap<&Name<'_>, usize> = new.iter().enumerate().map(|(at, name)| (name, at)).collect();
    let found = old.iter().enumerate().rev().find_map(|(at, name)| Some((at, *positions.get(name)?)));
    if let Some((old, new)) = found {
        return Alignment::Renumbered(
            known.base.saturating_add_unsigned(old as u64).saturating_sub_unsigned(new as u64),
        );
    }
    match numbered {
        // The numbers stand still and all names are new: the list has moved on by its whole length.
        Some(base) if overlap > 0 && base.saturating_add_unsigned(new.len() as u64) == end => {
            Alignment::Renumbered(end)
        }
        Some(base) => Alignment::Numbered(base),
        None => Alignment::Elsewhere,
    }
}

/// What a segment is known by, besides its range: the least of its address by which all segments of
/// a list differ. So a token in the query, another host of a load balancer, or a session in the
/// path make no other segment of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Detail {
    /// The last part of the path.
    File,
    Path,
    Query,
}

type Name<'a> = (&'a str, &'a str, Option<Range>);

impl Detail {
    fn telling_apart(old: &VecDeque<Segment>, new: &[Segment]) -> Self {
        let tells = |detail: &Self| detail.is_unique(old) && detail.is_unique(new);
        [Self::File, Self::Path].into_iter().find(tells).unwrap_or(Self::Query)
    }

    fn is_unique<'a>(self, segments: impl IntoIterator<Item = &'a Segment>) -> bool {
        let mut names = HashSet::new();
        let mut last = None;
        // One that only repeats the one before it is the same by any name.
        segments
            .into_iter()
            .filter(|segment| {
                last.replace((&segment.url, segment.range)) != Some((&segment.url, segment.range))
            })
            .all(|segment| names.insert(self.name(segment)))
    }

    fn name(self, segment: &Segment) -> Name<'_> {
        let path = segment.url.path();
        let (path, query) = match self {
            Self::File => (path.rsplit('/').next().unwrap_or(path), ""),
            Self::Path => (path, ""),
            Self::Query => (path, segment.url.query().unwrap_or_default()),
        };
        (path, query, segment.range)
    }
}

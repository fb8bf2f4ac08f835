//! Entries that cannot be told while the list is read: all the others decide what is left for them.

use std::collections::HashMap;
use std::hash::Hash;

use super::known::KnownSources;
use super::{Entry, Identity, Known};

/// An entry that waits for the end.
#[derive(Debug)]
pub(super) struct Late {
    pub(super) entry: Entry,
    pub(super) identity: Identity,
    pub(super) position: u32,
}

/// Finds the source of each, as far as there is one: first by key and address, then by key and
/// order, then by two of guide id, name and address, then by a guide id that only one of both has.
pub(super) fn assign(late: &[Late], known: &mut KnownSources) -> Vec<Option<usize>> {
    let mut found = vec![None; late.len()];
    let mut each = |find: &mut dyn FnMut(&Identity, &mut KnownSources) -> Option<usize>,
                    known: &mut KnownSources| {
        for (found, late) in found.iter_mut().zip(late).filter(|(found, _)| found.is_none()) {
            *found = find(&late.identity, known);
            if let Some(at) = *found {
                known.see(at);
            }
        }
    };
    each(&mut |identity, known| known.by_address(identity), known);
    each(&mut |identity, known| known.by_key(identity.key), known);
    // The number of a stream is all that counts where there is one.
    unique(late, &mut found, known, |it| Some((u64::from(it.name), it.address)));
    unique(late, &mut found, known, |it| Some((it.key.id, it.address)));
    unique(late, &mut found, known, |it| (it.key.id != 0).then_some((it.key.id, 0)));
    found
}

/// Matches entries and unseen sources that have the same trait, where one of each has it.
fn unique<T: Hash + Eq>(
    late: &[Late],
    found: &mut [Option<usize>],
    known: &mut KnownSources,
    trait_of: impl Fn(&Identity) -> Option<T>,
) {
    let trait_of = |it: &Identity| trait_of(it).filter(|_| !it.key.is_of_stream());
    let mut entries: HashMap<T, Only> = HashMap::new();
    for (at, late) in late.iter().enumerate().filter(|(at, _)| found[*at].is_none()) {
        if let Some(key) = trait_of(&late.identity) {
            entries.entry(key).or_default().entry(at);
        }
    }
    if entries.is_empty() {
        return;
    }
    for (at, Known { identity, .. }) in known.unseen() {
        if let Some(only) = trait_of(identity).and_then(|key| entries.get_mut(&key)) {
            only.source(at);
        }
    }
    for only in entries.into_values() {
        if let Only { entries: 1, sources: 1, entry, source } = only {
            found[entry] = Some(source);
            known.see(source);
        }
    }
}

/// The entry and the source that have a trait, and how many do.
#[derive(Debug, Default)]
struct Only {
    entries: usize,
    sources: usize,
    entry: usize,
    source: usize,
}

impl Only {
    fn entry(&mut self, at: usize) {
        self.entries += 1;
        self.entry = at;
    }

    fn source(&mut self, at: usize) {
        self.sources += 1;
        self.source = at;
    }
}

//! The order of channels within their group, and of groups, as users make it.
//!
//! A channel without a place stands behind those that have one, in the order in which the channels
//! came. So a move gives places to the channels in front of the moved ones, too: a refresh then
//! changes nothing about what a user has arranged, and new channels come last.

use std::collections::HashSet;
use std::hash::Hash;

use super::identity::SourceId;

/// The same with `moved` in front of `before`, or behind all others.
pub fn reordered<T: Copy + Eq + Hash>(order: &[T], moved: &[T], before: Option<T>) -> Vec<T> {
    let mut is_moved = HashSet::new();
    let moved: Vec<T> = moved.iter().copied().filter(|it| is_moved.insert(*it)).collect();
    let mut new: Vec<T> = order.iter().copied().filter(|it| !is_moved.contains(it)).collect();
    let at = before.and_then(|before| new.iter().position(|it| *it == before)).unwrap_or(new.len());
    new.splice(at..at, moved);
    new
}

/// The channels of a group that get new places by a move, the first one first. There are none where
/// the move changes nothing.
///
/// `order` has all channels of the group, of which the first `placed` have places already. The
/// channels `moved` come in front of `before`, or behind all others.
pub fn places_after_move(
    order: &[SourceId],
    placed: usize,
    moved: &[SourceId],
    before: Option<SourceId>,
) -> Vec<SourceId> {
    let mut new = reordered(order, moved, before);
    let Some(last) = (0..order.len()).rev().find(|&at| new.get(at) != order.get(at)) else {
        return Vec::new();
    };
    // Places are given anew, and greater than all before: those behind the change that have one
    // would else come in front.
    new.truncate((last + 1).max(placed));
    new
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(ids: &[u32]) -> Vec<SourceId> {
        ids.iter().copied().map(SourceId).collect()
    }

    #[test]
    fn a_move_places_all_channels_up_to_the_last_that_has_moved() {
        for (placed, moved, before, expected) in [
            (0, &[3][..], Some(2), &[1, 3, 2][..]),
            (0, &[1], Some(4), &[2, 3, 1]),
            (0, &[5, 3], Some(1), &[5, 3, 1, 2, 4]),
            (0, &[2], None, &[1, 3, 4, 5, 2]),
            (0, &[2, 2], Some(1), &[2, 1]),
            (0, &[2], Some(3), &[]),
            (0, &[5], None, &[]),
            (4, &[2], Some(1), &[2, 1, 3, 4]),
        ] {
            let before = before.map(SourceId);
            let places = places_after_move(&ids(&[1, 2, 3, 4, 5]), placed, &ids(moved), before);
            assert_eq!(places, ids(expected), "{moved:?} in front of {before:?}");
        }
    }
}

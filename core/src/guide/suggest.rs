//! Channels of guides whose names are like another one, for somebody to look at.
//!
//! Names that are merely alike are mostly of other channels, so nothing here is ever taken by
//! itself.

use std::collections::HashMap;

use crate::lineup::names::Name;

/// Names that are less alike are not worth a look, of 100.
const MIN_SCORE: u32 = 50;

/// The names of all guides, to be found by those that are like them.
#[derive(Debug, Default)]
pub struct Suggestions {
    /// The pairs of letters of each name.
    lengths: Vec<u32>,
    pairs: HashMap<[char; 2], Vec<u32>>,
}

/// Room for the counting, kept from one search to the next.
#[derive(Debug, Default)]
pub struct Scratch {
    shared: Vec<u32>,
    touched: Vec<u32>,
}

/// A name that is like the one that was looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Suggestion {
    /// Which name: the first that was added is 0.
    pub name: u32,
    /// How much alike they are: 100 where they are the same.
    pub score: u32,
}

impl Suggestions {
    /// Takes a name.
    pub fn add(&mut self, name: &str) {
        let at = u32::try_from(self.lengths.len()).expect("guides have fewer names");
        let pairs = pairs_of(&Name::of(name).key);
        self.lengths.push(u32::try_from(pairs.len()).unwrap_or(u32::MAX));
        for pair in pairs {
            self.pairs.entry(pair).or_default().push(at);
        }
    }

    /// The names that are most like this one, the best first.
    pub fn find(&self, name: &str, limit: usize, scratch: &mut Scratch) -> Vec<Suggestion> {
        let Scratch { shared, touched } = scratch;
        shared.resize(self.lengths.len(), 0);
        let pairs = pairs_of(&Name::of(name).key);
        for pair in &pairs {
            for &at in self.pairs.get(pair).map(Vec::as_slice).unwrap_or_default() {
                let count = &mut shared[at as usize];
                if *count == 0 {
                    touched.push(at);
                }
                *count += 1;
            }
        }
        let own = u32::try_from(pairs.len()).unwrap_or(u32::MAX);
        let mut found = Vec::new();
        for name in touched.drain(..) {
            let shared = std::mem::take(&mut shared[name as usize]);
            let length = self.lengths[name as usize];
            let score = shared * 200 / (own + length).max(1);
            if score >= MIN_SCORE {
                found.push(Suggestion { name, score: score.min(100) });
            }
        }
        found.sort_unstable_by_key(|it| (u32::MAX - it.score, it.name));
        found.truncate(limit);
        found
    }
}

/// The pairs of letters side by side, each once, with the beginning and the end for a letter.
fn pairs_of(key: &str) -> Vec<[char; 2]> {
    let chars = || key.chars().chain(['$']);
    let mut pairs: Vec<_> = ['^'].into_iter().chain(key.chars()).zip(chars()).map(|(a, b)| [a, b]).collect();
    pairs.sort_unstable();
    pairs.dedup();
    pairs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_alike_comes_first() {
        let mut all = Suggestions::default();
        for name in ["Discovery Channel", "Discovery Science", "Disney Channel", "BBC One"] {
            all.add(name);
        }
        let mut scratch = Scratch::default();
        let found = all.find("UK: Discovery Chanel HD", 3, &mut scratch);
        assert_eq!(found.first().map(|it| it.name), Some(0));
        assert!(found[0].score > 85 && found.iter().all(|it| it.name != 3), "{found:?}");
        assert_eq!(all.find("bbc one", 1, &mut scratch), [Suggestion { name: 3, score: 100 }]);
        assert_eq!(all.find("", 3, &mut scratch), []);
    }
}

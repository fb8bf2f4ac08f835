//! Counts of what was fetched.

use std::collections::BTreeMap;

/// What was fetched of one broadcast.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Stats {
    /// Requests of the entry URL that were answered with a redirect.
    pub redirects: usize,
    /// How often each version of the media playlist was answered, oldest version first.
    pub polls: Vec<usize>,
    /// Answers of every file by its name, without its query; refusals included.
    pub files: BTreeMap<String, usize>,
    /// Requests that were refused for want of a token, a cookie or a query.
    pub forbidden: usize,
}

/// What an answer counts as.
#[derive(Debug)]
pub(super) enum Counted {
    Redirect,
    /// A playlist of this version.
    Playlist(usize),
    File(String),
    Forbidden(String),
    Nothing,
}

impl Stats {
    /// How often this segment was asked for.
    pub fn segment(&self, number: u64) -> usize {
        self.sum(|name| {
            name.strip_prefix("seg").and_then(|rest| rest.split('.').next()) == Some(&number.to_string())
        })
    }

    /// The segments that were asked for, in order.
    pub fn segments(&self) -> Vec<u64> {
        let number = |name: &String| name.strip_prefix("seg")?.split('.').next()?.parse().ok();
        let mut numbers: Vec<u64> = self.files.keys().filter_map(number).collect();
        numbers.sort_unstable();
        numbers
    }

    /// How often this key was asked for.
    pub fn key(&self, number: u64) -> usize {
        self.sum(|name| name == format!("key{number}.bin"))
    }

    /// How often a media playlist was answered.
    pub fn polls(&self) -> usize {
        self.polls.iter().sum()
    }

    fn sum(&self, wanted: impl Fn(&str) -> bool) -> usize {
        self.files.iter().filter(|(name, _)| wanted(name)).map(|(_, count)| count).sum()
    }

    pub(super) fn count(&mut self, counted: Counted) {
        match counted {
            Counted::Redirect => self.redirects += 1,
            Counted::Playlist(version) => {
                if self.polls.len() <= version {
                    self.polls.resize(version + 1, 0);
                }
                self.polls[version] += 1;
            }
            Counted::Forbidden(name) => {
                self.forbidden += 1;
                *self.files.entry(name).or_default() += 1;
            }
            Counted::File(name) => *self.files.entry(name).or_default() += 1,
            Counted::Nothing => {}
        }
    }
}

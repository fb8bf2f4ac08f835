//! Building the groups.

use std::collections::{BTreeMap, HashMap};

use super::{Candidate, ChannelId, Decisions, Pair};

/// Channels that one group may have. More is a guide id that means nothing, such as `dummy`.
pub const MAX_MEMBERS: usize = 64;

/// Groups of one key that a channel is offered to. A channel that fits none of them stays alone.
const MAX_TRIES: usize = 8;

/// Channels that are one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Group {
    /// The one that is shown.
    pub leader: ChannelId,
    /// All of them in the order of their sources: the leader, then by age.
    pub members: Vec<ChannelId>,
    /// Members whose source another one has already. They are never a second source.
    pub duplicates: Vec<ChannelId>,
}

/// What is one, and what is not.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Merged {
    /// The groups of two and more, by their leaders.
    pub groups: Vec<Group>,
    /// Channels that stayed apart since a group was full.
    pub without_room: u64,
    /// Channels without a guide id whose name belongs to several guide ids.
    pub ambiguous: u64,
}

/// Finds the channels that are one. The order of `candidates` makes no difference.
pub fn merge(candidates: &[Candidate], decisions: &Decisions) -> Merged {
    let mut builder = Builder::new(candidates, decisions);
    builder.force(decisions);
    builder.by_guide_id();
    builder.by_name();
    builder.finish()
}

struct Builder<'a> {
    /// By their channels.
    candidates: Vec<&'a Candidate>,
    forbidden: HashMap<ChannelId, Vec<ChannelId>>,
    /// For each candidate the place of the first of its group.
    root: Vec<usize>,
    /// The members of groups of two and more, by the first.
    members: HashMap<usize, Vec<usize>>,
    merged: Merged,
}

impl<'a> Builder<'a> {
    fn new(candidates: &'a [Candidate], decisions: &Decisions) -> Self {
        let mut sorted: Vec<&Candidate> = candidates.iter().collect();
        sorted.sort_by_key(|it| it.channel);
        let mut forbidden: HashMap<ChannelId, Vec<ChannelId>> = HashMap::new();
        for &Pair(one, other) in &decisions.forbidden {
            forbidden.entry(one).or_default().push(other);
            forbidden.entry(other).or_default().push(one);
        }
        let root = (0..sorted.len()).collect();
        Self { candidates: sorted, forbidden, root, members: HashMap::new(), merged: Merged::default() }
    }

    fn place(&self, channel: ChannelId) -> Option<usize> {
        self.candidates.binary_search_by_key(&channel, |it| it.channel).ok()
    }

    fn members_of(&self, root: usize) -> &[usize] {
        self.members.get(&root).map_or_else(|| std::slice::from_ref(&self.root[root]), Vec::as_slice)
    }

    /// Users know best: their pairs may be of one playlist.
    fn force(&mut self, decisions: &Decisions) {
        for &Pair(one, other) in &decisions.forced {
            if let (Some(one), Some(other)) = (self.place(one), self.place(other)) {
                self.join(one, other, false);
            }
        }
    }

    /// Puts two groups together, if nothing speaks against it. Returns whether they are one now.
    fn join(&mut self, one: usize, other: usize, apart_in_playlist: bool) -> bool {
        let (first, second) = (self.root[one].min(self.root[other]), self.root[one].max(self.root[other]));
        if first == second {
            return true;
        }
        let (ours, theirs) = (self.members_of(first), self.members_of(second));
        if ours.len() + theirs.len() > MAX_MEMBERS {
            self.merged.without_room += 1;
            return false;
        }
        let playlist = |at: usize| self.candidates[at].playlist;
        let meets = |at: usize| apart_in_playlist && ours.iter().any(|&it| playlist(it) == playlist(at));
        let is_forbidden = |at: usize| {
            let with = self.forbidden.get(&self.candidates[at].channel);
            with.is_some_and(|with| ours.iter().any(|&it| with.contains(&self.candidates[it].channel)))
        };
        if theirs.iter().any(|&at| meets(at) || is_forbidden(at)) {
            return false;
        }
        let theirs = theirs.to_vec();
        for &at in &theirs {
            self.root[at] = first;
        }
        self.members.remove(&second);
        self.members.entry(first).or_insert_with(|| vec![first]).extend(theirs);
        true
    }

    /// The places of all candidates that have a key, in its order and then by age, in runs of equal
    /// keys.
    fn runs(&self, key: impl Fn(&Candidate) -> u64) -> Vec<Vec<usize>> {
        let key = |at: usize| key(self.candidates[at]);
        let mut places: Vec<usize> = (0..self.candidates.len()).filter(|&at| key(at) != 0).collect();
        places.sort_by_key(|&at| (key(at), at));
        let runs = places.chunk_by(|&one, &other| key(one) == key(other));
        // In the order of their oldest channels, whatever their keys are.
        let mut runs: Vec<Vec<usize>> = runs.filter(|run| run.len() > 1).map(<[usize]>::to_vec).collect();
        runs.sort_by_key(|run| run[0]);
        runs
    }

    fn by_guide_id(&mut self) {
        for run in self.runs(|it| it.guide_id) {
            self.join_run(&run);
        }
    }

    fn by_name(&mut self) {
        for run in self.runs(|it| it.name) {
            let mut guide_ids = run.iter().map(|&at| self.candidates[at].guide_id).filter(|&it| it != 0);
            let first = guide_ids.next();
            if first.is_none_or(|first| guide_ids.all(|it| it == first)) {
                self.join_run(&run);
                continue;
            }
            // The name belongs to several channels. Those without a guide id may be any of them.
            let is_without = |at: &usize| self.candidates[*at].guide_id == 0;
            let without: Vec<usize> = run.into_iter().filter(is_without).collect();
            self.merged.ambiguous += u64::try_from(without.len()).expect("it is a count");
            self.join_run(&without);
        }
    }

    /// Joins channels of one key. Two of one playlist are two: the first of each playlist are one,
    /// the second of each are another, and so on.
    fn join_run(&mut self, run: &[usize]) {
        let mut heads: Vec<usize> = Vec::new();
        let mut next: HashMap<u32, usize> = HashMap::new();
        for &at in run {
            let playlist = self.candidates[at].playlist;
            let from = next.entry(playlist).or_default();
            let tried = heads.iter().enumerate().skip(*from).take(MAX_TRIES);
            let found =
                tried.map(|(place, &head)| (place, head)).find(|&(_, head)| self.join(head, at, true));
            if let Some((place, _)) = found {
                *from = place + 1;
            } else {
                heads.push(at);
                *from = heads.len();
            }
        }
    }

    fn finish(mut self) -> Merged {
        let mut groups = BTreeMap::new();
        for members in std::mem::take(&mut self.members).into_values() {
            let group = self.group(members);
            groups.insert(group.leader, group);
        }
        self.merged.groups = groups.into_values().collect();
        self.merged
    }

    fn group(&self, mut members: Vec<usize>) -> Group {
        members.sort_by_key(|&at| (!self.candidates[at].is_leader, at));
        let (leader, rest) = members.split_first_mut().expect("a group has members");
        rest.sort_unstable();
        let leader = self.candidates[*leader].channel;
        let mut sources = Vec::new();
        let mut duplicates = Vec::new();
        for &at in &members {
            let candidate = self.candidates[at];
            if sources.contains(&candidate.source) {
                duplicates.push(candidate.channel);
            } else {
                sources.push(candidate.source);
            }
        }
        Group { leader, members: members.iter().map(|&at| self.candidates[at].channel).collect(), duplicates }
    }
}

//! Crews: one task sends to many viewers who keep up.
//!
//! A task per viewer that is woken for each send costs as much as all other work outside of the
//! kernel. So the task of a crew sends what is new to all its members in turn. A member to whom
//! nothing can be sent leaves the crew: a full socket costs the other members one call.
//!
//! A channel with few viewers has no crews: a crew of one is one task more, and saves none.

use std::fmt;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use forebay_core::cadence::GROUPS;
use tokio::sync::watch;
use tokio::task::yield_now;

/// The most members of a crew: few enough that the crews of a channel keep all processors busy, and
/// many enough that their wake-ups cost little.
const MAX_MEMBERS: usize = 64;

/// Viewers of a channel from which its crews are worth their tasks: two for each group.
pub(super) const MIN_VIEWERS: usize = 2 * GROUPS;

/// Sends after which a crew lets other tasks run: half a millisecond.
const SENDS_AT_ONCE: usize = 16;

/// The crews of an open channel, by group of viewers. Most channels never have one.
#[derive(Debug, Default)]
pub(super) struct Crews(OnceLock<[Arc<Group>; GROUPS]>);

/// The crews of a group.
#[derive(Debug, Default)]
struct Group(Mutex<Vec<Arc<Crew>>>);

/// One crew. It is in the list of its group until it ends.
#[derive(Debug, Default)]
struct Crew(Mutex<Members>);

#[derive(Debug, Default)]
struct Members {
    /// The members who joined since the task began its last round.
    joined: Vec<Arc<dyn Member>>,
    /// All members.
    count: usize,
    is_closed: bool,
}

/// A viewer to whom a crew sends.
pub(super) trait Member: fmt::Debug + Send + Sync {
    /// Sends what is new. Returns false if that is not possible from here: the member leaves the
    /// crew.
    fn send(&self) -> bool;

    /// Tells the viewer that it has left the crew: from now on its own task sends.
    fn give_back(&self);
}

impl Crews {
    /// Adds a member to a crew of its group, which is woken by `window` when there is something to
    /// send. To be called within a runtime.
    pub(super) fn add<T>(&self, group: usize, member: &Arc<dyn Member>, window: watch::Receiver<T>)
    where
        T: Send + Sync + 'static,
    {
        // One crew serves one group only: all its members are woken by the same window.
        let group = &self.0.get_or_init(Default::default)[group];
        let mut crews = group.crews();
        if crews.iter().any(|crew| crew.admit(member)) {
            return;
        }
        let crew = Arc::new(Crew::default());
        crew.admit(member);
        crews.push(Arc::clone(&crew));
        // The list stays locked until here, so that two viewers that
        // come at once get one crew, not two crews of one member.
        tokio::spawn(Task { group: Arc::clone(group), crew, kept: Vec::new() }.run(window));
    }
}

impl Group {
    fn crews(&self) -> MutexGuard<'_, Vec<Arc<Crew>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crew {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes one more member if there is room. Asking and taking are one step: a crew that ended in
    /// between would never send to the member.
    fn admit(&self, member: &Arc<dyn Member>) -> bool {
        let mut members = self.members();
        let has_room = !members.is_closed && members.count < MAX_MEMBERS;
        if has_room {
            members.count += 1;
            members.joined.push(Arc::clone(member));
        }
        has_room
    }
}

/// The task that sends to the members of a crew. However it ends, a panic included, the members go
/// on by themselves.
struct Task {
    group: Arc<Group>,
    crew: Arc<Crew>,
    kept: Vec<Arc<dyn Member>>,
}

impl Task {
    async fn run<T>(mut self, mut window: watch::Receiver<T>) {
        while window.changed().await.is_ok() {
            // At the beginning of a round: members that join later take part in the next one.
            self.kept.append(&mut self.crew.members().joined);
            let (mut at, mut sends) = (0, 0);
            while let Some(member) = self.kept.get(at) {
                if member.send() {
                    at += 1;
                } else {
                    member.give_back();
                    // The last member comes to this place, so `at` stays: it is sent to next.
                    self.kept.swap_remove(at);
                }
                sends += 1;
                if sends % SENDS_AT_ONCE == 0 {
                    yield_now().await;
                }
            }
            if self.is_done() {
                return;
            }
        }
    }

    /// Whether no member is left. Then no member can join any more either.
    fn is_done(&self) -> bool {
        let mut members = self.crew.members();
        // Counted only now: a place that became free in the round is given away after it.
        members.count = self.kept.len() + members.joined.len();
        members.is_closed = members.count == 0;
        members.is_closed
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        let joined = {
            let mut members = self.crew.members();
            members.is_closed = true;
            take(&mut members.joined)
        };
        self.kept.drain(..).chain(joined).for_each(|member| member.give_back());
        self.group.crews().retain(|crew| !Arc::ptr_eq(crew, &self.crew));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug)]
    struct Anybody;

    impl Member for Anybody {
        fn send(&self) -> bool {
            true
        }

        fn give_back(&self) {}
    }

    #[test]
    fn nobody_joins_a_crew_that_is_full_or_has_ended() {
        let (crew, member) = (Crew::default(), Arc::new(Anybody) as Arc<dyn Member>);
        let admitted = (0..=MAX_MEMBERS).filter(|_| crew.admit(&member)).count();
        assert_eq!(admitted, MAX_MEMBERS);
        let crew = Crew::default();
        crew.members().is_closed = true;
        assert!(!crew.admit(&member));
    }
}

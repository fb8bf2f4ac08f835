//! Crews: one task sends to many viewers who keep up.
//!
//! A task per viewer that is woken for each send costs as much as all other work outside of the
//! kernel. So a viewer who has been sent everything hands its subscription and its socket to a crew
//! of its group, whose task sends what is new to all members in turn. A member whose socket takes no
//! more gets both back, and its own task goes on with the waiting: a send that would block costs the
//! other members one call.

use std::io;
use std::mem::take;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_core::cadence::GROUPS;
use tokio::net::TcpStream;
use tokio::sync::{Notify, watch};
use tokio::task::yield_now;

use super::feed::{Feed, Window};
use super::subscription::{Sent, Subscription};
use crate::model::Delivery;

/// The most members of a crew: few enough that the crews of a channel keep all processors busy, and
/// many enough that their wake-ups cost little.
const MAX_MEMBERS: usize = 64;

/// After so many sends a crew lets other tasks run: half a millisecond.
const SENDS_AT_ONCE: usize = 16;

/// The crews of an open channel, by group of viewers.
#[derive(Debug, Default)]
pub(super) struct Crews([Mutex<Vec<Arc<Crew>>>; GROUPS]);

/// One crew. It is in the list of its group until it ends.
#[derive(Debug, Default)]
struct Crew(Mutex<Members>);

#[derive(Debug, Default)]
struct Members {
    /// Those who joined since the task began its last round.
    joined: Vec<Arc<Member>>,
    /// All of them.
    count: usize,
    is_closed: bool,
}

/// A viewer in a crew.
#[derive(Debug)]
struct Member {
    /// None when the viewer's own task has taken it back.
    work: Mutex<Option<Work>>,
    /// Told when the viewer's own task must take it back.
    returned: Notify,
}

#[derive(Debug)]
struct Work {
    subscription: Box<Subscription>,
    socket: Arc<TcpStream>,
    delivery: Delivery,
}

/// A viewer's place in a crew, held by the viewer's own task.
#[derive(Debug)]
pub struct Membership(Arc<Member>);

impl Membership {
    /// Hands a viewer who has been sent everything to a crew. To be called within a runtime.
    pub fn join(subscription: Box<Subscription>, socket: Arc<TcpStream>, delivery: Delivery) -> Self {
        let feed = Arc::clone(subscription.feed());
        let group = subscription.group();
        let work = Mutex::new(Some(Work { subscription, socket, delivery }));
        let member = Arc::new(Member { work, returned: Notify::new() });
        feed.crews.add(&feed, group, Arc::clone(&member));
        // What came since the last look may have been told to the crew before this member joined.
        if member.work().as_ref().is_some_and(|work| work.subscription.has_news()) {
            member.returned.notify_one();
        }
        Self(member)
    }

    /// Waits until the viewer's own task must go on by itself: the socket takes no more, or has
    /// failed, or the feed is over.
    pub async fn returned(&self) {
        self.0.returned.notified().await;
    }

    /// Leaves the crew.
    pub fn leave(self) -> Box<Subscription> {
        let work = self.0.work().take();
        work.expect("nobody else takes it").subscription
    }
}

impl Drop for Membership {
    /// The socket is closed at once, and not when the crew comes to look.
    fn drop(&mut self) {
        self.0.work().take();
    }
}

impl Member {
    /// Sends what is new; false when the viewer's own task must go on.
    fn send(&self) -> bool {
        let mut work = self.work();
        let Some(Work { subscription, socket, delivery }) = &mut *work else { return false };
        loop {
            match subscription.send_to(&**socket, *delivery) {
                Ok(Sent::Some) => {}
                Ok(Sent::UpToDate) => return true,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Ok(Sent::Ended) | Err(_) => return false,
            }
        }
    }

    fn work(&self) -> MutexGuard<'_, Option<Work>> {
        // A panic inside leaves a subscription that can be dropped.
        self.work.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crews {
    fn add(&self, feed: &Arc<Feed>, group: usize, member: Arc<Member>) {
        let mut crews = self.group(group);
        if let Some(crew) = crews.iter().find(|crew| crew.has_room()) {
            return crew.members().add(member);
        }
        let crew = Arc::new(Crew::default());
        crew.members().add(member);
        crews.push(Arc::clone(&crew));
        let window = feed.windows[group].subscribe();
        tokio::spawn(Task { feed: Arc::clone(feed), group, crew, kept: Vec::new() }.run(window));
    }

    fn group(&self, group: usize) -> MutexGuard<'_, Vec<Arc<Crew>>> {
        self.0[group].lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Crew {
    fn members(&self) -> MutexGuard<'_, Members> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> bool {
        let members = self.members();
        !members.is_closed && members.count < MAX_MEMBERS
    }
}

impl Members {
    fn add(&mut self, member: Arc<Member>) {
        self.count += 1;
        self.joined.push(member);
    }
}

/// What sends to the members of a crew. However it ends, a panic included, they go on by themselves.
struct Task {
    feed: Arc<Feed>,
    group: usize,
    crew: Arc<Crew>,
    kept: Vec<Arc<Member>>,
}

impl Task {
    async fn run(mut self, mut window: watch::Receiver<Window>) {
        while window.changed().await.is_ok() {
            window.borrow_and_update();
            self.kept.append(&mut self.crew.members().joined);
            let (mut at, mut sends) = (0, 0);
            while let Some(member) = self.kept.get(at) {
                if member.send() {
                    at += 1;
                } else {
                    member.returned.notify_one();
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

    /// Whether nobody is left; then nobody joins any more either.
    fn is_done(&self) -> bool {
        let mut members = self.crew.members();
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
        self.kept.drain(..).chain(joined).for_each(|member| member.returned.notify_one());
        self.feed.crews.group(self.group).retain(|crew| !Arc::ptr_eq(crew, &self.crew));
    }
}

//! Where all who want to know a page ask: one resolve answers them all, answers and failures are
//! kept, and a platform that refuses is left alone.
//!
//! The contract: after each `handle_*` and [`Desk::ask`], drain [`Desk::poll_action`]; whoever was
//! told to wait asks again when the resolve of the page is over; call [`Desk::handle_timeout`] when
//! the time that [`Desk::poll_timeout`] names has come.

use std::collections::{BTreeMap, HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use super::{Class, Failure, Page, Platform};
use crate::time::Moment;

/// Pages of which something is known. The one that was asked for longest ago goes first.
const MAX_KNOWN: usize = 10_000;

/// How long a platform is left alone that refuses and does not say for how long: at first, and at
/// most.
const FIRST_PAUSE: Duration = Duration::from_mins(15);
const MAX_PAUSE: Duration = Duration::from_hours(2);

/// How long before its end an address is no longer handed out: whoever gets it still has to open
/// it. Of one that lives short, the last quarter.
const MARGIN: Duration = Duration::from_secs(10);

/// The shortest time for which an address is taken to be good, whatever it says: clocks differ, and
/// whoever waits for it is to get it.
const SHORTEST_LIFETIME: Duration = Duration::from_secs(2);

/// How old an address must be before another one is asked for because it is refused: at first, and
/// at most. It doubles each time that one was refused in the first half of its life; of one that
/// lives short, that half is enough.
const FIRST_AGE: Duration = Duration::from_secs(5);
const MAX_AGE: Duration = Duration::from_mins(5);

/// How long a page that says when it begins is not asked for again.
const SHORTEST_WAIT: Duration = Duration::from_secs(30);
const LONGEST_WAIT: Duration = Duration::from_hours(1);

/// What the desk keeps to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Resolves that may run at the same time.
    pub running: usize,
    /// Pages that may wait for one.
    pub waiting: usize,
    /// How long what is known of a page is good.
    pub info_lifetime: Duration,
    /// How long its addresses are good that do not say it themselves.
    pub address_lifetime: Duration,
    /// The least time from one resolve of a platform to the next, if not the platform's own.
    pub pace: Option<Duration>,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            running: 4,
            waiting: 200,
            info_lifetime: Duration::from_hours(1),
            address_lifetime: Duration::from_mins(10),
            pace: None,
        }
    }
}

/// The part of an answer that somebody needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// What it is: an older answer will do where there is no new one.
    Info,
    /// Addresses that can be opened now.
    Addresses,
}

/// The result of a resolve.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved<T> {
    /// What it is.
    pub info: T,
    /// How long its addresses are good; `None` where they do not say.
    pub lifetime: Option<Duration>,
}

/// What somebody gets who asks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer<T> {
    /// The page is known.
    Known {
        /// What it is.
        info: Arc<T>,
        /// How old that is.
        age: Duration,
        /// How much longer its addresses are good.
        lifetime: Duration,
        /// The platform does not tell anything newer, for this reason.
        stale: Option<Class>,
    },
    /// It is not known, and not asked for again before this moment.
    Failed {
        /// Why.
        failure: Arc<Failure>,
        /// When it is asked for again.
        until: Moment,
    },
    /// It is being resolved: ask again when that is over.
    Wait,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// Resolve this page.
    Resolve(Page),
    /// Whoever waits for this page asks again.
    Tell(Page),
}

/// The desk. `T` is what is known of a page.
#[derive(Debug)]
pub struct Desk<T> {
    limits: Limits,
    known: HashMap<Page, Known<T>>,
    /// Pages that wait for a resolve, first come first served.
    waiting: VecDeque<Page>,
    running: HashSet<Page>,
    platforms: BTreeMap<Platform, State>,
    actions: VecDeque<Action>,
    /// Pages for which there was no room to wait.
    turned_away: u64,
}

/// How much a desk has to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Load {
    /// Pages of which something is known.
    pub known: usize,
    /// Resolves that run.
    pub running: usize,
    /// Pages that wait for one.
    pub waiting: usize,
    /// Pages for which there was no room to wait, so far.
    pub turned_away: u64,
}

#[derive(Debug)]
struct Known<T> {
    info: Option<Info<T>>,
    failure: Option<Kept>,
    asked_at: Moment,
    /// How many addresses in a row were refused early.
    refused: u32,
}

#[derive(Debug)]
struct Info<T> {
    what: Arc<T>,
    learnt_at: Moment,
    /// When its addresses end.
    ends_at: Moment,
    /// Somebody knows that it is no longer good.
    is_outdated: bool,
}

/// A failure that is believed for a while.
#[derive(Debug)]
struct Kept {
    failure: Arc<Failure>,
    until: Moment,
    /// How many of its class came in a row.
    times: u32,
}

/// How a platform is.
#[derive(Debug, Default)]
struct State {
    /// No resolve begins before this moment.
    next: Moment,
    /// Set while it is left alone.
    refusal: Option<(Arc<Failure>, Moment)>,
    /// How long it is left alone the next time.
    pause: Option<Duration>,
}

impl State {
    /// Why it is left alone, and until when.
    fn refusal(&self, now: Moment) -> Option<(Arc<Failure>, Moment)> {
        self.refusal.clone().filter(|&(_, until)| now < until)
    }
}

impl<T> Desk<T> {
    /// A desk that knows nothing.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            known: HashMap::new(),
            waiting: VecDeque::new(),
            running: HashSet::new(),
            platforms: BTreeMap::new(),
            actions: VecDeque::new(),
            turned_away: 0,
        }
    }

    /// How much there is to do.
    pub fn load(&self) -> Load {
        Load {
            known: self.known.len(),
            running: self.running.len(),
            waiting: self.waiting.len(),
            turned_away: self.turned_away,
        }
    }

    /// What there is to say about a page now. Where it has to be resolved first, that is begun.
    pub fn ask(&mut self, page: &Page, need: Need, now: Moment) -> Answer<T> {
        if let Some(known) = self.known.get_mut(page) {
            known.asked_at = now;
            if let Some(answer) = known.answer(need, self.limits.info_lifetime, now) {
                return answer;
            }
        }
        // Two who ask at once share one resolve: to the platform they are one viewer.
        if self.running.contains(page) || self.waiting.contains(page) {
            return Answer::Wait;
        }
        if let Some((failure, until)) = self.state(page.platform()).refusal(now) {
            return self.instead(page, need, failure, until, now);
        }
        if self.waiting.len() >= self.limits.waiting {
            self.turned_away += 1;
            let failure = Failure::new(Class::Busy, "too many pages wait to be resolved");
            return self.instead(page, need, failure.into(), now + Duration::from_secs(2), now);
        }
        // First come, first served: a page that is asked for often does not overtake others.
        self.waiting.push_back(page.clone());
        self.start(now);
        Answer::Wait
    }

    /// A resolve of this page is over.
    pub fn handle_resolved(&mut self, page: &Page, result: Result<Resolved<T>, Failure>, now: Moment) {
        // Over before anything else: whoever is told asks again, and must not be told to wait.
        self.running.remove(page);
        if !self.known.contains_key(page) {
            self.make_room();
        }
        let known = self.known.entry(page.clone()).or_insert_with(|| Known::new(now));
        let state = self.platforms.entry(page.platform()).or_default();
        match result {
            Ok(resolved) => {
                let lifetime = resolved.lifetime.unwrap_or(self.limits.address_lifetime);
                // Clocks differ: an address that seems to have ended would never be handed out.
                let lifetime = lifetime.max(SHORTEST_LIFETIME);
                let what = Arc::new(resolved.info);
                known.info = Some(Info { what, learnt_at: now, ends_at: now + lifetime, is_outdated: false });
                // A success ends the row of failures: the next one is kept briefly again.
                known.failure = None;
                state.pause = None;
            }
            Err(failure) => {
                let failure = Arc::new(failure);
                if failure.class == Class::RateLimited {
                    state.refuse(&failure, now);
                }
                known.fail(failure, now);
            }
        }
        // Told even if it failed: those who wait ask again and get the failure.
        self.actions.push_back(Action::Tell(page.clone()));
        // What waits for a platform that has just refused would only be refused as well.
        self.refuse_waiting(now);
        self.start(now);
    }

    /// Marks the answer for this page as outdated: its addresses are refused, or somebody wants
    /// to know it anew. It is still better than nothing where the platform refuses.
    pub fn outdate(&mut self, page: &Page) {
        if let Some(info) = self.known.get_mut(page).and_then(|known| known.info.as_mut()) {
            info.is_outdated = true;
        }
    }

    /// The addresses of this page are refused, or end soon: marks the answer as outdated. One that
    /// is so new that a new one would be no better stays, until the moment that is returned.
    pub fn renew(&mut self, page: &Page, now: Moment) -> Result<(), Moment> {
        // Nothing is known, so the next one who asks starts a resolve anyway.
        let Some(known) = self.known.get_mut(page) else { return Ok(()) };
        let Some(info) = &mut known.info else { return Ok(()) };
        let half = info.lifetime() / 2;
        // A channel that is refused again and again must not send a request with each try.
        let age = (FIRST_AGE * 2_u32.pow(known.refused.min(10))).min(MAX_AGE).min(half);
        if now < info.learnt_at + age {
            return Err(info.learnt_at + age);
        }
        // Refused in the second half of its life, an address has simply run out.
        known.refused = if now < info.learnt_at + half { known.refused + 1 } else { 0 };
        info.is_outdated = true;
        Ok(())
    }

    /// Failures of this platform are forgotten: its cookies have changed, or the extractor has.
    pub fn forget_failures(&mut self, platform: Platform) {
        for (_, known) in self.known.iter_mut().filter(|(page, _)| page.platform() == platform) {
            known.failure = None;
        }
        // The pause goes with the failures, or new cookies would be tried only after it.
        *self.state(platform) = State::default();
    }

    /// When [`Self::handle_timeout`] has something to do.
    pub fn poll_timeout(&self) -> Option<Moment> {
        // With no place free, the end of a resolve starts the next one, and no clock does.
        if self.running.len() >= self.limits.running {
            return None;
        }
        self.waiting
            .iter()
            .filter_map(|page| self.platforms.get(&page.platform()))
            .map(|state| state.next)
            .min()
    }

    /// Time has passed.
    pub fn handle_timeout(&mut self, now: Moment) {
        self.start(now);
    }

    /// The next thing to do.
    pub fn poll_action(&mut self) -> Option<Action> {
        self.actions.pop_front()
    }

    fn state(&mut self, platform: Platform) -> &mut State {
        self.platforms.entry(platform).or_default()
    }

    /// Begins what may begin. A platform that is not asked yet holds up no other.
    fn start(&mut self, now: Moment) {
        while self.running.len() < self.limits.running {
            let may_begin =
                // A platform that has its pause must not hold up the pages of others behind it.
                |page: &Page| self.platforms.get(&page.platform()).is_none_or(|state| state.next <= now);
            let Some(index) = self.waiting.iter().position(may_begin) else { return };
            let page = self.waiting.remove(index).expect("it was just found");
            let platform = page.platform();
            self.state(platform).next = now + self.limits.pace.unwrap_or_else(|| platform.pace());
            self.running.insert(page.clone());
            self.actions.push_back(Action::Resolve(page));
        }
    }

    /// Who waits for a platform that refuses now is told so.
    fn refuse_waiting(&mut self, now: Moment) {
        let is_refused = |page: &Page| {
            self.platforms.get(&page.platform()).is_some_and(|state| state.refusal(now).is_some())
        };
        let (refused, waiting): (VecDeque<_>, _) = self.waiting.drain(..).partition(is_refused);
        self.waiting = waiting;
        self.actions.extend(refused.into_iter().map(Action::Tell));
    }

    /// The answer where nothing is asked of the platform: what was known before, or the failure.
    fn instead(
        &self,
        page: &Page,
        need: Need,
        failure: Arc<Failure>,
        until: Moment,
        now: Moment,
    ) -> Answer<T> {
        let known = self.known.get(page).and_then(|known| known.info.as_ref());
        match known.and_then(|info| info.stale_answer(need, failure.class, now)) {
            Some(answer) => answer,
            None => Answer::Failed { failure, until },
        }
    }

    /// Drops what was asked for longest ago, if there is no room for another page.
    fn make_room(&mut self) {
        if self.known.len() < MAX_KNOWN {
            return;
        }
        let oldest = self.known.iter().min_by_key(|(_, known)| known.asked_at).map(|(page, _)| page.clone());
        if let Some(page) = oldest {
            self.known.remove(&page);
        }
    }
}

impl State {
    fn refuse(&mut self, failure: &Arc<Failure>, now: Moment) {
        let pause = self.pause.unwrap_or(FIRST_PAUSE);
        // A platform may ask for more than anyone would wait; it is asked again sooner then.
        let mut until = now + failure.after.unwrap_or(pause).min(MAX_PAUSE);
        if let Some((_, known)) = &self.refusal
            && *known > now
        {
            // Resolves that were under way hear of the same refusal: it counts once.
            until = if failure.after.is_some() { until.max(*known) } else { *known };
        } else {
            self.pause = Some((pause * 2).min(MAX_PAUSE));
        }
        self.refusal = Some((Arc::clone(failure), until));
        self.next = until;
    }
}

impl<T> Known<T> {
    fn new(now: Moment) -> Self {
        Self { info: None, failure: None, asked_at: now, refused: 0 }
    }

    /// The answer without a new resolve; `None` if one is needed.
    fn answer(&self, need: Need, info_lifetime: Duration, now: Moment) -> Option<Answer<T>> {
        if let Some(kept) = self.failure.as_ref().filter(|kept| now < kept.until) {
            // A failure does not make what was known before worse.
            let stale = self.info.as_ref().and_then(|info| info.stale_answer(need, kept.failure.class, now));
            return Some(stale.unwrap_or_else(|| Answer::Failed {
                failure: Arc::clone(&kept.failure),
                until: kept.until,
            }));
        }
        let info = self.info.as_ref()?;
        let is_good = match need {
            Need::Info => now.since(info.learnt_at) < info_lifetime,
            // Of a short life a quarter is kept, or it would be over before it is handed out.
            Need::Addresses => now + MARGIN.min(info.lifetime() / 4) < info.ends_at,
        };
        (is_good && !info.is_outdated).then(|| info.answer(None, now))
    }

    fn fail(&mut self, failure: Arc<Failure>, now: Moment) {
        let same = self.failure.as_ref().filter(|kept| kept.failure.class == failure.class);
        let times = same.map_or(0, |kept| kept.times).saturating_add(1);
        let kept = match (failure.class, failure.after) {
            // It may begin earlier than was said.
            (Class::NotLive, Some(after)) => (after / 2).clamp(SHORTEST_WAIT, LONGEST_WAIT),
            (class, _) => class.kept(times),
        };
        self.failure = Some(Kept { failure, until: now + kept, times });
    }
}

impl<T> Info<T> {
    /// How long its addresses are good from its beginning on.
    fn lifetime(&self) -> Duration {
        self.ends_at.since(self.learnt_at)
    }

    fn answer(&self, stale: Option<Class>, now: Moment) -> Answer<T> {
        Answer::Known {
            info: Arc::clone(&self.what),
            age: now.since(self.learnt_at),
            lifetime: self.ends_at.since(now),
            stale,
        }
    }

    /// The answer from before the platform refused. An address that has ended helps nobody.
    fn stale_answer(&self, need: Need, class: Class, now: Moment) -> Option<Answer<T>> {
        let is_of_use = need == Need::Info || (now < self.ends_at && !self.is_outdated);
        (is_of_use && class.spares_stale()).then(|| self.answer(Some(class), now))
    }
}

#[cfg(test)]
mod tests;

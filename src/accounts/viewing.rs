//! Which streams are watched by whom: how many at once, and the end of those that may not go on.
//!
//! A stream takes a [`Seat`] before its viewer joins the channel, and holds it to its end. So there
//! are never more than the limit, at no instant: where another stream gives way, its seat is free
//! only when its viewer is sent nothing any more.

use std::collections::{HashMap, HashSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

use super::People;
use super::title::Title;
use super::watcher::{Owner, Watcher};
use crate::config::Tokens;
use crate::db::stream_tokens::TokenId;
use crate::db::users::{OnLimit, UserSpec};

/// How long a new stream waits for one of the same owner to end: a player that changes channels
/// opens the next one before the last one is closed.
const GRACE: Duration = Duration::from_secs(2);

/// How long a stream that had to give way makes no other give way, if it comes back: two players
/// that reconnect by themselves would else end each other for ever.
const DISPLACED: Duration = Duration::from_mins(1);

/// Streams that had to give way which are remembered, for each owner.
const MAX_DISPLACED: usize = 32;

/// Used tokens that are remembered, for each owner: those of more than a day.
const MAX_USED: usize = 128;

/// What a stream goes to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// Where it is.
    pub address: IpAddr,
    /// What it says it is (`User-Agent`).
    pub agent: Box<str>,
}

/// How a stream is sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// As one answer, which ends when its seat is taken away.
    Endless,
    /// By many requests, the next of which is refused when its seat is taken away.
    Hls,
}

/// All streams that somebody is known to watch. Cloning is cheap.
#[derive(Debug, Clone)]
pub struct Viewing(Arc<Shared>);

impl Default for Viewing {
    fn default() -> Self {
        let token_streams = AtomicU32::new(Tokens::default().max_streams);
        let (freed, ended) = (Notify::new(), Notify::new());
        Self(Arc::new(Shared { owners: Mutex::default(), freed, ended, token_streams }))
    }
}

#[derive(Debug)]
struct Shared {
    owners: Mutex<HashMap<Owner, Streams>>,
    /// Told when a seat is free.
    freed: Notify,
    /// Told when a seat has been taken away from its viewer.
    ended: Notify,
    /// Streams that the tokens of one owner play at once.
    token_streams: AtomicU32,
}

#[derive(Debug, Default)]
struct Streams {
    /// The oldest first.
    taken: Vec<Taken>,
    displaced: Vec<(Device, Title, Instant)>,
    /// Tokens that were good for one stream.
    used: Vec<TokenId>,
}

#[derive(Debug)]
struct Taken {
    watcher: Watcher,
    title: Title,
    device: Device,
    form: Form,
    ended: CancellationToken,
    seat: Weak<Seat>,
}

/// The place of one stream. Dropping it frees it.
#[derive(Debug)]
pub struct Seat {
    shared: Arc<Shared>,
    owner: Owner,
    ended: CancellationToken,
}

/// All places are taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoSeat {
    /// How many the owner has.
    pub limit: u32,
}

/// The most streams at once, what gives way to one more, and whether another one of what is
/// watched already counts.
type Limits = (Option<u32>, OnLimit, bool);

/// What to do for one more stream.
#[derive(Debug, PartialEq, Eq)]
enum Decision {
    /// There is a place.
    Take,
    /// This one is already there: a second request for it, which shares its place.
    Share(usize),
    /// This one has to give way.
    End(usize),
    /// One may become free.
    Wait,
}

impl Seat {
    /// Completes when the stream may not go on.
    pub fn ended(&self) -> CancellationToken {
        self.ended.clone()
    }

    /// Whether the stream may not go on.
    pub fn is_ended(&self) -> bool {
        self.ended.is_cancelled()
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut owners = self.shared.owners();
        if let Some(streams) = owners.get_mut(&self.owner) {
            // In `drop` the count is zero already, so this removes exactly the seat that goes.
            streams.taken.retain(|taken| taken.seat.strong_count() > 0);
            if streams.taken.is_empty() && streams.displaced.is_empty() && streams.used.is_empty() {
                owners.remove(&self.owner);
            }
        }
        // Those who are woken want this very lock.
        drop(owners);
        self.shared.freed.notify_waiters();
    }
}

impl Viewing {
    /// The tokens of one owner play so many streams at once from now on.
    pub(super) fn set_token_streams(&self, most: u32) {
        self.0.token_streams.store(most, Ordering::Relaxed);
    }

    /// A seat for one more stream; `None` where nobody is known whose streams could be counted.
    /// Waits for a short while where there is none at once.
    pub async fn seat(
        &self,
        watcher: &Watcher,
        title: &Title,
        device: Device,
        form: Form,
    ) -> Result<Option<Arc<Seat>>, NoSeat> {
        let Some(owner) = watcher.owner() else { return Ok(None) };
        let deadline = Instant::now() + GRACE;
        loop {
            // Before the look, so that what is freed behind it is heard of.
            let mut freed = std::pin::pin!(self.0.freed.notified());
            freed.as_mut().enable();
            if let Some(seat) = self.try_seat(owner, watcher, title, &device, form) {
                return Ok(Some(seat));
            }
            if timeout_at(deadline, freed).await.is_err() {
                // Without a limit there is always a place, so the number is only for the type.
                return Err(NoSeat { limit: self.limits(watcher).0.unwrap_or(u32::MAX) });
            }
        }
    }

    fn try_seat(
        &self,
        owner: Owner,
        watcher: &Watcher,
        title: &Title,
        device: &Device,
        form: Form,
    ) -> Option<Arc<Seat>> {
        let now = Instant::now();
        let mut owners = self.0.owners();
        let streams = owners.entry(owner).or_default();
        // Here and not by a timer: nobody needs them but the next decision.
        streams.displaced.retain(|(_, _, until)| now < *until);
        let decision = streams.decide(watcher, self.limits(watcher), title, device, form);
        match decision {
            Decision::Wait => return None,
            Decision::Share(at) => return streams.taken[at].seat.upgrade(),
            Decision::End(at) => {
                let taken = &streams.taken[at];
                taken.ended.cancel();
                self.0.ended.notify_waiters();
                if streams.displaced.len() < MAX_DISPLACED {
                    let title = taken.title.clone();
                    streams.displaced.push((taken.device.clone(), title, now + DISPLACED));
                }
                // Of HLS nothing is sent any more, since its next request is refused.
                if streams.taken[at].form == Form::Endless {
                    return None;
                }
                streams.taken.remove(at);
            }
            Decision::Take => {}
        }
        if let Some(token) = single_use(watcher) {
            streams.used.push(token);
            // Older ones are over: an owner makes no more of them in a day.
            if streams.used.len() > MAX_USED {
                streams.used.remove(0);
            }
        }
        let ended = CancellationToken::new();
        let seat = Arc::new(Seat { shared: Arc::clone(&self.0), owner, ended: ended.clone() });
        streams.taken.push(Taken {
            watcher: watcher.clone(),
            title: title.clone(),
            device: device.clone(),
            form,
            ended,
            seat: Arc::downgrade(&seat),
        });
        Some(seat)
    }

    /// Ends all streams whose watchers may not watch them any more, as `people` are `now`.
    pub(super) fn review(&self, people: &People, now: Timestamp, adult: &[String]) {
        for taken in self.0.owners().values().flat_map(|streams| &streams.taken) {
            // Its rights of now and not of when it began: groups may have been taken away.
            let watcher = taken.watcher.renewed(people, now);
            let (id, groups) = (taken.title.id(), taken.title.groups());
            if !watcher.is_some_and(|watcher| watcher.may_watch_one(id, groups, adult)) {
                taken.ended.cancel();
            }
        }
        self.0.ended.notify_waiters();
    }

    /// Completes when a seat has been taken away from its viewer, from this call on.
    pub fn any_ended(&self) -> Notified<'_> {
        self.0.ended.notified()
    }

    /// How many streams a watcher may have at once, and what to do with one more.
    fn limits(&self, watcher: &Watcher) -> Limits {
        match watcher {
            Watcher::User(user, _) => {
                let UserSpec { max_streams, on_limit, same_channel_free, .. } = user.spec;
                (max_streams, on_limit, same_channel_free)
            }
            Watcher::Token(_) => (Some(self.0.token_streams.load(Ordering::Relaxed)), OnLimit::Refuse, false),
            Watcher::Anybody | Watcher::Key(_) | Watcher::Link(_) => (None, OnLimit::Refuse, false),
        }
    }

    /// How many streams somebody watches.
    pub fn count_of(&self, owner: Owner) -> usize {
        self.0.owners().get(&owner).map_or(0, |streams| streams.taken.len())
    }

    /// How many streams are watched by somebody who is known.
    pub fn count(&self) -> usize {
        self.0.owners().values().map(|streams| streams.taken.len()).sum()
    }
}

impl Shared {
    fn owners(&self) -> MutexGuard<'_, HashMap<Owner, Streams>> {
        self.owners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The token, if it is good for one stream.
fn single_use(watcher: &Watcher) -> Option<TokenId> {
    match watcher {
        Watcher::Token(holder) if holder.token.spec.single_use => Some(holder.token.id),
        _ => None,
    }
}

impl Streams {
    fn decide(
        &self,
        watcher: &Watcher,
        (limit, rule, same_channel_free): Limits,
        title: &Title,
        device: &Device,
        form: Form,
    ) -> Decision {
        let is_same = |taken: &Taken| taken.device == *device && taken.form == form;
        let is_there = |taken: &Taken| taken.title.id() == title.id() && !taken.ended.is_cancelled();
        if form == Form::Hls
            && let Some(at) = self.taken.iter().position(|taken| is_same(taken) && is_there(taken))
        {
            return Decision::Share(at);
        }
        // Behind the sharing: the requests of one HLS player are one use.
        if single_use(watcher).is_some_and(|token| self.used.contains(&token)) {
            return Decision::Wait;
        }
        let Some(limit) = limit else { return Decision::Take };
        let counted = if same_channel_free {
            let all: HashSet<&str> = self.taken.iter().map(|taken| taken.title.id()).collect();
            all.len() - usize::from(all.contains(title.id()))
        } else {
            self.taken.len()
        };
        if counted < limit as usize {
            return Decision::Take;
        }
        let can_end = |taken: &&(usize, &Taken)| !taken.1.ended.is_cancelled();
        // The numbers are those of the list itself, by which the caller ends one.
        let all: Vec<(usize, &Taken)> = self.taken.iter().enumerate().collect();
        // A player that plays HLS and asks for another channel has left the one before.
        let left = all.iter().filter(can_end).find(|(_, taken)| form == Form::Hls && is_same(taken));
        if let Some((at, _)) = left {
            return Decision::End(*at);
        }
        // One that is on its way out is waited for.
        if all.iter().any(|(_, taken)| taken.ended.is_cancelled()) || self.is_displaced(device, title) {
            return Decision::Wait;
        }
        let victim = match rule {
            OnLimit::Refuse => None,
            OnLimit::EndOldest => all.first(),
            OnLimit::EndNewest => all.last(),
        };
        victim.map_or(Decision::Wait, |(at, _)| Decision::End(*at))
    }

    fn is_displaced(&self, device: &Device, title: &Title) -> bool {
        self.displaced.iter().any(|(other, displaced, _)| other == device && displaced.id() == title.id())
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicUsize;

    use super::super::watcher::Proof;
    use super::*;
    use crate::db::users::{User, UserId};

    fn channels() -> Vec<Title> {
        ["one", "two", "three"].map(|id| Title::new(id, [])).into()
    }

    fn user(max_streams: u32, on_limit: OnLimit, same_channel_free: bool) -> Watcher {
        let spec =
            UserSpec { max_streams: Some(max_streams), on_limit, same_channel_free, ..UserSpec::default() };
        let at = Timestamp::UNIX_EPOCH;
        let user = User {
            id: UserId(1),
            spec,
            password: None,
            stream_key: "k".into(),
            created_at: at,
            changed_at: at,
        };
        Watcher::User(Arc::new(user), Proof::Account)
    }

    fn device(number: u8) -> Device {
        Device { address: [10, 0, 0, number].into(), agent: "VLC".into() }
    }

    /// Watches until it is ended, as a viewer does.
    fn watch(seat: Arc<Seat>) -> tokio::task::JoinHandle<()> {
        tokio::spawn(async move { seat.ended().cancelled().await })
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_as_many_as_may_be_waits_a_little_and_is_refused() {
        let (viewing, all, ann) = (Viewing::default(), channels(), user(1, OnLimit::Refuse, false));
        let seat =
            async |channel: usize, from| viewing.seat(&ann, &all[channel], device(from), Form::Endless).await;
        let first = seat(0, 1).await.unwrap();
        let began = Instant::now();
        assert_eq!(seat(1, 2).await.err(), Some(NoSeat { limit: 1 }));
        assert_eq!(began.elapsed(), GRACE);
        // A player that changes channels: the old stream ends a moment after the new one is asked
        // for.
        let (next, ()) = tokio::join!(seat(1, 1), async {
            tokio::time::sleep(GRACE / 2).await;
            drop(first);
        });
        assert!(next.is_ok() && viewing.count() == 1);
        drop(next);
        assert_eq!(viewing.count(), 0);
        let anybody = viewing.seat(&Watcher::Anybody, &all[0], device(9), Form::Endless).await;
        assert!(anybody.unwrap().is_none(), "nobody's streams are not counted");
    }

    #[tokio::test(start_paused = true)]
    async fn the_oldest_or_the_newest_gives_way_and_does_not_fight_back() {
        for (rule, victim) in [(OnLimit::EndOldest, 0), (OnLimit::EndNewest, 1)] {
            let (viewing, all, ann) = (Viewing::default(), channels(), user(2, rule, false));
            let mut watching = Vec::new();
            for number in 0..2 {
                let seat = viewing.seat(&ann, &all[usize::from(number)], device(number), Form::Endless).await;
                watching.push(watch(seat.unwrap().unwrap()));
            }
            let third = viewing.seat(&ann, &all[2], device(2), Form::Endless).await.unwrap().unwrap();
            assert!(watching[victim].is_finished() && !watching[1 - victim].is_finished(), "{rule:?}");
            let back = viewing.seat(&ann, &all[victim], device(u8::try_from(victim).unwrap()), Form::Endless);
            assert!(back.await.is_err() && !third.is_ended(), "{rule:?}: it is refused");
            watching.iter().for_each(tokio::task::JoinHandle::abort);
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_channel_that_is_watched_anyway_may_be_free() {
        let (viewing, all, ann) = (Viewing::default(), channels(), user(1, OnLimit::Refuse, true));
        let seat = async |channel: usize| viewing.seat(&ann, &all[channel], device(1), Form::Endless).await;
        let (one, same) = (seat(0).await.unwrap(), seat(0).await.unwrap());
        assert!(seat(1).await.is_err());
        drop((one, same));
        assert!(seat(1).await.is_ok());
        // However often a channel is watched, it counts once.
        let (viewing, ann) = (Viewing::default(), user(2, OnLimit::Refuse, true));
        let seat = async |channel: usize| viewing.seat(&ann, &all[channel], device(1), Form::Endless).await;
        let _three = (seat(0).await.unwrap(), seat(0).await.unwrap(), seat(1).await.unwrap());
        assert!(seat(2).await.is_err());
    }

    #[tokio::test(start_paused = true)]
    async fn an_hls_player_has_one_seat_and_takes_it_along() {
        let (viewing, all, ann) = (Viewing::default(), channels(), user(1, OnLimit::Refuse, false));
        let seat =
            async |channel: usize, from| viewing.seat(&ann, &all[channel], device(from), Form::Hls).await;
        let (one, again) = (seat(0, 1).await.unwrap().unwrap(), seat(0, 1).await.unwrap().unwrap());
        assert!(Arc::ptr_eq(&one, &again), "two requests of one player are one stream");
        let two = seat(1, 1).await.unwrap().unwrap();
        assert!(one.is_ended() && !two.is_ended() && viewing.count() == 1);
        assert!(seat(1, 2).await.is_err(), "another player is refused");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn of_a_thousand_at_once_one_plays_at_each_instant() {
        for rule in [OnLimit::Refuse, OnLimit::EndOldest, OnLimit::EndNewest] {
            let (viewing, all, ann) = (Viewing::default(), channels(), user(1, rule, false));
            let (playing, played) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicUsize::new(0)));
            let tasks: Vec<_> = (0..1000)
                .map(|number: u32| {
                    let (viewing, channel, ann) = (viewing.clone(), all[0].clone(), ann.clone());
                    let (playing, played) = (Arc::clone(&playing), Arc::clone(&played));
                    let device =
                        Device { address: std::net::Ipv4Addr::from(number).into(), agent: "VLC".into() };
                    tokio::spawn(async move {
                        let seat = viewing.seat(&ann, &channel, device, Form::Endless).await;
                        let Ok(Some(seat)) = seat else { return };
                        assert_eq!(playing.fetch_add(1, Ordering::SeqCst), 0, "{rule:?}");
                        played.fetch_add(1, Ordering::SeqCst);
                        let _ =
                            tokio::time::timeout(Duration::from_millis(300), seat.ended().cancelled()).await;
                        assert_eq!(playing.fetch_sub(1, Ordering::SeqCst), 1, "{rule:?}");
                    })
                })
                .collect();
            for task in tasks {
                task.await.unwrap();
            }
            assert!(played.load(Ordering::SeqCst) > 1, "{rule:?}");
            assert_eq!(viewing.count(), 0, "{rule:?}");
        }
    }
}

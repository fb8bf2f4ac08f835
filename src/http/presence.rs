//! Who watches now, one by one: for operators, who see it and may end it.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use jiff::Timestamp;
use serde::Serialize;
use tokio_util::sync::CancellationToken;
use utoipa::ToSchema;

use super::admission::household;
use super::extract::Client;
use crate::accounts::{Seat, Watcher};

/// For how long a player whose stream was ended is not let in again: players come back by
/// themselves, and give up within that.
const AWAY: Duration = Duration::from_mins(1);

/// Players that are kept away at a time. Of more, those that were sent away first come back.
const MAX_AWAY: usize = 1024;

/// How somebody is sent what he or she watches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum How {
    /// A channel as MPEG-TS.
    Ts,
    /// A channel by HLS.
    Hls,
    /// A film.
    Film,
}

/// The viewers. Cloning is cheap.
#[derive(Debug, Clone, Default)]
pub(super) struct Presence(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    present: Mutex<Present>,
    away: Mutex<HashMap<Player, Instant>>,
}

#[derive(Debug, Default)]
struct Present {
    /// The number of the viewer who came last.
    last: u64,
    viewers: BTreeMap<u64, Known>,
}

/// One who watches.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) player: Player,
    pub(super) how: How,
    /// The name of the user, where it is known.
    pub(super) user: Option<Box<str>>,
    pub(super) address: IpAddr,
    pub(super) since: Timestamp,
    end: CancellationToken,
}

/// A player and what it plays, as far as one can tell.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Player {
    /// The id of the channel or the film.
    pub(super) title: Box<str>,
    pub(super) agent: Box<str>,
    household: IpAddr,
}

/// The time of one viewer. Dropping it says that it has gone.
#[derive(Debug)]
pub(super) struct Stay {
    shared: Arc<Shared>,
    number: u64,
    end: CancellationToken,
}

impl Player {
    pub(super) fn new(client: &Client, title: &str) -> Self {
        Self { title: title.into(), agent: client.agent.clone(), household: household(client.address) }
    }
}

impl Presence {
    /// `client` begins to watch the channel or the film `title`, on a seat of its user, where it
    /// has one.
    pub(super) fn enter(&self, client: &Client, title: &str, how: How, seat: Option<&Arc<Seat>>) -> Stay {
        let user = match &client.watching.watcher {
            Watcher::User(user, _) => Some(user.spec.name.as_str().into()),
            Watcher::Anybody | Watcher::Key(_) | Watcher::Token(_) => None,
        };
        let end = seat.map_or_else(CancellationToken::new, |seat| seat.ended());
        let known = Known {
            player: Player::new(client, title),
            how,
            user,
            address: client.address,
            since: Timestamp::now(),
            end: end.clone(),
        };
        let mut present = self.0.present();
        present.last += 1;
        let number = present.last;
        present.viewers.insert(number, known);
        Stay { shared: Arc::clone(&self.0), number, end }
    }

    /// Up to `limit` viewers behind number `after`, of one channel or film where that is said.
    pub(super) fn list(&self, title: Option<&str>, after: u64, limit: usize) -> Vec<(u64, Known)> {
        let present = self.0.present();
        let all = present.viewers.range(after.saturating_add(1)..);
        let wanted = all.filter(|(_, known)| title.is_none_or(|title| *known.player.title == *title));
        wanted.take(limit).map(|(&number, known)| (number, known.clone())).collect()
    }

    /// Ends what a viewer watches, and keeps its player away from it for a while; `None` if there
    /// is no such viewer.
    pub(super) fn end(&self, number: u64) -> Option<Known> {
        let known = self.0.present().viewers.get(&number).cloned()?;
        let now = Instant::now();
        let mut away = self.0.away();
        away.retain(|_, since| now.duration_since(*since) < AWAY);
        if away.len() >= MAX_AWAY {
            let first = away.iter().min_by_key(|(_, since)| **since).map(|(player, _)| player.clone());
            first.map(|player| away.remove(&player));
        }
        away.insert(known.player.clone(), now);
        drop(away);
        known.end.cancel();
        Some(known)
    }

    /// How long this player is still kept away from what it wants to play.
    pub(super) fn away(&self, client: &Client, title: &str) -> Option<Duration> {
        let away = self.0.away();
        // Nearly always.
        if away.is_empty() {
            return None;
        }
        let since = away.get(&Player::new(client, title))?;
        AWAY.checked_sub(since.elapsed()).filter(|rest| !rest.is_zero())
    }
}

impl Shared {
    fn present(&self) -> MutexGuard<'_, Present> {
        self.present.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn away(&self) -> MutexGuard<'_, HashMap<Player, Instant>> {
        self.away.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Stay {
    /// Told when the viewer may not go on.
    pub(super) fn end(&self) -> &CancellationToken {
        &self.end
    }
}

impl Drop for Stay {
    fn drop(&mut self) {
        self.shared.present().viewers.remove(&self.number);
    }
}

//! How many requests somebody may make in a minute, on routes that are asked now and then. A stream
//! that runs is none of these.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use http::{HeaderMap, HeaderName, HeaderValue};

use crate::accounts::Owner;
use crate::config::Server;
use crate::http::Peer;
use crate::http::admission::household;
use crate::http::error::ApiError;
use crate::http::forwarded::{Sender, client_address, sender};

/// How long requests are counted together.
const WINDOW: Duration = Duration::from_mins(1);

/// Askers that are remembered, at some tens of bytes. Of more, those that have asked first are
/// forgotten.
const MAX_ASKERS: usize = 65_536;

const LIMIT: HeaderName = HeaderName::from_static("x-ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("x-ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("x-ratelimit-reset");

/// Whose requests are counted together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::http) enum Asker {
    /// Everybody at one address, or in one network of IPv6.
    Household(IpAddr),
    /// A user or a program, wherever it is.
    Known(Owner),
}

/// The requests of the last minute, by who has made them.
#[derive(Debug, Clone, Default)]
pub(in crate::http) struct Rates(Arc<Mutex<HashMap<Asker, Asked>>>);

#[derive(Debug, Clone, Copy)]
struct Asked {
    count: u32,
    since: Instant,
}

/// How somebody stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::http) struct Rate {
    limit: u32,
    remaining: u32,
    /// Until there are as many as at first.
    reset: Duration,
    is_over: bool,
}

impl Rates {
    /// Counts a request; nothing where there is no limit, or for a program on this machine.
    pub(in crate::http) fn count(&self, server: &Server, peer: Peer, headers: &HeaderMap) -> Option<Rate> {
        let limit = server.per_address.requests?;
        // Programs that look after the server ask often, and all have this address.
        if matches!(sender(server, peer, headers), Sender::Direct(address) if address.is_loopback()) {
            return None;
        }
        let asker = Asker::Household(household(client_address(server, peer, headers)));
        Some(self.take(asker, limit, Instant::now()))
    }

    /// Counts a request of somebody who is known; nothing where there is no limit.
    pub(in crate::http) fn count_known(&self, server: &Server, owner: Owner) -> Option<Rate> {
        Some(self.take(Asker::Known(owner), server.per_address.requests?, Instant::now()))
    }

    fn take(&self, asker: Asker, limit: u32, now: Instant) -> Rate {
        let mut all = self.all();
        if all.len() >= MAX_ASKERS && !all.contains_key(&asker) {
            forget(&mut all, now);
        }
        let counted = all.entry(asker).or_insert(Asked { count: 0, since: now });
        if now.duration_since(counted.since) >= WINDOW {
            *counted = Asked { count: 0, since: now };
        }
        let is_over = counted.count >= limit;
        // Refused ones are not counted: whoever asks too often would else never get out of it.
        counted.count = counted.count.saturating_add(u32::from(!is_over));
        let reset = WINDOW.saturating_sub(now.duration_since(counted.since));
        Rate { limit, remaining: limit - counted.count.min(limit), reset, is_over }
    }

    fn all(&self) -> MutexGuard<'_, HashMap<Asker, Asked>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Rate {
    /// The refusal, if there were too many.
    pub(in crate::http) fn refusal(&self) -> Option<ApiError> {
        self.is_over.then(|| ApiError::rate_limit(self.limit, self.reset))
    }

    /// How many there may be and how long one has to wait, in seconds, if there were too many.
    pub(in crate::http) fn excess(&self) -> Option<(u32, u64)> {
        self.is_over.then(|| (self.limit, self.reset_seconds()))
    }

    /// Tells how somebody stands, unless the answer says already how another one does: a user whose
    /// requests are counted is told of those.
    pub(in crate::http) fn tell(&self, fields: &mut HeaderMap) {
        if !fields.contains_key(LIMIT) {
            fields.insert(LIMIT, HeaderValue::from(self.limit));
            fields.insert(REMAINING, HeaderValue::from(self.remaining));
            fields.insert(RESET, HeaderValue::from(self.reset_seconds()));
        }
    }

    /// Rounded up.
    fn reset_seconds(&self) -> u64 {
        u64::try_from(self.reset.as_millis().div_ceil(1000)).unwrap_or(u64::MAX)
    }
}

/// Makes room: takes away what does not count any more, else the older half.
fn forget(all: &mut HashMap<Asker, Asked>, now: Instant) {
    all.retain(|_, asked| now.duration_since(asked.since) < WINDOW);
    if all.len() < MAX_ASKERS {
        return;
    }
    let mut times: Vec<Instant> = all.values().map(|asked| asked.since).collect();
    let (_, middle, _) = times.select_nth_unstable(MAX_ASKERS / 2);
    let middle = *middle;
    all.retain(|_, asked| asked.since > middle);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::db::users::UserId;

    fn address(number: u32) -> IpAddr {
        std::net::Ipv4Addr::from(number).into()
    }

    fn at(number: u32) -> Asker {
        Asker::Household(address(number))
    }

    #[test]
    fn so_many_in_a_minute_and_then_none_until_it_is_over() {
        let (rates, now) = (Rates::default(), Instant::now());
        for remaining in (0..1000).rev() {
            let rate = rates.take(at(1), 1000, now);
            assert_eq!((rate.remaining, rate.is_over), (remaining, false));
        }
        let later = now + Duration::from_secs(20);
        let over = rates.take(at(1), 1000, later);
        assert_eq!((over.remaining, over.is_over, over.reset), (0, true, Duration::from_secs(40)));
        assert_eq!(over.refusal().unwrap().retry_after, Some(Duration::from_secs(40)));
        assert!(!rates.take(at(2), 1000, later).is_over, "another one is not meant");
        assert!(!rates.take(at(1), 1000, now + WINDOW).is_over);
    }

    #[test]
    fn forged_headers_make_one_bucket_and_this_machine_none() {
        let (rates, server) = (Rates::default(), Server::default());
        let peer = |address: &str| Peer {
            address: (address.parse::<IpAddr>().unwrap(), 5000).into(),
            local: "192.168.0.2:8080".parse().unwrap(),
        };
        for number in 0..1000 {
            let mut headers = HeaderMap::new();
            headers.insert("x-forwarded-for", address(number).to_string().parse().unwrap());
            let rate = rates.count(&server, peer("192.168.0.9"), &headers).unwrap();
            assert!(!rate.is_over);
        }
        assert!(rates.count(&server, peer("192.168.0.9"), &HeaderMap::new()).unwrap().is_over);
        assert_eq!(rates.all().len(), 1);
        assert_eq!(rates.count(&server, peer("127.0.0.1"), &HeaderMap::new()), None);
    }

    #[test]
    fn a_user_has_one_bucket_from_wherever_and_no_other_one_is_meant() {
        let (rates, now) = (Rates::default(), Instant::now());
        let [ann, ben] = [1, 2].map(|id| Asker::Known(Owner::User(UserId(id))));
        for _ in 0..1000 {
            assert!(!rates.take(ann, 1000, now).is_over);
        }
        let over = rates.take(ann, 1000, now);
        assert_eq!(over.excess(), Some((1000, 60)));
        assert!(!rates.take(ben, 1000, now).is_over && !rates.take(at(1), 1000, now).is_over);
        let mut fields = HeaderMap::new();
        over.tell(&mut fields);
        rates.take(at(1), 500, now).tell(&mut fields);
        assert_eq!((&fields[LIMIT], &fields[REMAINING]), (&"1000".parse().unwrap(), &"0".parse().unwrap()));
    }

    #[test]
    fn no_more_households_are_remembered_than_there_is_room_for() {
        let (rates, now) = (Rates::default(), Instant::now());
        for number in 0..2 * u32::try_from(MAX_ASKERS).unwrap() {
            rates.take(at(number), 1000, now + Duration::from_micros(u64::from(number)));
        }
        assert!(rates.all().len() <= MAX_ASKERS);
    }
}

//! Browsers that were sent to the provider.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use url::Url;

use crate::accounts::secret::{self, Secret};

/// How long somebody may take at the provider: typing a password, and looking for a second factor.
pub const LIFETIME: Duration = Duration::from_mins(10);

/// People who are at the provider at the same time, at half a kilobyte each. Of more, those who
/// went first have to begin again.
const MAX_FLOWS: usize = 4096;

/// Somebody who has gone to the provider.
#[derive(Debug)]
pub struct Flow {
    /// The answer is to have it: only whoever has begun knows it.
    pub(super) state: Secret,
    /// The ID token is to have it: no other one's is taken.
    pub(super) nonce: Secret,
    /// PKCE (RFC 7636): whoever exchanges the code must show it, so a stolen code is worthless.
    pub(super) verifier: Secret,
    /// Where the provider sends the browser.
    pub(super) redirect: Url,
    /// Where the session is to be.
    pub host: String,
    /// The page that is to be seen then.
    pub page: String,
}

impl Flow {
    /// A new one, and the cookie of its browser.
    pub(super) fn new(redirect: &Url, host: &str, page: &str) -> (Self, Secret) {
        let [state, nonce, verifier, cookie] = [(); 4].map(|()| Secret::random(""));
        let (redirect, host, page) = (redirect.clone(), host.to_owned(), page.to_owned());
        (Self { state, nonce, verifier, redirect, host, page }, cookie)
    }
}

/// All who are there, by the SHA-256 of their cookies.
#[derive(Debug, Default)]
pub(super) struct Flows(HashMap<[u8; 32], (Instant, Flow)>);

impl Flows {
    pub(super) fn insert(&mut self, cookie: [u8; 32], flow: Flow, now: Instant) {
        // Only at the limit: a sweep for each browser would look at all others.
        if self.0.len() >= MAX_FLOWS {
            self.0.retain(|_, (began, _)| now.duration_since(*began) < LIFETIME);
        }
        if self.0.len() >= MAX_FLOWS
            && let Some(oldest) =
                self.0.iter().min_by_key(|(_, (began, _))| *began).map(|(cookie, _)| *cookie)
        {
            self.0.remove(&oldest);
        }
        self.0.insert(cookie, (now, flow));
    }

    /// The flow of this browser that this is the answer to; it is taken once. An answer to another
    /// one leaves it as it is: any page can send a browser here.
    pub(super) fn take(&mut self, cookie: &str, state: &str, now: Instant) -> Option<Flow> {
        let cookie = secret::hash(cookie);
        let (began, flow) = self.0.get(&cookie)?;
        if !flow.state.is(state) || now.duration_since(*began) >= LIFETIME {
            return None;
        }
        self.0.remove(&cookie).map(|(_, flow)| flow)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flow() -> (Flow, Secret) {
        Flow::new(&"http://tv.lan/api/oidc/callback".parse().unwrap(), "tv.lan", "users")
    }

    #[test]
    fn an_answer_belongs_to_one_browser_and_one_flow_and_counts_once() {
        let (mut flows, now) = (Flows::default(), Instant::now());
        let [(one, cookie), (other, other_cookie)] = [flow(), flow()];
        let [state, other_state] = [&one, &other].map(|flow| flow.state.reveal().to_owned());
        flows.insert(cookie.hash(), one, now);
        flows.insert(other_cookie.hash(), other, now);
        assert!(flows.take(cookie.reveal(), &other_state, now).is_none(), "the answer to another flow");
        assert!(flows.take("", &state, now).is_none(), "another browser");
        assert!(flows.take(cookie.reveal(), "", now).is_none(), "no answer at all");
        assert!(flows.take(cookie.reveal(), &state, now).is_some());
        assert!(flows.take(cookie.reveal(), &state, now).is_none(), "a second time");
        let late = now + LIFETIME;
        assert!(flows.take(other_cookie.reveal(), &other_state, late).is_none(), "too late");
    }

    #[test]
    fn of_too_many_the_first_begin_again() {
        let (mut flows, now) = (Flows::default(), Instant::now());
        let (first, cookie) = flow();
        let state = first.state.reveal().to_owned();
        flows.insert(cookie.hash(), first, now);
        for _ in 0..MAX_FLOWS {
            let (flow, cookie) = flow();
            flows.insert(cookie.hash(), flow, now + Duration::from_secs(1));
        }
        assert_eq!(flows.0.len(), MAX_FLOWS);
        assert!(flows.take(cookie.reveal(), &state, now).is_none());
    }
}

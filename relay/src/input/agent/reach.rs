//! Where an upstream may go: what a server on the internet sends leads to the internet only.
//!
//! An address in the configuration may be anywhere, and a server in a local network may name others
//! there. But redirects and playlists of a provider must not make us ask this machine's or the
//! network's own services, or tell the provider what they answer. What a server is counts by the
//! address that is connected to, so a name that resolves to something else the next time gains
//! nothing.

use std::net::SocketAddr;
use std::sync::{Mutex, PoisonError};

use crate::model::Scope;
use crate::net::{Peer, Reach};

/// Local servers that are remembered: one for playlists and a few for segments.
const MAX_REACHED: usize = 16;

/// Which addresses the requests of one upstream may reach.
#[derive(Debug, Default)]
pub(super) struct Bounds {
    scope: Scope,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Whether a server on the internet has answered, so that it may have had a say in where the
    /// next request goes.
    has_public_answer: bool,
    /// Servers that are not on the internet, and were reached before one on the internet answered.
    reached: Vec<SocketAddr>,
}

impl Bounds {
    pub(super) fn new(scope: Scope) -> Self {
        Self { scope, state: Mutex::default() }
    }

    /// What the next request may reach.
    pub(super) fn reach(&self) -> Reach {
        let state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        match self.scope {
            Scope::Internet => Reach::Internet { besides: Vec::new() },
            // From now on others have a say in where requests go. Local servers that the operator's
            // own address led to stay within reach, since a playlist there goes on naming them.
            Scope::Own if state.has_public_answer => Reach::Internet { besides: state.reached.clone() },
            Scope::Own | Scope::Everywhere => Reach::Everywhere,
        }
    }

    /// Notes that this server has answered.
    pub(super) fn note(&self, peer: Peer) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        if peer.is_public {
            state.has_public_answer = true;
        } else if !state.reached.contains(&peer.address) && state.reached.len() < MAX_REACHED {
            state.reached.push(peer.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str, is_public: bool) -> Peer {
        Peer { address: address.parse().unwrap(), is_public }
    }

    #[test]
    fn a_public_answer_bounds_what_follows() {
        let bounds = Bounds::new(Scope::Own);
        assert_eq!(bounds.reach(), Reach::Everywhere, "the configured address may be anywhere");
        bounds.note(peer("10.0.0.1:80", false));
        assert_eq!(bounds.reach(), Reach::Everywhere, "and so may what a local server names");
        bounds.note(peer("1.1.1.1:80", true));
        let local = Reach::Internet { besides: vec!["10.0.0.1:80".parse().unwrap()] };
        assert_eq!(bounds.reach(), local, "the local playlist is asked for again");
        bounds.note(peer("1.1.1.1:80", true));
        assert_eq!(bounds.reach(), local);
    }

    #[test]
    fn what_the_configuration_allows_is_allowed() {
        let bounds = Bounds::new(Scope::Everywhere);
        bounds.note(peer("1.1.1.1:80", true));
        assert_eq!(bounds.reach(), Reach::Everywhere);
    }

    #[test]
    fn what_somebody_else_has_named_leads_to_the_internet_only() {
        let bounds = Bounds::new(Scope::Internet);
        let internet = Reach::Internet { besides: Vec::new() };
        assert_eq!(bounds.reach(), internet);
        bounds.note(peer("10.0.0.1:80", false));
        assert_eq!(bounds.reach(), internet);
    }

    #[test]
    fn few_servers_are_remembered() {
        let bounds = Bounds::new(Scope::Own);
        (1..100).for_each(|port| bounds.note(peer(&format!("10.0.0.1:{port}"), false)));
        bounds.note(peer("1.1.1.1:80", true));
        let Reach::Internet { besides } = bounds.reach() else { panic!("it is bounded") };
        assert_eq!(besides.len(), 16);
    }
}

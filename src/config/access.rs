//! How the servers of a source are reached.

use super::ProxyChoice;

/// What a source, or its provider for all of its sources, says about the way to its servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether redirects and playlists from the internet may lead to this machine and to local
    /// networks.
    pub allow_private: bool,
    /// Whether servers must show over TLS who they are.
    pub trust: Trust,
    /// The proxy on the way.
    pub proxy: ProxyChoice,
}

/// What is made of the certificate of a server.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Trust {
    /// It must be valid, for its name, and signed by somebody who is known.
    #[default]
    Verify,
    /// Nothing: whoever answers will do.
    Unverified,
}

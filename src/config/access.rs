//! How the servers of a source are reached.

/// What a source, or its provider for all of its sources, says about the way to its servers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Access {
    /// Whether redirects and playlists from the internet may lead to this machine and to local networks.
    pub allow_private: bool,
}

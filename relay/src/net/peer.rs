//! The other end.

use std::net::SocketAddr;

/// The other end of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Peer {
    /// Behind a proxy, only known of hosts that are addresses; else it is the proxy's.
    pub address: SocketAddr,
    /// Whether it is on the internet, rather than on this machine or in a local network.
    pub is_public: bool,
}

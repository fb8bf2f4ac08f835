//! Who is at the other end.

use std::net::SocketAddr;

/// Who is asking: both ends of the connection.
#[derive(Debug, Clone, Copy)]
pub struct Peer {
    /// The other end.
    pub address: SocketAddr,
    /// Our end.
    pub local: SocketAddr,
}

impl Peer {
    /// Whether the other end is on this machine, as far as the addresses tell: behind a NAT or a
    /// container's proxy it may not be.
    pub(super) fn is_local(&self) -> bool {
        let (address, local) = (self.address.ip().to_canonical(), self.local.ip().to_canonical());
        address.is_loopback() || address == local
    }
}

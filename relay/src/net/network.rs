//! Names and addresses as this machine knows them.

use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};

use forebay_core::address;
use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;

/// Looks names up, and tells which addresses are public. A trait, so that tests can bring names and
/// an internet of their own on the loopback interface.
pub(crate) trait Network: Send + Sync {
    /// The addresses of a host, a name or an address itself, in the order in which they should be
    /// tried.
    fn look_up(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>>;

    /// Whether an address belongs to the internet.
    fn is_public(&self, address: IpAddr) -> bool;
}

/// The operating system's network.
pub(super) struct System;

impl Network for System {
    fn look_up(&self, host: String, port: u16) -> BoxFuture<'static, io::Result<Vec<SocketAddr>>> {
        async move { Ok(tokio::net::lookup_host((host, port)).await?.collect()) }.boxed()
    }

    fn is_public(&self, address: IpAddr) -> bool {
        address::is_public(address) && !is_own(address)
    }
}

/// Whether an address is this machine's own: what listens there, Forebay itself among others, may
/// be meant for this machine alone. The kernel talks to its own addresses from the same address;
/// connecting by UDP sends nothing.
fn is_own(address: IpAddr) -> bool {
    let any = match address {
        IpAddr::V4(_) => IpAddr::from(Ipv4Addr::UNSPECIFIED),
        IpAddr::V6(_) => IpAddr::from(Ipv6Addr::UNSPECIFIED),
    };
    let from = UdpSocket::bind((any, 0)).and_then(|socket| {
        // Any port will do.
        socket.connect((address, 9))?;
        socket.local_addr()
    });
    // Without a route to it, it is not here.
    from.is_ok_and(|from| from.ip() == address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_of_this_machine_is_known() {
        assert!(is_own(Ipv4Addr::LOCALHOST.into()));
        assert!(!is_own(Ipv4Addr::new(203, 0, 113, 7).into()));
    }
}

//! How Forebay is reached.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use forebay_relay::model::Delivery;
use ipnet::IpNet;
use url::Url;

use super::Tls;

/// `[server]`: how Forebay is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Server {
    /// Address and port to listen on; port 0 picks a free one.
    pub listen: SocketAddr,
    /// The http or https address under which viewers reach it. Its path ends in `/`, so that `join`
    /// appends; it has no query, fragment or credentials.
    pub public_url: Option<Url>,
    /// Peers whose `Forwarded` and `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The header in which those peers name who asks; where it is not told, nobody is an admin who
    /// comes through one of them.
    pub proxy_header: Option<ProxyHeader>,
    /// Where requests that change something may come from.
    pub admin_from: Vec<IpNet>,
    /// Names in `Host` of requests that change something, in lower case, besides those that we know
    /// without being told.
    pub admin_hosts: Vec<String>,
    /// Whether what is given by the API may name files and addresses that are not on the internet.
    pub allow_private_sources: bool,
    /// How long open responses may go on after the first signal to stop; 100 ms to 5 minutes.
    pub shutdown_grace: Duration,
    /// Connections at a time, from 1; further ones are told to come back later.
    pub max_connections: usize,
    /// What one address may take up.
    pub per_address: PerAddress,
    /// Bits a second that may be sent to viewers: who does not fit in is told to come back later;
    /// no limit if absent.
    pub max_bandwidth: Option<u64>,
    /// How live streams get from the store to plain HTTP connections.
    pub delivery: Delivery,
    /// HTTPS besides plain HTTP.
    pub tls: Option<Tls>,
}

impl Default for Server {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from(([0, 0, 0, 0], 8080)),
            public_url: None,
            trusted_proxies: Vec::new(),
            proxy_header: None,
            // This machine: there are no users yet who could be told apart.
            admin_from: vec![loopback(Ipv4Addr::LOCALHOST, 8), loopback(Ipv6Addr::LOCALHOST, 128)],
            admin_hosts: Vec::new(),
            allow_private_sources: false,
            // Well under the 10 s in which `docker stop` loses patience.
            shutdown_grace: Duration::from_secs(5),
            // More than the file descriptors that most systems give a process, which is the limit
            // then.
            max_connections: 65_536,
            per_address: PerAddress::default(),
            max_bandwidth: None,
            delivery: Delivery::Auto,
            tls: None,
        }
    }
}

/// What one address may take up at a time, from 1; no limit if absent. Many people may be behind
/// one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PerAddress {
    /// Connections.
    pub connections: Option<usize>,
    /// Viewers, of all kinds.
    pub viewers: Quota,
    /// Channels that are open for its sake and have no picture yet.
    pub opening: Option<usize>,
    /// Requests in a minute, on routes that are no streams.
    pub requests: Option<u32>,
}

impl Default for PerAddress {
    fn default() -> Self {
        // More than a house, a hotel or an office needs. A carrier's NAT may need more, and so does
        // a proxy that is not in `trusted_proxies`.
        Self { connections: Some(1024), viewers: Quota::Share, opening: Some(32), requests: Some(1000) }
    }
}

/// What a household may have, however little there is.
const HOUSEHOLD: usize = 16;

/// How much of something one address may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Quota {
    /// Three quarters of what there is for all, or a household's: nobody alone keeps all others
    /// out, and a crowd behind one address is let in where there is room.
    Share,
    /// As much as this.
    Most(usize),
    /// Everything.
    Off,
}

impl Quota {
    /// How many of `all` that is; `None` where there is no limit.
    pub fn of(self, all: usize) -> Option<usize> {
        match self {
            Self::Share => Some((all - all / 4).max(HOUSEHOLD)),
            Self::Most(most) => Some(most),
            Self::Off => None,
        }
    }
}

/// A header in which a proxy names who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum ProxyHeader {
    /// `X-Forwarded-For`: a list, to which each proxy appends.
    XForwardedFor,
    /// `Forwarded` (RFC 7239): a list, to which each proxy appends.
    Forwarded,
    /// `X-Real-IP`: one address.
    XRealIp,
    /// `CF-Connecting-IP`: one address.
    CfConnectingIp,
    /// `True-Client-IP`: one address.
    TrueClientIp,
}

fn loopback(address: impl Into<IpAddr>, bits: u8) -> IpNet {
    IpNet::new_assert(address.into(), bits).trunc()
}

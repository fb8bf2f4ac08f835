//! Who may change something by the address alone.
//!
//! An admin without an account is known by the address, and the address of this machine is the
//! usual one. But everybody who comes through a proxy on this machine has that address, and so has
//! every page in a browser on it. So a request changes something only where nothing says that it
//! was passed on, or a trusted proxy names who asks in the header that it is known to set; where it
//! is for a name of ours; where no page sent it; and, of this machine, where the program that sent
//! it is shown to be no proxy, or has the token ([ADR 7](../../docs/adr/0007-who-is-an-admin.md)).

use std::net::IpAddr;
use std::sync::Arc;

use http::{HeaderMap, StatusCode, Uri, header};
use tokio::sync::Semaphore;

use super::error::ApiError;
use super::forwarded::{Sender, sender};
use super::head::host;
use super::local_program::{self, Program};
use super::token::Token;
use super::{Peer, State};
use crate::config::Server;
use crate::host::HostPort;

/// Looks at the programs of this machine at the same time. One takes some milliseconds of a core,
/// and whoever is on this machine, or comes through a proxy on it, can ask for one.
const MAX_LOOKS: usize = 1;

/// The header by which a command of ours says so. Who has the token may say it, too: what is done
/// then is the operator's own word.
pub(crate) const COMMAND: &str = "forebay-command";

/// What is needed to know an admin besides the configuration.
#[derive(Debug, Clone)]
pub(super) struct Admins {
    token: Option<Arc<Token>>,
    looks: Arc<Semaphore>,
}

/// An admin by the address.
#[derive(Debug, Clone, Copy)]
pub(super) struct Admin {
    /// Where it is.
    pub(super) address: IpAddr,
    /// It is a command of ours: on this machine, with the token, which only our own user can read.
    pub(super) is_command: bool,
}

/// Why somebody is no admin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NoAdmin {
    /// Nobody is from there.
    Address(IpAddr),
    /// A proxy that is not known passed it on.
    Proxy(IpAddr),
    /// It is not known in which header this proxy says who asks.
    ProxyHeader(IpAddr),
    /// This proxy does not say who asks.
    ProxySilent(IpAddr),
    /// It is for a host that is not known as ours.
    Host,
    /// A page in a browser.
    Page,
    /// It is from this machine, and what sent it may be a proxy.
    Program,
}

/// One whom all but the program speaks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Candidate {
    address: IpAddr,
    /// Whether the program is to be looked at.
    is_on_this_machine: bool,
}

impl Admins {
    /// With the token of this process, where it could be kept.
    pub(super) fn new(token: Option<Token>) -> Self {
        Self { token: token.map(Arc::new), looks: Arc::new(Semaphore::new(MAX_LOOKS)) }
    }

    fn has_token(&self, headers: &HeaderMap) -> bool {
        self.token.as_ref().is_some_and(|token| token.is_in(headers))
    }

    async fn is_client(&self, peer: Peer) -> bool {
        // Waited for, not refused: an operator must get through while others ask.
        let Ok(_look) = self.looks.acquire().await else { return false };
        let look = tokio::task::spawn_blocking(move || local_program::find(peer.address, peer.local));
        matches!(look.await, Ok(Ok(Program::Client)))
    }
}

/// The admin who asks.
pub(super) async fn check(
    state: &State,
    peer: Peer,
    uri: &Uri,
    headers: &HeaderMap,
) -> Result<Admin, NoAdmin> {
    let Candidate { address, is_on_this_machine } =
        check_request(&state.config().server, peer, uri, headers)?;
    let has_token = is_on_this_machine && state.guards.admins.has_token(headers);
    if is_on_this_machine && !has_token && !state.guards.admins.is_client(peer).await {
        return Err(NoAdmin::Program);
    }
    Ok(Admin { address, is_command: has_token && headers.contains_key(COMMAND) })
}

fn check_request(server: &Server, peer: Peer, uri: &Uri, headers: &HeaderMap) -> Result<Candidate, NoAdmin> {
    let (address, is_direct) = match sender(server, peer, headers) {
        Sender::Direct(address) => (address, true),
        Sender::Proxied(address) => (address, false),
        Sender::Untrusted(proxy) => return Err(NoAdmin::Proxy(proxy)),
        Sender::Unnamed(proxy) => return Err(NoAdmin::ProxyHeader(proxy)),
        Sender::Unknown(proxy) => return Err(NoAdmin::ProxySilent(proxy)),
    };
    // The cheap questions first; the look at programs reads hundreds of files.
    if !server.admin_from.iter().any(|network| network.contains(&address)) {
        return Err(NoAdmin::Address(address));
    }
    if is_from_page(headers) {
        return Err(NoAdmin::Page);
    }
    if !is_ours(server, peer, uri, headers) {
        return Err(NoAdmin::Host);
    }
    Ok(Candidate { address, is_on_this_machine: is_direct && peer.is_local() })
}

/// Whether a browser sent it for a page: it says so in `Origin` or `Sec-Fetch-Site`. A page's host
/// may have been made to lead to this machine, so its own origin is no better than another.
fn is_from_page(headers: &HeaderMap) -> bool {
    let site = headers.get_all("sec-fetch-site");
    headers.contains_key(header::ORIGIN) || site.iter().any(|site| site != "none")
}

/// Whether it is for a host that is known as ours. Any other one may be a page's, made to lead to
/// this machine, or what a proxy was asked for.
pub(super) fn is_ours(server: &Server, peer: Peer, uri: &Uri, headers: &HeaderMap) -> bool {
    let Some(host) = host(uri, headers).and_then(HostPort::parse) else { return false };
    if let Some(address) = host.address() {
        let own = [peer.local.ip(), server.listen.ip()].map(|own| own.to_canonical());
        let address = address.to_canonical();
        // 0.0.0.0 leads to this machine in many browsers, from any page.
        if address.is_loopback() || !address.is_unspecified() && own.contains(&address) {
            return true;
        }
    }
    let name = host.host.trim_end_matches('.').to_ascii_lowercase();
    let public = server.public_url.as_ref().and_then(|url| url.host_str());
    name == "localhost"
        || public.is_some_and(|public| public.trim_matches(['[', ']']) == name)
        || server.admin_hosts.contains(&name)
        || server.tls.as_ref().is_some_and(|tls| tls.names().any(|own| own == name))
}

impl From<NoAdmin> for ApiError {
    fn from(why: NoAdmin) -> Self {
        forbidden(match why {
            NoAdmin::Address(address) => {
                format!("{address} may not change anything: it is not in server.admin_from")
            }
            NoAdmin::Proxy(proxy) => {
                format!("the proxy {proxy} is not in server.trusted_proxies, so nobody knows who asks")
            }
            NoAdmin::ProxyHeader(proxy) => format!(
                "server.proxy_header does not say in which header the proxy {proxy} names who asks, \
                 so anybody may have set it"
            ),
            NoAdmin::ProxySilent(proxy) => format!(
                "the proxy {proxy} does not say in server.proxy_header who asks, or names this machine"
            ),
            NoAdmin::Host => "the request is for a host that is not in server.admin_hosts".into(),
            NoAdmin::Page => "pages in browsers may not change anything".into(),
            NoAdmin::Program => {
                "what sent this may be a proxy on this machine: use a program that is connected to \
                 nothing else and runs as the same user, or send Authorization: Bearer with what is \
                 in the file admin.token in hls.dir"
                    .into()
            }
        })
    }
}

fn forbidden(message: String) -> ApiError {
    ApiError::new(StatusCode::FORBIDDEN, "forbidden", message)
}

#[cfg(test)]
mod tests {
    use http::HeaderName;

    use super::*;
    use crate::config::ProxyHeader;

    fn check(server: &Server, peer: &str, fields: &[(&'static str, &str)]) -> Result<Candidate, NoAdmin> {
        let peer = Peer {
            address: (peer.parse::<IpAddr>().unwrap(), 5000).into(),
            local: "192.168.0.2:8080".parse().unwrap(),
        };
        let mut headers = HeaderMap::from_iter([(header::HOST, "127.0.0.1:8080".parse().unwrap())]);
        for (name, value) in fields {
            headers.insert(HeaderName::from_static(name), value.parse().unwrap());
        }
        check_request(server, peer, &Uri::from_static("/api/streams/one/source"), &headers)
    }

    #[test]
    fn nobody_is_an_admin_from_elsewhere() {
        let server = Server { admin_from: vec!["10.0.0.0/8".parse().unwrap()], ..Server::default() };
        let address: IpAddr = "10.1.2.3".parse().unwrap();
        assert_eq!(check(&server, "10.1.2.3", &[]), Ok(Candidate { address, is_on_this_machine: false }));
        for peer in ["127.0.0.1", "11.0.0.1", "::1"] {
            assert_eq!(check(&server, peer, &[]), Err(NoAdmin::Address(peer.parse().unwrap())));
        }
        let nobody = Server { admin_from: Vec::new(), ..Server::default() };
        assert!(check(&nobody, "127.0.0.1", &[]).is_err());
        for peer in ["127.0.0.1", "127.8.8.8", "::1"] {
            let address = peer.parse().unwrap();
            assert_eq!(
                check(&Server::default(), peer, &[]),
                Ok(Candidate { address, is_on_this_machine: true })
            );
        }
        // By our own address in the network one comes from this machine, too.
        let home = Server { admin_from: vec!["192.168.0.0/24".parse().unwrap()], ..Server::default() };
        for (peer, is_on_this_machine) in [("192.168.0.2", true), ("192.168.0.3", false)] {
            let address = peer.parse().unwrap();
            assert_eq!(check(&home, peer, &[]), Ok(Candidate { address, is_on_this_machine }));
        }
    }

    #[test]
    fn no_page_is_an_admin() {
        for origin in ["http://tv.example", "http://127.0.0.1:8080", "null"] {
            assert_eq!(check(&Server::default(), "127.0.0.1", &[("origin", origin)]), Err(NoAdmin::Page));
        }
        for site in ["cross-site", "same-site", "same-origin"] {
            let page = [("sec-fetch-site", site)];
            assert_eq!(check(&Server::default(), "127.0.0.1", &page), Err(NoAdmin::Page));
        }
        assert!(check(&Server::default(), "127.0.0.1", &[("sec-fetch-site", "none")]).is_ok());
    }

    #[test]
    fn a_request_is_for_a_host_that_is_ours() {
        let server = Server {
            public_url: Some("https://TV.example/forebay/".parse().unwrap()),
            admin_hosts: vec!["nas.lan".into()],
            ..Server::default()
        };
        for host in [
            "127.0.0.1:8080",
            "127.1.2.3",
            "[::1]:8080",
            "localhost",
            "LocalHost.:8080",
            "192.168.0.2:8080",
            "tv.example",
            "nas.lan:9",
        ] {
            assert!(check(&server, "127.0.0.1", &[("host", host)]).is_ok(), "{host}");
        }
        for host in ["rebound.example", "203.0.113.9", "localhost.example", "0.0.0.0", "", "a@127.0.0.1"] {
            assert_eq!(check(&server, "127.0.0.1", &[("host", host)]), Err(NoAdmin::Host), "{host}");
        }
    }

    #[test]
    fn a_proxy_speaks_for_others_only_where_it_is_known_how() {
        let home: IpAddr = "127.0.0.1".parse().unwrap();
        let passed_on = [("x-forwarded-for", "10.1.2.3")];
        assert_eq!(check(&Server::default(), "127.0.0.1", &passed_on), Err(NoAdmin::Proxy(home)));
        let trusted = Server {
            trusted_proxies: vec!["127.0.0.1/32".parse().unwrap()],
            admin_from: vec!["10.0.0.0/8".parse().unwrap()],
            ..Server::default()
        };
        assert_eq!(check(&trusted, "127.0.0.1", &passed_on), Err(NoAdmin::ProxyHeader(home)));
        let named = Server { proxy_header: Some(ProxyHeader::XForwardedFor), ..trusted };
        let address = "10.1.2.3".parse().unwrap();
        assert_eq!(
            check(&named, "127.0.0.1", &passed_on),
            Ok(Candidate { address, is_on_this_machine: false })
        );
        let stranger = [("x-forwarded-for", "10.1.2.3, 8.8.8.8")];
        assert_eq!(check(&named, "127.0.0.1", &stranger), Err(NoAdmin::Address("8.8.8.8".parse().unwrap())));
        assert_eq!(
            check(&named, "127.0.0.1", &[("forwarded", "for=10.1.2.3")]),
            Err(NoAdmin::ProxySilent(home))
        );
    }
}

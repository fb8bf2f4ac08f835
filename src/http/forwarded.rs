//! What proxies that are trusted say of a request: the address under which the viewer reaches us,
//! and the viewer's own.

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, HeaderName, Uri, header};
use url::Url;

use super::Peer;
use crate::config::{ProxyHeader, Server};
use crate::host::HostPort;

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Header fields that proxies add to what they pass on, besides `X-Forwarded-…` and `CF-…`. A
/// viewer's program sends none of them.
const OF_PROXIES: &[&str] = &[
    "forwarded",
    "via",
    "x-forwarded",
    "x-real-ip",
    "x-real-port",
    "x-client-ip",
    "x-cluster-client-ip",
    "x-remote-ip",
    "x-remote-addr",
    "x-originating-ip",
    "x-original-host",
    "x-original-url",
    "x-original-uri",
    "x-original-for",
    "x-original-forwarded-for",
    "x-proxyuser-ip",
    "x-nginx-proxy",
    "x-scheme",
    "x-url-scheme",
    "x-varnish",
    "x-appengine-user-ip",
    "x-azure-clientip",
    "x-azure-socketip",
    "x-arr-log-id",
    "x-envoy-external-address",
    "x-amzn-trace-id",
    "true-client-ip",
    "client-ip",
    "proxy-client-ip",
    "wl-proxy-client-ip",
    "ali-cdn-real-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "front-end-https",
    "cdn-loop",
];

/// Who asks, as far as that is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sender {
    /// Nothing says that anybody stands between us and this address.
    Direct(IpAddr),
    /// A trusted proxy names this address, in the header that the operator says it sets.
    Proxied(IpAddr),
    /// A proxy that is not trusted passed it on.
    Untrusted(IpAddr),
    /// A trusted proxy passed it on, and nobody knows in which header it names who asks.
    Unnamed(IpAddr),
    /// A trusted proxy passed it on, and does not name one who asks, or names itself or this
    /// machine.
    Unknown(IpAddr),
}

/// Who asks. Unlike [`client_address`], this believes nothing that the one who asks could have made
/// up.
pub(super) fn sender(server: &Server, peer: Peer, headers: &HeaderMap) -> Sender {
    let address = peer.address.ip().to_canonical();
    // A proxy that adds no field at all cannot be told
    // from a viewer; that is why it must be listed.
    if !headers.keys().any(is_of_proxy) {
        return Sender::Direct(address);
    }
    if !is_trusted(server, address) {
        return Sender::Untrusted(address);
    }
    let Some(header) = server.proxy_header else { return Sender::Unnamed(address) };
    let client = last_untrusted(server, address, &hops(header, headers));
    // Who is on this machine can ask directly. So an address of it that a header names is one that
    // a proxy let pass.
    if is_trusted(server, client) || client.is_loopback() {
        return Sender::Unknown(address);
    }
    Sender::Proxied(client)
}

fn is_of_proxy(name: &HeaderName) -> bool {
    let name = name.as_str();
    name.starts_with("x-forwarded-") || name.starts_with("cf-") || OF_PROXIES.contains(&name)
}

/// `public_url` where it is set; else what a trusted proxy says it was asked for (`Forwarded`, RFC
/// 7239, then `X-Forwarded-Proto` and `-Host`, unless `proxy_header` names one of the two kinds;
/// below `X-Forwarded-Prefix`); else the address of the request: its `uri` where that is whole, and
/// its `Host`. It ends in `/`.
pub(super) fn base_url(server: &Server, peer: Peer, uri: &Uri, headers: &HeaderMap) -> Url {
    if let Some(url) = &server.public_url {
        return url.clone();
    }
    // Fields of proxies from anybody else are as good as absent: a viewer can send them, too.
    let none = HeaderMap::new();
    let of_proxy = if is_trusted(server, peer.address.ip()) { headers } else { &none };
    let forwarded = match server.proxy_header {
        None | Some(ProxyHeader::Forwarded) => first(of_proxy, "forwarded").unwrap_or_default(),
        Some(_) => "",
    };
    let of_list =
        |name| first(of_proxy, name).filter(|_| server.proxy_header != Some(ProxyHeader::Forwarded));
    let scheme =
        pair(forwarded, "proto").or_else(|| of_list("x-forwarded-proto")).or_else(|| uri.scheme_str());
    // Anything else is http: the word goes into every address of the lists.
    let scheme = if scheme == Some("https") { "https" } else { "http" };
    let host = pair(forwarded, "host")
        .or_else(|| of_list("x-forwarded-host"))
        .or_else(|| uri.authority().map(Authority::as_str))
        .or_else(|| first(headers, "host"))
        // What a proxy says is not checked by the HTTP library, and ends up in documents.
        .filter(|host| HostPort::parse(host).is_some());
    let listen = server.listen.to_string();
    let prefix = prefix(of_proxy).unwrap_or_default();
    let url = Url::parse(&format!("{scheme}://{}{prefix}/", host.unwrap_or(&listen)));
    // A host may look like an address and be none: 1.2.3.4.5, or 999.
    url.unwrap_or_else(|_| {
        Url::parse(&format!("http://{listen}/")).expect("a socket address is a host and a port")
    })
}

/// The first element of a header field.
fn first<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    Some(headers.get(name)?.to_str().ok()?.split(',').next()?.trim())
}

/// The longest path below which a proxy may serve us, in bytes.
const MAX_PREFIX: usize = 255;

/// The path below which a proxy serves us, without a `/` at its end; of several proxies, the
/// outermost one's first. `None` where it is no such path: it becomes a part of every address that
/// the viewer gets.
fn prefix(headers: &HeaderMap) -> Option<String> {
    let values = headers.get_all("x-forwarded-prefix").iter();
    let mut path = String::new();
    for value in values {
        for prefix in value.to_str().ok()?.split(',') {
            path.push_str(prefix.trim().trim_end_matches('/'));
        }
    }
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    let is_segment = |segment: &str| !matches!(segment, "" | "." | "..") && segment.bytes().all(is_plain);
    let mut segments = path.split('/');
    // It has to begin with a slash, and each segment to need no escaping.
    let is_path = segments.next() == Some("") && path.len() <= MAX_PREFIX && segments.all(is_segment);
    is_path.then_some(path)
}

/// Whether what it says of others is believed.
pub(super) fn is_trusted(server: &Server, address: IpAddr) -> bool {
    let address = address.to_canonical();
    server.trusted_proxies.iter().any(|proxy| proxy.contains(&address))
}

/// Where the viewer is, for limits and counts: the last address that is no trusted proxy, on the
/// way that `proxy_header` tells. Where nobody said which header that is, it is `X-Forwarded-For`,
/// or `Forwarded` where there is none: common proxies set the former, and let the latter pass as
/// the viewer sent it.
pub(super) fn client_address(server: &Server, peer: Peer, headers: &HeaderMap) -> IpAddr {
    let address = peer.address.ip().to_canonical();
    let hops = match server.proxy_header {
        Some(header) => hops(header, headers),
        None if headers.contains_key(X_FORWARDED_FOR) => hops(ProxyHeader::XForwardedFor, headers),
        None => hops(ProxyHeader::Forwarded, headers),
    };
    last_untrusted(server, address, &hops)
}

/// The last of `hops` that is no trusted proxy, where the way to us leads over `peer`.
fn last_untrusted(server: &Server, peer: IpAddr, hops: &[Option<IpAddr>]) -> IpAddr {
    let mut client = peer;
    for hop in hops.iter().rev() {
        let Some(next) = hop.filter(|_| is_trusted(server, client)) else { break };
        // IPv4 in IPv6 clothes must match the networks of the configuration.
        client = next.to_canonical();
    }
    client
}

/// The addresses that a header names, the nearest one last; `None` for what is none.
fn hops(header: ProxyHeader, headers: &HeaderMap) -> Vec<Option<IpAddr>> {
    let values =
        |name: HeaderName| headers.get_all(name).iter().map(|value| value.to_str().unwrap_or_default());
    let one = |name| match values(HeaderName::from_static(name)).collect::<Vec<_>>()[..] {
        [value] => vec![parse_hop(value.trim())],
        [] => Vec::new(),
        // Which of them the proxy has set, nobody knows.
        _ => vec![None],
    };
    match header {
        ProxyHeader::XForwardedFor => values(X_FORWARDED_FOR)
            .flat_map(|value| value.split(','))
            .map(|hop| parse_hop(hop.trim()))
            .collect(),
        ProxyHeader::Forwarded => {
            let hops = values(header::FORWARDED).flat_map(|value| value.split(','));
            hops.map(|hop| parse_hop(pair(hop, "for")?)).collect()
        }
        ProxyHeader::XRealIp => one("x-real-ip"),
        ProxyHeader::CfConnectingIp => one("cf-connecting-ip"),
        ProxyHeader::TrueClientIp => one("true-client-ip"),
    }
}

/// The value of `key` in one element of `Forwarded`.
fn pair<'a>(element: &'a str, key: &str) -> Option<&'a str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.trim().split_once('=')?;
        name.eq_ignore_ascii_case(key).then(|| value.trim_matches('"'))
    })
}

/// An address with or without a port, an IPv6 one in brackets or not.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.split(']').next());
    // In this order: a bare IPv6 address has colons, the last of which is no port.
    hop.parse().ok().or_else(|| bare?.parse().ok()).or_else(|| hop.rsplit_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer_of(address: &str) -> Peer {
        Peer { address: format!("{address}:5000").parse().unwrap(), local: "127.0.0.1:8080".parse().unwrap() }
    }

    fn of(peer: &str, public: Option<&str>, headers: &[(&'static str, &str)]) -> String {
        let server = Server {
            public_url: public.map(|url| url.parse().unwrap()),
            trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()],
            listen: "127.0.0.1:8080".parse().unwrap(),
            ..Server::default()
        };
        let headers = headers
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
            .collect();
        base_url(&server, peer_of(peer), &Uri::default(), &headers).to_string()
    }

    #[test]
    fn the_viewer_gets_an_address_that_works_for_them() {
        let host = [("host", "tv.lan:8080")];
        assert_eq!(of("192.168.0.9", None, &host), "http://tv.lan:8080/");
        assert_eq!(of("192.168.0.9", Some("https://tv.example/x/"), &host), "https://tv.example/x/");
        let proxied =
            [("host", "inner"), ("x-forwarded-proto", "https"), ("x-forwarded-host", "tv.example, inner")];
        assert_eq!(of("10.1.1.1", None, &proxied), "https://tv.example/");
        assert_eq!(of("192.168.0.9", None, &proxied), "http://inner/");
        assert_eq!(of("[::ffff:10.1.1.1]", None, &proxied), "https://tv.example/");
        let rfc7239 = [
            ("host", "inner"),
            ("forwarded", "for=1.2.3.4;proto=https;host=\"tv.example:444\", for=5.6.7.8"),
        ];
        assert_eq!(of("10.1.1.1", None, &rfc7239), "https://tv.example:444/");
    }

    #[test]
    fn an_address_that_is_whole_says_more_than_the_host() {
        let server = Server { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Server::default() };
        let uri = Uri::from_static("https://tv.lan:8443/playlist.m3u");
        let of = |peer: &str, headers: &[(&'static str, &'static str)]| {
            let named =
                headers.iter().map(|&(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
            base_url(&server, peer_of(peer), &uri, &named.collect()).to_string()
        };
        assert_eq!(of("192.168.0.9", &[("host", "other")]), "https://tv.lan:8443/");
        let proxied = [("x-forwarded-proto", "http"), ("x-forwarded-host", "tv.example")];
        assert_eq!(of("10.1.1.1", &proxied), "http://tv.example/");
        assert_eq!(of("192.168.0.9", &proxied), "https://tv.lan:8443/");
    }

    #[test]
    fn a_proxy_may_serve_us_below_a_path() {
        let at = |prefix: &str| of("10.1.1.1", None, &[("host", "tv.lan"), ("x-forwarded-prefix", prefix)]);
        for (prefix, base) in [
            ("/tv", "http://tv.lan/tv/"),
            ("/tv/", "http://tv.lan/tv/"),
            ("/a/b-c_d.e~f", "http://tv.lan/a/b-c_d.e~f/"),
            ("/outer, /inner", "http://tv.lan/outer/inner/"),
            ("/", "http://tv.lan/"),
            ("", "http://tv.lan/"),
        ] {
            assert_eq!(at(prefix), base, "{prefix:?}");
        }
        let long = format!("/{}", "x".repeat(MAX_PREFIX));
        for prefix in
            ["tv", "//evil.example", "/a//b", "/..", "/a/../b", "/a b", "/a?b", "/a#b", "/a%2e", &long]
        {
            assert_eq!(at(prefix), "http://tv.lan/", "{prefix:?}");
        }
        let stranger = [("host", "tv.lan"), ("x-forwarded-prefix", "/tv")];
        assert_eq!(of("192.168.0.9", None, &stranger), "http://tv.lan/");
        assert_eq!(of("10.1.1.1", Some("https://tv.example/x/"), &stranger), "https://tv.example/x/");
    }

    #[test]
    fn a_host_that_is_none_is_not_repeated() {
        for host in ["a/b", "user@evil", ":pw@evil", "evil#", "a b", "", "x?y", "999.1.1.1.1"] {
            assert_eq!(of("192.168.0.9", None, &[("host", host)]), "http://127.0.0.1:8080/", "{host:?}");
        }
    }

    /// The peer, the headers, and who is the viewer then.
    type Row = (&'static str, &'static [(&'static str, &'static str)], &'static str);

    #[test]
    fn the_viewer_is_the_last_one_whom_no_trusted_proxy_is() {
        let server = Server { trusted_proxies: vec!["10.0.0.0/8".parse().unwrap()], ..Server::default() };
        let table: &[Row] = &[
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[("x-forwarded-for", "192.0.2.1")], "192.0.2.1"),
            ("10.0.0.1", &[("x-forwarded-for", "198.51.100.7, 192.0.2.1, 10.2.3.4")], "192.0.2.1"),
            ("10.0.0.1", &[("x-forwarded-for", "192.0.2.1:4711")], "192.0.2.1"),
            ("10.0.0.1", &[("x-forwarded-for", "2001:db8::1")], "2001:db8::1"),
            (
                "10.0.0.1",
                &[("forwarded", "for=192.0.2.9;proto=https, for=\"[2001:db8::1]:80\"")],
                "2001:db8::1",
            ),
            ("10.0.0.1", &[("x-forwarded-for", "192.0.2.1, nobody")], "10.0.0.1"),
            ("192.0.2.50", &[("x-forwarded-for", "192.0.2.1")], "192.0.2.50"),
        ];
        for (peer, headers, client) in table {
            let headers = headers
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect();
            assert_eq!(client_address(&server, peer_of(peer), &headers).to_string(), *client, "{headers:?}");
        }
    }

    #[test]
    fn who_asks_is_known_only_where_nobody_can_have_made_it_up() {
        let proxies = vec!["127.0.0.1/32".parse().unwrap(), "10.0.0.0/8".parse().unwrap()];
        let server =
            |proxy_header| Server { trusted_proxies: proxies.clone(), proxy_header, ..Server::default() };
        let address = |text: &str| text.parse::<IpAddr>().unwrap();
        let home = address("127.0.0.1");
        let of = |proxy_header, peer: &str, headers: &[(&'static str, &'static str)]| {
            let mut fields = HeaderMap::new();
            for (name, value) in headers {
                fields.append(*name, value.parse().unwrap());
            }
            sender(&server(proxy_header), peer_of(peer), &fields)
        };
        // Straight from there.
        for header in [None, Some(ProxyHeader::XForwardedFor)] {
            assert_eq!(of(header, "127.0.0.1", &[("user-agent", "curl")]), Sender::Direct(home));
            assert_eq!(of(header, "192.0.2.1", &[]), Sender::Direct(address("192.0.2.1")));
        }
        // What anybody says of it counts, and what it says does not.
        for name in [
            "x-forwarded-for",
            "x-forwarded-proto",
            "x-forwarded-whatever",
            "forwarded",
            "via",
            "x-real-ip",
            "cf-connecting-ip",
            "cf-ray",
            "true-client-ip",
            "x-client-ip",
            "x-cluster-client-ip",
        ] {
            let fields = [(name, "127.0.0.1")];
            assert_eq!(of(None, "192.0.2.1", &fields), Sender::Untrusted(address("192.0.2.1")), "{name}");
            assert_eq!(of(None, "127.0.0.1", &fields), Sender::Unnamed(home), "{name}");
        }
        // The chosen header is the proxy's, others are whoever's.
        let (list, rfc7239, one) = (ProxyHeader::XForwardedFor, ProxyHeader::Forwarded, ProxyHeader::XRealIp);
        let table: &[(_, &[(&'static str, &'static str)], _)] = &[
            (list, &[("x-forwarded-for", "192.0.2.1")], Some("192.0.2.1")),
            (list, &[("x-forwarded-for", "127.0.0.1, 192.0.2.1")], Some("192.0.2.1")),
            (list, &[("x-forwarded-for", "127.0.0.1"), ("x-forwarded-for", "192.0.2.1")], Some("192.0.2.1")),
            (list, &[("x-forwarded-for", "192.0.2.1, 10.0.0.7")], Some("192.0.2.1")),
            (list, &[("forwarded", "for=192.0.2.1")], None),
            (list, &[("x-real-ip", "192.0.2.1")], None),
            (list, &[("x-forwarded-for", "127.0.0.1")], None),
            (list, &[("x-forwarded-for", "::ffff:127.0.0.1")], None),
            (list, &[("x-forwarded-for", "10.0.0.7")], None),
            (list, &[("x-forwarded-for", "192.0.2.1, unknown")], None),
            (
                rfc7239,
                &[("forwarded", "for=192.0.2.1"), ("x-forwarded-for", "198.51.100.7")],
                Some("192.0.2.1"),
            ),
            (rfc7239, &[("forwarded", "for=127.0.0.1, for=\"[2001:db8::1]:80\"")], Some("2001:db8::1")),
            (rfc7239, &[("forwarded", "for=_hidden")], None),
            (rfc7239, &[("x-forwarded-for", "192.0.2.1")], None),
            (one, &[("x-real-ip", "192.0.2.1"), ("x-forwarded-for", "198.51.100.7")], Some("192.0.2.1")),
            (one, &[("x-real-ip", "192.0.2.1"), ("x-real-ip", "198.51.100.7")], None),
            (one, &[("x-real-ip", "198.51.100.7, 192.0.2.1")], None),
        ];
        for (header, fields, client) in table {
            let known = client.map_or(Sender::Unknown(home), |client| Sender::Proxied(address(client)));
            assert_eq!(of(Some(*header), "127.0.0.1", fields), known, "{header:?}, {fields:?}");
        }
    }
}

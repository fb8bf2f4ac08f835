//! What proxies that are trusted say of a request: the address under which the viewer reaches us, and the viewer's own.

use std::net::IpAddr;

use http::uri::Authority;
use http::{HeaderMap, HeaderName, Uri, header};
use url::Url;

use super::Peer;
use crate::config::Server;

/// `public_url` where it is set; else what a trusted proxy says it was asked for (`Forwarded`, RFC 7239, then `X-Forwarded-*`); else the
/// address of the request: its `uri` where that is whole, and its `Host`. It ends in `/`.
pub(super) fn base_url(server: &Server, Peer(peer): Peer, uri: &Uri, headers: &HeaderMap) -> Url {
    if let Some(url) = &server.public_url {
        return url.clone();
    }
    let is_trusted = is_trusted(server, peer.ip());
    let first = |name: HeaderName| {
        let value = headers.get(name)?.to_str().ok()?;
        Some(value.split(',').next()?.trim().to_owned())
    };
    let forwarded = first(header::FORWARDED).filter(|_| is_trusted).unwrap_or_default();
    let of_forwarded = |key: &str| {
        forwarded.split(';').find_map(|pair| {
            let (name, value) = pair.trim().split_once('=')?;
            name.eq_ignore_ascii_case(key).then(|| value.trim_matches('"').to_owned())
        })
    };
    let of_proxy = |name: &'static str| first(HeaderName::from_static(name)).filter(|_| is_trusted);
    let scheme = of_forwarded("proto")
        .or_else(|| of_proxy("x-forwarded-proto"))
        .or_else(|| uri.scheme_str().map(str::to_owned));
    let scheme = scheme.filter(|scheme| scheme == "https").unwrap_or_else(|| "http".to_owned());
    let host = of_forwarded("host")
        .or_else(|| of_proxy("x-forwarded-host"))
        .or_else(|| uri.authority().map(Authority::to_string))
        .or_else(|| first(header::HOST))
        .unwrap_or_else(|| server.listen.to_string());
    let parsed = Url::parse(&format!("{scheme}://{host}/"));
    // Only a host and a port: whatever else stands in the header does not get into the list.
    match parsed {
        Ok(url) if url.path() == "/" && url.username().is_empty() && url.query().is_none() => url,
        _ => {
            Url::parse(&format!("http://{}/", server.listen)).expect("a socket address is a host and a port")
        }
    }
}

/// Whether what it says of others is believed.
pub(super) fn is_trusted(server: &Server, address: IpAddr) -> bool {
    let address = address.to_canonical();
    server.trusted_proxies.iter().any(|proxy| proxy.contains(&address))
}

/// Where the viewer is: the last address that is no trusted proxy, on the way that `X-Forwarded-For` tells, or `Forwarded` where there is
/// none: common proxies set the former, and let the latter pass as the viewer sent it.
pub(super) fn client_address(server: &Server, Peer(peer): Peer, headers: &HeaderMap) -> IpAddr {
    let mut client = peer.ip();
    let all = |name: &HeaderName| -> Vec<String> {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|hop| hop.trim().to_owned()).collect()
    };
    let mut hops = all(&HeaderName::from_static("x-forwarded-for"));
    if hops.is_empty() {
        let address = |hop: &String| {
            hop.split(';').find_map(|pair| {
                let (name, value) = pair.trim().split_once('=')?;
                name.eq_ignore_ascii_case("for").then(|| value.trim_matches('"').to_owned())
            })
        };
        hops = all(&header::FORWARDED).iter().map(|hop| address(hop).unwrap_or_default()).collect();
    }
    for hop in hops.iter().rev() {
        let Some(next) = parse_hop(hop).filter(|_| is_trusted(server, client)) else { break };
        client = next;
    }
    client.to_canonical()
}

/// An address with or without a port, an IPv6 one in brackets or not.
fn parse_hop(hop: &str) -> Option<IpAddr> {
    let bare = hop.strip_prefix('[').and_then(|hop| hop.split(']').next());
    hop.parse().ok().or_else(|| bare?.parse().ok()).or_else(|| hop.rsplit_once(':')?.0.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

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
        base_url(&server, Peer(format!("{peer}:5000").parse().unwrap()), &Uri::default(), &headers)
            .to_string()
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
            base_url(&server, Peer(peer.parse().unwrap()), &uri, &named.collect()).to_string()
        };
        assert_eq!(of("192.168.0.9:5000", &[("host", "other")]), "https://tv.lan:8443/");
        let proxied = [("x-forwarded-proto", "http"), ("x-forwarded-host", "tv.example")];
        assert_eq!(of("10.1.1.1:5000", &proxied), "http://tv.example/");
        assert_eq!(of("192.168.0.9:5000", &proxied), "https://tv.lan:8443/");
    }

    #[test]
    fn a_host_that_is_none_is_not_repeated() {
        for host in ["a/b", "user@evil", "a b", "", "x?y"] {
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
            let peer = Peer(format!("{peer}:5000").parse().unwrap());
            assert_eq!(client_address(&server, peer, &headers).to_string(), *client, "{headers:?}");
        }
    }
}

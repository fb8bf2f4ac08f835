//! What viewers' headers say is read in a time that grows with their length and no faster.

use std::hint::black_box;
use std::net::SocketAddr;

use forebay_testkit::linear::assert_linear;
use http::{HeaderMap, HeaderName, HeaderValue, Uri, header};

use super::Peer;
use super::encoding::takes_gzip;
use super::forwarded::{base_url, client_address};
use super::query::Query;
use crate::config::Server;

/// Makes a value of about so many bytes.
type Make = fn(usize) -> String;

const VALUES: [(&str, Make); 7] = [
    ("addresses", |length| "192.0.2.1, ".repeat(length / 11)),
    ("commas", |length| ",".repeat(length)),
    ("semicolons", |length| ";".repeat(length)),
    ("pairs", |length| "for=192.0.2.1;proto=http,".repeat(length / 25)),
    ("quotes", |length| "\"".repeat(length)),
    ("digits", |length| "9".repeat(length)),
    ("codings", |length| "gzip;q=0.0,".repeat(length / 11)),
];

#[test]
fn headers_are_read_in_linear_time() {
    let server = Server { trusted_proxies: vec!["192.0.2.0/24".parse().unwrap()], ..Server::default() };
    let address = SocketAddr::from(([192, 0, 2, 7], 80));
    let peer = Peer { address, local: address };
    let uri = Uri::from_static("/playlist.m3u");
    for (name, make) in VALUES {
        for header in [
            header::HOST,
            header::FORWARDED,
            HeaderName::from_static("x-forwarded-for"),
            HeaderName::from_static("x-forwarded-host"),
        ] {
            let headers = |length| {
                HeaderMap::from_iter([(header.clone(), HeaderValue::try_from(make(length)).unwrap())])
            };
            assert_linear(&format!("{header} of {name}"), 1 << 20, headers, |headers| {
                black_box(base_url(&server, peer, &uri, headers));
                black_box(client_address(&server, peer, headers));
            });
        }
        let headers = |length| {
            HeaderMap::from_iter([(header::ACCEPT_ENCODING, HeaderValue::try_from(make(length)).unwrap())])
        };
        assert_linear(&format!("accepted codings of {name}"), 1 << 20, headers, |headers| {
            black_box(takes_gzip(headers));
        });
    }
    let pairs = |length: usize| "a=%41&offset".repeat(length / 12);
    assert_linear("a query", 1 << 20, pairs, |text| {
        black_box(Query::from(&**text).span("offset"));
    });
}

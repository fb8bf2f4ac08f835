//! A host and a port, as they stand in `Host` (RFC 9110, section 7.2).

use std::net::{IpAddr, Ipv6Addr};

/// The longest host with its port, in bytes: a name of the DNS has 253 at most.
const MAX_LENGTH: usize = 255;

/// A host, and the port where there is one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct HostPort<'a> {
    /// A name or an address, of IPv6 without brackets.
    pub(crate) host: &'a str,
    pub(crate) port: Option<u16>,
}

impl<'a> HostPort<'a> {
    /// Reads `uri-host [":" port]`. Names are letters, digits, `-`, `.` and `_`: what RFC 3986
    /// allows besides, no resolver takes, and it would have to be escaped in every list that
    /// repeats it.
    pub(crate) fn parse(text: &'a str) -> Option<Self> {
        if text.len() > MAX_LENGTH {
            return None;
        }
        // Only in brackets may a host hold colons.
        let (host, rest) = if let Some(text) = text.strip_prefix('[') {
            let (host, rest) = text.split_once(']')?;
            host.parse::<Ipv6Addr>().ok()?;
            (host, rest)
        } else {
            let (host, rest) = text.split_at(text.find(':').unwrap_or(text.len()));
            let is_named = |byte: u8| byte.is_ascii_alphanumeric() || b"-._".contains(&byte);
            if host.is_empty() || !host.bytes().all(is_named) {
                return None;
            }
            (host, rest)
        };
        let port = match rest.strip_prefix(':') {
            // A port may be left empty, and is the usual one then.
            Some("") => None,
            // `parse` alone would take a sign.
            Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
            None if rest.is_empty() => None,
            _ => return None,
        };
        Some(Self { host, port })
    }

    /// The host, if it is an address.
    pub(crate) fn address(&self) -> Option<IpAddr> {
        self.host.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_is_a_name_or_an_address_with_or_without_a_port() {
        for (text, host, port) in [
            ("tv.example", "tv.example", None),
            ("tv.example:8080", "tv.example", Some(8080)),
            ("tv.example:", "tv.example", None),
            ("TV_1.lan.:80", "TV_1.lan.", Some(80)),
            ("127.0.0.1:8080", "127.0.0.1", Some(8080)),
            ("[::1]", "::1", None),
            ("[2001:db8::1]:65535", "2001:db8::1", Some(65535)),
        ] {
            assert_eq!(HostPort::parse(text), Some(HostPort { host, port }), "{text}");
        }
        let long = "x".repeat(MAX_LENGTH + 1);
        for text in [
            "",
            ":80",
            "a b",
            "a/b",
            "a?b",
            "evil#",
            "user@evil",
            ":pw@evil",
            "a:b",
            "a:80:80",
            "a:65536",
            "a:+80",
            "a,b",
            "a%2e",
            "::1",
            "[::1",
            "[::1]x",
            "[fe80::1%eth0]",
            "[1.2.3.4]",
            "ä",
            "a\tb",
            &long,
        ] {
            assert_eq!(HostPort::parse(text), None, "{text:?}");
        }
        assert!(HostPort::parse(&long[1..]).is_some());
    }
}

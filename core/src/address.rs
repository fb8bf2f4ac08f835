//! Which addresses are public: a server on the internet may send us to those, and to no others.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Whether an address belongs to the internet, rather than to this machine, the local network or a
/// protocol.
///
/// An IPv6 address that carries an IPv4 address (mapped, translated, NAT64, 6to4, Teredo) is public
/// if both are. The networks for documentation and for benchmarks (RFC 5737, 3849, 2544) count as
/// public: nothing real has such an address, and some VPN clients answer every name with one of
/// 198.18.0.0/15.
pub fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Endings of names that networks give to their own machines (RFC 6761, 6762, 8375, and habit).
const LOCAL: [&str; 6] = ["localhost", "local", "internal", "intranet", "lan", "home.arpa"];

/// Whether a name looks like one of the internet, where it is not looked up here but by a proxy.
pub fn is_public_name(name: &str) -> bool {
    let name = name.trim_end_matches('.').to_ascii_lowercase();
    let is_local =
        |ending: &&str| name.strip_suffix(ending).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'));
    name.contains('.') && !LOCAL.iter().any(is_local)
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    match address.octets() {
        // This network, private use, loopback (RFC 1122, 1918).
        [0 | 10 | 127, ..] | [172, 16..=31, ..] | [192, 168, ..] => false,
        // Carrier-grade NAT (RFC 6598), which overlay networks use as well.
        [100, 64..=127, ..] => false,
        // Link-local, where clouds keep their metadata service (RFC 3927).
        [169, 254, ..] => false,
        // Protocol assignments (RFC 6890) and the relays of 6to4 (RFC 7526).
        [192, 0, 0, _] | [192, 88, 99, _] => false,
        // Multicast, reserved, broadcast.
        [224..=255, ..] => false,
        _ => true,
    }
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    match address.segments() {
        // Unspecified, loopback and compatible (::a.b.c.d), mapped (::ffff:a.b.c.d), translated
        // (::ffff:0:a.b.c.d): kernels and translators take them for the IPv4 address. Nothing else
        // lies below ::/64.
        [0, 0, 0, 0, 0, 0 | 0xFFFF, high, low] | [0, 0, 0, 0, 0xFFFF, 0, high, low] => {
            is_public_v4(embedded(high, low))
        }
        // NAT64 (RFC 6052); a network's own prefix (RFC 8215) leads to whatever that network likes.
        [0x64, 0xFF9B, 0, 0, 0, 0, high, low] => is_public_v4(embedded(high, low)),
        // 6to4 (RFC 3056).
        [0x2002, high, low, ..] => is_public_v4(embedded(high, low)),
        // Teredo (RFC 4380): the client's address is the complement of the last 32 bits.
        [0x2001, 0, .., high, low] => is_public_v4(embedded(!high, !low)),
        // ISATAP (RFC 5214), below any prefix.
        [.., 0 | 0x0200, 0x5EFE, high, low] if !is_public_v4(embedded(high, low)) => false,
        // Of all others, global unicast alone (RFC 4291): no unique local, link-local, site-local
        // or multicast ones.
        [0x2000..=0x3FFF, ..] => true,
        _ => false,
    }
}

fn embedded(high: u16, low: u16) -> Ipv4Addr {
    Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low))
}

#[cfg(test)]
mod tests {
    use url::{Host, Url};

    use super::*;

    /// As an address would stand in a redirect or a playlist.
    fn is_public_host(host: &str) -> bool {
        match Url::parse(&format!("http://{host}/")).unwrap().host().unwrap() {
            Host::Ipv4(address) => is_public(address.into()),
            Host::Ipv6(address) => is_public(address.into()),
            Host::Domain(name) => panic!("{name} is a name"),
        }
    }

    #[test]
    fn every_spelling_of_an_address_that_is_not_public_is_known() {
        for host in [
            // Loopback, in the spellings that clients understand.
            "127.0.0.1",
            "127.1",
            "127.0.1",
            "127.255.255.254",
            "2130706433",
            "0x7f000001",
            "0x7f.1",
            "0177.0.0.1",
            "017700000001",
            "127.0.0.1.",
            "%31%32%37.0.0.1",
            "１２７.0.0.1",
            // Unspecified: Linux connects to itself.
            "0.0.0.0",
            "0",
            "0.1.2.3",
            "[::]",
            // Private, carrier-grade, link-local, protocols.
            "10.0.0.1",
            "0xa000001",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "3232235777",
            "100.64.0.1",
            "100.127.255.255",
            "169.254.169.254",
            "192.0.0.170",
            "192.88.99.1",
            // Multicast, reserved, broadcast.
            "224.0.0.1",
            "239.255.255.250",
            "240.0.0.1",
            "255.255.255.255",
            // IPv6 itself.
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[fe80::1]",
            "[febf::1]",
            "[fec0::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[ff02::1]",
            "[100::1]",
            "[64:ff9b:1::8.8.8.8]",
            "[4000::1]",
            // IPv6 that carries IPv4.
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:0:10.0.0.1]",
            "[::127.0.0.1]",
            "[::10.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[2002:7f00:1::]",
            "[2002:c0a8:1::1]",
            "[2001:0:4136:e378:8000:63bf:80ff:fffe]",
            "[2001:4860::5efe:10.0.0.1]",
            "[2001:4860::200:5efe:c0a8:1]",
        ] {
            assert!(!is_public_host(host), "{host}");
        }
    }

    #[test]
    fn names_of_a_network_s_own_machines_are_known() {
        for name in [
            "localhost",
            "a.localhost",
            "nas",
            "nas.",
            "nas.local",
            "tv.LAN",
            "a.home.arpa",
            "metadata.internal",
        ] {
            assert!(!is_public_name(name), "{name}");
        }
        for name in ["example.com", "local.example.com", "tv.notlan", "a.example."] {
            assert!(is_public_name(name), "{name}");
        }
    }

    #[test]
    fn what_is_on_the_internet_is_public() {
        for host in [
            "1.1.1.1",
            "8.8.8.8",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "192.169.0.0",
            "198.18.0.1",
            "203.0.113.7",
            "223.255.255.255",
            "16843009",
            "[2001:4860:4860::8888]",
            "[2606:4700::1111]",
            "[::ffff:8.8.8.8]",
            "[64:ff9b::8.8.8.8]",
            "[2002:808:808::1]",
            "[3fff::1]",
            "[2001:0:4136:e378:8000:63bf:3fff:fdd2]",
            "[2001:4860::5efe:8.8.8.8]",
        ] {
            assert!(is_public_host(host), "{host}");
        }
    }
}

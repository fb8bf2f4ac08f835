//! Which addresses are public: a server on the internet may send us to those, and to no others. And
//! texts without addresses, for those whom they are no business of.

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

/// A text without the addresses in it, which may hold passwords and tokens: of each, the scheme
/// stays.
pub fn without_addresses(text: &str) -> String {
    let word = |word: &str| match word.find("://") {
        Some(at) => format!("{}://…", &word[..at]),
        None => word.to_owned(),
    };
    text.split(' ').map(word).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use url::{Host, Url};

    use forebay_testkit::addresses::{NOT_PUBLIC, PUBLIC};

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
        for host in NOT_PUBLIC {
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
        for host in PUBLIC {
            assert!(is_public_host(host), "{host}");
        }
    }
}

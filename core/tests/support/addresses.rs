//! What holds for addresses, whichever comes: shared by the properties and the fuzz target.

use std::net::{Ipv4Addr, Ipv6Addr};

use forebay_core::address::{is_public, is_public_name};

/// Checks an address of 128 bits, the IPv4 address of its last 32, and every way in which IPv6
/// carries that.
pub(crate) fn check(bits: u128) {
    let v6 = Ipv6Addr::from_bits(bits);
    let is_special = v6.is_loopback()
        || v6.is_unspecified()
        || v6.is_multicast()
        || v6.is_unique_local()
        || v6.is_unicast_link_local();
    assert!(!(is_special && is_public(v6.into())), "{v6}");
    if let Some(v4) = v6.to_ipv4() {
        assert_eq!(is_public(v6.into()), is_public(v4.into()), "{v6}");
    }
    let [.., a, b, c, d] = bits.to_be_bytes();
    let v4 = Ipv4Addr::new(a, b, c, d);
    let is_special = v4.is_loopback()
        || v4.is_unspecified()
        || v4.is_private()
        || v4.is_link_local()
        || v4.is_multicast()
        || v4.is_broadcast();
    assert!(!(is_special && is_public(v4.into())), "{v4}");
    let [high, low] = [[a, b], [c, d]].map(u16::from_be_bytes);
    for carrier in [
        v4.to_ipv6_mapped(),
        v4.to_ipv6_compatible(),
        Ipv6Addr::new(0, 0, 0, 0, 0xFFFF, 0, high, low),
        Ipv6Addr::new(0x64, 0xFF9B, 0, 0, 0, 0, high, low),
        Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
        Ipv6Addr::new(0x2001, 0, 0x4136, 0xE378, 0x8000, 0x63BF, !high, !low),
        Ipv6Addr::new(0x2001, 0x4860, 0, 0, 0, 0x5EFE, high, low),
    ] {
        assert_eq!(is_public(carrier.into()), is_public(v4.into()), "{carrier} carries {v4}");
    }
}

/// Checks a name, and the same as others write it.
pub(crate) fn check_name(name: &str) {
    let known = is_public_name(name);
    assert_eq!(is_public_name(&name.to_ascii_uppercase()), known, "{name:?}");
    assert_eq!(is_public_name(&format!("{name}.")), known, "{name:?}");
    for ending in ["local", "LAN", "home.arpa", "localhost."] {
        assert!(!is_public_name(&format!("{name}.{ending}")), "{name:?}.{ending}");
    }
    assert!(!known || name.contains('.'), "{name:?}");
}

//! How many viewers, connections and the like one address, or one network of an IPv6 subscriber,
//! may have.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// How many there are, by address.
#[derive(Debug, Clone, Default)]
pub(super) struct Addresses(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// The place of one. Dropping it frees it.
#[derive(Debug)]
pub(super) struct Place {
    addresses: Addresses,
    address: IpAddr,
}

impl Addresses {
    /// A place for one more of `address`; the limit, if there are as many.
    pub(super) fn admit(&self, address: IpAddr, limit: Option<usize>) -> Result<Place, usize> {
        let address = household(address);
        // Looked at and raised under one lock: two who come at once cannot both get the last place.
        let mut counts = self.counts();
        let count = counts.get(&address).copied().unwrap_or_default();
        if let Some(limit) = limit.filter(|&limit| count >= limit) {
            return Err(limit);
        }
        counts.insert(address, count + 1);
        Ok(Place { addresses: self.clone(), address })
    }

    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.addresses.counts();
        if let Some(count) = counts.get_mut(&self.address) {
            *count -= 1;
            // Addresses that are gone must not stay: a scan of the internet would fill the memory.
            if *count == 0 {
                counts.remove(&self.address);
            }
        }
    }
}

/// An IPv6 subscriber has a network of 64 bits, and each device in it as many addresses as it
/// likes.
pub(super) fn household(address: IpAddr) -> IpAddr {
    match address {
        IpAddr::V4(_) => address,
        IpAddr::V6(address) => {
            let [a, b, c, d, ..] = address.segments();
            Ipv6Addr::new(a, b, c, d, 0, 0, 0, 0).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_gets_its_places_back_and_is_then_forgotten() {
        let addresses = Addresses::default();
        let [one, other]: [IpAddr; 2] = ["192.0.2.1", "192.0.2.2"].map(|text| text.parse().unwrap());
        let first = addresses.admit(one, Some(2)).unwrap();
        let second = addresses.admit(one, Some(2)).unwrap();
        assert!(addresses.admit(one, Some(2)).is_err());
        assert!(addresses.admit(other, Some(2)).is_ok());
        drop(first);
        assert!(addresses.admit(one, Some(2)).is_ok());
        drop(second);
        assert!(addresses.counts().is_empty());
        let [one, same, other]: [IpAddr; 3] =
            ["2001:db8::1", "2001:db8::ffff:1", "2001:db8:0:1::1"].map(|text| text.parse().unwrap());
        let _first = addresses.admit(one, Some(1)).unwrap();
        assert!(addresses.admit(same, Some(1)).is_err());
        assert!(addresses.admit(other, Some(1)).is_ok());
    }
}

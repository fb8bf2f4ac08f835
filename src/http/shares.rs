//! Which viewers of one address are sent something, so that no address gets all that there is for
//! everybody.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use forebay_relay::channel::ViewersByChannel;
use forebay_relay::model::ChannelId;

use super::admission::household;

/// Viewers who are sent something, by address and channel.
#[derive(Debug, Clone, Default)]
pub(super) struct Shares(Arc<Mutex<HashMap<IpAddr, ViewersByChannel>>>);

/// One viewer's part. Dropping it gives it back.
#[derive(Debug)]
pub(super) struct Share {
    shares: Shares,
    address: IpAddr,
    channel: ChannelId,
}

impl Shares {
    /// Asks `admit` with what the address has; nothing is taken.
    pub(super) fn with<T>(&self, address: IpAddr, admit: impl FnOnce(&ViewersByChannel) -> T) -> T {
        let none = ViewersByChannel::new();
        admit(self.all().get(&household(address)).unwrap_or(&none))
    }

    /// Takes one more viewer's part of `channel`, if `admit` agrees. Nobody else is asked
    /// meanwhile.
    pub(super) fn take<T, E>(
        &self,
        address: IpAddr,
        channel: &ChannelId,
        admit: impl FnOnce(&ViewersByChannel) -> Result<T, E>,
    ) -> Result<(T, Share), E> {
        let address = household(address);
        let (mut all, none) = (self.all(), ViewersByChannel::new());
        let admitted = admit(all.get(&address).unwrap_or(&none))?;
        *all.entry(address).or_default().entry(channel.clone()).or_default() += 1;
        Ok((admitted, Share { shares: self.clone(), address, channel: channel.clone() }))
    }

    fn all(&self) -> MutexGuard<'_, HashMap<IpAddr, ViewersByChannel>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        let mut all = self.shares.all();
        let Some(served) = all.get_mut(&self.address) else { return };
        if let Some(count) = served.get_mut(&self.channel) {
            *count -= 1;
            if *count == 0 {
                served.remove(&self.channel);
            }
        }
        if served.is_empty() {
            all.remove(&self.address);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_given_back_is_forgotten() {
        let shares = Shares::default();
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let [one, two] = ["one", "two"].map(|id| id.parse::<ChannelId>().unwrap());
        let take =
            |id| shares.take(address, id, |served| Ok::<_, ()>(served.values().sum::<usize>())).unwrap();
        let (parts, before): (Vec<_>, Vec<_>) =
            [&one, &one, &two].map(take).into_iter().map(|(before, part)| (part, before)).unzip();
        assert_eq!(before, [0, 1, 2]);
        assert_eq!(shares.with(address, |served| (served[&one], served[&two])), (2, 1));
        assert!(shares.take(address, &one, |_| Err::<(), _>("no")).is_err());
        assert!(shares.with("192.0.2.2".parse().unwrap(), ViewersByChannel::is_empty));
        drop(parts);
        assert!(shares.all().is_empty());
    }
}

//! Whether there is room for one more viewer: of its address, of the channel, of the server.

use std::net::IpAddr;

use forebay_relay::channel::{
    AdmissionLimits, ListedChannel, Reader, ReaderKind, Refusal, Report, Subscription,
};
use forebay_relay::model::Channel;

use super::State;
use super::admission::{Addresses, Place};
use super::error::ApiError;
use super::extract::Client;
use super::refusals::{Kind, Refusals};
use super::server::may_open;
use super::shares::{Share, Shares};
use crate::config::{PerAddress, Quota};

/// So many channels may be open for the sake of one address, where nothing else is said: more than
/// a house, a hotel or an office needs.
const MOST_OPENED: usize = 256;

/// What viewers take up, by address.
#[derive(Debug, Clone, Default)]
pub(super) struct Admission {
    viewers: Addresses,
    /// Of them those for whose sake a channel was opened.
    openers: Addresses,
    /// And of those the ones that have no picture yet.
    opening: Addresses,
    shares: Shares,
    pub(super) refusals: Refusals,
}

impl Admission {
    fn refuse(&self, kind: Kind, limit: usize) -> ApiError {
        self.refusals.note(kind, limit);
        ApiError::address_limit(kind, limit)
    }
}

/// What a viewer takes up of what its address may have.
#[derive(Debug)]
pub(super) struct Places {
    _viewer: Place,
    /// If a channel was opened for its sake. Boxed, since few are the first.
    pub(super) opener: Option<Box<Opener>>,
    /// From when it is sent something.
    pub(super) share: Option<Share>,
}

/// What the viewer takes up for whose sake a channel was opened.
#[derive(Debug)]
pub(super) struct Opener {
    _open: Place,
    /// Until there is a picture.
    pub(super) opening: Option<Place>,
}

impl State {
    /// Lets one more watch who is sent something at once, if the limits allow it.
    pub(super) fn admit(
        &self,
        found: &ListedChannel,
        client: &Client,
    ) -> Result<(Subscription, Places), ApiError> {
        let config = self.config();
        let (address, priority) = (client.address, client.watching.watcher.priority());
        let mut places = self.places(&config.server.per_address, &found.channel, address)?;
        let max_bandwidth = self.max_bandwidth();
        let admit =
            |served: &_| self.channels.subscribe(found, priority, &AdmissionLimits { max_bandwidth, served });
        let (subscription, share) = self.admission.shares.take(address, &found.channel.id, admit)?;
        places.share = Some(share);
        Ok((subscription, places))
    }

    /// Lets one more ask for playlists, if there is room for the segments, too.
    pub(super) fn admit_idle(
        &self,
        found: &ListedChannel,
        client: &Client,
    ) -> Result<(Reader, Places), ApiError> {
        let config = self.config();
        let places = self.places(&config.server.per_address, &found.channel, client.address)?;
        let max_bandwidth = self.max_bandwidth();
        let who = (ReaderKind::Hls, client.watching.watcher.priority());
        let admit = |served: &_| self.channels.join(found, who, &AdmissionLimits { max_bandwidth, served });
        let reader = self.admission.shares.with(client.address, admit)?;
        Ok((reader, places))
    }

    /// Lets one who has asked for playlists be sent segments.
    pub(super) fn serve(&self, channel: &Channel, address: IpAddr) -> Result<Share, ApiError> {
        let max_bandwidth = self.max_bandwidth();
        let admit =
            |served: &_| self.channels.check_admission(channel, &AdmissionLimits { max_bandwidth, served });
        let ((), share) = self.admission.shares.take(address, &channel.id, admit)?;
        Ok(share)
    }

    /// A place for one more viewer of films.
    pub(super) fn admit_film(&self, address: IpAddr) -> Result<Place, ApiError> {
        let limit = self.config().server.per_address.viewers.of(self.max_connections());
        let place = self.admission.viewers.admit(address, limit);
        place.map_err(|limit| self.admission.refuse(Kind::Viewers, limit))
    }

    /// Bits a second to the viewers of channels.
    pub(super) fn outgoing(&self) -> u64 {
        let of = |report: &Report| report.bitrate * report.readers.viewers() as u64;
        self.channels.reports().iter().map(of).sum()
    }

    /// Bits a second that may go to the viewers of channels.
    fn max_bandwidth(&self) -> Option<u64> {
        let limit = self.config().server.max_bandwidth?;
        // Films share the line: what they take now is not there for channels.
        Some(limit.saturating_sub(self.films.viewers.rate()))
    }

    /// What one more viewer of an address takes up whatever it is sent.
    ///
    /// A viewer of a channel that is open anyway costs little, so a crowd behind one address is let
    /// in. An open channel costs much, so of those one address may have no more than a large house
    /// needs, unless the operator said how many viewers it may have.
    fn places(&self, limits: &PerAddress, channel: &Channel, address: IpAddr) -> Result<Places, ApiError> {
        let place = |kind: Kind, of: &Addresses, limit: Option<usize>| {
            of.admit(address, limit).map_err(|limit| self.admission.refuse(kind, limit))
        };
        let viewer =
            place(Kind::Viewers, &self.admission.viewers, limits.viewers.of(self.max_connections()))?;
        // Only whoever opens a channel costs a connection of a provider.
        if self.channels.is_open(&channel.id) {
            return Ok(Places { _viewer: viewer, opener: None, share: None });
        }
        self.variants.check(&channel.id)?;
        if !may_open(self.process.descriptors, self.process.slots.taken(), self.channels.load().channels) {
            return Err(Refusal::NoStore.into());
        }
        // An operator who has set a number of viewers has thought of that already.
        let most_open = (limits.viewers == Quota::Share).then_some(MOST_OPENED);
        let open = place(Kind::Opened, &self.admission.openers, most_open)?;
        let opening = Some(place(Kind::Opening, &self.admission.opening, limits.opening)?);
        let opener = Some(Box::new(Opener { _open: open, opening }));
        Ok(Places { _viewer: viewer, opener, share: None })
    }
}

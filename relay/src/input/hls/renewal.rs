//! Another address for the media of a page, before the one on hand ends.

use std::time::Duration;

use forebay_core::resolve::renew_after;
use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::{Instant, sleep_until};
use tracing::debug;
use url::Url;

use crate::input::page::{Address, Followed, NoAddress};

/// The least time from one request in vain for an address to the next, where nothing says how long
/// to wait.
const RETRY: Duration = Duration::from_secs(2);

/// An address, when there is one.
pub(super) type NextAddress = BoxFuture<'static, Result<Address, NoAddress>>;

/// Asks for another address when it is time.
pub(super) struct Renewal {
    followed: Followed,
    /// Something was asked for at the address on hand.
    is_used: bool,
    state: State,
}

enum State {
    /// The address on hand is good until later than this.
    Waiting(Instant),
    Asking(NextAddress),
}

impl Renewal {
    /// The address on hand is the one at which the page was opened.
    pub(super) fn new(followed: Followed) -> Self {
        let state = State::Waiting(Instant::now() + renew_after(followed.address.lifetime));
        Self { followed, is_used: true, state }
    }

    /// Waits for another address. Nothing is lost when this is dropped.
    pub(super) async fn next(&mut self) -> Url {
        loop {
            match &mut self.state {
                State::Waiting(at) => {
                    sleep_until(*at).await;
                    self.state = State::Asking(self.ask());
                }
                State::Asking(address) => match address.await {
                    // It is good for longer by now: the media is where it was.
                    Ok(address) if address.url == self.followed.address.url => {
                        self.take(address, true);
                    }
                    Ok(address) => return self.take(address, false),
                    Err(reason) => {
                        debug!(%reason, "no other address for a page");
                        self.state = State::Waiting(Instant::now() + reason.retry_after.max(RETRY));
                    }
                },
            }
        }
    }

    /// The entry is about to be asked for: another address for it, unless the one on hand was never
    /// asked for.
    pub(super) fn enter(&mut self) -> Option<NextAddress> {
        // An address that is fresh and unused is asked for first;
        // another would cost the platform a request for nothing.
        let was_used = std::mem::replace(&mut self.is_used, true);
        was_used.then(|| self.ask())
    }

    /// The media is at this address from now on, which was asked for already or was not.
    pub(super) fn take(&mut self, address: Address, is_used: bool) -> Url {
        self.state = State::Waiting(Instant::now() + renew_after(address.lifetime));
        self.is_used = is_used;
        self.followed.address = address;
        self.followed.address.url.clone()
    }

    fn ask(&self) -> NextAddress {
        let Followed { pages, page, address } = &self.followed;
        // The one on hand is named, so that the store does not give it out again.
        pages.address(page, Some(&address.url)).boxed()
    }
}

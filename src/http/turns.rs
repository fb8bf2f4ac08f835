//! Whose turn it is to have a connection to an archive of a provider.

use std::mem;
use std::sync::{Arc, Mutex, PoisonError};

use forebay_relay::input::SocketGuard;
use tokio_util::sync::CancellationToken;

/// The turns of one viewer at the archives of providers: only its latest request has one.
///
/// A player that seeks asks anew while the answer before is still open. On an account of one
/// connection the new request would find it taken.
#[derive(Debug, Default)]
pub(super) struct Turns {
    /// Ends the latest request.
    latest: Mutex<CancellationToken>,
    seat: Arc<tokio::sync::Mutex<()>>,
}

/// The right of one request to have a connection.
#[derive(Debug)]
pub(super) struct Turn {
    /// A later request has come.
    pub(super) replaced: CancellationToken,
    /// Must live as long as every socket: the next turn begins when it is dropped.
    pub(super) hold: SocketGuard,
}

impl Turns {
    /// Ends the request before, and waits until its connection is closed. `None` where a later
    /// request comes meanwhile.
    pub(super) async fn take(&self) -> Option<Turn> {
        let replaced = CancellationToken::new();
        let before = {
            let mut latest = self.latest.lock().unwrap_or_else(PoisonError::into_inner);
            mem::replace(&mut *latest, replaced.clone())
        };
        before.cancel();
        let seat = tokio::select! {
            biased;
            () = replaced.cancelled() => return None,
            seat = Arc::clone(&self.seat).lock_owned() => seat,
        };
        Some(Turn { replaced, hold: SocketGuard::new(seat) })
    }
}

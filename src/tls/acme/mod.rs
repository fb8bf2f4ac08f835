//! Certificates from an authority, by ACME (RFC 8555).
//!
//! The authority makes sure that a name is ours by asking for a token under it, over plain HTTP at
//! port 80 (HTTP-01, section 8.3). The policy: a certificate is renewed when two thirds of its time
//! are over, which leaves a month to mend things where it is valid for three. After a failure the
//! next attempt waits for two minutes, then three times as long each time, up to six hours: that
//! stays below the five failures an hour that Let's Encrypt forgives. Whatever the clocks say, a
//! third of a certificate's time passes before another is ordered. SIGHUP, sent when something has
//! been mended, ends a wait after a failure.

mod backoff;
mod challenges;
mod client;
mod order;
mod store;

use std::io;
use std::time::Duration;

use forebay_relay::file_changes::Hangup;
use jiff::Timestamp;
use tokio::time::{sleep, timeout};
use tokio_util::sync::CancellationToken;
use tracing::{Instrument as _, error, info, info_span, warn};

pub(crate) use self::challenges::Challenges;
use self::order::{Error, Order};
use self::store::Store;
use super::{Certificate, Current};
use crate::config;

/// How long a whole order may take; authorities that are busy take minutes.
const ORDER_TIMEOUT: Duration = Duration::from_mins(10);

/// How often the time is asked: a timer does not count while a machine sleeps.
const CLOCK_EVERY: Duration = Duration::from_mins(1);

/// Gets certificates, and keeps them.
#[derive(Debug)]
pub(crate) struct Acme {
    config: config::Acme,
    store: Store,
    current: Current,
    challenges: Challenges,
    /// When the next order is due.
    due: Timestamp,
    /// Orders that have failed since one did not.
    failures: u32,
    /// Until when the certificate in force is valid.
    valid_until: Option<Timestamp>,
}

impl Acme {
    /// Puts the certificate that was kept in force, if there is one for these names.
    pub(super) fn new(config: config::Acme, current: Current, challenges: Challenges) -> io::Result<Self> {
        let store = Store::open(&config.cache, &config.directory)?;
        // Without a certificate that fits, one is due at once.
        let due = Timestamp::now();
        let mut new = Self { config, store, current, challenges, due, failures: 0, valid_until: None };
        new.restore()?;
        Ok(new)
    }

    fn restore(&mut self) -> io::Result<()> {
        let Some(pem) = self.store.certificate()? else { return Ok(()) };
        match Certificate::from_pem(&pem, &pem) {
            // A name that was added needs another certificate; one that was removed does not.
            Ok(kept) if self.config.domains.iter().all(|domain| kept.covers(domain)) => {
                self.install(&kept);
                info!(valid_until = %kept.validity().until, renewal = %self.due, "certificate in force");
            }
            Ok(_) => info!("the certificate that was kept is for other names: a new one will be ordered"),
            Err(error) => {
                warn!("the certificate that was kept cannot be used, a new one will be ordered: {error}");
            }
        }
        Ok(())
    }

    fn install(&mut self, certificate: &Certificate) {
        // In force before anything is kept on disk: the
        // certificate counts, the copy is for the restart.
        self.current.set(certificate);
        self.due = certificate.validity().after_thirds(2);
        self.valid_until = Some(certificate.validity().until);
    }

    /// Orders a certificate whenever one is due, until `stop`.
    pub(super) async fn run(mut self, stop: CancellationToken) {
        let span = info_span!("acme", authority = self.config.directory.host_str());
        let all = async {
            tokio::select! {
                biased;
                () = stop.cancelled() => {}
                () = self.keep() => {}
            }
        };
        all.instrument(span).await;
    }

    async fn keep(&mut self) {
        let mut hangup = Hangup::listen();
        loop {
            tokio::select! {
                () = until(self.due) => {}
                () = hangup.received() => {
                    if self.failures == 0 {
                        continue;
                    }
                }
            }
            self.order().await;
        }
    }

    async fn order(&mut self) {
        info!(domains = self.config.domains.join(", "), "ordering a certificate");
        let order = Order { config: &self.config, store: &self.store, challenges: &self.challenges };
        // An order without an end would keep the next one from ever beginning.
        let result = timeout(ORDER_TIMEOUT, order.run()).await.unwrap_or(Err(Error::Timeout));
        match result {
            Ok((certificate, pem)) => {
                self.failures = 0;
                self.install(&certificate);
                let validity = certificate.validity();
                // An authority's clock, or ours, may be wrong.
                let soonest = validity.after_thirds(1).duration_since(validity.from);
                self.due = self.due.max(Timestamp::now().saturating_add(soonest).unwrap_or(Timestamp::MAX));
                info!(valid_until = %validity.until, renewal = %self.due, "certificate in force");
                if let Some(warning) = certificate.warning(Timestamp::now()) {
                    warn!("{warning}; is this machine's clock right?");
                }
                if let Err(error) = self.store.save_certificate(&pem) {
                    error!(%error, "the certificate cannot be kept: after a restart another one will be ordered");
                }
            }
            Err(error) => {
                let wait = backoff::after(self.failures, backoff::random());
                self.failures += 1;
                let now = Timestamp::now();
                self.due = now.saturating_add(wait).unwrap_or(Timestamp::MAX);
                let advice = error.advice();
                let next = self.due;
                match self.valid_until {
                    Some(valid_until) if valid_until > now => {
                        warn!(%error, %valid_until, %next, "the certificate was not renewed: {advice}");
                    }
                    _ => error!(%error, %next, "there is no valid certificate: {advice}"),
                }
            }
        }
    }
}

/// Waits for a time of day.
async fn until(due: Timestamp) {
    loop {
        let left = Duration::try_from(due.duration_since(Timestamp::now())).unwrap_or_default();
        if left.is_zero() {
            return;
        }
        // In short steps, after each of which the wall clock is asked again.
        sleep(left.min(CLOCK_EVERY)).await;
    }
}

#[cfg(test)]
mod tests;

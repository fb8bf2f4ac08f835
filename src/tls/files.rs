//! A certificate and a key that somebody else writes: certbot, a proxy, a person.
//!
//! Their files are looked at like the configuration. Two files are never replaced at once, and may
//! be met half written: a pair that is bad changes nothing, and is spoken of when it is the same,
//! and still bad, at the next look.

use std::path::{Path, PathBuf};

use forebay_relay::file_changes::{CHECK_INTERVAL, Hangup, Stamp, aside, stamp};
use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use tracing::{error, info, warn};

use super::{Certificate, CertificateError, Current};
use crate::config::{Identity, InForce};

/// Looks after the files of a certificate and of its key.
#[derive(Debug)]
pub(crate) struct Files {
    current: Current,
    seen: Seen,
    /// What was wrong with them at the last look, where that was not said.
    unsaid: Option<CertificateError>,
}

/// Two files and the state they were in.
#[derive(Debug, PartialEq, Eq)]
struct Seen {
    paths: [PathBuf; 2],
    stamps: [Stamp; 2],
}

impl Seen {
    fn now(certificate: &Path, key: &Path) -> Self {
        Self { paths: [certificate.into(), key.into()], stamps: [stamp(certificate), stamp(key)] }
    }
}

impl Files {
    /// Puts what is in the files in force.
    pub(super) fn new(certificate: &Path, key: &Path, current: Current) -> Result<Self, CertificateError> {
        // Before they are read: what changes meanwhile is seen at the first look.
        let seen = Seen::now(certificate, key);
        let loaded = Certificate::load(certificate, key)?;
        current.set(&loaded);
        info!(valid_until = %loaded.validity().until, "certificate in force");
        Ok(Self { current, seen, unsaid: None })
    }

    /// Looks at the files that the configuration in force names, every two seconds and when it is
    /// asked to, until `stop`.
    pub(super) async fn run(mut self, in_force: InForce, stop: CancellationToken) {
        let mut hangup = Hangup::listen();
        loop {
            let is_asked = tokio::select! {
                biased;
                () = stop.cancelled() => return,
                () = hangup.received() => true,
                () = tokio::time::sleep(CHECK_INTERVAL) => false,
            };
            // A configuration that has another kind of identity now waits for a restart.
            let config = in_force.get();
            let look = move || {
                if let Some(Identity::Files { certificate, key }) =
                    config.server.tls.as_ref().map(|tls| &tls.identity)
                {
                    self.look(certificate, key, is_asked);
                }
                self
            };
            let Some(looked) = aside(&stop, look).await else { return };
            self = looked;
        }
    }

    fn look(&mut self, certificate: &Path, key: &Path, is_asked: bool) {
        let now = Seen::now(certificate, key);
        if now == self.seen && !is_asked {
            // The same as at the last look, so nobody is in the middle of writing.
            if let Some(error) = self.unsaid.take() {
                refuse(&error);
            }
            return;
        }
        self.seen = now;
        self.unsaid = None;
        match Certificate::load(certificate, key) {
            Ok(new) => {
                self.current.set(&new);
                info!(valid_until = %new.validity().until, "certificate reloaded");
                if let Some(warning) = new.warning(Timestamp::now()) {
                    warn!("{warning}");
                }
            }
            // Whoever sent the signal has finished writing, and wants to know.
            Err(error) if is_asked => refuse(&error),
            Err(error) => self.unsaid = Some(error),
        }
    }
}

fn refuse(error: &CertificateError) {
    error!("the certificate was not reloaded, and the one in force stays: {error}");
}

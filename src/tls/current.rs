//! The certificate in force.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock};

use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::Certificate;

/// The certificate that is shown to whoever connects now; at first none, and then handshakes fail.
#[derive(Clone, Default)]
pub(crate) struct Current(Arc<RwLock<Option<Arc<CertifiedKey>>>>);

impl Current {
    /// Puts another certificate in force.
    pub(super) fn set(&self, certificate: &Certificate) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(certificate.keys());
    }

    fn get(&self) -> Option<Arc<CertifiedKey>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl ResolvesServerCert for Current {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        self.get()
    }
}

impl fmt::Debug for Current {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Current").field("is_set", &self.get().is_some()).finish_non_exhaustive()
    }
}

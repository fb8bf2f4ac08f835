//! TLS for tests of HTTPS sources.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

use crate::identity::Identity;

/// What an origin with TLS needs.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) identity: Identity,
}

impl Tls {
    pub(super) fn new() -> Self {
        let identity = Identity::local();
        let key = PrivatePkcs8KeyDer::from(identity.key_der.clone());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![identity.certificate_der.clone().into()], key.into())
            .expect("the certificate was made with this key");
        Self { acceptor: TlsAcceptor::from(Arc::new(config)), identity }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

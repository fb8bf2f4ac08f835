//! A certificate that nobody has signed, for tests of HTTPS sources.

use std::fmt;
use std::sync::Arc;

use rustls::ServerConfig;
use rustls::pki_types::PrivatePkcs8KeyDer;
use tokio_rustls::TlsAcceptor;

/// What an origin with TLS needs.
pub(super) struct Tls {
    pub(super) acceptor: TlsAcceptor,
    pub(super) certificate_der: Vec<u8>,
    pub(super) certificate_pem: String,
}

impl Tls {
    pub(super) fn new() -> Self {
        let names = ["127.0.0.1".to_owned(), "localhost".to_owned()];
        let made = rcgen::generate_simple_self_signed(names).expect("the names are valid");
        let key = PrivatePkcs8KeyDer::from(made.signing_key.serialize_der());
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("ring has the default versions")
            .with_no_client_auth()
            .with_single_cert(vec![made.cert.der().clone()], key.into())
            .expect("the certificate was made with this key");
        Self {
            acceptor: TlsAcceptor::from(Arc::new(config)),
            certificate_der: made.cert.der().to_vec(),
            certificate_pem: made.cert.pem(),
        }
    }
}

impl fmt::Debug for Tls {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

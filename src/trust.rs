//! Whom we trust when we are the ones who connect: to sources, and to an authority that signs certificates.

use std::path::Path;
use std::sync::Arc;

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};

/// TLS settings for a client that trusts the system's roots (the bundled ones where the system has none, as in an empty container),
/// and these besides.
pub(crate) fn client_config(besides: Vec<CertificateDer<'static>>) -> ClientConfig {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
    if roots.is_empty() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    roots.add_parsable_certificates(besides);
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("ring has the default protocol versions")
        .with_root_certificates(roots)
        .with_no_client_auth()
}

/// The certificates in a PEM file, at least one, each fit to be a root; or what is wrong with the file.
pub(crate) fn read_roots(path: &Path) -> Result<Vec<CertificateDer<'static>>, String> {
    let shown = path.display();
    let bytes = crate::http::tls::read_pem(path)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|_| format!("{shown} is no whole PEM file"))?;
    let (good, bad) = RootCertStore::empty().add_parsable_certificates(certificates.iter().cloned());
    if good == 0 || bad > 0 {
        return Err(format!("{shown} holds {good} certificates and {bad} that cannot be read"));
    }
    Ok(certificates)
}

//! A certificate and its key, read and checked.

mod validity;

use std::fmt;
use std::path::Path;
use std::sync::Arc;

use forebay_relay::net::pem;
use jiff::Timestamp;
use rustls::client::verify_server_name;
use rustls::crypto::ring;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::server::ParsedCertificate;
use rustls::sign::CertifiedKey;
use rustls::{Error as TlsError, InconsistentKeys};

pub(crate) use self::validity::Validity;

/// A certificate with its key, which fit each other, and those that vouch for it.
pub(crate) struct Certificate {
    keys: Arc<CertifiedKey>,
    validity: Validity,
}

/// Why a certificate and a key cannot be used: which of them it is, and what is wrong with it. It
/// holds nothing of the key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Error {
    /// It is the certificate.
    #[error("certificate: {0}")]
    Certificate(String),
    /// It is the key.
    #[error("key: {0}")]
    Key(String),
}

impl Certificate {
    /// Reads the PEM files of a certificate (with those that vouch for it behind it) and of its
    /// key.
    pub(crate) fn load(certificate: &Path, key: &Path) -> Result<Self, Error> {
        let chain = pem::read(certificate).map_err(Error::Certificate)?;
        let key = pem::read(key).map_err(Error::Key)?;
        Self::from_pem(&chain, &key)
    }

    /// Reads the texts of such files.
    pub(crate) fn from_pem(chain: &[u8], key: &[u8]) -> Result<Self, Error> {
        let chain: Vec<_> = CertificateDer::pem_slice_iter(chain)
            .collect::<Result<_, _>>()
            .map_err(|_| Error::Certificate("is no whole PEM file".into()))?;
        // The certificate itself comes first and its issuers behind it (RFC 8446, 4.4.2).
        let first =
            chain.first().ok_or_else(|| Error::Certificate("holds no \"BEGIN CERTIFICATE\"".into()))?;
        let validity = Validity::of(first).ok_or_else(|| Error::Certificate("is damaged".into()))?;
        // What the reader of keys says could repeat some of one.
        let key = PrivateKeyDer::from_pem_slice(key).map_err(|_| {
            Error::Key("holds no \"BEGIN PRIVATE KEY\"; one that is encrypted has to be decrypted".into())
        })?;
        let keys =
            // It compares the key with the certificate: a wrong
            // pair would show only at the first handshake.
            CertifiedKey::from_der(chain, key, &ring::default_provider()).map_err(|error| match error {
                TlsError::InconsistentKeys(InconsistentKeys::KeyMismatch) => {
                    Error::Key("does not fit the certificate, which has to be the first in its file".into())
                }
                TlsError::InvalidCertificate(error) => {
                    Error::Certificate(format!("cannot be used: {error:?}"))
                }
                _ => Error::Key(
                    "cannot be used; RSA from 2048 bits, ECDSA with P-256 or P-384, and Ed25519 can".into(),
                ),
            })?;
        Ok(Self { keys: Arc::new(keys), validity })
    }

    /// What a handshake needs.
    pub(crate) fn keys(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.keys)
    }

    /// When it is valid.
    pub(crate) fn validity(&self) -> Validity {
        self.validity
    }

    /// What is doubtful about it at this time.
    pub(crate) fn warning(&self, now: Timestamp) -> Option<String> {
        let Validity { from, until } = self.validity;
        if now > until {
            return Some(format!("the certificate expired at {until}: players refuse it"));
        }
        (now < from).then(|| format!("the certificate is not valid before {from}: players refuse it"))
    }

    /// Tells whether it is one for this name.
    pub(crate) fn covers(&self, name: &str) -> bool {
        let Ok(name) = ServerName::try_from(name) else { return false };
        let Ok(certificate) = self.keys.end_entity_cert() else { return false };
        ParsedCertificate::try_from(certificate)
            .is_ok_and(|certificate| verify_server_name(&certificate, &name).is_ok())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("validity", &self.validity).finish_non_exhaustive()
    }
}

//! `[server.tls]`: how viewers reach Forebay over HTTPS.

use std::net::SocketAddr;
use std::path::PathBuf;

use jiff::Timestamp;
use url::Url;

use crate::certificate::Certificate;

/// `[server.tls]`. A change of anything but the paths of certificate and key needs a restart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// Address and port to listen on for HTTPS, besides [`Server::listen`](super::Server::listen);
    /// port 0 picks a free one.
    pub listen: SocketAddr,
    /// Where the certificate comes from.
    pub identity: Identity,
}

/// Where a certificate and its key come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// Somebody else puts them here. Both could be read, and fit each other, when the configuration
    /// was checked.
    Files {
        /// The certificate and those that vouch for it, in PEM.
        certificate: PathBuf,
        /// Its private key, in PEM.
        key: PathBuf,
    },
    /// Forebay gets them from an authority.
    Acme(Acme),
}

/// An authority that signs certificates by ACME (RFC 8555), and what it is to sign.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Acme {
    /// The names in the certificate, 1 to 100: in lower case, each once, none with a wildcard.
    pub domains: Vec<String>,
    /// An address such as `mailto:admin@tv.example`, for the authority.
    pub contact: Option<String>,
    /// The https address of the authority's directory.
    pub directory: Url,
    /// A PEM file of roots to trust besides the usual ones, for an authority that is private.
    pub root: Option<PathBuf>,
    /// The folder for the account and the certificate.
    pub cache: PathBuf,
}

impl Tls {
    /// Tells whether a running server gets from one section to the other.
    pub(crate) fn is_reloadable(from: Option<&Self>, to: Option<&Self>) -> bool {
        let are_files = |tls: &Self| matches!(tls.identity, Identity::Files { .. });
        match (from, to) {
            (Some(from), Some(to)) if are_files(from) && are_files(to) => from.listen == to.listen,
            _ => from == to,
        }
    }

    /// The names that it asks an authority for; of a certificate that somebody else made, none is
    /// known.
    pub(crate) fn names(&self) -> impl Iterator<Item = &str> {
        let domains = match &self.identity {
            Identity::Acme(acme) => &acme.domains[..],
            Identity::Files { .. } => &[],
        };
        domains.iter().map(String::as_str)
    }

    /// What is doubtful about the certificate now.
    pub(super) fn warning(&self) -> Option<String> {
        let Identity::Files { certificate, key } = &self.identity else { return None };
        // It was good when the configuration was checked; if it is not any more, whoever loads it
        // says so.
        let certificate = Certificate::load(certificate, key).ok()?;
        Some(format!("server.tls: {}", certificate.warning(Timestamp::now())?))
    }
}

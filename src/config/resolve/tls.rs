//! `[server.tls]`.

use std::net::SocketAddr;

use toml::Spanned;

use super::super::file::{Table, TlsFile};
use super::super::{Identity, Tls};
use super::Resolver;
use super::server::parse_listen;
use crate::http::tls::{Certificate, CertificateError};

/// Where HTTPS is served unless said otherwise: the usual port of it for those who may not use 443.
const LISTEN: ([u8; 4], u16) = ([0, 0, 0, 0], 8443);

impl Resolver<'_> {
    /// `[server.tls]`, where it is there and good.
    pub(super) fn tls(&mut self, typed: Option<Spanned<Table<TlsFile>>>) -> Option<Tls> {
        let typed = typed?;
        let header = typed.span();
        let TlsFile { listen, certificate, key } = typed.into_inner().0;
        let listen = match listen {
            Some(_) => self.checked("listen", listen.as_ref(), |text| parse_listen(text))?,
            None => SocketAddr::from(LISTEN),
        };
        let identity = match (certificate, key) {
            (Some(certificate), Some(key)) => self.files(&certificate, &key)?,
            (Some(certificate), None) => {
                self.fault(&certificate.span(), "certificate: its key is missing; add key = \"….pem\"");
                return None;
            }
            (None, Some(key)) => {
                self.fault(&key.span(), "key: its certificate is missing; add certificate = \"….pem\"");
                return None;
            }
            (None, None) => {
                self.fault(&header, "tls: needs certificate and key");
                return None;
            }
        };
        Some(Tls { listen, identity })
    }

    fn files(&mut self, certificate: &Spanned<String>, key: &Spanned<String>) -> Option<Identity> {
        let paths = [certificate, key].map(|typed| self.folder.join(typed.get_ref()));
        if let Err(error) = Certificate::load(&paths[0], &paths[1]) {
            let typed = match error {
                CertificateError::Certificate(_) => certificate,
                CertificateError::Key(_) => key,
            };
            self.fault(&typed.span(), error.to_string());
            return None;
        }
        let [certificate, key] = paths;
        Some(Identity::Files { certificate, key })
    }
}

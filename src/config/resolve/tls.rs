//! `[server.tls]`.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use url::{Host, Url};

use super::super::file::{AcmeFile, Table, Text, TlsFile};
use super::super::{Acme, Identity, Tls};
use super::server::parse_listen;
use super::{Resolver, parse_http};
use crate::http::tls::{Certificate, CertificateError};

/// Where HTTPS is served unless said otherwise: the usual port of it for those who may not use 443.
const LISTEN: ([u8; 4], u16) = ([0, 0, 0, 0], 8443);

/// Let's Encrypt.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Names in one certificate: what Let's Encrypt allows.
const MAX_DOMAINS: usize = 100;

/// Where the account and the certificate are kept, unless said otherwise.
const CACHE: &str = "acme";

impl Resolver<'_> {
    /// `[server.tls]`, where it is there and good.
    pub(super) fn tls(&mut self, typed: Option<Spanned<Table<TlsFile>>>) -> Option<Tls> {
        let typed = typed?;
        let header = typed.span();
        let TlsFile { listen, certificate, key, acme } = typed.into_inner().0;
        let listen = match listen {
            Some(_) => self.checked("listen", listen.as_ref(), |text| parse_listen(text))?,
            None => SocketAddr::from(LISTEN),
        };
        let identity = match (certificate, key, acme) {
            (None, None, Some(acme)) => Identity::Acme(self.acme(acme)?),
            (Some(certificate), Some(key), None) => self.files(&certificate, &key)?,
            (Some(certificate), None, None) => {
                self.fault(&certificate.span(), "certificate: its key is missing; add key = \"….pem\"");
                return None;
            }
            (None, Some(key), None) => {
                self.fault(&key.span(), "key: its certificate is missing; add certificate = \"….pem\"");
                return None;
            }
            (None, None, None) => {
                self.fault(&header, "tls: needs certificate and key, or acme");
                return None;
            }
            (_, _, Some(acme)) => {
                self.fault(&acme.span(), "acme: stands beside certificate or key; only one of both can be");
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

    fn acme(&mut self, typed: Spanned<Table<AcmeFile>>) -> Option<Acme> {
        let header = typed.span();
        let AcmeFile { domains, contact, directory, root, cache, terms_agreed } = typed.into_inner().0;
        let before = self.faults.count();
        let domains = self.domains(domains, &header);
        let contact = self.checked("contact", contact.as_ref(), |text| parse_contact(text));
        let directory = match directory {
            Some(_) => self.checked("directory", directory.as_ref(), |text| parse_directory(text)),
            None => Url::parse(DIRECTORY).ok(),
        };
        let folder = self.folder;
        let root = self.checked("root", root.as_ref(), |text| parse_root(&folder.join(text)));
        let cache = self.cache(&cache).unwrap_or_else(|| folder.join(CACHE));
        if !terms_agreed.as_ref().is_some_and(|typed| *typed.get_ref()) {
            let place = terms_agreed.map_or(header, |typed| typed.span());
            self.fault(&place, "terms_agreed: must be true; read the authority's terms of service first");
        }
        if self.faults.count() > before {
            return None;
        }
        Some(Acme { domains, contact, directory: directory?, root, cache })
    }

    fn domains(
        &mut self,
        typed: Option<Spanned<Vec<Spanned<String>>>>,
        header: &Range<usize>,
    ) -> Vec<String> {
        let place = typed.as_ref().map_or_else(|| header.clone(), Spanned::span);
        let typed = typed.map(Spanned::into_inner).unwrap_or_default();
        if typed.is_empty() {
            self.fault(&place, "domains: needs the names under which viewers reach it, as [\"tv.example\"]");
        }
        if typed.len() > MAX_DOMAINS {
            self.fault(&place, format!("domains: more than {MAX_DOMAINS}"));
        }
        let mut names: Vec<String> = Vec::with_capacity(typed.len());
        for typed in &typed {
            let name = self.checked("domains", Some(typed), |text| {
                let name = parse_domain(text)?;
                if names.contains(&name) {
                    return Err(format!("\"{name}\" stands here a second time"));
                }
                Ok(name)
            });
            names.extend(name);
        }
        names
    }

    fn cache(&mut self, typed: &Text) -> Option<PathBuf> {
        let folder = self.folder;
        self.checked("cache", typed.as_ref(), |text| {
            let path = folder.join(text);
            if path.exists() && !path.is_dir() {
                return Err(format!("\"{text}\" is no folder"));
            }
            Ok(path)
        })
    }
}

/// A name that HTTP-01 can prove: neither an address nor a pattern.
fn parse_domain(text: &str) -> Result<String, String> {
    if text.starts_with("*.") {
        return Err(format!(
            "\"{text}\": an authority signs a wildcard by DNS only; list the names themselves"
        ));
    }
    match Host::parse(text) {
        Ok(Host::Domain(name)) if !name.ends_with('.') => Ok(name),
        _ => Err(format!("\"{text}\" is not a name such as \"tv.example\"")),
    }
}

fn parse_contact(text: &str) -> Result<String, &'static str> {
    let is_plain = |text: &str| !text.is_empty() && !text.contains([' ', '?', ',', '@']) && text.is_ascii();
    let address = text.strip_prefix("mailto:").and_then(|address| address.split_once('@'));
    match address {
        Some((user, host)) if is_plain(user) && is_plain(host) => Ok(text.to_owned()),
        _ => Err("not one mail address such as \"mailto:admin@tv.example\""),
    }
}

fn parse_directory(text: &str) -> Result<Url, String> {
    match parse_http(text) {
        Ok(url) if url.scheme() == "https" => Ok(url),
        Ok(_) | Err(_) => Err("not an address that begins with https://".into()),
    }
}

fn parse_root(path: &Path) -> Result<PathBuf, String> {
    crate::trust::read_roots(path).map(|_| path.to_owned())
}

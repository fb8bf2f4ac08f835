//! `[server.tls]`.

use std::collections::HashSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use forebay_relay::model::{Checker, parse_http};
use url::{Host, Url};

use super::super::file::{AcmeFile, TlsFile};
use super::super::{Acme, Identity, Tls};
use super::parse_listen;
use crate::certificate::{Certificate, Error as CertificateError};

/// Where HTTPS is served unless said otherwise: the usual port of it for those who may not use 443.
const LISTEN: ([u8; 4], u16) = ([0, 0, 0, 0], 8443);

/// Let's Encrypt.
const DIRECTORY: &str = "https://acme-v02.api.letsencrypt.org/directory";

/// Names in one certificate: what Let's Encrypt allows.
const MAX_DOMAINS: usize = 100;

/// Where the account and the certificate are kept, unless said otherwise.
const CACHE: &str = "acme";

/// `[server.tls]`, where it is good.
pub(super) fn tls(checker: &mut Checker, typed: &TlsFile, folder: &Path) -> Option<Tls> {
    let listen = match &typed.listen {
        Some(text) => checker.field("listen", Some(text), |text| parse_listen(text))?,
        None => SocketAddr::from(LISTEN),
    };
    let mut fault = |key: &'static str, message| {
        checker.fault(key, message);
        None
    };
    let identity = match (&typed.certificate, &typed.key, &typed.acme) {
        (None, None, Some(typed)) => {
            Identity::Acme(checker.within("acme", |checker| acme(checker, typed, folder))?)
        }
        (Some(certificate), Some(key), None) => files([certificate, key].map(|path| folder.join(path)))
            .map_err(|(key, error)| fault(key, error))
            .ok()?,
        (Some(_), None, None) => {
            return fault("certificate", "certificate: its key is missing; add key = \"….pem\"".into());
        }
        (None, Some(_), None) => {
            return fault("key", "key: its certificate is missing; add certificate = \"….pem\"".into());
        }
        (None, None, None) => {
            checker.fault_here("tls: needs certificate and key, or acme");
            return None;
        }
        (_, _, Some(_)) => {
            return fault("acme", "acme: stands beside certificate or key; only one of both can be".into());
        }
    };
    Some(Tls { listen, identity })
}

/// Both files, if they can be read and fit each other; else which of them is wrong, and how.
fn files([certificate, key]: [PathBuf; 2]) -> Result<Identity, (&'static str, String)> {
    match Certificate::load(&certificate, &key) {
        Ok(_) => Ok(Identity::Files { certificate, key }),
        Err(error @ CertificateError::Certificate(_)) => Err(("certificate", error.to_string())),
        Err(error @ CertificateError::Key(_)) => Err(("key", error.to_string())),
    }
}

fn acme(checker: &mut Checker, typed: &AcmeFile, folder: &Path) -> Option<Acme> {
    let before = checker.count();
    let domains = domains(checker, typed.domains.as_deref().unwrap_or_default());
    let contact = checker.field("contact", typed.contact.as_ref(), |text| parse_contact(text));
    let directory = match &typed.directory {
        Some(text) => checker.field("directory", Some(text), |text| parse_directory(text)),
        None => Url::parse(DIRECTORY).ok(),
    };
    let root = checker.field("root", typed.root.as_ref(), |text| parse_root(&folder.join(text)));
    let cache = checker.field("cache", typed.cache.as_ref(), |text| parse_cache(text, folder));
    if typed.terms_agreed != Some(true) {
        checker
            .fault("terms_agreed", "terms_agreed: must be true; read the authority's terms of service first");
    }
    if checker.count() > before {
        return None;
    }
    let cache = cache.unwrap_or_else(|| folder.join(CACHE));
    Some(Acme { domains, contact, directory: directory?, root, cache })
}

fn domains(checker: &mut Checker, typed: &[String]) -> Vec<String> {
    if typed.is_empty() {
        checker
            .fault("domains", "domains: needs the names under which viewers reach it, as [\"tv.example\"]");
    }
    if typed.len() > MAX_DOMAINS {
        checker.fault("domains", format!("domains: more than {MAX_DOMAINS}"));
    }
    let mut seen = HashSet::new();
    checker.list("domains", typed, |text| {
        let name = parse_domain(text)?;
        if !seen.insert(name.clone()) {
            return Err(format!("\"{name}\" stands here a second time"));
        }
        Ok(name)
    })
}

fn parse_cache(text: &str, folder: &Path) -> Result<PathBuf, String> {
    let path = folder.join(text);
    if path.exists() && !path.is_dir() {
        return Err(format!("\"{text}\" is no folder"));
    }
    Ok(path)
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

pub(super) fn parse_root(path: &Path) -> Result<PathBuf, String> {
    forebay_relay::net::trust::read_roots(path).map(|_| path.to_owned())
}

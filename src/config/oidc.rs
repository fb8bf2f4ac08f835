//! Signing in by a provider of identities.

use std::path::PathBuf;

use url::{Host, Url};

/// `[oidc]`: who vouches for people (OpenID Connect), and what they may be here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Oidc {
    /// The issuer, letter by letter as the provider writes it.
    pub issuer: String,
    /// The name by which the provider knows this server.
    pub client_id: String,
    /// A file with what this server shows besides; a public client has none.
    pub client_secret_file: Option<PathBuf>,
    /// What people call the provider.
    pub name: String,
    /// What the provider is asked for; `openid` is one of them.
    pub scopes: Vec<String>,
    /// A PEM file with roots to trust when the provider is asked, besides the system's.
    pub root: Option<PathBuf>,
    /// The claim that is the name of the user.
    pub name_claim: String,
    /// The claim that says what the user may be: a text or a list of texts.
    pub role_claim: String,
    /// Values of that claim that make an admin; `*` is everybody, here and below.
    pub admins: Vec<String>,
    /// Those that make an operator.
    pub operators: Vec<String>,
    /// Those that make a viewer.
    pub viewers: Vec<String>,
    /// Whether whoever has the name of a user at the provider is that user.
    pub link_by_name: bool,
}

/// An issuer is an https address without query and fragment (OpenID Connect Discovery 1.0, 3); on
/// this machine it may be http.
pub(super) fn parse_issuer(text: &str) -> Result<String, String> {
    let wrong = || Err("not an address that begins with https://".to_owned());
    let Ok(url) = Url::parse(text) else { return wrong() };
    if !is_secure(&url) {
        return wrong();
    }
    if url.query().is_some() || url.fragment().is_some() || !url.username().is_empty() {
        return Err("an issuer has neither a query nor a user".into());
    }
    Ok(text.to_owned())
}

/// Whether nobody on the way can read or change what is said to `url`.
pub fn is_secure(url: &Url) -> bool {
    let is_here = match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    url.scheme() == "https" || url.scheme() == "http" && is_here
}

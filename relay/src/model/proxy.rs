//! Proxies on the way to a source. Their addresses are secrets as far as they hold a user and a
//! password.

use std::fmt;
use std::str::FromStr;

use url::Url;

/// Whether, and through which proxy, a source is reached.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash)]
pub enum ProxyChoice {
    /// The one in `http_proxy` or `https_proxy`, unless `no_proxy` names the host.
    #[default]
    Environment,
    /// None, whatever the environment says.
    None,
    /// This one.
    Proxy(Proxy),
}

/// The address of a proxy, checked. Printed, it shows neither user nor password.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Proxy {
    url: Url,
    kind: ProxyKind,
}

/// The ways in which a proxy is asked. In each, the proxy looks up the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyKind {
    /// HTTP: whole requests for http, and tunnels for https (`CONNECT`).
    Http,
    /// SOCKS5 (RFC 1928).
    Socks5,
}

/// Why a text names no proxy. No variant repeats the text, for it may hold a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ProxyError {
    /// A scheme that is none of a proxy.
    #[error("must begin with http:// or socks5h://, or be \"none\"")]
    Scheme,
    /// The rest after the scheme makes no address.
    #[error("not a valid address: {0}")]
    Invalid(#[from] url::ParseError),
    /// Something follows the host and the port.
    #[error("nothing may follow the host and the port")]
    Rest,
}

impl Proxy {
    /// The whole address, secrets included. Not for logs, answers or errors.
    pub fn expose(&self) -> &Url {
        &self.url
    }

    /// How it is asked.
    pub fn kind(&self) -> ProxyKind {
        self.kind
    }

    /// Its port; where none is given, that of its kind.
    pub fn port(&self) -> u16 {
        match self.kind {
            ProxyKind::Http => self.url.port().unwrap_or(80),
            ProxyKind::Socks5 => self.url.port().unwrap_or(1080),
        }
    }
}

impl FromStr for ProxyChoice {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if text.trim() == "none" { Ok(Self::None) } else { text.parse().map(Self::Proxy) }
    }
}

impl FromStr for Proxy {
    type Err = ProxyError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let text = text.trim();
        // Without a scheme `host:port` would be read as a scheme and its rest.
        let (scheme, rest) = text.split_once("://").ok_or(ProxyError::Scheme)?;
        let kind = match &*scheme.to_ascii_lowercase() {
            "http" => ProxyKind::Http,
            // With either, names stay unknown here: that is why most people use one.
            "socks5" | "socks5h" => ProxyKind::Socks5,
            _ => return Err(ProxyError::Scheme),
        };
        // By a scheme whose hosts are read as those of http are. Its own default port would be left
        // out of the address, so for SOCKS5 it is a scheme whose default no proxy has.
        let scheme = if kind == ProxyKind::Http { "http" } else { "ftp" };
        let url = Url::parse(&format!("{scheme}://{rest}"))?;
        if !matches!(url.path(), "" | "/") || url.query().is_some() || url.fragment().is_some() {
            return Err(ProxyError::Rest);
        }
        Ok(Self { url, kind })
    }
}

impl fmt::Display for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.kind {
            ProxyKind::Http => "http",
            ProxyKind::Socks5 => "socks5h",
        };
        write!(f, "{scheme}://{}:{}", self.url.host_str().unwrap_or_default(), self.port())
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Proxy({self})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn proxies_are_read_and_shown_without_secrets() {
        for (text, shown) in [
            ("http://proxy.test:3128", "http://proxy.test:3128"),
            (" HTTP://joe:hunter2@proxy.test/ ", "http://proxy.test:80"),
            ("socks5h://joe:hunter2@127.0.0.1:9050", "socks5h://127.0.0.1:9050"),
            ("socks5://[::1]", "socks5h://[::1]:1080"),
        ] {
            let proxy: Proxy = text.parse().unwrap();
            assert_eq!((proxy.to_string(), format!("{proxy:?}")), (shown.into(), format!("Proxy({shown})")));
        }
        assert_eq!("none".parse(), Ok(ProxyChoice::None));
    }

    #[test]
    fn what_is_no_proxy_is_refused_without_repeating_it() {
        for (text, message) in [
            ("", "must begin with http:// or socks5h://, or be \"none\""),
            ("proxy.test:3128", "must begin with http:// or socks5h://, or be \"none\""),
            ("https://joe:hunter2@h", "must begin with http:// or socks5h://, or be \"none\""),
            ("socks4://h", "must begin with http:// or socks5h://, or be \"none\""),
            ("http://joe:hunter2@", "not a valid address: empty host"),
            ("http://h/hunter2", "nothing may follow the host and the port"),
        ] {
            assert_eq!(text.parse::<ProxyChoice>().unwrap_err().to_string(), message, "{text}");
        }
    }
}
